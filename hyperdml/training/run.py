"""A run: its folder, its arms (metric loss alone, metric loss + HIER) and what they leave behind.

RUN/
  config.yaml       the whole configuration
  env.json          versions, hardware and configuration at the start
  metrics.jsonl     one line per step, and per evaluation on the validation classes
  results.json      figures on the test classes, radius report
  report.md         the same in words, with the picture
  disk.png          Poincaré disk of the main arm
  model/            model.safetensors + config.json of the main arm
  embeddings.safetensors   test embeddings, labels, levels and proxies of the main arm
  control/          model/ and embeddings of the metric loss alone
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from hyperdml.data import ClassBatchSampler, ImageData, RetrievalSplits, load_splits
from hyperdml.errors import ConfigError, DataError
from hyperdml.files import remove_leftovers, write_atomic
from hyperdml.metrics import radius_report
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.training.config import TrainConfig
from hyperdml.training.embeddings import read_embeddings, write_embeddings
from hyperdml.training.environment import environment, resolve_device
from hyperdml.training.evaluate import score
from hyperdml.training.folder import append, forget_later_steps
from hyperdml.training.learner import create_learner
from hyperdml.training.loop import train
from hyperdml.training.result import Row, RunResult, load_result, save_result
from hyperdml.training.settings import config_to_dict, refuse_changes
from hyperdml.training.views import Progress, Views, start_model


def execute(config: TrainConfig, folder: Path, progress: Progress) -> RunResult:
    """Train all arms of a run that are not finished, and write everything but the report and the picture.

    Args:
        config: the run.
        folder: run folder, made by `create_run` or by an interrupted run.
        progress: told about everything.

    Returns:
        The figures, as also written to `results.json`.

    Raises:
        HyperdmlError: see `train` and `load_splits`; another process works in the folder.
    """
    try:
        with FileLock(folder / ".lock", timeout=0):
            remove_leftovers(folder)
            return _execute(config, folder, progress)
    except Timeout:
        raise ConfigError(f"another process is working in {folder}") from None


def loss_title(name: str) -> str:
    """Readable name of a metric loss: "ProxyAnchorLoss" gives "Proxy Anchor"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Loss"))


def _execute(config: TrainConfig, folder: Path, progress: Progress) -> RunResult:
    _same_as_before(config, folder)
    finished = load_result(folder)
    if finished is not None:
        progress.message(f"{folder} is finished")
        return finished
    splits = load_splits(config.data)
    device = resolve_device(config.device)
    progress.message(
        f"training on {len(splits.train)} images of {splits.train.num_classes} classes, testing on {len(splits.test)} "
        f"images of {splits.test.num_classes} unseen classes; {config.model.backbone} on {device}"
    )
    metric = loss_title(config.metric_loss.name)
    arms = [(f"{metric} + HIER ({config.hier.mode})", config, folder)]
    if config.hier.weight == 0:
        arms = [(metric, config, folder)]
    elif config.evaluation.control:
        alone = replace(config, hier=replace(config.hier, weight=0.0))
        arms.insert(0, (metric, alone, folder / "control"))
    _check(config, splits, device)
    pending = [place for _, _, place in arms if not (place / "arm.json").is_file()]
    views = Views(config, splits, frozen=config.optim.freeze_backbone, progress=progress if pending else None)
    rows = [_untrained(config, views)]
    for title, arm, place in arms:
        rows.append(_run_arm(title, arm, place, folder / "metrics.jsonl", views, progress))
    main = read_embeddings(folder)
    radius = radius_report(
        main.points,
        main.proxies,
        c=main.c,
        clip_r=config.model.head.clip_r,
        labels=main.labels,
        generator=torch.Generator().manual_seed(derive_seed(config.seed, "radius report")),
    )
    result = RunResult(tuple(rows), radius, len(splits.test), splits.test.num_classes)
    save_result(folder, result)
    return result


def _same_as_before(config: TrainConfig, folder: Path) -> None:
    """Refuse to go on under another configuration than the run began with, which `env.json` keeps."""
    path = folder / "env.json"
    if not path.is_file():
        record = {**environment(), "config": config_to_dict(config)}
        write_atomic(path, json.dumps(record, indent=2).encode() + b"\n")
        return
    try:
        stored = json.loads(path.read_text())["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {path}: {error!r}") from error
    refuse_changes(stored, config, path)


def _check(config: TrainConfig, splits: RetrievalSplits, device: torch.device) -> None:
    """Meet every mistake that can be met before the long work begins."""
    model = create_learner(config, splits.train.num_classes, device).model
    size = config.data.image_size
    if model.fixed_size not in (None, size):
        raise ConfigError(f"data.image_size is {size}, but {config.model.backbone} takes {model.fixed_size} only")
    ClassBatchSampler(splits.train.labels, config.batch.size, config.batch.per_class, config.seed)
    parts = {"test": splits.test} | ({"validation": splits.validation} if config.evaluation.every else {})
    for name, part in parts.items():
        if max(config.evaluation.ks) >= len(part):
            raise ConfigError(
                f"evaluation.ks asks for {max(config.evaluation.ks)} neighbours, but the {name} part has "
                f"{len(part)} images"
            )
        if np.bincount(part.labels).max() < 2:
            raise DataError(f"no class of the {name} part has two images: retrieval cannot be scored")


def _untrained(config: TrainConfig, views: Views) -> Row:
    test = views.splits.test
    points = views.embed(start_model(config), test)
    return Row("untrained backbone", _score(config, points, test), 0.0)


def _run_arm(title: str, config: TrainConfig, folder: Path, log: Path, views: Views, progress: Progress) -> Row:
    """Train one arm and write its model and embeddings; an arm that is finished is only read."""
    finished = folder / "arm.json"
    if finished.is_file():
        progress.message(f"{title}: already trained")
        return Row(**json.loads(finished.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    validation, test = views.splits.validation, views.splits.test

    def start(done: int) -> None:
        forget_later_steps(log, title, done)
        progress.start(title, config.optim.steps)
        progress.advance(done, {})

    def monitor(done: int, figures: dict[str, float]) -> None:
        progress.advance(1, figures)
        append(log, {"arm": title, "step": done, **figures})

    def validate(done: int, model: EmbeddingModel) -> None:
        append(
            log, {"arm": title, "step": done, "validation": _score(config, views.embed(model, validation), validation)}
        )

    trained = train(config, views.splits.train, folder / "checkpoints", views.bank, start, monitor, validate)
    progress.end()
    points = views.embed(trained.learner.model, test)
    trained.learner.model.save_pretrained(folder / "model")
    hier, ks = trained.learner.hier, config.evaluation.ks
    write_embeddings(folder, points, test, None if hier is None else hier.proxies_on_ball(), config.model.head.c, ks)
    row = Row(title, _score(config, points, test), trained.seconds)
    write_atomic(finished, json.dumps(asdict(row)).encode())
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # the model is written: nothing is left to resume
    return row


def _score(config: TrainConfig, points: torch.Tensor, data: ImageData) -> dict[str, float]:
    return score(points, data.labels, data.levels, data.level_names, config.evaluation.ks, config.model.head.c)
