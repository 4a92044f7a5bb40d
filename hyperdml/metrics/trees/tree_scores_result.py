"""What the scores of a tree are, and how they are said."""

from __future__ import annotations

from dataclasses import dataclass

from hyperdml.metrics.bootstrap import Interval
from hyperdml.metrics.trees.nulls import Score

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


@dataclass(frozen=True)
class TreeScores:
    """What `tree_scores` found.

    Attributes:
        leaves: number of leaves.
        inner_nodes: number of inner nodes that have leaves.
        depth: edges between the root and the deepest leaf.
        figures: name of every figure to the score beside its null models. Those in `LOWER_IS_BETTER` are better the
            lower they are, all others the higher.
        triplet_interval: triplet accuracy with its 95% interval over classes.
        controls: name of every control tree to its figures by name.
    """

    leaves: int
    inner_nodes: int
    depth: int
    figures: dict[str, Score]
    triplet_interval: Interval
    controls: dict[str, dict[str, float]]

    def lines(self) -> list[str]:
        """The scores in plain words, one figure a line."""
        out = [f"leaves: {self.leaves}, inner nodes: {self.inner_nodes}, depth of the tree: {self.depth}"]
        for name, score in self.figures.items():
            line = score.line(f"{name}:", name in LOWER_IS_BETTER)
            for control, figures in self.controls.items():
                if name in figures:
                    line += f"; control, {control}: {figures[name]:.3f}"
            out.append(line)
            if name == TRIPLETS:
                low, high = self.triplet_interval.low, self.triplet_interval.high
                out.append(f"{TRIPLETS}, 95% interval over classes: {low:.3f} to {high:.3f}")
        return out
