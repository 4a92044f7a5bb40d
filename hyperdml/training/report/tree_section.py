"""The scores of the tree of the images beside their null models and control trees."""

from __future__ import annotations

from hyperdml.metrics.trees.nulls import ABOVE, BELOW, CHANCE, z_text
from hyperdml.metrics.trees.tree_scores_result import TRIPLETS, FigureRow, NullRow
from hyperdml.tree.hierarchy import Hierarchy
from hyperdml.viz.report import Block, Bullets, Paragraph, Section, Table

_TITLE = "Tree of the images"


def tree_section(hierarchy: Hierarchy | None, missing: str) -> Section:
    """Two tables: every score beside its null models, and beside the trees of the controls.

    Args:
        hierarchy: the tree and its scores, or None.
        missing: why there are none.
    """
    if hierarchy is None:
        return Section(_TITLE, [Paragraph(f"No tree: {missing}.")])
    scores, rows = hierarchy.scores, hierarchy.scores.rows()
    blocks: list[Block] = [
        Paragraph(hierarchy.summary()),
        Paragraph(
            "Beside each score stands what it is when one thing has been taken away, as mean ± standard deviation of "
            f"the draws. Within two of these the score is in grey: {CHANCE}.",
            soft=True,
        ),
        _null_table(rows),
        Bullets(scores.conclusions()),
    ]
    if scores.triplet_interval is not None:
        low, high = scores.triplet_interval.low, scores.triplet_interval.high
        blocks.append(
            Paragraph(f"{TRIPLETS.capitalize()}, 95 % interval over classes: {low:.3f} to {high:.3f}.", soft=True)
        )
    controls = list(dict.fromkeys(name for row in rows for name in row.controls))
    if controls:
        beside = [row for row in rows if row.controls]
        cells = [[_name(row), f"{row.value:.3f}", *(_control(row, name) for name in controls)] for row in beside]
        blocks += [
            Paragraph("The same scores of control trees: the same points in other distances, and the other arms."),
            Table(["score", "this tree", *controls], cells),
        ]
    return Section(_TITLE, blocks)


def tree_line(hierarchy: Hierarchy) -> str:
    """One sentence: how many scores of the tree are better than all of their null models."""
    rows = hierarchy.scores.rows()
    beat = sum(row.beats for row in rows)
    return f"The tree of the images is better than each of its null models by {beat} of {len(rows)} scores."


def _null_table(rows: list[FigureRow]) -> Table:
    nulls = list(dict.fromkeys(null.name for row in rows for null in row.nulls))
    cells, faint = [], set()
    for number, row in enumerate(rows):
        beside = {null.name: null for null in row.nulls}
        cells.append(
            [_name(row), f"{row.value:.3f}", *(_null(row, beside[name]) if name in beside else "" for name in nulls)]
        )
        faint |= {(number, 2 + place) for place, name in enumerate(nulls) if name in beside and _chance(beside[name])}
    grey = frozenset(number for number, row in enumerate(rows) if any(map(_chance, row.nulls)))
    return Table(["score", "value", *nulls], cells, numbers=False, grey=grey, faint=frozenset(faint))


def _name(row: FigureRow) -> str:
    return row.name if row.better == "higher" else f"{row.name} (the lower, the better)"


def _null(row: FigureRow, null: NullRow) -> str:
    spread = f" ± {null.sd:.3f}" if null.sd else ""
    text = f"{round(null.mean, 3) + 0.0:.3f}{spread}, {z_text(null.z)}"  # no "-0.000"
    good = ABOVE if row.better == "higher" else BELOW
    return text if null.verdict == good else f"{text}: {CHANCE if _chance(null) else 'worse than chance'}"


def _chance(null: NullRow) -> bool:
    return null.verdict == CHANCE


def _control(row: FigureRow, name: str) -> str:
    return f"{row.controls[name]:.3f}" if name in row.controls else ""
