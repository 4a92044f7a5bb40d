"""Exact nearest neighbours in the Poincaré ball, by cosine and by Euclidean distance, behind one interface."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hyperdml.neighbors.pool import FaissPool, float64_pool, load_faiss
from hyperdml.neighbors.spaces import Cosine, Euclidean, Hyperbolic, Space

_BLOCK = 2_000_000  # float64 coordinates gathered at once: 16 MB, of which the distance makes a few copies


class ExactKNN:
    """k nearest neighbours, exact to float64, with the call contract of pytorch-metric-learning's `knn_func`.

    1. Points are lifted so that the nearest is the one of largest inner product, and FAISS takes the best 2k + 8 of
       those products in float32 (`engine="torch"`: blockwise float64 products instead).
    2. The distances of these candidates are recomputed in float64 by direct differences and sorted, equal distances
       by index.
    3. Where the rounding of float32 could hide a nearer point outside the candidates, the query is searched again
       with float64 products. Dense clusters of near-duplicates need this, other data hardly.

    Args:
        space: the distance.
        engine: "auto" (FAISS if it imports), "faiss" or "torch".
        gpu: None puts the FAISS index on a GPU if there is one, True demands it, False keeps it on the CPU. Pools of
            more than 2048 candidates are searched on the CPU, which is as far as FAISS goes on GPUs.

    Raises:
        EnvironmentProblem: FAISS or the GPU that was asked for is not there.
    """

    def __init__(self, space: Space, *, engine: str = "auto", gpu: bool | None = None) -> None:
        self.space = space
        self._faiss, self._on_gpu = load_faiss(engine, gpu)
        self.engine = "torch" if self._faiss is None else "faiss"
        self.reset()

    def reset(self) -> None:
        """Forget the added reference points."""
        self._points: Tensor | None = None
        self._pool: FaissPool | None = None

    @torch.no_grad()
    def add(self, reference: Tensor) -> None:
        """Keep (N, d) reference points, numbered on from those already there, for calls without `reference`."""
        reference = _points(reference, "reference", self.space)
        if len(reference) == 0:
            raise ValueError("reference holds no points")
        if self._points is None:
            self._points, self._pool = reference, self._index(reference)
            return
        if reference.shape[1] != self._points.shape[1]:
            raise ValueError(f"points have dimension {reference.shape[1]}, those already added {self._points.shape[1]}")
        self._points = torch.cat([self._points, reference.to(self._points.device)])
        if self._pool is not None:
            self._pool.add(reference)

    def train(self, reference: Tensor) -> None:
        """Replace the reference points (the name that pytorch-metric-learning's InferenceModel calls)."""
        self.reset()
        self.add(reference)

    @torch.no_grad()
    def __call__(
        self, query: Tensor, k: int, reference: Tensor | None = None, ref_includes_query: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The k nearest reference points of each query.

        Args:
            query: (N, d) points.
            k: neighbours per query.
            reference: (M, d) points, or None for those given to `add` or `train`, which stay as they are.
            ref_includes_query: query i is reference row i, and that row is left out of its own neighbours: by index,
                since the nearest row of a point with duplicates need not be itself.

        Returns:
            (N, k) distances, ascending, float64 if an input is float64, else float32; and (N, k) int64 rows of
            `reference`. Both on the query's device.

        Raises:
            ValueError: points are not finite, lie outside the ball or differ in dimension; k is below 1 or exceeds
                the points available; more queries than references with `ref_includes_query`; no reference at all.
        """
        home = torch.as_tensor(query).device
        query = _points(query, "query", self.space)
        if reference is None:
            if self._points is None:
                raise ValueError("no reference points: pass `reference`, or call add() or train() first")
            points, pool = self._points, self._pool
        else:
            points, pool = _points(reference, "reference", self.space), None
        self._check(query, points, k, ref_includes_query)
        points = points.to(query.device)
        if reference is not None:
            pool = self._index(points)
        distances, indices = self._search(query, points, pool, k, ref_includes_query)
        double = torch.float64 in (query.dtype, points.dtype)
        return distances.to(torch.float64 if double else torch.float32).to(home), indices.to(home)

    def _search(
        self, query: Tensor, points: Tensor, pool: FaissPool | None, k: int, leave_out: bool
    ) -> tuple[Tensor, Tensor]:
        own = torch.arange(len(query), device=query.device) if leave_out else None
        size = min(len(points), 2 * (k + leave_out) + 8)
        if pool is None:
            return self._rank(query, points, float64_pool(self.space, query, points, size), k, own)
        candidates, bound = pool.search(query, size)
        distances, indices = self._rank(query, points, candidates, k, own)
        if size < len(points):
            unsure = bound >= self.space.score(distances[:, -1], query.double())
            rows = unsure.nonzero().squeeze(1)
            again = float64_pool(self.space, query[rows], points, size)
            distances[rows], indices[rows] = self._rank(
                query[rows], points, again, k, None if own is None else own[rows]
            )
        return distances, indices

    def _rank(
        self, query: Tensor, points: Tensor, candidates: Tensor, k: int, own: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The k nearest of the (N, size) candidates, by float64 distance and then by index."""
        candidates = candidates.sort(dim=1).values
        distances = torch.empty(len(query), k, dtype=torch.float64, device=query.device)
        indices = torch.empty(len(query), k, dtype=torch.int64, device=query.device)
        step = max(1, _BLOCK // max(1, candidates.shape[1] * query.shape[1]))
        for start in range(0, len(query), step):
            rows = slice(start, start + step)
            near = candidates[rows]
            d = self.space.distance(query[rows, None].double(), points[near].double())
            if own is not None:
                d = d.masked_fill(near == own[rows, None], torch.inf)
            d, order = d.sort(dim=1, stable=True)
            distances[rows], indices[rows] = d[:, :k], near.gather(1, order)[:, :k]
        return distances, indices

    def _index(self, points: Tensor) -> FaissPool | None:
        if self._faiss is None:
            return None
        pool = FaissPool(self.space, self._faiss, self._on_gpu)
        pool.add(points)
        return pool

    @staticmethod
    def _check(query: Tensor, points: Tensor, k: int, leave_out: bool) -> None:
        if query.shape[1] != points.shape[1]:
            raise ValueError(f"query has dimension {query.shape[1]}, reference {points.shape[1]}")
        if leave_out and len(query) > len(points):
            raise ValueError(
                f"ref_includes_query says that query i is reference row i, but there are {len(query)} queries "
                f"and {len(points)} reference points"
            )
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if k > len(points) - leave_out:
            raise ValueError(f"k={k} neighbours were asked for, but only {len(points) - leave_out} are available")


class HyperbolicKNN(ExactKNN):
    """Exact nearest neighbours in the Poincaré ball of curvature -c; see `ExactKNN`.

    Example:
        >>> import torch
        >>> knn = HyperbolicKNN(c=1.0)
        >>> points = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.9, 0.0]])
        >>> knn(points, 1, points, ref_includes_query=True)[1].squeeze(1).tolist()
        [1, 0, 1]
    """

    def __init__(self, c: float, *, engine: str = "auto", gpu: bool | None = None) -> None:
        super().__init__(Hyperbolic(c), engine=engine, gpu=gpu)


class CosineKNN(ExactKNN):
    """Exact nearest neighbours by ``1 - cos``; see `ExactKNN`."""

    def __init__(self, *, engine: str = "auto", gpu: bool | None = None) -> None:
        super().__init__(Cosine(), engine=engine, gpu=gpu)


class EuclideanKNN(ExactKNN):
    """Exact nearest neighbours by Euclidean distance; see `ExactKNN`."""

    def __init__(self, *, engine: str = "auto", gpu: bool | None = None) -> None:
        super().__init__(Euclidean(), engine=engine, gpu=gpu)


def make_knn(metric: str, c: float | None = None, **options: Any) -> ExactKNN:
    """The searcher of a metric by name.

    Args:
        metric: "hyperbolic", "cosine" or "euclidean".
        c: curvature magnitude, needed by "hyperbolic" and not used by the others.
        options: `engine` and `gpu` of `ExactKNN`.

    Returns:
        `HyperbolicKNN`, `CosineKNN` or `EuclideanKNN`.

    Raises:
        ValueError: the metric is unknown, or "hyperbolic" came without c.
    """
    if metric == "hyperbolic":
        if c is None:
            raise ValueError("metric='hyperbolic' needs the curvature magnitude c of the points' ball, got c=None")
        return HyperbolicKNN(c, **options)
    if metric == "cosine":
        return CosineKNN(**options)
    if metric == "euclidean":
        return EuclideanKNN(**options)
    raise ValueError(f"metric must be 'hyperbolic', 'cosine' or 'euclidean', got {metric!r}")


def _points(x: Tensor, name: str, space: Space) -> Tensor:
    """Check (N, d) points; the returned tensor is detached and on a device that has float64."""
    x = torch.as_tensor(x).detach()
    x = x.cpu() if x.device.type == "mps" else x
    if x.ndim != 2 or x.shape[1] == 0 or not x.dtype.is_floating_point:
        raise ValueError(f"{name} must be an (N, d) floating-point tensor, got {tuple(x.shape)} of {x.dtype}")
    finite = x.isfinite().all(1)
    if not finite.all():
        raise ValueError(f"{name} row {int((~finite).nonzero()[0])} is not finite")
    space.check(x.double(), name)
    return x
