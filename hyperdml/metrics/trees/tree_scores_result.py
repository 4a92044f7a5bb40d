"""What the scores of a tree are, and how they are said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hyperdml.metrics.bootstrap import Interval
from hyperdml.metrics.trees.nulls import ABOVE, BELOW, CHANCE, Score, chance_beyond, verdict

TRIPLETS = "triplet accuracy"
MACRO = "best-match F1, macro"
MICRO = "best-match F1, micro"
ROBINSON_FOULDS = "Robinson-Foulds distance of classes"
RECOVERED = "groups of classes recovered"
COPHENETIC = "cophenetic correlation"
NEIGHBOURS = "Dasgupta score, similarities"
RADIUS_SIZE = "radius of inner nodes against leaves below, Spearman"
RADIUS_LEVEL = "radius of inner nodes against level, Spearman"
GROMOV = "relative Gromov delta of the points"

LOWER_IS_BETTER = frozenset({ROBINSON_FOULDS, RADIUS_SIZE, GROMOV})


class NullRow(NamedTuple):
    """What a figure is under one null model.

    Attributes:
        name: of the null model.
        mean: mean of the draws.
        sd: their standard deviation.
        z: standard deviations between the figure and the mean; None if the draws do not vary.
        verdict: `ABOVE`, `BELOW` or `CHANCE` of `hyperdml.metrics.trees.nulls`.
    """

    name: str
    mean: float
    sd: float
    z: float | None
    verdict: str


@dataclass(frozen=True)
class FigureRow:
    """One figure of a tree, for tables, pages and JSON.

    Attributes:
        name: of the figure.
        value: of the tree.
        better: which way is better.
        nulls: what null models give.
        controls: name of every control tree that has the figure to its value.
    """

    name: str
    value: float
    better: Literal["higher", "lower"]
    nulls: list[NullRow]
    controls: dict[str, float]

    @property
    def beats(self) -> bool:
        """Whether the figure is better than chance by every one of its null models; False without any."""
        good = ABOVE if self.better == "higher" else BELOW
        return bool(self.nulls) and all(null.verdict == good for null in self.nulls)


@dataclass(frozen=True)
class TreeScores:
    """What `tree_scores` found.

    Attributes:
        leaves: number of leaves.
        inner_nodes: number of inner nodes that have leaves.
        depth: edges between the root and the deepest leaf.
        figures: name of every figure to the score beside its null models. Those in `LOWER_IS_BETTER` are better the
            lower they are, all others the higher.
        triplet_interval: triplet accuracy with its 95% interval over classes; None without labels.
        controls: name of every control tree to its figures by name.
        draws: name of every null model to the number of its draws.
    """

    leaves: int
    inner_nodes: int
    depth: int
    figures: dict[str, Score]
    triplet_interval: Interval | None
    controls: dict[str, dict[str, float]]
    draws: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[FigureRow]:
        """The figures with their null models and controls, in order."""
        return [
            FigureRow(
                name,
                score.value,
                "lower" if name in LOWER_IS_BETTER else "higher",
                [
                    NullRow(null, found.mean, found.sd, found.z, verdict(score.value, found.mean, found.sd))
                    for null, found in score.nulls.items()
                ],
                {control: figures[name] for control, figures in self.controls.items() if name in figures},
            )
            for name, score in self.figures.items()
        ]

    def lines(self) -> list[str]:
        """The scores in plain words, one figure a line."""
        out = [f"leaves: {self.leaves}, inner nodes: {self.inner_nodes}, depth of the tree: {self.depth}"]
        for row in self.rows():
            line = self.figures[row.name].line(f"{row.name}:", row.better == "lower")
            out.append("; ".join([line, *(f"control, {name}: {value:.3f}" for name, value in row.controls.items())]))
            if row.name == TRIPLETS and self.triplet_interval is not None:
                low, high = self.triplet_interval.low, self.triplet_interval.high
                out.append(f"{TRIPLETS}, 95% interval over classes: {low:.3f} to {high:.3f}")
        return out

    def conclusions(self) -> list[str]:
        """What is no better than chance, where controls do as well, and how many draws that rests on; sentences."""
        rows = self.rows()
        near = _named(rows, {"higher": CHANCE, "lower": CHANCE})
        worse = _named(rows, {"higher": BELOW, "lower": ABOVE})
        out = []
        if near:
            out.append(f"Not distinguishable from chance: {'; '.join(near)}.")
        if worse:
            out.append(f"Worse than chance: {'; '.join(worse)}.")
        if rows and all(row.beats for row in rows):
            out.append(f"All {len(rows)} figures are better than each of their null models by over 2 deviations.")
        equal = [text for name in self.controls if (text := _as_good(rows, name))]
        if equal:
            out.append(f"Control trees do as well or better: {', '.join(equal)}.")
        if self.draws:
            counts = ", ".join(f"{name} {count}" for name, count in self.draws.items())
            fewest = min(self.draws.values())
            luck = 100 * chance_beyond(fewest)
            out.append(
                f"Draws: {counts}. By luck alone {luck:.0f} % of figures lie beyond 2 deviations of {fewest} draws."
            )
        return out


def _as_good(rows: list[FigureRow], control: str) -> str:
    """In how many of the figures that it has a control is as good as the tree; empty if it has none."""
    pairs = [(row.controls[control], row.value, row.better) for row in rows if control in row.controls]
    good = sum(other >= own if better == "higher" else other <= own for other, own, better in pairs)
    return f"{control} in {good} of {len(pairs)} figures" if pairs else ""


def _named(rows: list[FigureRow], words: Mapping[str, str]) -> list[str]:
    """Figures with the null models that call them so."""
    found = [(row.name, [null.name for null in row.nulls if null.verdict == words[row.better]]) for row in rows]
    return [f"{name} ({', '.join(nulls)})" for name, nulls in found if nulls]
