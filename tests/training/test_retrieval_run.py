"""Whole retrieval runs on made-up releases: workers, validations, best epochs, snapshots, options of the engine."""

import json
import math
import os
import signal
from dataclasses import replace

import pytest
import torch
from training.classify_case import Quiet

from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.data.miniatures import make_cub, make_in_shop
from hyperdml.errors import ConfigError, DataError, Interrupted
from hyperdml.models import EmbeddingModel
from hyperdml.training.environment import reading_processes
from hyperdml.training.folder import create_run
from hyperdml.training.retrieval.create_learner import create_learner
from hyperdml.training.retrieval.report import table
from hyperdml.training.retrieval.run import execute
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.retrieval.train import train
from hyperdml.training.settings import config_from_dict

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cub(tmp_path_factory):
    return make_cub(tmp_path_factory.mktemp("cub"))


def config(root, **changes):
    values = {
        "checkpoint_every": 1000,
        "workers": 0,
        "data": {"name": "cub", "root": str(root), "complete": False, "image_size": 32},
        "crop": {"kind": "resized", "scale": [0.2, 1.0]},
        "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 16}},
        "batch": {"size": 8},
        "hier": {"mode": "official", "num_proxies": 8, "k": 4, "per_anchor": 5},
        "optim": {"epochs": 2, "lr": 1e-3, "class_proxy_lr_mult": 100.0},
        "evaluation": {"ks": [1, 2], "controls": [], "draws": 2},
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return config_from_dict(values, "test")


def state(learner):
    return {name: value.clone() for name, value in learner.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def finished(settings, folder):
    create_run(settings, folder)
    return execute(settings, folder, Quiet(), folder.parent / "features")


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_resumed_in_the_middle_of_an_epoch_with_any_number_of_workers(cub, tmp_path, workers):
    """An epoch of 24 images has 3 steps; the run is cut after 4."""
    settings = config(cub, workers=workers)
    part = load_splits(settings.data).train
    whole = train(config(cub), part, tmp_path / "whole")

    def interrupt(step, figures):
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        train(settings, part, tmp_path / "cut", monitor=interrupt)
    starts = []
    resumed = train(settings, part, tmp_path / "cut", on_start=starts.append)
    assert starts == [4]
    assert same(state(whole.learner), state(resumed.learner))


def test_images_are_read_by_as_many_processes_as_there_are_processors(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(32))
    assert [reading_processes(asked) for asked in (None, 0, 20)] == [8, 0, 20]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert reading_processes(None) == 4


def test_last_and_best_epoch_are_told_apart(cub, tmp_path, monkeypatch):
    """Validation on the test classes says 0.9, 0.5, 0.4, ...: the first epoch is the best, its weights are scored."""
    import hyperdml.training.retrieval.train_arm as module

    seen, original = [], module.score_part

    def score(settings, points, part):
        seen.append(points)
        return {**original(settings, points, part), "R@1": 0.9 - 0.1 * len(seen)}

    monkeypatch.setattr(module, "score_part", score)
    settings = config(cub, optim={"epochs": 5}, evaluation={"on": "test", "every_epochs": 1, "patience": 2})
    result = finished(settings, tmp_path / "run")
    assert len(seen) == 3 + 2  # two without a better one after the first; then the last epoch and the best
    assert torch.equal(seen[0], seen[4])
    assert torch.equal(seen[2], seen[3])
    (best,) = result.best
    assert best.title == "Proxy Anchor + HIER (official) (best epoch 1 on test)"
    assert result.main_best == best
    titles = [line[0] for line in table(result)[1]]
    assert titles == ["untrained backbone", "Proxy Anchor + HIER (official) (last epoch)", best.title]
    for name in ("model", "best_model"):
        assert isinstance(EmbeddingModel.from_pretrained(tmp_path / "run" / name), EmbeddingModel)
    assert not (tmp_path / "run" / "best").exists()
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "test" in line] == [3, 6, 9]


def test_validation_holds_out_classes_or_is_refused(cub, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.validation=0\.15 takes them.*evaluation\.on=test"):
        finished(config(cub, evaluation={"every_epochs": 1}), tmp_path / "a")
    settings = config(cub, data={"validation": 0.25}, batch={"size": 6}, evaluation={"every_epochs": 1})
    finished(settings, tmp_path / "b")
    log = [json.loads(line) for line in (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "validation" in line] == [3, 6]


def test_the_figure_that_tells_the_best_is_known_before_training(cub, tmp_path):
    chosen = {"on": "test", "every_epochs": 1}
    with pytest.raises(ConfigError, match=r"evaluation\.select=R@3 is none of the figures: R@1, R@2, MAP@R"):
        finished(config(cub, evaluation={**chosen, "select": "R@3"}), tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def without_first_loss(monkeypatch):
    """The loss of the first step is not a number."""
    original = RetrievalTask.backward

    def backward(self, step, batch, scaler):
        parts = original(self, step, batch, scaler)
        return parts if step else {**parts, "loss": parts["loss"] * float("nan")}

    monkeypatch.setattr(RetrievalTask, "backward", backward)


def test_averaged_weights_do_not_count_a_step_that_was_left_out(cub, tmp_path, monkeypatch):
    import hyperdml.training.retrieval.train as module

    averages = []

    class Kept(module.WeightAverage):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            averages.append(self)

    monkeypatch.setattr(module, "WeightAverage", Kept)
    without_first_loss(monkeypatch)
    settings = config(cub, optim={"ema": 0.5})
    train(settings, load_splits(settings.data).train, tmp_path)
    assert averages[0].notes() == {"steps": 5}


def test_snapshots_keep_embeddings_and_proxies(cub, tmp_path):
    finished(config(cub, snapshot_epochs=[1, 2], optim={"ema": 0.5}), tmp_path / "run")
    first, last = (EmbeddingSet.load(tmp_path / "run" / "snapshots" / f"epoch-{epoch}") for epoch in (1, 2))
    end = EmbeddingSet.load(tmp_path / "run")
    assert torch.equal(last.points, end.points)  # both with averaged weights
    assert torch.equal(last.proxies, end.proxies)
    assert not torch.equal(first.points, last.points)


def test_queries_and_gallery_of_in_shop(tmp_path):
    root = make_in_shop(tmp_path / "in_shop")
    settings = config(root, data={"name": "in_shop"})
    finished(settings, tmp_path / "run")
    stored, test = EmbeddingSet.load(tmp_path / "run"), load_splits(settings.data).test
    assert stored.queries.tolist() == test.queries.tolist()
    assert stored.gallery.tolist() == test.gallery.tolist()


def test_start_from_takes_the_weights_of_a_run_and_nothing_else(cub, tmp_path):
    finished(config(cub), tmp_path / "run")
    stored = EmbeddingModel.from_pretrained(tmp_path / "run" / "model").state_dict()
    for source in (tmp_path / "run", tmp_path / "run" / "model"):
        learner = create_learner(config(cub, seed=1, start_from=str(source)), 4, CPU)
        assert same(stored, state(learner.model))
    fresh = create_learner(config(cub, seed=1), 4, CPU)
    assert torch.equal(fresh.metric_loss.proxies, learner.metric_loss.proxies)
    with pytest.raises(ConfigError, match=r"does not go with optim\.freeze_backbone"):
        create_learner(config(cub, start_from=str(tmp_path / "run"), optim={"freeze_backbone": True}), 4, CPU)
    with pytest.raises(ConfigError, match=r"another model than asked for: model\.head\.embedding_size$"):
        create_learner(config(cub, start_from=str(tmp_path / "run"), model={"head": {"embedding_size": 8}}), 4, CPU)
    with pytest.raises(DataError, match="start_from: no such folder"):
        create_learner(config(cub, start_from=str(tmp_path / "gone")), 4, CPU)


def test_pieces_of_a_batch_give_the_whole_gradient_and_need_fixed_batch_statistics(cub):
    gradients = []
    for piece in (None, 3):
        settings = config(cub, batch={"piece": piece}, model={"freeze_bn": "statistics"})
        task = RetrievalTask(settings, load_splits(settings.data).train, CPU)
        task.backward(0, task.batch(0), torch.amp.GradScaler("cpu", enabled=False))
        gradients.append([p.grad for p in task.module.parameters() if p.grad is not None])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)
    with pytest.raises(ConfigError, match=r"batch\.piece=3 would change the batch statistics.*model\.freeze_bn"):
        create_learner(config(cub, batch={"piece": 3}), 4, CPU)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_is_the_backbones_alone(cub, precision):
    settings = config(cub, optim={"precision": precision})
    task = RetrievalTask(settings, load_splits(settings.data).train, CPU)
    kinds = {}
    for name, module in (("backbone", task.module.model.backbone), ("head", task.module.model.head)):
        module.register_forward_hook(lambda m, i, out, name=name: kinds.update({name: out.dtype}))
    parts = task.backward(0, task.batch(0), torch.amp.GradScaler("cpu", enabled=False))
    assert kinds == {"backbone": getattr(torch, precision), "head": torch.float32}
    assert parts["loss"].dtype == torch.float32
    plain = RetrievalTask(config(cub), task.part, CPU)
    exact = plain.backward(0, plain.batch(0), torch.amp.GradScaler("cpu", enabled=False))
    assert parts["loss"].item() == pytest.approx(exact["loss"].item(), rel=0.05)


def test_compiling_keeps_the_names_of_the_state(cub, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(self))
    learner = create_learner(config(cub, optim={"compile": True}), 4, CPU)
    assert compiled == [learner.model.backbone]


def test_memory_layouts_give_the_same_loss(cub):
    losses = []
    for layout in (True, False):
        settings = config(cub, optim={"channels_last": layout})
        task = RetrievalTask(settings, load_splits(settings.data).train, CPU)
        batch = task.batch(0)
        assert batch["inputs"].is_contiguous(memory_format=torch.channels_last) is layout
        losses.append(task.backward(0, batch, torch.amp.GradScaler("cpu", enabled=False))["loss"].item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_hierarchical_triplets_get_a_new_class_tree_every_epoch(cub, tmp_path, monkeypatch):
    from hyperdml.integrations.baselines import HierarchicalTripletLoss

    sizes, original = [], HierarchicalTripletLoss.update_tree

    def update(self, points, labels):
        sizes.append(len(points))
        original(self, points, labels)

    monkeypatch.setattr(HierarchicalTripletLoss, "update_tree", update)
    settings = config(cub, metric_loss={"name": "HierarchicalTripletLoss"}, hier={"weight": 0.0})
    part = load_splits(settings.data).train
    train(replace(settings, optim=replace(settings.optim, epochs=3)), part, tmp_path)
    assert sizes == [24, 24, 24]


def test_a_first_step_that_is_left_out_takes_its_class_tree_with_it(cub, tmp_path, monkeypatch):
    without_first_loss(monkeypatch)
    settings = config(cub, metric_loss={"name": "HierarchicalTripletLoss"}, hier={"weight": 0.0})
    losses = []
    train(
        settings,
        load_splits(settings.data).train,
        tmp_path,
        monitor=lambda done, figures: losses.append(figures["loss"]),
    )
    assert [math.isfinite(loss) for loss in losses] == [False] + 5 * [True]
