"""All scores of a tree, each beside its null models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from hyperdml.geometry import curvature_of, distance
from hyperdml.metrics.labels import Labels
from hyperdml.metrics.trees.cophenetic import cophenetic_correlation, leaf_pairs
from hyperdml.metrics.trees.dasgupta import dasgupta_cost
from hyperdml.metrics.trees.gromov import sampled_gromov_delta
from hyperdml.metrics.trees.leaf_tree import Floats, LeafTree
from hyperdml.metrics.trees.nulls import Score, permutation, random_directions
from hyperdml.metrics.trees.radius_order import radius_order
from hyperdml.metrics.trees.tree_figures import Case, Truth, case_of, label_figures, triplet_interval, truth_of
from hyperdml.metrics.trees.tree_scores_result import (
    COPHENETIC,
    GROMOV,
    NEIGHBOURS,
    RADIUS_LEVEL,
    RADIUS_SIZE,
    TreeScores,
)
from hyperdml.metrics.trees.with_nulls import figures_with_nulls, with_nulls
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints

if TYPE_CHECKING:
    from scipy.sparse import sparray

LABELS = "labels shuffled"
LEAVES = "leaves shuffled"
RADII = "radii permuted"
DIRECTIONS = "random directions"

ParentsAndHeights = tuple[Labels, ArrayLike | None]

_TRIPLETS = 100_000
_BLOCK = 4_000_000  # coordinates at once, 32 MB in float64
_GROMOV_SAMPLE = 300


@torch.no_grad()
def tree_scores(
    parents: Labels,
    heights: ArrayLike | None = None,
    *,
    labels: Labels,
    taxonomy: Taxonomy | None = None,
    level_names: Sequence[str] | None = None,
    points: Tensor | None = None,
    c: float | None = None,
    radii: ArrayLike | None = None,
    similarities: sparray | None = None,
    nulls: Mapping[str, Callable[[torch.Generator | None], ParentsAndHeights]] | None = None,
    controls: Mapping[str, ParentsAndHeights] | None = None,
    draws: int = 20,
    generator: torch.Generator | None = None,
) -> TreeScores:
    """Score a tree against labels or a taxonomy, and itself, with what null models of it give.

    Always: dendrogram purity and Dasgupta score per level, triplet accuracy, best-match F1. With a taxonomy that has
    groups of classes: Robinson-Foulds distance and recovered groups, both the mean over 10 draws of one item per class.
    With heights: NMI and ARI of the cut into as many parts as a level has ids. With points: relative Gromov delta, and
    with heights the cophenetic correlation. With similarities: the Dasgupta score of them. With radii: their order.

    Null models: *labels shuffled* for figures of labels, *leaves shuffled* for figures of distances and similarities
    (the tree stays, what hangs at its leaves changes places), *radii permuted* among the inner nodes for their order,
    *random directions* at the same radii for Gromov delta, and all those in `nulls`. A level is scored if some of its
    ids are shared and not all are the same.

    Args:
        parents: (M,) parents, -1 for the root; nodes 0, ..., N - 1 are the leaves; see `leaf_tree`.
        heights: (M,) height of every node, as the distance at which a linkage joins; None leaves out what needs them.
        labels: (N,) integer label of every leaf; with a taxonomy one of its classes.
        taxonomy: tree or forest of classes.
        level_names: names of the columns of `taxonomy.levels_array()`, or of the one level of labels.
        points: (N, d) points of the ball, the leaves, with c.
        c: curvature magnitude.
        radii: (M,) hyperbolic distance of every node to the origin; those of leaves are not read.
        similarities: (N, N) sparse array; see `dasgupta_cost`.
        nulls: name of a further null model to a function that draws a tree of it over the same leaves, as one grown
            from proxies in random directions or with permuted radii; it returns parents and heights.
        controls: name of a control, as the cosine, to parents and heights of its tree over the same leaves.
        draws: draws from every null model, at least 2.
        generator: source of all draws; None draws from torch's global one.

    Returns:
        The scores; `dataclasses.asdict` of it is ready for JSON.

    Raises:
        ValueError: see `leaf_tree` and `reference_parents`; points without c, or not one per label; or no labels
            belong together and apart from a third.

    Example:
        >>> seed = torch.Generator().manual_seed(0)
        >>> scores = tree_scores([4, 4, 5, 5, 6, 6, -1], labels=[0, 0, 1, 1], generator=seed)
        >>> scores.figures["dendrogram purity, class"].value
        1.0
    """
    truth = truth_of(labels, taxonomy, level_names, _TRIPLETS, generator)
    case = case_of(parents, heights, truth)
    radius = None if radii is None else case.tree.values(radii, "radii")
    measured = _distances(points, c, truth.tree.leaves, heights is not None, generator)
    figures = partial(_figures, truth, measured, similarities)
    models: dict[str, Callable[[torch.Generator | None], Case]] = {LABELS: lambda g: case.shuffled(g, True)}
    if measured is not None or similarities is not None:
        models[LEAVES] = lambda g: case.shuffled(g, False)
    for name, draw in (nulls or {}).items():
        models[name] = partial(_drawn, draw, truth)
    found = figures_with_nulls(figures, case, models, draws, generator)
    if radius is not None:
        found |= _radius_scores(case.tree, radius, draws, generator)
    if points is not None and c is not None:
        delta = partial(sampled_gromov_delta, c=c, sample=_GROMOV_SAMPLE, generator=generator)
        x = points.detach().cpu().double()
        found[GROMOV] = with_nulls(delta, x, {DIRECTIONS: partial(random_directions, x)}, draws, generator)
    return TreeScores(
        leaves=case.tree.leaves,
        inner_nodes=len(case.tree.parent) - case.tree.leaves,
        depth=int(case.tree.depths.max()),
        figures=found,
        triplet_interval=triplet_interval(truth, case.tree).interval,
        controls={name: label_figures(truth, case_of(*tree, truth)) for name, tree in (controls or {}).items()},
    )


def _figures(
    truth: Truth, measured: tuple[Ints, Floats] | None, similarities: sparray | None, case: Case
) -> dict[str, float]:
    """Figures of labels and of distances, as far as the case has them."""
    out = label_figures(truth, case) if case.labelled else {}
    if case.measured and measured is not None and case.heights is not None:
        pairs, distances = measured
        value = cophenetic_correlation(case.tree, case.heights, case.tree.leaves, case.leaves[pairs], distances)
        if value is not None:
            out[COPHENETIC] = value
    if case.measured and similarities is not None:
        out[NEIGHBOURS] = dasgupta_cost(case.tree, similarities[case.items][:, case.items]).score
    return out


def _drawn(
    draw: Callable[[torch.Generator | None], ParentsAndHeights], truth: Truth, generator: torch.Generator | None
) -> Case:
    return case_of(*draw(generator), truth)


def _distances(
    points: Tensor | None, c: float | None, leaves: int, needed: bool, generator: torch.Generator | None
) -> tuple[Ints, Floats] | None:
    """Pairs of leaves and their distances; None without points or where they are not needed."""
    if points is None:
        return None
    if c is None or points.ndim != 2 or len(points) != leaves:
        raise ValueError(f"points must be ({leaves}, d), with c, got {tuple(points.shape)} and c = {c}")
    if not needed:
        return None
    x, curvature = points.detach().cpu().double(), curvature_of(c)
    pairs = leaf_pairs(leaves, generator=generator)
    parts = torch.from_numpy(pairs).split(max(1, _BLOCK // x.shape[1]))
    return pairs, torch.cat([distance(x[part[:, 0]], x[part[:, 1]], curvature) for part in parts]).numpy()


def _radius_scores(tree: LeafTree, radii: Floats, draws: int, generator: torch.Generator | None) -> dict[str, Score]:
    """Order of the radii (n,) of the nodes in the tree's own order, beside radii permuted among the inner nodes."""
    given = np.zeros(tree.nodes)
    inner = tree.given[tree.inner]

    def figures(values: Floats) -> dict[str, float]:
        given[inner] = values
        found = radius_order(tree, given, tree.leaves)
        pairs = ((RADIUS_SIZE, found.size), (RADIUS_LEVEL, found.level))
        return {name: value for name, value in pairs if value is not None}

    own = radii[tree.inner]
    models = {RADII: lambda g: own[permutation(len(own), g).numpy()]}
    return figures_with_nulls(figures, own, models, draws, generator)
