"""How far up the class tree the nearest neighbour's class meets the query's: the severity of retrieval errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference, ReferenceLabels
from hyperdml.metrics.labels import Labels, Levels, integers, nested_levels
from hyperdml.metrics.retrieval.result import RetrievalResult, mean_score, retrieve


@dataclass(frozen=True)
class ErrorHeights:
    """Costs of the nearest neighbours, in units of the class distances.

    Attributes:
        of_errors: mean over the queries whose nearest item is of another class; None if there are none. Alone it can
            improve by more errors that are easy: read it beside the other two.
        of_all: mean over all queries, those with a neighbour of their class included at the cost 0.
        errors: number of queries whose nearest item is of another class.
        queries: number of queries that share their class with an item.
    """

    of_errors: float | None
    of_all: float
    errors: int
    queries: int


def lca_heights(class_levels: Levels) -> Tensor:
    """Height of the lowest common ancestor of every two classes in the tree that levels make.

    Classes that share l of their L ids meet at height L - l, and the root has height L.

    Args:
        class_levels: (C, L) integer ids of the classes, coarse to fine, nested; the last is the class's own.

    Returns:
        (C, C) int16 heights, 0 on the diagonal.

    Raises:
        ValueError: the levels are not an integer matrix or not nested, or two classes have the same last id.

    Example:
        >>> lca_heights(np.array([[0, 0], [0, 1], [1, 2]])).tolist()
        [[0, 1, 2], [1, 0, 2], [2, 2, 0]]
    """
    ids = integers(class_levels, "class_levels")
    if ids.ndim != 2 or 0 in ids.shape:
        raise ValueError(f"class_levels must be (C, L) ids, coarse to fine, got {tuple(ids.shape)}")
    ids = nested_levels(ids, ids)
    order = ids[:, -1].argsort(stable=True)
    twice = (ids[order[1:], -1] == ids[order[:-1], -1]).nonzero()
    if len(twice):
        first, second = int(order[twice[0]]), int(order[twice[0] + 1])
        raise ValueError(
            f"classes {first} and {second} have the same last id {int(ids[first, -1])}; the last level must tell all "
            "classes apart"
        )
    heights = torch.full((len(ids), len(ids)), ids.shape[1], dtype=torch.int16)
    for level in ids.T:
        heights -= (level[:, None] == level).short()
    return heights


def nearest_costs(result: RetrievalResult, class_distances: Tensor | np.ndarray) -> Tensor:
    """Cost of the nearest item of every query; see `lca_height_of_errors`.

    Args:
        result: a search with labels 0, ..., C - 1.
        class_distances: (C, C) costs.

    Returns:
        (Q,) float64, NaN where no item shares the query's class.

    Raises:
        ValueError: the costs are not a square of finite numbers, not negative and 0 on the diagonal; or a label is not
            one of its rows.
    """
    cost = torch.as_tensor(class_distances)
    if cost.ndim != 2 or cost.shape[0] != cost.shape[1]:
        raise ValueError(f"class_distances must be a square (C, C) matrix, got {tuple(cost.shape)}")
    if not cost.isfinite().all() or (cost < 0).any() or cost.diagonal().any():
        raise ValueError(
            "class_distances must be finite, not negative and 0 on the diagonal: distances, not similarities"
        )
    for name, labels in (("labels", result.query_labels), ("reference_labels", result.reference_labels)):
        outside = (labels < 0) | (labels >= len(cost))
        if outside.any():
            row = int(outside.nonzero()[0])
            raise ValueError(
                f"{name} must be rows of class_distances, 0 to {len(cost) - 1}, but row {row} has {int(labels[row])}"
            )
    own, found = result.query_labels.cpu(), result.reference_labels[result.indices[:, 0]].cpu()
    costs = cost.cpu()[own, found].double().to(result.query_labels.device)
    return costs.masked_fill(result.relevant == 0, torch.nan)


def lca_height_of_errors(
    embeddings: Tensor,
    labels: Labels,
    class_distances: Tensor | np.ndarray,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
) -> ErrorHeights:
    """Mean cost of the wrong nearest neighbours, and of all nearest neighbours.

    With LCA heights as costs these are for retrieval what Bertinetto et al. (Making Better Mistakes, CVPR 2020) call
    mistake severity and hierarchical distance at 1. Of items at equal distance the one of lower index is nearest. A
    query whose class no other item has could only be wrong, and is left out of both means.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels, rows of `class_distances`.
        class_distances: (C, C) cost of a neighbour of the column's class for a query of the row's, as `lca_heights`
            makes them from levels; 0 on the diagonal.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_labels: (M,) integer labels of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        The means and what they are taken over.

    Raises:
        ValueError: see `retrieve` and `nearest_costs`; or no query shares its label with another item.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.8, 0.0], [0.9, 0.0]])
        >>> costs = lca_heights(np.array([[0, 0], [0, 1], [1, 2]]))
        >>> lca_height_of_errors(points, [0, 0, 2, 2, 1], costs, c=1.0)
        ErrorHeights(of_errors=2.0, of_all=1.0, errors=2, queries=4)
    """
    result = retrieve(
        embeddings, labels, 1, c, metric, reference, reference_labels, ref_includes_query=ref_includes_query
    )
    costs = nearest_costs(result, class_distances)
    answerable = ~costs.isnan()
    wrong = answerable & ~result.hits[:, 0]
    return ErrorHeights(
        of_errors=float(costs[wrong].mean()) if wrong.any() else None,
        of_all=mean_score(costs, "the height of the nearest neighbour"),
        errors=int(wrong.sum()),
        queries=int(answerable.sum()),
    )
