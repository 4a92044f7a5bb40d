"""Who is a neighbour of whom in a whole data set, as a sparse graph in CSR form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class NeighborGraph:
    """Sets of neighbours of N points, without the points themselves.

    Attributes:
        indptr: (N + 1,) int64; the neighbours of point i are `indices[indptr[i]:indptr[i + 1]]`.
        indices: (E,) int64 neighbours, ascending within each point's.
        distances: (E,) distances that belong to `indices`, or None where they were not given.

    Example:
        >>> import torch
        >>> graph = NeighborGraph(torch.tensor([0, 2, 2, 3]), torch.tensor([1, 2, 0]))
        >>> graph.row(0).tolist(), graph.degree.tolist()
        ([1, 2], [2, 0, 1])
    """

    indptr: Tensor
    indices: Tensor
    distances: Tensor | None = None

    def __len__(self) -> int:
        """N, the number of points."""
        return len(self.indptr) - 1

    @property
    def degree(self) -> Tensor:
        """(N,) int64 number of neighbours; 0 for isolated points."""
        return self.indptr.diff()

    @property
    def sources(self) -> Tensor:
        """(E,) int64: the point whose neighbour each entry of `indices` is, ascending."""
        points = torch.arange(len(self), device=self.indptr.device)
        return points.repeat_interleave(self.degree, output_size=len(self.indices))

    def row(self, i: int) -> Tensor:
        """Neighbours of point i, ascending.

        Raises:
            IndexError: there is no such point.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"point {i} of a graph of {len(self)} points")
        return self.indices[int(self.indptr[i]) : int(self.indptr[i + 1])]

    def to_scipy(self) -> csr_array:
        """(N, N) adjacency matrix of ones (int32), as `scipy.sparse.csgraph` and sparse products take it."""
        import numpy as np
        from scipy.sparse import csr_array

        indptr, indices = self.indptr.cpu().numpy(), self.indices.cpu().numpy()
        return csr_array((np.ones(len(indices), np.int32), indices, indptr), shape=(len(self), len(self)))


def graph_of_edges(sources: Tensor, targets: Tensor, n: int, distances: Tensor | None = None) -> NeighborGraph:
    """The graph of edges that are sorted by source, then by target.

    Args:
        sources: (E,) points.
        targets: (E,) their neighbours.
        n: number of points.
        distances: (E,) distances, or None.
    """
    indptr = torch.zeros(n + 1, dtype=torch.int64, device=sources.device)
    indptr[1:] = torch.bincount(sources, minlength=n).cumsum(0)
    return NeighborGraph(indptr, targets, distances)
