"""A run: its folder, its arms (the controls and what was asked for) and what they leave behind.

RUN/
  config.yaml       the whole configuration
  env.json          versions, hardware and configuration at the start
  metrics.jsonl     one line per step, and per evaluation on the validation classes
  results.json      figures on the test classes, scores of the trees, radius report
  report.md         the same in words, with the picture
  disk.png          Poincaré disk of the main arm
  model/            model.safetensors + config.json of the main arm
  embeddings.safetensors   test embeddings, labels, levels and proxies of the main arm
  controls/NAME/    model/ and embeddings of each control
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hyperdml.data import ClassBatchSampler, EmbeddingSet, RetrievalSplits, load_splits
from hyperdml.errors import ConfigError, DataError
from hyperdml.training.claim import claimed
from hyperdml.training.environment import resolve_device
from hyperdml.training.progress import Progress
from hyperdml.training.records import Row
from hyperdml.training.retrieval.arms import arms_of
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.learner import create_learner, training_taxonomy
from hyperdml.training.retrieval.result import RunResult, load_arm, load_result, save_result
from hyperdml.training.retrieval.train_arm import radii, run_arm, score_part
from hyperdml.training.retrieval.views import Views, start_model


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
    with claimed(folder, config):
        return _execute(config, folder, progress)


def _execute(config: TrainConfig, folder: Path, progress: Progress) -> RunResult:
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
    arms = arms_of(config, folder)
    for arm in arms:
        _check(arm.config, splits, device)
    results = [load_arm(arm.folder) for arm in arms]
    pending = None in results
    views = Views(config, splits, frozen=config.optim.freeze_backbone, progress=progress if pending else None)
    untrained = _untrained(config, views)
    done = [
        found or run_arm(arm, folder / "metrics.jsonl", views, progress)
        for arm, found in zip(arms, results, strict=True)
    ]
    main = EmbeddingSet.load(folder)
    radius = radii(config, main.points, main.proxies, splits.test.labels)
    result = RunResult(
        rows=(untrained, *(arm.row for arm in done)),
        trees=tuple(tree for arm in done for tree in arm.trees),
        radius=radius,
        images=len(splits.test),
        classes=splits.test.num_classes,
    )
    save_result(folder, result)
    return result


def _check(config: TrainConfig, splits: RetrievalSplits, device: torch.device) -> None:
    """Meet every mistake that can be met before the long work begins."""
    taxonomy = training_taxonomy(config, splits.train)
    learner = create_learner(config, splits.train.num_classes, device, taxonomy)
    model = learner.model
    size = config.data.image_size
    if model.fixed_size not in (None, size):
        raise ConfigError(f"data.image_size is {size}, but {config.model.backbone} takes {model.fixed_size} only")
    if learner.hier is not None and learner.hier.start is not None:
        _check_start(config, learner.hier.options["warmup"], learner.hier.options["levels"][-1])
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
    return Row("untrained backbone", score_part(config, points, test), 0.0)


def _check_start(config: TrainConfig, warmup: int, finest: int) -> None:
    """Refuse a run that ends before the proxies of HIER's default mode start."""
    start = max(warmup, -(-finest // config.batch.size))  # steps until the warm-up is over and enough was seen
    if start >= config.optim.steps:
        raise ConfigError(
            f"HIER's proxies start after {start} steps (hier.warmup {warmup}; {finest} embeddings for the finest "
            f"level), but optim.steps is {config.optim.steps}: raise it, or lower hier.warmup or hier.levels"
        )
