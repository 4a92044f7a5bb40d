"""A run: its folder, its arms (the controls and what was asked for) and what they leave behind.

RUN/
  config.yaml       the whole configuration
  env.json          versions, hardware and configuration at the start
  metrics.jsonl     one line per step, and per validation
  results.json      figures on the test classes, scores of the trees, radius report
  report.html       the same in words and pictures, in one page
  disk.png          Poincaré disk of the main arm
  model/            of the main arm after its last epoch: model.safetensors, config.json, README.md
  best_model/       the same at its best validation, where that was another epoch
  embeddings.safetensors   test embeddings, labels, levels and proxies of the main arm
  snapshots/epoch-N/       the same after the epochs of `snapshot_epochs`
  tensorboard/      with `logging.tensorboard`
  bad_steps/        batches whose loss or gradient was not finite, for `hyperdml replay`
  controls/NAME/    models, embeddings and the like of each control
  checkpoints/, best/      while an arm is trained
"""

from __future__ import annotations

from pathlib import Path

from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.training.claim import claimed
from hyperdml.training.engine.processes import any_says, is_first
from hyperdml.training.environment import resolve_device
from hyperdml.training.feature_cache import feature_folder
from hyperdml.training.progress import Progress
from hyperdml.training.records import Row
from hyperdml.training.retrieval.arms import arms_of
from hyperdml.training.retrieval.checks import check_run
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.learner import create_model
from hyperdml.training.retrieval.result import ArmResult, RunResult, load_arm, load_result, save_result
from hyperdml.training.retrieval.scoring import radii, score_part
from hyperdml.training.retrieval.train_arm import run_arm
from hyperdml.training.retrieval.views import Views


def execute(config: TrainConfig, folder: Path, progress: Progress, cache: Path | None = None) -> RunResult | None:
    """Train all arms of a run that are not finished, and write everything but the report and the picture.

    In a process group all processes train; the first alone writes, evaluates and gives a result. The folder must be
    one that all of them see.

    Args:
        config: the run.
        folder: run folder, made by `create_run` or by an interrupted run.
        progress: told about everything.
        cache: folder of features of frozen backbones; None for `feature_folder()`.

    Returns:
        The figures, as also written to `results.json`; None in all but the first process.

    Raises:
        HyperdmlError: see `train` and `load_splits`; another process works in the folder.
    """
    cache = feature_folder() if cache is None else cache
    if is_first():
        with claimed(folder, config):
            finished = load_result(folder)
            any_says(finished is not None)  # the others begin when the folder is claimed
            if finished is not None:
                progress.message(f"{folder} is finished")
                return finished
            return _execute(config, folder, progress, cache)
    if not any_says(0):
        _train_along(config, folder, progress, cache)
    return None


def _execute(config: TrainConfig, folder: Path, progress: Progress, cache: Path) -> RunResult:
    splits = load_splits(config.data)
    device = resolve_device(config.device)
    progress.message(
        f"training on {len(splits.train)} images of {splits.train.num_classes} classes, testing on {len(splits.test)} "
        f"images of {splits.test.num_classes} unseen classes; {config.model.backbone} on {device}"
    )
    arms = arms_of(config, folder)
    schedules = [check_run(arm.config, splits, device) for arm in arms]
    results = [load_arm(arm.folder) for arm in arms]
    views = Views(config, splits, cache, progress)
    _agree(results)
    if None in results:
        if config.optim.freeze_backbone:
            progress.message(f"features are kept in {cache}")
        views.prepare()
    untrained = _untrained(config, views)
    done = []
    for arm, known in zip(arms, results, strict=True):
        found = known or run_arm(arm, folder / "metrics.jsonl", views, progress)
        if found is not None:
            done.append(found)
    main = EmbeddingSet.load(folder)
    result = RunResult(
        rows=(untrained, *(arm.row for arm in done)),
        trees=tuple(tree for arm in done for tree in arm.trees),
        radius=radii(config, main.points, main.proxies, splits.test.labels),
        images=len(splits.test),
        classes=splits.test.num_classes,
        best=tuple(arm.best for arm in done if arm.best is not None),
        steps=schedules[-1].steps,
    )
    save_result(folder, result)
    return result


def _train_along(config: TrainConfig, folder: Path, progress: Progress, cache: Path) -> None:
    """The part of the other processes in a run: to train what the first one trains."""
    splits = load_splits(config.data)
    arms = arms_of(config, folder)
    pending = _agree([None] * len(arms))
    views = Views(config, splits, cache)
    if any(pending):
        views.prepare()
    for arm, wanted in zip(arms, pending, strict=True):
        if wanted:
            run_arm(arm, folder / "metrics.jsonl", views, progress)


def _agree(results: list[ArmResult | None]) -> list[bool]:
    """Which arms are to be trained, by what the first process found."""
    return [not any_says(is_first() and result is not None) for result in results]


def _untrained(config: TrainConfig, views: Views) -> Row:
    test = views.splits.test
    points = views.embed(create_model(config).to(views.device), test)
    return Row("untrained backbone", score_part(config, points, test), 0.0)
