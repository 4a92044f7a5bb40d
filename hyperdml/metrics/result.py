"""The immutable result of one search, which every retrieval score is read off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.labels import Labels, point_labels
from hyperdml.neighbors import make_knn


@dataclass(frozen=True)
class RetrievalResult:
    """The k nearest reference items of every query, with the labels of both: what all scores below are made of.

    Attributes:
        indices: (Q, k) int64 rows of the reference, nearest first.
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
        found = self.indices.shape[1]
        for k in ks:
            if not 1 <= k <= found:
                raise ValueError(f"Recall@{k} needs 1 <= k <= {found}, the number of neighbours that were searched")
        hits = self.hits
        return {k: float(hits[:, :k].any(1).double().mean()) for k in ks}

    def map_at_r(self) -> float:
        """MAP@R; see the function `map_at_r`."""
        relevant = self.relevant
        answerable = relevant > 0
        if not answerable.any():
            raise ValueError("MAP@R is not defined: no query shares its label with another item")
        most = int(relevant.max())
        if most > self.indices.shape[1]:
            raise ValueError(
                f"MAP@R needs {most} neighbours, the size of the largest relevant set, but only "
                f"{self.indices.shape[1]} were searched"
            )
        rank = torch.arange(1, most + 1, device=relevant.device)
        counted = self.hits[:, :most] & (rank <= relevant[:, None])
        precision = counted.cumsum(1).double() / rank
        average = (precision * counted).sum(1)[answerable] / relevant[answerable]
        return float(average.mean())


def retrieve(
    embeddings: Tensor,
    labels: Labels,
    k: int,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Tensor | None = None,
    reference_labels: Labels | None = None,
) -> RetrievalResult:
    """The k nearest items of every query by exact search.

    Args:
        embeddings: (N, d) queries: points of the ball for "hyperbolic", vectors otherwise.
        labels: (N,) integer labels.
        k: neighbours per query.
        c: curvature magnitude (the ball has curvature -c); required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, in which nothing is masked; None searches the queries' own set, where each query
            is left out of its neighbours by its index.
        reference_labels: (M,) integer labels of the gallery.

    Returns:
        The result, on the embeddings' device.

    Raises:
        ValueError: c is missing; labels are not integers or not one per point; one of `reference` and
            `reference_labels` is missing; or what `hyperdml.neighbors.ExactKNN` raises.
    """
    query_labels = point_labels(labels, embeddings, "labels")
    if (reference is None) != (reference_labels is None):
        raise ValueError("reference and reference_labels belong together: pass both or none")
    alone = reference is None or reference_labels is None
    gallery = embeddings if reference is None else reference
    gallery_labels = (
        query_labels if reference_labels is None else point_labels(reference_labels, gallery, "reference_labels")
    )
    knn = make_knn(metric, c)
    distances, indices = knn(embeddings, k, gallery, ref_includes_query=alone)
    return RetrievalResult(indices, distances, query_labels, gallery_labels.to(indices.device), alone)


def count_among(labels: Tensor, among: Tensor) -> Tensor:
    """(Q,) int64: how often each of the (Q,) labels occurs in the (M,) labels `among`."""
    ordered = among.sort().values
    return torch.searchsorted(ordered, labels, right=True) - torch.searchsorted(ordered, labels)
