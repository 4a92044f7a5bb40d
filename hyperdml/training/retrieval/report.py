"""A finished run in words and tables, for the terminal and for its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hyperdml.metrics.trees.nulls import Score
from hyperdml.training.records import Row
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.result import RunResult, TreeRow
from hyperdml.tree.report import DIRECTIONS, RADII


def table(result: RunResult) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the result table, figures in per cent.

    Args:
        result: of the run. Where the best validation of an arm was not its last epoch, each has a row.

    Returns:
        Column titles, and one list of cells per row.
    """
    names = list(result.rows[0].figures)
    rows = []
    for row in result.rows:
        best = [other for other in result.best if other.title.startswith(f"{row.title} (best ")]
        rows += [replace(row, title=f"{row.title} (last epoch)") if best else row, *best]
    cells = [[row.title, *(f"{100 * row.figures[name]:.1f}" for name in names)] for row in rows]
    return ["unseen classes, %", *names], cells


def tree_table(trees: Sequence[TreeRow]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the trees' dendrogram purity in per cent, with z-scores.

    Args:
        trees: trees over the same levels.

    Returns:
        Column titles, and one list of cells per tree: purity (z against random directions, z against permuted radii).
    """
    names = list(reversed(trees[0].report.purity))
    cells = []
    for tree in trees:
        scores = [tree.report.purity[name] for name in names]
        cells.append([f"{tree.title}, {tree.source}", *(_purity(score) for score in scores)])
    return ["tree purity, % (z directions, z radii)", *names], cells


def _purity(score: Score) -> str:
    z = ["-" if score.nulls[null].z is None else f"{score.nulls[null].z:.0f}" for null in (DIRECTIONS, RADII)]
    return f"{100 * score.value:.1f} ({', '.join(z)})"


def tree_explanation() -> str:
    """What the columns of `tree_table` are."""
    return (
        "Dendrogram purity of the tree of the proxies on the test images, and how many standard deviations it lies "
        "above proxies of the same radii in random directions, and above the same directions with the radii permuted. "
        "Within 2 it is not distinguishable from chance."
    )


def explanation(config: TrainConfig) -> str:
    """What the first row of the table is."""
    weights = "without pretrained weights" if config.model.weights == "none" else "with its pretrained weights"
    return (
        f"The untrained row is the backbone {weights} under the head as it starts, a random projection into the ball."
    )


def best_explanation(config: TrainConfig, result: RunResult) -> str:
    """What rows of a best epoch are; empty without them."""
    if not result.best:
        return ""
    text = f"Best: the weights at the highest {config.evaluation.select} on the {config.evaluation.on} classes"
    if config.evaluation.on == "test":
        return f"{text} themselves, as published code does: it flatters, and the last epoch is the honest row."
    return f"{text}, scored here once."


def comparison(rows: Sequence[Row]) -> str:
    """What the main arm changed against each control; empty without controls."""
    controls, main = rows[1:-1], rows[-1]
    names = [name for name in ("R@1", "MAP@R", "H-AP") if name in main.figures]
    parts = []
    for control in controls:
        change = [f"{name} {100 * (main.figures[name] - control.figures[name]):+.1f}" for name in names]
        parts.append(f"against {control.title} {', '.join(change)}")
    if not parts:
        return ""
    return (
        f"{main.title}, same seed and steps, in points: {'; '.join(parts)}. "
        "That is one seed; hyperdml compare repeats it over several."
    )


def next_steps(folder: Path, config: TrainConfig) -> list[tuple[str, str]]:
    """Commands worth trying next, each with what it shows."""
    steps = [
        ("hyperdml train quickstart seed=1", "the spread between seeds"),
        ("hyperdml train quickstart 'evaluation.controls=[metric,official]'", "HIER as released beside ours"),
        ("hyperdml train quickstart hier.weight=2", "more of the coarse levels, less of the class"),
        ("hyperdml train quickstart model.head.kind=scaled", "a head whose images keep their own radii"),
        ("hyperdml train quickstart data.name=folder data.root=PHOTOS", "your images, as PHOTOS/CLASS/IMAGE"),
        (f"hyperdml eval {folder} --metric cosine", "the same embeddings ranked by cosine"),
        (f"hyperdml tree {folder}", "the tree of the images, and whether it is real"),
        (f"hyperdml view {folder}", "the disk, the tree and the images in your browser"),
    ]
    return steps if config.data.name == "emoji" else steps[-3:]
