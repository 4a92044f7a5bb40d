"""All that a report of a retrieval run says: what the run wrote, and what is computed from its embeddings again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hyperdml.errors import ConfigError, DataError
from hyperdml.training.hierarchy import run_hierarchy, tree_folder
from hyperdml.training.report.intervals import Compared, compare_arms
from hyperdml.training.report.origin import read_environment
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.result import RunResult
from hyperdml.training.settings import config_to_dict
from hyperdml.training.subject import subject_of
from hyperdml.tree.hierarchy import Hierarchy
from hyperdml.viz.subject import Subject

T = TypeVar("T")


@dataclass(frozen=True)
class RetrievalFindings:
    """What a report of a retrieval run is made of.

    Attributes:
        result: figures, trees and radii as the run wrote them.
        environment: versions and hardware, or None if they are not known.
        subject: embeddings and images, or None if the embeddings are gone.
        compared: intervals of the figures, and of the differences to the controls.
        hierarchy: the tree of the images with its scores, or None.
        missing: what could not be had ("embeddings", "images", "intervals", "hierarchy"): why.
    """

    result: RunResult
    environment: Mapping[str, Any] | None
    subject: Subject | None = None
    compared: list[Compared] = field(default_factory=list)
    hierarchy: Hierarchy | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def record(self, folder: Path, config: TrainConfig) -> dict[str, Any]:
        """All of it as one record for JSON, pictures left out."""
        scores = [] if self.hierarchy is None else self.hierarchy.scores.rows()
        triplets = None if self.hierarchy is None else self.hierarchy.scores.triplet_interval
        return {
            "run": str(folder),
            "config": config_to_dict(config),
            **asdict(self.result),
            "intervals": {found.name: asdict(found.main) for found in self.compared},
            "differences": {
                control: {found.name: asdict(found.differences[control]) for found in self.compared}
                for control in (self.compared[0].differences if self.compared else ())
            },
            "hierarchy": [{**asdict(row), "nulls": [null._asdict() for null in row.nulls]} for row in scores],
            "triplet_interval": None if triplets is None else asdict(triplets),
            "environment": self.environment,
            "missing": self.missing,
        }


def find(config: TrainConfig, folder: Path, result: RunResult, *, keep: bool, images: bool = True) -> RetrievalFindings:
    """Compute what is missing in `result` for a report; what cannot be had is named instead.

    Args:
        config: the run.
        folder: its folder.
        result: its figures.
        keep: write the tree and its scores into the run folder, where the next report finds them.
        images: look for the images too.
    """
    environment = read_environment(folder)
    missing: dict[str, str] = {}
    subject = _try(lambda: subject_of(folder, images=images), "embeddings", missing)
    if subject is None:
        return RetrievalFindings(result, environment, missing=missing)
    if subject.missing:
        missing["images"] = subject.missing
    ks, seed = config.evaluation.ks, config.seed
    compared = _try(lambda: compare_arms(subject.embeddings, subject.arms, ks, seed), "intervals", missing)
    # with the draws and the seed of `draws_and_seed`, so that hyperdml tree and view find it
    kept, draws = tree_folder(folder), config.evaluation.draws
    hierarchy = _try(lambda: run_hierarchy(subject, kept, draws=draws, seed=seed, write=keep), "hierarchy", missing)
    return RetrievalFindings(result, environment, subject, compared or [], hierarchy, missing)


def _try(compute: Callable[[], T], name: str, missing: dict[str, str]) -> T | None:
    """The value, or None with the reason kept: a report must not be lost because a part of it cannot be made."""
    try:
        return compute()
    except (DataError, ConfigError, ValueError) as error:
        missing[name] = str(error)
        return None
