"""The tables of `hierarchy_evidence.py`: scores beside the null model that is hardest to beat, paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hierarchy_arms import DEFAULT, DOUBLING, EUCLIDEAN, FLAT, FREE, HYP, OFFICIAL, PA, SPHERE
from hierarchy_order import LEARNED as BY_RADIUS
from hierarchy_order import LINKED, MOVED, ORDER, STAR, Ordered
from hierarchy_scored import (
    CLASSES,
    FITTED,
    FITTED_FINE,
    HELD,
    IMAGES,
    LEARNED,
    VOTED,
    Difference,
    Figures,
    Scored,
    arms_of,
    differences,
    hardest,
    of_run,
    of_tree,
)

from hyperdml.metrics.trees.nulls import z_text
from hyperdml.metrics.trees.tree_scores_result import (
    COPHENETIC,
    GROMOV,
    MACRO,
    NEIGHBOURS,
    RADIUS_LEVEL,
    RADIUS_SIZE,
    RECOVERED,
    ROBINSON_FOULDS,
    TRIPLETS,
    FigureRow,
)
from hyperdml.training.compare.paired import paired_difference, spread
from hyperdml.training.tables import markdown_table
from hyperdml.tree.control_trees import COSINE

TESTED = {
    "dendrogram purity, class": "class purity",
    "dendrogram purity, subgroup": "subgroup purity",
    "dendrogram purity, group": "group purity",
    TRIPLETS: "triplets",
    MACRO: "best-match F1",
    "ARI of the cut, subgroup": "subgroup ARI",
}
"""Figures whose differences are tested, with their short names."""
LABELLED = TESTED | {
    RECOVERED: "groups recovered",
    ROBINSON_FOULDS: "Robinson-Foulds (low)",
}
OWN = {
    COPHENETIC: "cophenetic",
    NEIGHBOURS: "Dasgupta, 10 neighbours",
    RADIUS_SIZE: "radius and size (low)",
    RADIUS_LEVEL: "radius and level",
    GROMOV: "Gromov delta (low)",
}
RETRIEVAL = ("R@1", "MAP@R", "subgroup MAP@R", "group MAP@R", "H-AP")
GEOMETRY = ((HYP, SPHERE), (FREE, EUCLIDEAN), (DEFAULT, FLAT))
"""Arms and their twins without curvature."""
KINDS = {
    IMAGES: "Trees of the images",
    CLASSES: "Trees of the classes",
    LEARNED: "Trees of the learned proxies",
    VOTED: "Trees of the learned proxies, by votes",
    FITTED: "Trees of k-means proxies",
    FITTED_FINE: "Trees of k-means proxies, levels doubling",
}
ABOUT = {
    IMAGES: "Average linkage in hyperbolic distance of all test images.",
    CLASSES: "Average linkage in hyperbolic distance of the midpoints of the test classes.",
    LEARNED: "Every proxy under the nearest proxy of smaller radius, every image under its nearest proxy.",
    VOTED: "The same proxies with parents by the loss's own definition of an ancestor, without its noise.",
    FITTED: "K-means on the training embeddings after training, as many as the default mode has; then by radius.",
    FITTED_FINE: "The same with levels that double.",
}


def score_tables(scored: Sequence[Scored], kind: str) -> str:
    """Two tables: figures of the taxonomy, and figures of the tree by itself."""
    own = [one for one in scored if one.kind == kind]
    parts = [ABOUT[kind]]
    for title, figures in (("against the taxonomy", LABELLED), ("by itself", OWN)):
        names = [name for name in figures if any(one.figure(name) is not None for one in own)]
        lines = []
        for arm in arms_of(own, kind):
            runs = [one for one in own if one.arm == arm]
            rows = [[row for one in runs if (row := one.figure(name)) is not None] for name in names]
            lines.append([arm, *map(_cell, rows)])
        parts.append(markdown_table([title, *(figures[name] for name in names)], lines))
    return "\n\n".join(parts)


def null_table(scored: Sequence[Scored], kind: str) -> str:
    """Every null of every figure of every arm: mean ± standard deviation of the draws and z, means over seeds."""
    own = [one for one in scored if one.kind == kind]
    arms, lines = arms_of(own, kind), []
    for name in dict.fromkeys(row.name for one in own for row in one.rows):
        rows = {arm: [row for one in own if one.arm == arm and (row := one.figure(name)) is not None] for arm in arms}
        lines.append([f"**{name}**", *(f"**{np.mean([row.value for row in rows[arm]]):.3f}**" for arm in arms)])
        for null in dict.fromkeys(null.name for some in rows.values() for row in some for null in row.nulls):
            lines.append([null, *(_null(rows[arm], null) for arm in arms)])
    return markdown_table(["mean over seeds", *arms], lines)


def against(scored: Sequence[Scored], kind: str) -> list[Difference]:
    """Every arm minus the baseline of a kind of tree: Proxy Anchor, of learned proxies the official mode."""
    baseline = OFFICIAL if kind in (LEARNED, VOTED) else PA
    pairs = [(arm, baseline) for arm in arms_of(scored, kind) if arm != baseline]
    return of_pairs(scored, kind, [*pairs, (DOUBLING, DEFAULT)] if kind == LEARNED else pairs)


def of_pairs(scored: Sequence[Scored], kind: str, pairs: Sequence[tuple[str, str]]) -> list[Difference]:
    """One arm minus another in the trees of a kind."""
    rows = [(f"{one} minus {other}", of_tree(scored, kind, one), of_tree(scored, kind, other)) for one, other in pairs]
    return differences(rows, list(TESTED))


def of_distances(scored: Sequence[Scored], kind: str) -> list[Difference]:
    """The tree by hyperbolic distance minus that of the same points by cosine."""
    rows = [(arm, of_tree(scored, kind, arm), of_tree(scored, kind, arm, COSINE)) for arm in arms_of(scored, kind)]
    return differences(rows, list(TESTED))


def of_proxies(scored: Sequence[Scored]) -> list[Difference]:
    """The tree of learned proxies minus that of k-means proxies, and minus that of the images."""
    rows: list[tuple[str, Figures, Figures]] = []
    for arm in arms_of(scored, LEARNED):
        own = of_tree(scored, LEARNED, arm)
        fitted = FITTED_FINE if arm == DOUBLING else FITTED  # as many proxies
        rows += [(f"{arm}: minus {kind}", own, of_tree(scored, kind, arm)) for kind in (fitted, IMAGES)]
    return differences(rows, list(TESTED))


def of_retrieval(scored: Sequence[Scored]) -> list[Difference]:
    """Retrieval of every arm minus Proxy Anchor."""
    arms = [arm for arm in arms_of(scored, IMAGES) if arm != PA]
    return differences([(f"{arm} minus {PA}", of_run(scored, arm), of_run(scored, PA)) for arm in arms], RETRIEVAL)


def difference_table(found: Sequence[Difference], scale: float = 1.0) -> str:
    """One row a pair: mean difference with its interval, * where it holds after correction within the table."""
    names = list(dict.fromkeys(one.figure for one in found))
    lines = []
    for row in dict.fromkeys(one.row for one in found):
        cells = {one.figure: one for one in found if one.row == row}
        lines.append([row, *(_gap(cells.get(name), scale) for name in names)])
    tests = sum(not math.isnan(one.adjusted) for one in found)
    head = ["points, mean [95 % interval]" if scale == 100 else "mean [95 % interval]"]
    table = markdown_table([*head, *(TESTED.get(name, name) for name in names)], lines)
    return f"{table}\n\n* holds after Holm's correction for the {tests} tests of this table (p < {HELD})."


def retrieval_table(scored: Sequence[Scored]) -> str:
    """Retrieval figures and radii of every arm."""
    lines = []
    for arm in arms_of(scored, IMAGES):
        figures = of_run(scored, arm)
        cells = [_spread([100 * value for value in figures(name).values()], 1) for name in RETRIEVAL]
        radius, clipped = (np.mean(list(figures(name).values())) for name in ("radius", "clipped"))
        lines.append([arm, *cells, f"{radius:.2f}", f"{100 * clipped:.0f}"])
    return markdown_table(["unseen classes, %", *RETRIEVAL, "median radius", "at the clip radius, %"], lines)


def order_table(found: Sequence[Ordered]) -> str:
    """What joins the cells of the proxies, level by level."""
    lines = []
    for arm, kind in dict.fromkeys((one.arm, one.proxies) for one in found):
        own = [one for one in found if (one.arm, one.proxies) == (arm, kind)]
        for level, name in reversed(list(enumerate(own[0].levels))):
            values = {way: [one.purity[way][level] for one in own] for way in (STAR, BY_RADIUS, LINKED)}
            nulls = {null: np.array([one.draws[null] for one in own])[:, :, level] for null in (ORDER, MOVED)}
            drawn = [f"{rows.mean():.3f} ± {rows.std(1, ddof=1).mean():.3f}" for rows in nulls.values()]
            scores = {way: np.mean([one.z(way, MOVED)[level] for one in own]) for way in (BY_RADIUS, LINKED)}
            gap = paired_difference(values[BY_RADIUS], nulls[MOVED].mean(1))
            lines.append(
                [
                    f"{arm}, {kind}: {name}",
                    _spread(values[STAR]),
                    *drawn,
                    f"{_spread(values[BY_RADIUS])} (z {scores[BY_RADIUS]:.1f})",
                    f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]",
                    f"{_spread(values[LINKED])} (z {scores[LINKED]:.1f})",
                ]
            )
    heads = [STAR, ORDER, MOVED, BY_RADIUS, "minus radii permuted", LINKED]
    return markdown_table(["dendrogram purity", *heads], lines)


def _cell(rows: Sequence[FigureRow]) -> str:
    if not rows:
        return "-"
    text = _spread([row.value for row in rows])
    nulls = [null for row in rows if (null := hardest(row)) is not None]
    if nulls:
        names = "/".join(dict.fromkeys(_letter(null.name) for null in nulls))
        scores = [null.z for null in nulls if null.z is not None]
        text += f" ({names} {np.mean([null.mean for null in nulls]):.3f} ± {np.mean([null.sd for null in nulls]):.3f}"
        text += f", {z_text(float(np.mean(scores)))})" if scores else ")"
    chance = sum(not row.beats for row in rows)
    return text + (f" **n.d.** {chance}/{len(rows)}" if chance else "")


def _null(rows: Sequence[FigureRow], name: str) -> str:
    found = [null for row in rows for null in row.nulls if null.name == name]
    if not found:
        return "-"
    scores = [null.z for null in found if null.z is not None]
    text = f"{np.mean([null.mean for null in found]):.3f} ± {np.mean([null.sd for null in found]):.3f}"
    return text + (f", {z_text(float(np.mean(scores)))}" if scores else ", no spread")


def _letter(name: str) -> str:
    """L, D or R for the name of a null model."""
    return "L" if "shuffled" in name else "D" if "direction" in name else "R"


def _spread(values: Sequence[float], digits: int = 3) -> str:
    found = spread(values)
    return f"{found.mean:.{digits}f}" + ("" if math.isnan(found.sd) else f" ± {found.sd:.{digits}f}")


def _gap(one: Difference | None, scale: float) -> str:
    if one is None:
        return "-"
    gap, digits = one.difference, 2 if scale == 100 else 3
    text = f"{scale * gap.mean:+.{digits}f}"
    if not math.isnan(gap.low):
        text += f" [{scale * gap.low:+.{digits}f}, {scale * gap.high:+.{digits}f}]"
    return text + (" *" if one.holds else "")
