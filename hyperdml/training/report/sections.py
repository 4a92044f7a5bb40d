"""Sections of the report of a retrieval run, each from what is known and with a sentence about what is not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from hyperdml.data import EmbeddingSet
from hyperdml.geometry import dist0
from hyperdml.metrics.trees.nulls import CHANCE, Score, verdict
from hyperdml.training.report.intervals import Compared, holds_zero
from hyperdml.training.report.lead import NO_DIFFERENCE, percent, points
from hyperdml.training.report.query_scores import GRADED
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.report import (
    best_explanation,
    explanation,
    table,
    tree_explanation,
    tree_table,
)
from hyperdml.training.retrieval.result import RunResult
from hyperdml.tree.report import DIRECTIONS, RADII
from hyperdml.viz.report import Block, Bullets, Chart, Charts, Fold, Line, Paragraph, Section, Table

_BINS = 41  # odd: what lies on one sphere falls into the middle of one


def figures_section(config: TrainConfig, result: RunResult, compared: Sequence[Compared], missing: str) -> Section:
    """The table of all arms, and the intervals of the main arm and of its differences to the controls.

    Args:
        config: the run.
        result: its figures.
        compared: the intervals; empty if there are none.
        missing: why there are none.
    """
    header, cells = table(result)
    title = result.rows[-1].title
    main = {row for row, cell in enumerate(cells) if cell[0] in (title, f"{title} (last epoch)")}
    blocks: list[Block] = [Table(header, cells, strong=frozenset(main))]
    blocks += [Paragraph(text) for text in (explanation(config), best_explanation(config, result)) if text]
    if missing:
        blocks.append(Paragraph(f"No intervals: {missing}."))
    if compared:
        blocks += _interval_blocks(title, compared)
        lost = [name for name in result.rows[-1].figures if name not in {found.name for found in compared}]
        if lost:
            blocks.append(Paragraph(f"Without intervals: {', '.join(lost)}. {_why_lost(result)}", soft=True))
    return Section("Figures", blocks)


def _interval_blocks(title: str, compared: Sequence[Compared]) -> list[Block]:
    controls = list(dict.fromkeys(control for found in compared for control in found.differences))
    rows = [
        [found.name, percent(found.main), *(points(found.differences[control]) for control in controls)]
        for found in compared
    ]
    open_ = {
        (row, 2 + place)
        for row, found in enumerate(compared)
        for place, control in enumerate(controls)
        if holds_zero(found.differences[control])
    }
    words = "95 % bootstrap intervals (BCa) over whole test classes, on the same queries for every arm."
    if controls:
        words += (
            f" In grey, the interval holds 0: {NO_DIFFERENCE}. Of {len(rows) * len(controls)} intervals without any "
            "difference behind them, one in twenty would miss 0."
        )
    header = ["95 % intervals", title, *(f"minus {control}, points" for control in controls)]
    return [Table(header, rows, faint=frozenset(open_)), Paragraph(words, soft=True)]


def _why_lost(result: RunResult) -> str:
    if result.images > GRADED:
        return f"They need whole rankings, which are not made again for more than {GRADED:,} images."
    return "Fewer than two classes have them, or the embeddings hold no levels."


def proxy_trees_section(result: RunResult) -> list[Section]:
    """The trees of the proxies, learned and fitted afterwards; nothing without any."""
    if not result.trees:
        return []
    main = next(tree for tree in result.trees if tree.title == result.rows[-1].title)  # its proxies come first
    header, cells = tree_table(result.trees)
    faint = {
        (row, column)
        for row, tree in enumerate(result.trees)
        for column, level in enumerate(header[1:], 1)
        if _by_chance(tree.report.purity[level])
    }
    lines = Fold(f"{main.title}, {main.source}, in full", [Bullets(main.report.lines())])
    words = f"{tree_explanation()} Such cells are in grey."
    return [Section("Trees of proxies", [Table(header, cells, faint=frozenset(faint)), Paragraph(words), lines])]


def _by_chance(score: Score) -> bool:
    return any(
        verdict(score.value, score.nulls[name].mean, score.nulls[name].sd) == CHANCE for name in (DIRECTIONS, RADII)
    )


def radii_section(result: RunResult, embeddings: EmbeddingSet | None) -> Section:
    """The radius report and, where there are embeddings, its histogram."""
    blocks: list[Block] = [Bullets(result.radius.lines())]
    if embeddings is not None:
        blocks.append(radius_charts(embeddings))
    return Section("Radii", blocks)


def radius_charts(embeddings: EmbeddingSet) -> Charts:
    """Histogram of the hyperbolic radii of images and proxies, each as shares of their number."""
    groups = {"images": dist0(embeddings.points.double(), embeddings.c)}
    if embeddings.proxies is not None and len(embeddings.proxies):
        groups["proxies"] = dist0(embeddings.proxies.double(), embeddings.c)
    everything = torch.cat(list(groups.values()))
    low, high = float(everything.min()), float(everything.max())
    if high - low < 1e-3:  # one sphere: a bar in the middle, not the digits of rounding
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, math.nextafter(high, math.inf), _BINS + 1)
    lines = []
    for name, radii in groups.items():
        counts, _ = np.histogram(radii.numpy(), edges)
        lines.append(Line(name, np.repeat(edges, 2)[1:-1].tolist(), np.repeat(100 * counts / len(radii), 2).tolist()))
    return Charts([Chart("share, %", "hyperbolic radius (distance from the origin)", lines, filled=True)])
