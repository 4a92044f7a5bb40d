"""A classification run: its folder, its arms (the controls and the loss that was asked for) and what they leave behind.

RUN/
  config.yaml       the whole configuration
  env.json          versions, hardware and configuration at the start
  metrics.jsonl     one line per step, and per evaluation along the way
  results.json      figures on the evaluated part
  report.html       the same in words and curves, in one page
  model/            model.safetensors + config.json + taxonomy.json of the main arm
  controls/NAME/    model/ of each control
"""

from __future__ import annotations

from pathlib import Path

from hyperdml.data.classification import ClassificationSplits, load_classification
from hyperdml.training.claim import claimed
from hyperdml.training.classify.arms import class_arms
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.losses import create_loss
from hyperdml.training.classify.parts import Parts
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.classify.train import start_classifier
from hyperdml.training.classify.train_arm import FINISHED, run_class_arm
from hyperdml.training.environment import resolve_device
from hyperdml.training.feature_cache import feature_folder
from hyperdml.training.progress import Progress
from hyperdml.training.records import Row, read_record, write_record


def execute_classification(
    config: ClassifyConfig, folder: Path, progress: Progress, cache: Path | None = None
) -> ClassifyResult:
    """Train all arms of a run that are not finished, and write everything but the report.

    Args:
        config: the run.
        folder: run folder, made by `create_run` or by an interrupted run.
        progress: told about everything.
        cache: folder of features of frozen backbones; None for `feature_folder()`.

    Returns:
        The figures, as also written to `results.json`.

    Raises:
        HyperdmlError: see `load_classification` and `train_classifier`; another process works in the folder.
    """
    with claimed(folder, config):
        finished = read_record(folder / "results.json", ClassifyResult)
        if finished is not None:
            progress.message(f"{folder} is finished")
            return finished
        splits = load_classification(config.data)
        result = _execute(config, splits, folder, progress, feature_folder() if cache is None else cache)
        write_record(folder / "results.json", result)
        return result


def _execute(
    config: ClassifyConfig, splits: ClassificationSplits, folder: Path, progress: Progress, cache: Path
) -> ClassifyResult:
    taxonomy, frozen = splits.taxonomy, config.optim.freeze_backbone
    device = resolve_device(config.device)
    progress.message(
        f"training on {len(splits.train)} images of {taxonomy.num_leaves} classes in a taxonomy of {len(taxonomy)} "
        f"nodes, evaluating on {len(splits.test)} {config.data.evaluate_on} images; "
        f"{config.model.backbone}{', frozen,' if frozen else ''} on {device}"
    )
    arms = class_arms(config, folder)
    for arm in arms:  # meet every mistake before the long work begins
        create_loss(arm.config.loss, taxonomy)
    found = [read_record(arm.folder / FINISHED, Row) for arm in arms]
    if None in found:
        start_classifier(config, taxonomy)
        if frozen:
            progress.message(f"features are kept in {cache}")
        parts = Parts(config, splits, cache, progress)
        log = folder / "metrics.jsonl"
        found = [row or run_class_arm(arm, log, parts, progress) for arm, row in zip(arms, found, strict=True)]
    return ClassifyResult(
        rows=tuple(row for row in found if row is not None),
        images=len(splits.test),
        leaves=taxonomy.num_leaves,
        nodes=len(taxonomy),
        part=config.data.evaluate_on,
    )
