"""What `hierarchy_evidence.py` measured, and differences in it that are paired by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hyperdml.metrics.trees.tree_scores_result import FigureRow, NullRow
from hyperdml.training.compare.paired import PairedDifference, holm, paired_difference
from hyperdml.tree.control_trees import COSINE

IMAGES, CLASSES = "images", "classes"
FITTED, FITTED_FINE = "k-means proxies", "k-means proxies, levels doubling"
LEARNED, VOTED = "learned proxies", "learned proxies by votes"

HELD = 0.05  # Holm's p-value that a difference must stay below to be called one

Values = dict[int, float]
"""Seed to value."""
Figures = Callable[[str], Values]
"""Name of a figure to its values; none where there is no such figure."""


@dataclass(frozen=True)
class Scored:
    """One tree of one run.

    Attributes:
        arm: what was trained.
        seed: of the run.
        kind: which tree: `IMAGES`, `CLASSES`, `FITTED`, `FITTED_FINE`, `LEARNED` or `VOTED`.
        rows: its figures.
        depth: of the tree.
        run: figures of the run: those of retrieval, median radius of the images, share of them at the clip radius.
    """

    arm: str
    seed: int
    kind: str
    rows: Sequence[FigureRow]
    depth: int
    run: dict[str, float]

    def figure(self, name: str) -> FigureRow | None:
        """A figure by its name."""
        return next((row for row in self.rows if row.name == name), None)

    def record(self) -> dict[str, Any]:
        """For JSON, a null as the mean and the standard deviation of its draws."""
        figures = {
            row.name: {"value": _short(row.value)}
            | {null.name: f"{_short(null.mean)} ± {_short(null.sd)}" for null in row.nulls}
            | {f"by {name}": _short(value) for name, value in row.controls.items() if name == COSINE}
            for row in self.rows
        }
        known = {"arm": self.arm, "seed": self.seed, "kind": self.kind, "depth": self.depth}
        return known | ({"run": self.run} if self.kind == IMAGES else {}) | {"figures": figures}


@dataclass(frozen=True)
class Difference:
    """One thing minus another in one figure, with Holm's p-value over all differences of its table."""

    row: str
    figure: str
    difference: PairedDifference
    adjusted: float

    @property
    def holds(self) -> bool:
        """Whether it is still there after the correction."""
        return self.adjusted < HELD


def arms_of(scored: Sequence[Scored], kind: str) -> list[str]:
    """The arms that have trees of a kind, in order."""
    return list(dict.fromkeys(one.arm for one in scored if one.kind == kind))


def of_tree(scored: Sequence[Scored], kind: str, arm: str, control: str | None = None) -> Figures:
    """Figures of the trees of an arm, or of a control of them."""

    def found(name: str) -> Values:
        out = {}
        for one in scored:
            row = one.figure(name) if (one.kind, one.arm) == (kind, arm) else None
            value = None if row is None else row.value if control is None else row.controls.get(control)
            if value is not None:
                out[one.seed] = value
        return out

    return found


def of_run(scored: Sequence[Scored], arm: str) -> Figures:
    """Figures of the runs of an arm."""
    return lambda name: {one.seed: one.run[name] for one in scored if (one.kind, one.arm) == (IMAGES, arm)}


def differences(rows: Sequence[tuple[str, Figures, Figures]], figures: Sequence[str]) -> list[Difference]:
    """Differences of the seeds that both sides have, corrected together.

    Args:
        rows: title of a row, and what is subtracted from what: first minus second.
        figures: names of the figures; one that a side lacks is left out.
    """
    raw = []
    for title, one, other in rows:
        for name in figures:
            left, right = one(name), other(name)
            common = sorted(left.keys() & right.keys())
            if common:
                gap = paired_difference([left[seed] for seed in common], [right[seed] for seed in common])
                raw.append((title, name, gap))
    adjusted = holm([gap.p for *_, gap in raw])
    return [Difference(*one, p) for one, p in zip(raw, adjusted, strict=True)]


def hardest(row: FigureRow) -> NullRow | None:
    """The null model that a figure beats by least."""
    sign = 1.0 if row.better == "higher" else -1.0

    def margin(null: NullRow) -> float:
        return sign * null.z if null.z is not None else math.copysign(math.inf, sign * (row.value - null.mean) - 1e-12)

    return min(row.nulls, key=margin, default=None)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
