"""Nearest neighbours in the Poincaré ball, by cosine and by Euclidean distance, behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.errors import DataError
from hyperdml.neighbors.ivf import IVF, InvertedFile
from hyperdml.neighbors.points import check_points, search_points
from hyperdml.neighbors.pool import FaissPool, Pool, float64_pool, load_faiss
from hyperdml.neighbors.saved import load_points, save_points
from hyperdml.neighbors.spaces import Cosine, Euclidean, Hyperbolic, Space

_POOLED = 32_000_000  # candidates of a batch of queries, 256 MB
_BLOCK = 2_000_000  # float64 coordinates gathered at once: 16 MB, of which the distance makes a few copies


class ExactKNN:
    """k nearest neighbours, exact unless `approximate`, with the interface of pytorch-metric-learning's FaissKNN.

    1. Points are lifted so that the nearest is the one of largest inner product, and FAISS takes the best 2k + 8 of
       those products in float32 (`engine="torch"`: blockwise float64 products instead).
    2. The distances of these candidates are recomputed in float64 by direct differences and sorted, equal distances
       by index.
    3. Where the rounding of float32 could hide a nearer point outside the candidates, the query is searched again
       with float64 products, and with more and more candidates until none can be hidden. Dense clusters of
       near-duplicates need this, other data hardly; a set whose points are all equal up to rounding takes the time of
       all its exact distances.

    The approximate mode takes the candidates from the lists of an inverted file near the query (`IVF`). It may miss
    neighbours; the distances of those it returns are as exact. A query whose lists hold too few points is searched
    exactly, so that there are always k.

    Args:
        space: the distance.
        approximate: False searches everything; an `IVF`, or True for its defaults, an inverted file.
        engine: of the exact search: "auto" (FAISS if it imports), "faiss" or "torch". Inverted files are searched by
            torch, on the device of the reference points.
        gpu: None shares the FAISS index out over all GPUs, if there are any, True demands one, a sequence of numbers
            says which, and False keeps it on the CPU. Pools of more than 2048 candidates are searched on the CPU,
            which is as far as FAISS goes on GPUs.

    Raises:
        ValueError: an argument is not one of these.
        EnvironmentProblem: FAISS or the GPU that was asked for is not there.
    """

    def __init__(
        self,
        space: Space,
        *,
        approximate: IVF | bool = False,
        engine: str = "auto",
        gpu: bool | Sequence[int] | None = None,
    ) -> None:
        self.space = space
        if not isinstance(approximate, (IVF, bool)):
            raise ValueError(f"approximate must be True, False or an IVF, got {approximate!r}")
        self.approximate = IVF() if approximate is True else approximate or None
        self._faiss, self._devices = load_faiss(engine, gpu)
        self.engine = "torch" if self._faiss is None else "faiss"
        self.reset()

    def reset(self) -> None:
        """Forget the added reference points."""
        self._points: Tensor | None = None
        self._pool: Pool | None = None

    @torch.no_grad()
    def add(self, reference: Tensor) -> None:
        """Keep (N, d) reference points, numbered on from those already there, for calls without `reference`."""
        reference = search_points(reference, "reference", self.space)
        if len(reference) == 0:
            raise ValueError("reference holds no points")
        if self._points is None:
            self._points, self._pool = reference, self._index(reference)
            return
        if reference.shape[1] != self._points.shape[1]:
            raise ValueError(f"points have dimension {reference.shape[1]}, those already added {self._points.shape[1]}")
        held = len(self._points)
        self._points = torch.cat([self._points, reference.to(self._points.device)])
        if self.approximate is not None and not isinstance(self._pool, InvertedFile):
            self._pool = self._index(self._points)  # there may be enough of them now
        elif self._pool is not None:
            self._pool.extend(self._points, held)

    def train(self, reference: Tensor) -> None:
        """Replace the reference points (the name that pytorch-metric-learning's InferenceModel calls)."""
        self.reset()
        self.add(reference)

    def save(self, path: str | Path) -> None:
        """Write the added points, with the metric, its curvature and a checksum, to one safetensors file.

        Args:
            path: file to write; an old one stays whole until the new one is on disk.

        Raises:
            ValueError: there are no points.
            OSError: the file cannot be written.
        """
        if self._points is None:
            raise ValueError("there are no reference points to save: call add() or train() first")
        save_points(Path(path), self._points, self.space)

    def load(self, path: str | Path) -> None:
        """Replace the reference points by those that `save` wrote, and index them anew.

        Engine, devices and mode are those of this search, whatever those of the saving one were.

        Args:
            path: file of `save`.

        Raises:
            DataError: the file is missing, damaged, or of another metric or curvature; the points stay as they were.
        """
        points = load_points(Path(path), self.space)
        try:
            check_points(points, "point", self.space)
        except ValueError as error:
            raise DataError(f"{path} does not hold points to search: {error}") from error
        self.train(points)

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
        query = search_points(query, "query", self.space)
        if reference is None:
            if self._points is None:
                raise ValueError("no reference points: pass `reference`, or call add() or train() first")
            points, pool = self._points, self._pool
        else:
            points, pool = search_points(reference, "reference", self.space), None
        self._check(query, points, k, ref_includes_query)
        points = points.to(query.device)
        if reference is not None:
            pool = self._index(points)
        distances, indices = self._search(query, points, pool, k, ref_includes_query)
        double = torch.float64 in (query.dtype, points.dtype)
        return distances.to(torch.float64 if double else torch.float32).to(home), indices.to(home)

    def _search(
        self, query: Tensor, points: Tensor, pool: Pool | None, k: int, leave_out: bool
    ) -> tuple[Tensor, Tensor]:
        own = torch.arange(len(query), device=query.device) if leave_out else None
        size = min(len(points), 2 * (k + leave_out) + 8)
        distances = torch.empty(len(query), k, dtype=torch.float64, device=query.device)
        indices = torch.empty(len(query), k, dtype=torch.int64, device=query.device)
        rows = torch.arange(len(query), device=query.device)
        while len(rows):
            unsure = []
            for some in rows.split(max(1, _POOLED // size)):
                part, mine = query[some], None if own is None else own[some]
                if pool is not None:
                    candidates, bound = pool.search(part, size)
                else:
                    candidates, bound = float64_pool(self.space, part, points, size)
                distances[some], indices[some] = self._rank(part, points, candidates, k, mine)
                unsure.append(some[bound >= self.space.score(distances[some, -1], part.double())])
            rows = torch.cat(unsure)
            # first the same pools by float64 products, then larger ones: of more points than a pool takes that are
            # equally far, or nearer to each other than such products can tell, only exact distances say which are first
            size, pool = (size if pool is not None else min(len(points), 4 * size)), None
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

    def _index(self, points: Tensor) -> Pool | None:
        pool: Pool
        if self.approximate is not None and self.approximate.lists_for(len(points)):
            pool = InvertedFile(self.space, self.approximate)
        elif self._faiss is not None:
            pool = FaissPool(self.space, self._faiss, self._devices)
        else:
            return None
        pool.extend(points, 0)
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
    """Nearest neighbours in the Poincaré ball of curvature -c; see `ExactKNN`.

    Example:
        >>> import torch
        >>> knn = HyperbolicKNN(c=1.0)
        >>> points = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.9, 0.0]])
        >>> knn(points, 1, points, ref_includes_query=True)[1].squeeze(1).tolist()
        [1, 0, 1]
    """

    def __init__(
        self,
        c: float,
        *,
        approximate: IVF | bool = False,
        engine: str = "auto",
        gpu: bool | Sequence[int] | None = None,
    ) -> None:
        super().__init__(Hyperbolic(c), approximate=approximate, engine=engine, gpu=gpu)


class CosineKNN(ExactKNN):
    """Nearest neighbours by ``1 - cos``; see `ExactKNN`."""

    def __init__(
        self, *, approximate: IVF | bool = False, engine: str = "auto", gpu: bool | Sequence[int] | None = None
    ) -> None:
        super().__init__(Cosine(), approximate=approximate, engine=engine, gpu=gpu)


class EuclideanKNN(ExactKNN):
    """Nearest neighbours by Euclidean distance; see `ExactKNN`."""

    def __init__(
        self, *, approximate: IVF | bool = False, engine: str = "auto", gpu: bool | Sequence[int] | None = None
    ) -> None:
        super().__init__(Euclidean(), approximate=approximate, engine=engine, gpu=gpu)


def make_knn(
    metric: str,
    c: float | None = None,
    *,
    approximate: IVF | bool = False,
    engine: str = "auto",
    gpu: bool | Sequence[int] | None = None,
) -> ExactKNN:
    """The searcher of a metric by name.

    Args:
        metric: "hyperbolic", "cosine" or "euclidean".
        c: curvature magnitude, needed by "hyperbolic" and not used by the others.
        approximate: see `ExactKNN`.
        engine: see `ExactKNN`.
        gpu: see `ExactKNN`.

    Returns:
        `HyperbolicKNN`, `CosineKNN` or `EuclideanKNN`.

    Raises:
        ValueError: the metric is unknown, or "hyperbolic" came without c.
    """
    if metric == "hyperbolic":
        if c is None:
            raise ValueError("metric='hyperbolic' needs the curvature magnitude c of the points' ball, got c=None")
        return HyperbolicKNN(c, approximate=approximate, engine=engine, gpu=gpu)
    if metric == "cosine":
        return CosineKNN(approximate=approximate, engine=engine, gpu=gpu)
    if metric == "euclidean":
        return EuclideanKNN(approximate=approximate, engine=engine, gpu=gpu)
    raise ValueError(f"metric must be 'hyperbolic', 'cosine' or 'euclidean', got {metric!r}")
