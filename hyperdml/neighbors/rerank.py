"""k-reciprocal re-ranking of the neighbours that a search found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from hyperdml.neighbors.encoding import farthest_distances, k_reciprocal_encoding, scaled
from hyperdml.neighbors.spaces import Space

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_BLOCK = 1_000_000  # weights gathered at once, 8 MB, of which the sum makes a few copies


class Search(Protocol):
    """A search that says by which distance it searches: `ExactKNN` is one."""

    space: Space

    def __call__(
        self, query: Tensor, k: int, reference: Tensor, ref_includes_query: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(N, k) distances and rows of the reference."""


class KReciprocalReranker:
    """A search whose nearest neighbours are put in the order of the k-reciprocal distance (Zhong et al., CVPR 2017).

    ``d*(q, g) = (1 - weight) d_J(q, g) + weight s(q, g)``, where the Jaccard distance
    ``d_J = 1 - sum_j min(V_qj, V_gj) / sum_j max(V_qj, V_gj)`` compares the encodings of the two points over all
    points and s is the squared distance divided by the largest of q (`hyperdml.neighbors.encoding`).

    It is called like the search that it wraps. The results of a query depend on the other queries of the call, since
    queries and reference points together make up the sets of neighbours (with `ref_includes_query` the reference does
    alone): give all queries in one call. A call costs a search among all these points, a product of the same size for
    the largest distances, and memory O(N k1 k2) and O(Q candidates); sparse parts are computed on the CPU.

    Where few neighbours are mutual, as among points of widely spread radii, it can lower recall; compare both orders on
    data with labels (`benchmarks/reciprocal.py` does).

    Conventions of the released code: every point is one of its own neighbours beside k1 others; sets are expanded
    with round(k1 / 2), half to even, and more than two thirds; k2 rows are averaged, the point's own among them.
    k1 and k2 larger than there are points count as all.

    Args:
        knn: the search, for example ``HyperbolicKNN(c)``.
        k1: neighbours per point in the reciprocal sets.
        k2: encodings averaged per point; 1 takes each as it is.
        weight: share of the original distance, from 0 to 1 (lambda in the paper).
        candidates: nearest neighbours per query that are re-ordered; if k is larger, k. Others do not come up.

    Raises:
        ValueError: knn has no `space`, k1, k2 or candidates is below 1, or the weight lies outside 0 to 1.

    Example:
        >>> import torch
        >>> from hyperdml import HyperbolicKNN
        >>> knn = KReciprocalReranker(HyperbolicKNN(c=1.0), k1=2, k2=1)
        >>> points = torch.tensor([[0.0, 0.1], [0.1, 0.0], [0.0, 0.0], [0.9, 0.0], [0.9, 0.1]])
        >>> knn(points, 1, points, ref_includes_query=True)[1].squeeze(1).tolist()
        [2, 2, 0, 4, 3]
    """

    def __init__(self, knn: Search, k1: int = 20, k2: int = 6, weight: float = 0.3, candidates: int = 100) -> None:
        if not hasattr(knn, "space"):
            raise ValueError(
                f"knn must have the attribute `space`, the distance it searches by, as HyperbolicKNN(c) does; "
                f"got {knn!r}"
            )
        for name, value in (("k1", k1), ("k2", k2), ("candidates", candidates)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 <= weight <= 1:
            raise ValueError(f"weight must lie between 0 and 1, got {weight}")
        self.knn, self.k1, self.k2, self.weight, self.candidates = knn, k1, k2, weight, candidates

    @torch.no_grad()
    def __call__(
        self, query: Tensor, k: int, reference: Tensor, ref_includes_query: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The first k of each query's nearest reference points, in their new order.

        Args:
            query: (Q, d) points.
            k: neighbours per query.
            reference: (M, d) points.
            ref_includes_query: query i is reference row i, and that row is left out of its own neighbours.

        Returns:
            (Q, k) re-ranked distances between 0 and 1, ascending, equal ones in the order of the search, of the
            search's dtype; and (Q, k) int64 rows of `reference`. Both on the query's device.

        Raises:
            ValueError: what the search raises, it found too few neighbours, or with `ref_includes_query` a query is
                not its reference row.
        """
        query, reference = torch.as_tensor(query).detach(), torch.as_tensor(reference).detach()
        count, available = len(query), len(reference) - ref_includes_query
        known = query.ndim == reference.ndim == 2 and not (ref_includes_query and count > len(reference))
        if not known or count == 0 or not 1 <= k <= available:
            return self.knn(query, k, reference, ref_includes_query)  # nothing to do, or it says what is wrong
        depth = max(k, min(self.candidates, available))
        width = max(self.k1, self.k2 - 1)
        if ref_includes_query:
            points, offset = reference, 0
            found, near = self._search(points, min(max(width, depth), available), points, True)
            _check_included(query, points)
            distances, indices = found[:count, :depth], near[:count, :depth]
        else:
            distances, indices = self._search(query, depth, reference, False)
            points, offset = torch.cat([query, reference.to(query.device)]), count
            near = self._search(points, min(width, len(points) - 1), points, True)[1]
        final = self._distances(points, near, distances, indices + offset)
        final, order = final.sort(dim=1, stable=True)
        chosen = indices.to(order.device).gather(1, order[:, :k])
        return final[:, :k].to(distances.dtype).to(query.device), chosen.to(query.device)

    def _distances(self, points: Tensor, near: Tensor, distances: Tensor, candidates: Tensor) -> Tensor:
        """(Q, n) re-ranked float64 distances of the first Q points to their candidates among all points."""
        space, device = self.knn.space, torch.device("cpu") if points.device.type == "mps" else points.device
        points, near = points.to(device), near.to(device)  # MPS has no float64
        farthest = farthest_distances(space, points)
        encoding = k_reciprocal_encoding(space, points, near, farthest, self.k1, self.k2)
        jaccard = jaccard_distances(encoding, candidates.cpu()).to(device)
        original = scaled(space, distances.to(device).double(), farthest[: len(distances), None])
        return (1 - self.weight) * jaccard + self.weight * original

    def _search(self, query: Tensor, k: int, reference: Tensor, leave_out: bool) -> tuple[Tensor, Tensor]:
        distances, indices = self.knn(query, k, reference, leave_out)
        if (indices < 0).any():
            row = int((indices < 0).any(1).nonzero()[0])
            raise ValueError(
                f"the search found only {int((indices[row] >= 0).sum())} of the {k} neighbours of row {row}"
            )
        return distances, indices


def _check_included(query: Tensor, reference: Tensor) -> None:
    if query.shape[1:] != reference.shape[1:]:
        raise ValueError(f"query has shape {tuple(query.shape)}, reference {tuple(reference.shape)}")
    differs = (query != reference[: len(query)].to(query)).any(1)
    if differs.any():
        row = int(differs.nonzero()[0])
        raise ValueError(f"ref_includes_query says that query i is reference row i, but row {row} differs")


def jaccard_distances(encoding: csr_array, candidates: Tensor) -> Tensor:
    """Jaccard distances of the first rows of an encoding to some others: ``1 - sum min / sum max``.

    Args:
        encoding: (N, N) weights of which every row sums to 1, so that ``sum max = 2 - sum min``.
        candidates: (Q, n) rows to be compared with row 0, 1, ... Q - 1, on the CPU.

    Returns:
        (Q, n) float64. Memory: blocks of 8 MB, a few at once.
    """
    import numpy as np

    others = candidates.numpy()
    shared = np.empty(others.shape)
    longest = int(np.diff(encoding.indptr)[others].sum(1).max(initial=1))
    rows = max(1, _BLOCK // max(longest, encoding.shape[1]))
    for start in range(0, len(others), rows):
        block = others[start : start + rows]
        own = encoding[start : start + len(block)].toarray()
        theirs = encoding[block.ravel()]
        first = np.repeat(np.arange(len(block)) * own.shape[1], np.diff(theirs.indptr[:: block.shape[1]]))
        smaller = np.minimum(own.ravel()[first + theirs.indices], theirs.data)
        shared[start : start + rows] = np.add.reduceat(smaller, theirs.indptr[:-1]).reshape(block.shape)
    return torch.from_numpy(1 - shared / (2 - shared)).clamp_min(0)
