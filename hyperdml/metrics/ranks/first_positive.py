"""The rank of the nearest item of a query's class, which is all that Recall@k needs, without any ranking."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference, ReferenceLabels, SearchSets
from hyperdml.metrics.labels import Labels
from hyperdml.metrics.ranks.counting import Counter
from hyperdml.metrics.ranks.goals import Goal
from hyperdml.metrics.ranks.nearest_positive import Items, nearest_positives
from hyperdml.metrics.ranks.shared_setting import SharedSetting
from hyperdml.metrics.ranks.symmetric_score import SymmetricScore, coincidences
from hyperdml.neighbors import make_knn
from hyperdml.neighbors.points import search_points

_ENGINES = ("auto", "numba", "torch")


@torch.no_grad()
def first_positive_rank(
    embeddings: Tensor,
    labels: Labels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
    engine: str = "auto",
) -> Tensor:
    """Rank of the nearest reference item that shares the query's label.

    ``1 + the number of items that are nearer``, as the ranking of `ExactKNN` has it: by float64 distance, equal
    distances by index. Recall@k is ``((ranks > 0) & (ranks <= k)).double().mean()``, for every k at once.

    The distance of the nearest positive is a threshold; items on either side of it are counted from blocks of a
    float32 matrix product whose rounding is bounded, and the few entries too near to the threshold to tell are decided
    by exact distances. A set compared with itself takes half the products, since each block serves its rows and its
    columns. Memory beyond the inputs: a float32 copy of them, widened by 2, some numbers an item, and a few blocks of
    4 MB a thread; it does not grow with the product of the sets.

    Args:
        embeddings: (Q, d) queries.
        labels: (Q,) integer labels.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, or several, in which nothing is left out; None for the queries themselves, each left
            out of its own search.
        reference_labels: (M,) integer labels of the gallery.
        ref_includes_query: query i is reference row i, which is left out of its search.
        engine: "torch" computes with torch's operations on the embeddings' device, "numba" on the CPU with a compiled
            kernel and as many threads as torch has; "auto" takes numba on the CPU where there is enough to do. The
            results are the same.

    Returns:
        (Q,) int64 ranks, counted from 1, on the embeddings' device; 0 where no item shares the label.

    Raises:
        ValueError: labels, reference and options do not fit each other (see `retrieve`), the points do not belong to
            the space, or the engine is unknown.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.1, 0.0], [0.2, 0.0], [-0.3, 0.0], [0.6, 0.0]])
        >>> first_positive_rank(points, torch.tensor([0, 0, 1, 1]), c=1.0).tolist()
        [1, 1, 3, 3]
    """
    if engine not in _ENGINES:
        raise ValueError(f"engine must be one of {', '.join(_ENGINES)}, got {engine!r}")
    sets = SearchSets.of(embeddings, labels, reference, reference_labels, ref_includes_query)
    home = sets.query.device
    if engine == "numba" and home.type == "cuda":
        raise ValueError("engine='numba' works on the CPU, but the embeddings lie on a GPU; use engine='torch'")
    space = make_knn(metric, c, engine="torch").space
    query = search_points(sets.query, "embeddings", space)
    one_set = sets.reference is sets.query
    gallery = query if one_set else search_points(sets.reference, "reference", space).to(query.device)
    if gallery.shape[1] != query.shape[1]:
        raise ValueError(f"embeddings have dimension {query.shape[1]}, reference {gallery.shape[1]}")
    names, among = (x.to(query.device) for x in (sets.query_labels, sets.reference_labels))
    # the reference given may be the queries once more
    one_set = one_set or (
        sets.leave_one_out
        and query.dtype == gallery.dtype
        and torch.equal(query, gallery)
        and torch.equal(names, among)
    )
    with _full_precision(query.device):
        ranks = _ranks(SymmetricScore(space, query, gallery), query, names, gallery, among, one_set, sets, engine)
    return ranks.to(home)


def _ranks(
    score: SymmetricScore,
    query: Tensor,
    names: Tensor,
    gallery: Tensor,
    among: Tensor,
    one_set: bool,
    sets: SearchSets,
    engine: str,
) -> Tensor:
    if bool((among == among[0]).all()):  # nothing can come before a positive
        return ((names == among[0]) & (len(gallery) > sets.leave_one_out)).long()
    if one_set:
        items = others = Items.of(score, query, names, coincidences(score, query))
    else:
        spots = coincidences(score, torch.cat([query, gallery]))
        items = Items.of(score, query, names, spots[: len(query)])
        others = Items.of(score, gallery, among, spots[len(query) :])
    distance, position = nearest_positives(score, items, others, sets.leave_one_out)
    goal = Goal.of(score, items, others, distance, position)
    ranks = torch.zeros(len(query), dtype=torch.int64, device=query.device)
    nearer = Counter(score, items, others, goal, engine).run()
    ranks[items.index] = torch.where(position >= 0, nearer + 1, 0)
    return ranks


@contextlib.contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Float32 products keep their digits, whatever the caller allows: no TF32, no bfloat16, no autocast."""
    with _PRECISION.held(), torch.autocast(device.type, enabled=False):
        yield


def _highest_precision() -> Callable[[], None]:
    allowed = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    return partial(torch.set_float32_matmul_precision, allowed)


_PRECISION = SharedSetting(_highest_precision)
