"""How the runs of the HIER paper's tables are made: trained and read out, or scored without training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from hyperdml.data import load_splits
from hyperdml.errors import ConfigError, DataError, DivergedError
from hyperdml.training.compare import Arm, Comparison, Job, Record, Trainer, compare, plan
from hyperdml.training.compare.arms import digest
from hyperdml.training.environment import resolve_device
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.embedding import training_features
from hyperdml.training.retrieval.evaluate import score
from hyperdml.training.retrieval.result import load_result
from hyperdml.training.settings import Config

UNTRAINED = "untrained: "
"""What stands before the names of the figures of the backbone with its head as it starts."""

Read = Callable[[Path], Mapping[str, float]]


class ReadingTrainer:
    """Trains as `Trainer` does, and takes the figures from the run folder before it is removed.

    An interrupted run needs no second training: its folder stays until its figures are read.

    Args:
        jobs: the plan.
        work: folder of the run folders.
        read: figures of a finished run from its folder.
        progress: told about everything.
    """

    def __init__(self, jobs: Sequence[Job], work: Path, read: Read, progress: Progress) -> None:
        self._trainer = Trainer(jobs, work, keep=True, progress=progress)
        self._folders = {digest(job.config): work / job.folder for job in jobs}
        self._read = read

    def __call__(self, config: Config) -> Mapping[str, float]:
        """Figures of a run; raises what training raises."""
        folder = self._folders[digest(config)]
        try:
            self._trainer(config)
            figures = self._read(folder)
        except DivergedError:
            _remove(folder)
            raise
        _remove(folder)
        return figures


def train_arms(arms: Sequence[Arm], seeds: Sequence[int], ledger: Path, read: Read, progress: Progress) -> Comparison:
    """Train what the ledger lacks.

    Args:
        arms: what is trained.
        seeds: the seeds.
        ledger: JSONL file; the run folders are beside it.
        read: see `ReadingTrainer`.
        progress: told about everything.

    Raises:
        HyperdmlError: see `compare`.
    """
    trainer = ReadingTrainer(plan(arms, seeds), ledger.with_name(f"{ledger.name}.runs"), read, progress)
    return compare(arms, seeds, ledger, trainer, progress)


def run_arms(
    trained: Sequence[Arm], zero_shot: Sequence[Arm], seeds: Sequence[int], ledger: Path, progress: Progress
) -> list[Record]:
    """Make what the ledger lacks: trained arms with every seed, the others, which have no chance in them, once.

    Raises:
        HyperdmlError: see `compare`.
    """
    found: list[Record] = []
    if trained:
        work = ledger.with_name(f"{ledger.name}.runs")
        trainer = Trainer(plan(trained, seeds), work, keep=False, progress=progress)
        found += compare(trained, seeds, ledger, trainer, progress).records
    if zero_shot:
        found += compare(zero_shot, [0], ledger, partial(zero_shot_figures, progress=progress), progress).records
    return found


def end_figures(folder: Path) -> dict[str, float]:
    """Figures of a finished run's main arm after its last step, and under `UNTRAINED` those before training.

    Raises:
        DataError: the run is not finished.
    """
    result = load_result(folder)
    if result is None:
        raise DataError(f"{folder} has no results: the run is not finished")
    return {**result.rows[-1].figures, **{UNTRAINED + name: value for name, value in result.rows[0].figures.items()}}


def validation_figures(folder: Path) -> dict[str, float]:
    """Figures of a run's last validation, on held-out training classes; what it found on the test classes is not read.

    Raises:
        DataError: there was none.
    """
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    found: list[dict[str, float]] = [line["validation"] for line in lines if "validation" in line]
    if not found:
        raise DataError(f"{folder}/metrics.jsonl has no validation")
    return found[-1]


def zero_shot_figures(config: Config, progress: Progress) -> dict[str, float]:
    """Retrieval figures of a pretrained backbone's features on the test classes, compared by their cosines.

    Args:
        config: a run whose data, backbone and figures are used.
        progress: told about the features.

    Raises:
        HyperdmlError: the data or the weights cannot be read.
    """
    if not isinstance(config, TrainConfig):
        raise ConfigError("zero-shot figures are about retrieval recipes")
    test = load_splits(config.data).test
    progress.start(f"features of {config.model.backbone}", len(test))
    tick = partial(progress.advance, figures={})
    features = training_features(config, test, resolve_device(config.device), views=1, tick=tick)[:, 0]
    progress.end()
    return score(
        features.float(),
        test.labels,
        test.levels,
        test.level_names,
        config.evaluation.ks,
        config.model.head.c,
        metric="cosine",
        queries=test.queries,
        gallery=test.gallery,
    )


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)
    with suppress(OSError):  # other runs are there
        folder.parent.rmdir()
