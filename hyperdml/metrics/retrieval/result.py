"""The immutable result of one search, which retrieval scores, grids of images and reports are read off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from hyperdml.metrics.galleries import Reference, ReferenceLabels, SearchSets, check_ks
from hyperdml.metrics.labels import Labels, count_among
from hyperdml.metrics.retrieval import per_query
from hyperdml.neighbors import make_knn


@dataclass(frozen=True)
class RetrievalResult:
    """The k nearest reference items of every query, with the labels of both.

    `hits` and `relevant` are what the functions of `hyperdml.metrics.retrieval.per_query` take, so that
    ``per_query.r_precision(result.hits, result.relevant)`` has the queries one by one.

    Attributes:
        indices: (Q, k) int64 rows of the reference, nearest first, equal distances by row.
        distances: (Q, k) their distances.
        query_labels: (Q,) int64.
        reference_labels: (M,) int64.
        leave_one_out: query i is reference row i and was left out of its own neighbours.
    """

    indices: Tensor
    distances: Tensor
    query_labels: Tensor
    reference_labels: Tensor
    leave_one_out: bool

    @property
    def relevant(self) -> Tensor:
        """(Q,) int64: how many reference items share each query's label (the query itself not counted)."""
        return count_among(self.query_labels, self.reference_labels) - int(self.leave_one_out)

    @property
    def hits(self) -> Tensor:
        """(Q, k) bool: which of the neighbours share the query's label."""
        return self.reference_labels[self.indices] == self.query_labels[:, None]

    def recall_at_k(self, ks: Sequence[int]) -> dict[int, float]:
        """Recall@k for several k; see the function `recall_at_k`."""
        hits = self._hits(ks, "Recall")
        return {k: float(per_query.recall_at_k(hits, k).mean()) for k in ks}

    def precision_at_k(self, ks: Sequence[int]) -> dict[int, float]:
        """Precision@k for several k; see the function `precision_at_k`."""
        hits = self._hits(ks, "Precision")
        return {k: float(per_query.precision_at_k(hits, k).mean()) for k in ks}

    def r_precision(self) -> float:
        """R-precision; see the function `r_precision`."""
        return mean_score(per_query.r_precision(self.hits, self.relevant), "R-precision")

    def map_at_r(self) -> float:
        """MAP@R; see the function `map_at_r`."""
        return mean_score(per_query.average_precision_at_r(self.hits, self.relevant), "MAP@R")

    def map_at_k(self, k: int) -> float:
        """MAP@k: `per_query.average_precision` of the k nearest, mean over queries with a relevant item."""
        hits = self._hits([k], "MAP")[:, :k]
        return mean_score(per_query.average_precision(hits, self.relevant), f"MAP@{k}")

    def mrr_at_k(self, k: int) -> float:
        """MRR@k: `per_query.reciprocal_rank` among the k nearest, mean over queries with a relevant item."""
        hits = self._hits([k], "MRR")[:, :k]
        return mean_score(per_query.reciprocal_rank(hits, self.relevant), f"MRR@{k}")

    def _hits(self, ks: Sequence[int], score: str) -> Tensor:
        check_ks(ks, self.indices.shape[1], score, "the number of neighbours that were searched")
        return self.hits


def retrieve(
    embeddings: Tensor,
    labels: Labels,
    k: int,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
) -> RetrievalResult:
    """The k nearest items of every query by exact search.

    Args:
        embeddings: (N, d) queries: points of the ball for "hyperbolic", vectors otherwise.
        labels: (N,) integer labels.
        k: neighbours per query.
        c: curvature magnitude (the ball has curvature -c); required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, or a sequence of galleries, whose union is searched with rows counted on through it;
            nothing in it is masked. None searches the queries' own set, where each query is left out of its
            neighbours by its index. See `hyperdml.metrics.galleries.SearchSets` for the protocols.
        reference_labels: (M,) integer labels of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        The result, on the embeddings' device.

    Raises:
        ValueError: c is missing; the labels or the sets do not fit (`SearchSets.of`); or what
            `hyperdml.neighbors.ExactKNN` raises.
    """
    sets = SearchSets.of(embeddings, labels, reference, reference_labels, ref_includes_query)
    return search(sets, k, c, metric)


def retrieve_each(
    embeddings: Tensor,
    labels: Labels,
    k: int,
    galleries: Mapping[str, tuple[Tensor, Labels]],
    c: float | None = None,
    metric: str = "hyperbolic",
) -> dict[str, RetrievalResult]:
    """The k nearest items of every query in each of several galleries by itself, as for one report a domain.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels.
        k: neighbours per query and gallery.
        galleries: name to (M, d) points and their (M,) integer labels; nothing in them is masked.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".

    Returns:
        Name to result, in the order of the galleries.

    Raises:
        ValueError: there are no galleries; or what `retrieve` raises, with the name of the gallery.
    """
    if not galleries:
        raise ValueError("galleries is empty: name at least one")
    results = {}
    for name, (reference, reference_labels) in galleries.items():
        try:
            results[name] = retrieve(embeddings, labels, k, c, metric, reference, reference_labels)
        except ValueError as error:
            raise ValueError(f"gallery {name!r}: {error}") from error
    return results


def search(sets: SearchSets, k: int, c: float | None, metric: str) -> RetrievalResult:
    """`retrieve` for sets that have been checked."""
    distances, indices = make_knn(metric, c)(sets.query, k, sets.reference, ref_includes_query=sets.leave_one_out)
    return RetrievalResult(indices, distances, sets.query_labels, sets.reference_labels, sets.leave_one_out)


def mean_score(scores: Tensor, name: str) -> float:
    """Mean of (Q,) scores of single queries over those that have one.

    Raises:
        ValueError: no query has one.
    """
    if scores.isnan().all():
        raise ValueError(f"{name} is not defined: no query shares its label with another item")
    return float(scores.nanmean())
