"""Classification runs: what they leave, what they go on from, frozen features, the report."""

import json

import pytest
import torch
from training.classify_case import Quiet, config, few_images

from hyperdml.errors import ConfigError, DataError
from hyperdml.metrics.taxonomic.report import classification_report
from hyperdml.models.classifier import Classifier
from hyperdml.training.classify.evaluate import level_names
from hyperdml.training.classify.parts import Parts
from hyperdml.training.classify.report import (
    class_comparison,
    class_rates,
    class_setting,
    class_steps,
    class_table,
)
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.classify.run import execute_classification
from hyperdml.training.folder import create_run, read_run
from hyperdml.training.records import Row

FROZEN = {"freeze_backbone": True, "epochs": 3}


@pytest.fixture(autouse=True)
def splits(monkeypatch):
    images = few_images()
    monkeypatch.setattr("hyperdml.training.classify.run.load_classification", lambda data: images)
    return images


def run(folder, cache, **changes):
    settings, progress = config(**changes), Quiet()
    if not folder.exists():
        create_run(settings, folder)
    return execute_classification(settings, folder, progress, cache), progress


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_seconds(result):
    return [(row.title, row.figures) for row in result.rows]


def test_a_run_leaves_figures_models_and_a_log(tmp_path, splits):
    folder = tmp_path / "run"
    result, progress = run(folder, tmp_path / "cache", evaluation={"every": 1})
    assert [row.title for row in result.rows] == ["cross-entropy", "HACE 0.5"]
    assert (result.images, result.leaves, result.nodes, result.part) == (40, 120, 137, "test")
    assert progress.titles == [("cross-entropy", 6), ("HACE 0.5", 6)]
    steps = [(entry["arm"], entry["step"]) for entry in records(folder) if "loss" in entry]
    assert steps == [(arm, step) for arm in ("cross-entropy", "HACE 0.5") for step in range(1, 7)]
    logged = [entry["test"] for entry in records(folder) if "test" in entry]
    assert len(logged) == 4
    assert logged[-1] == result.rows[-1].figures  # after the last epoch: nothing is chosen on the test images
    for place, row in ((folder, result.rows[1]), (folder / "controls" / "cross_entropy", result.rows[0])):
        model = Classifier.from_pretrained(place / "model")
        assert model.taxonomy == splits.taxonomy
        logits = Parts(config(), splits, tmp_path, Quiet()).logits(model)
        names = level_names("emoji", model.taxonomy)
        assert names == ("group", "subgroup", "emoji")
        labels = torch.from_numpy(splits.test.labels)
        assert classification_report(logits, labels, model.taxonomy, level_names=names).figures() == row.figures
    assert not list(folder.rglob("checkpoints"))
    assert read_run(folder) == config(evaluation={"every": 1})


def test_a_finished_run_is_only_reported_and_an_unfinished_one_goes_on(tmp_path):
    folder, cache = tmp_path / "run", tmp_path / "cache"
    first, _ = run(folder, cache, optim=FROZEN)
    log = (folder / "metrics.jsonl").read_bytes()
    again, progress = run(folder, cache, optim=FROZEN)
    assert again == first
    assert progress.messages == [f"{folder} is finished"]
    (folder / "results.json").unlink()
    (folder / "arm.json").unlink()
    redone, progress = run(folder, cache, optim=FROZEN)
    assert [title for title, _ in progress.titles] == ["features of the frozen backbone", "HACE 0.5"]
    assert without_seconds(redone) == without_seconds(first)
    assert (folder / "metrics.jsonl").read_bytes() == log
    with pytest.raises(ConfigError, match=r"the configuration changed since .*: loss.dilution"):
        run(folder, cache, optim=FROZEN, loss={"dilution": 0.3})


def test_damaged_results_are_named(tmp_path):
    folder = tmp_path / "run"
    create_run(config(), folder)
    (folder / "results.json").write_text('{"rows": 3}')
    with pytest.raises(DataError, match=r"cannot read .*results\.json"):
        run(folder, tmp_path / "cache")


