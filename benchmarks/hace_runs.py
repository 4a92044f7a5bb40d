"""Training of the arms of the HACE paper's tables, with accuracy class by class where its figures need it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import torch

from hyperdml.data.classification import ClassificationDataConfig, ClassificationSplits, load_classification
from hyperdml.errors import DivergedError
from hyperdml.metrics.taxonomic.report import classification_report
from hyperdml.models.classifier import Classifier
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.evaluate import level_names
from hyperdml.training.classify.parts import Parts
from hyperdml.training.compare import Arm, Comparison, Trainer, compare, plan
from hyperdml.training.compare.arms import digest
from hyperdml.training.feature_cache import feature_folder
from hyperdml.training.progress import Progress
from hyperdml.training.settings import Config

ABOVE = (1, 2)
"""Levels above the leaves whose classes are scored."""


def class_figure(above: int, name: str) -> str:
    """Name of a class's accuracy among a run's figures."""
    return f"class/{above} above/{name}"


class ClassTrainer:
    """Trains as `Trainer` does; runs of some arms also give the accuracy of every class above the leaves.

    Their model is kept until these figures are there, so an interrupted run needs no second training.

    Args:
        arms: what is compared.
        seeds: the seeds.
        drawn: names of the arms whose classes are scored.
        work: folder of the run folders.
        progress: told about everything.
    """

    def __init__(
        self, arms: Sequence[Arm], seeds: Sequence[int], drawn: Collection[str], work: Path, progress: Progress
    ) -> None:
        jobs = plan(arms, seeds)
        self._plain = Trainer(jobs, work, keep=False, progress=progress)
        self._keeping = Trainer(jobs, work, keep=True, progress=progress)
        self._folders = {digest(job.config): work / job.folder for job in jobs if job.arm in drawn}
        self._progress = progress

    def __call__(self, config: Config) -> Mapping[str, float]:
        """Figures of a run; raises what training raises."""
        folder = self._folders.get(digest(config))
        if folder is None or not isinstance(config, ClassifyConfig):
            return self._plain(config)
        try:
            figures = {**self._keeping(config), **class_figures(config, folder / "model", self._progress)}
        except DivergedError:
            _remove(folder)
            raise
        _remove(folder)
        return figures


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)
    with suppress(OSError):  # other runs are there
        folder.parent.rmdir()


def class_figures(config: ClassifyConfig, model_folder: Path, progress: Progress) -> dict[str, float]:
    """Accuracy of every class `ABOVE` the leaves, by `class_figure`; leaf probabilities are summed upward (A.8).

    Of HACE the inner nodes' own mass is part of the sums, as its head gives them.

    Args:
        config: the run.
        model_folder: its model.
        progress: told about the features of a frozen backbone.
    """
    splits = _splits(config.data)
    parts = Parts(config, splits, feature_folder(), progress)
    logits = parts.logits(Classifier.from_pretrained(model_folder).to(parts.device))
    names = level_names(config.data.name, splits.taxonomy)
    labels = torch.from_numpy(splits.test.labels)
    report = classification_report(logits, labels, splits.taxonomy, level_names=names)
    found: dict[str, float] = {}
    for above in ABOVE:
        classes = report.per_class_accuracy(names[-1 - above])
        found |= {class_figure(above, n): a for n, a in zip(classes.names, classes.accuracy.tolist(), strict=True)}
    return found


@lru_cache(maxsize=1)
def _splits(config: ClassificationDataConfig) -> ClassificationSplits:
    """The images, read once: all arms of a figure have the same."""
    return load_classification(config)


def run_arms(
    arms: Sequence[Arm], seeds: Sequence[int], drawn: Collection[str], ledger: Path, progress: Progress
) -> Comparison:
    """Train what the ledger lacks.

    Args:
        arms: what is compared.
        seeds: the seeds.
        drawn: see `ClassTrainer`.
        ledger: JSONL file.
        progress: told about everything.

    Raises:
        HyperdmlError: see `compare`.
    """
    trainer = ClassTrainer(arms, seeds, drawn, ledger.with_name(f"{ledger.name}.runs"), progress)
    return compare(arms, seeds, ledger, trainer, progress)
