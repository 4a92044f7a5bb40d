"""All scores of a tree, each beside its null models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from hyperdml.metrics.labels import Labels
from hyperdml.metrics.trees.cophenetic import cophenetic_correlation
from hyperdml.metrics.trees.dasgupta import dasgupta_cost
from hyperdml.metrics.trees.gromov import sampled_gromov_delta
from hyperdml.metrics.trees.measured import Measured, measured_of
from hyperdml.metrics.trees.nulls import random_directions
from hyperdml.metrics.trees.radius_order import radius_order_of
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

if TYPE_CHECKING:
    from scipy.sparse import sparray

LABELS = "labels shuffled"
LEAVES = "leaves shuffled"
RADII = "radii permuted"
DIRECTIONS = "random directions"

ParentsAndHeights = tuple[Labels, ArrayLike | None]

_TRIPLETS = 100_000
_GROMOV_SAMPLE = 300


class GrownTree(NamedTuple):
    """A tree that a null model grew over the same leaves.

    Attributes:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        heights: (M,) heights, or None.
        points: (N, d) points of the leaves, where the null model moved them: distances are then those of these points.
        similarities: (N, N) sparse graph of the moved points; without it the figure of similarities is left out.
        radii: (M,) hyperbolic distance of every node to the origin; without them the figures of radii are left out.
    """

    parents: Labels
    heights: ArrayLike | None = None
    points: Tensor | None = None
    similarities: sparray | None = None
    radii: ArrayLike | None = None


@torch.no_grad()
def tree_scores(
    parents: Labels,
    heights: ArrayLike | None = None,
    *,
    labels: Labels | None,
    taxonomy: Taxonomy | None = None,
    level_names: Sequence[str] | None = None,
    points: Tensor | None = None,
    c: float | None = None,
    radii: ArrayLike | None = None,
    similarities: sparray | None = None,
    nulls: Mapping[str, Callable[[torch.Generator | None], GrownTree]] | None = None,
    controls: Mapping[str, ParentsAndHeights] | None = None,
    draws: int = 20,
    null_draws: int | None = None,
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
        labels: (N,) integer label of every leaf; with a taxonomy one of its classes. None leaves out what needs them.
        taxonomy: tree or forest of classes.
        level_names: names of the columns of `taxonomy.levels_array()`, or of the one level of labels.
        points: (N, d) points of the ball, the leaves, with c.
        c: curvature magnitude.
        radii: (M,) hyperbolic distance of every node to the origin; those of leaves are not read.
        similarities: (N, N) sparse array; see `dasgupta_cost`.
        nulls: name of a further null model to a function that draws a tree of it over the same leaves, as one grown
            from points in random directions or from proxies with permuted radii.
        controls: name of a control, as the cosine, to parents and heights of its tree over the same leaves.
        draws: draws from every null model, at least 2.
        null_draws: draws from each of `nulls`, where growing trees takes long; by default as many.
        generator: source of all draws; None draws from torch's global one.

    Returns:
        The scores; `dataclasses.asdict` of it is ready for JSON.

    Raises:
        ValueError: see `leaf_tree` and `reference_parents`; points without c, or not one per label; neither
            labels nor points; or no labels belong together and apart from a third.

    Example:
        >>> seed = torch.Generator().manual_seed(0)
        >>> scores = tree_scores([4, 4, 5, 5, 6, 6, -1], labels=[0, 0, 1, 1], generator=seed)
        >>> scores.figures["dendrogram purity, class"].value
        1.0
    """
    truth = None if labels is None else truth_of(labels, taxonomy, level_names, _TRIPLETS, generator)
    if truth is None and points is None:
        raise ValueError("a tree is scored against labels or points, got neither")
    leaves = len(points) if truth is None and points is not None else len(labels)  # type: ignore[arg-type]
    measured = measured_of(points, c, leaves, heights is not None, similarities, generator)
    case = case_of(parents, heights, leaves, truth, measured, radii)
    models: dict[str, Callable[[torch.Generator | None], Case]] = {}
    if truth is not None:
        models[LABELS] = lambda g: case.shuffled(g, True)
    if measured is not None:
        models[LEAVES] = lambda g: case.shuffled(g, False)
    if radii is not None:
        models[RADII] = case.radii_permuted
    times = dict.fromkeys(models, draws)
    for name, draw in (nulls or {}).items():
        models[name] = partial(_grown, draw, leaves, truth, measured)
        times[name] = draws if null_draws is None else null_draws
    found = figures_with_nulls(_figures, case, models, times, generator)
    if points is not None and c is not None:
        delta = partial(sampled_gromov_delta, c=c, sample=_GROMOV_SAMPLE, generator=generator)
        x = points.detach().cpu().double()
        count = times.setdefault(DIRECTIONS, draws)  # as often as a tree of such directions, so that one number holds
        found[GROMOV] = with_nulls(delta, x, {DIRECTIONS: partial(random_directions, x)}, count, generator)
    used = dict.fromkeys(null for score in found.values() for null in score.nulls)
    return TreeScores(
        leaves=case.tree.leaves,
        inner_nodes=len(case.tree.parent) - case.tree.leaves,
        depth=int(case.tree.depths.max()),
        figures=found,
        triplet_interval=None if truth is None else triplet_interval(truth, case.tree).interval,
        controls={
            name: label_figures(truth, case_of(*tree, leaves, truth))
            for name, tree in (controls or {}).items()
            if truth is not None
        },
        draws={null: times[null] for null in used},
    )


def _figures(case: Case) -> dict[str, float]:
    """Figures of labels and of distances, as far as the case has them."""
    out = {} if case.truth is None else label_figures(case.truth, case)
    measured = case.measured
    if measured is not None and len(measured.pairs) and case.heights is not None:
        pairs = case.leaves[measured.pairs]
        value = cophenetic_correlation(case.tree, case.heights, case.tree.leaves, pairs, measured.distances)
        if value is not None:
            out[COPHENETIC] = value
    if measured is not None and measured.similarities is not None:
        out[NEIGHBOURS] = dasgupta_cost(case.tree, measured.similarities[case.items][:, case.items]).score
    if case.radii is not None:
        order = radius_order_of(case.tree, case.radii)
        found = {RADIUS_SIZE: order.size, RADIUS_LEVEL: order.level}
        out |= {name: value for name, value in found.items() if value is not None}
    return out


def _grown(
    draw: Callable[[torch.Generator | None], GrownTree],
    leaves: int,
    truth: Truth | None,
    measured: Measured | None,
    generator: torch.Generator | None,
) -> Case:
    tree = GrownTree(*draw(generator))
    if measured is not None and tree.points is not None:
        measured = measured.of(tree.points, tree.similarities)
    return case_of(tree.parents, tree.heights, leaves, truth, measured, tree.radii)