def test_features_of_a_frozen_backbone_are_computed_once_for_all_losses(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    _, progress = run(tmp_path / "one", cache, optim=FROZEN)
    assert f"features are kept in {cache}" in progress.messages
    kept = sorted(cache.iterdir())
    assert len(kept) == 2

    def never(*arguments, **options):
        raise AssertionError("the backbone was run again")

    monkeypatch.setattr("hyperdml.data.image_batches.ImageBatches.epoch", never)
    hxe = {"name": "hxe", "alpha": 0.1, "dilution": None}
    result, _ = run(tmp_path / "two", cache, optim=FROZEN, loss=hxe)
    assert [row.title for row in result.rows] == ["cross-entropy", "HXE 0.1"]
    assert sorted(cache.iterdir()) == kept


def test_the_saved_model_of_a_probe_is_the_backbone_under_the_trained_layer(tmp_path, splits):
    folder = tmp_path / "run"
    result, _ = run(folder, tmp_path / "cache", optim=FROZEN)
    model = Classifier.from_pretrained(folder / "model")
    logits = Parts(config(), splits, tmp_path, Quiet()).logits(model)  # through images
    top = float((logits[:, :120].argmax(1) == torch.from_numpy(splits.test.labels)).float().mean())
    assert top == pytest.approx(result.rows[-1].figures["top1"])


def test_equal_runs_are_equal_and_other_seeds_are_not(tmp_path):
    results = [
        without_seconds(run(tmp_path / name, tmp_path / "cache", seed=seed)[0])
        for name, seed in zip("abc", (0, 0, 1), strict=True)
    ]
    assert results[0] == results[1] != results[2]


def test_settings_that_a_loss_refuses_are_met_before_the_backbone_is_made(tmp_path):
    with pytest.raises(ConfigError, match="horizontal='lca' needs beta"):
        run(tmp_path / "run", tmp_path / "cache", loss={"horizontal": "lca"}, model={"backbone": "nothing"})
    with pytest.raises(ConfigError, match="timm has no model 'nothing'"):
        run(tmp_path / "other", tmp_path / "cache", model={"backbone": "nothing"})


FIGURES = {
    "top1": 0.5,
    "top5": 0.75,
    "accuracy/group": 0.9,
    "accuracy/emoji": 0.5,
    "hF1": 0.7,
    "mistake_severity": 1.5,
    "hierarchical_distance@1": 0.75,
    "nll": 2.0,
}


def test_tables_show_shares_in_per_cent_and_distances_as_they_are():
    rows = [
        Row("cross-entropy", FIGURES, 1.0),
        Row("HACE 0.5", {**FIGURES, "top1": 0.525, "mistake_severity": 1.25}, 1.0),
    ]
    header, cells = class_table(rows, "test")
    assert header == ["test, %", "top-1", "top-5", "group", "hF1", "severity", "distance@1"]
    assert cells[1] == ["HACE 0.5", "52.5", "75.0", "90.0", "70.0", "1.250", "0.750"]
    text = class_comparison(rows)
    assert "against cross-entropy top-1 +2.5, hF1 +0.0, severity -0.250, distance@1 +0.000" in text
    assert class_comparison(rows[1:]) == ""


def test_the_setting_says_what_was_evaluated(tmp_path):
    rows = (Row("HACE 0.5", FIGURES, 1.0),)
    text = class_setting(config(optim=FROZEN), ClassifyResult(rows, 40, 120, 137, "test"))
    assert "40 test images of emoji (held out: the first drawing family), 120 classes in a taxonomy of 137" in text
    assert "features of the frozen test_efficientnet" in text
    commands = [command for command, _ in class_steps(tmp_path, config(optim=FROZEN))]
    assert f"hyperdml probe {tmp_path / 'config.yaml'} seed=1" in commands
    assert class_rates(config(optim=FROZEN)) == ""


def test_what_is_held_out_and_which_rates_are_paired(tmp_path):
    rows = tuple(Row(title, FIGURES, 1.0) for title in ("cross-entropy", "HACE 0.75"))
    tuned = config(
        data={"held_out": "twemoji", "evaluate_on": "validation"},
        loss={"dilution": 0.75},
        optim={"lr": 0.08, "lr_pairing": "hace"},
    )
    text = class_setting(tuned, ClassifyResult(rows, 40, 120, 137, "validation"))
    assert "40 validation images of emoji (held out: twemoji)" in text
    assert "paired by optim.lr_pairing=hace: cross-entropy 0.02, HACE 0.75 0.08." in class_rates(tuned)
    steps = class_steps(tmp_path, tuned)
    assert [why for _, why in steps] == ["another seed"]
    assert len(class_steps(tmp_path, config())) == 3
