"""A searchable set of points with ids, that can be changed, stored and loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of
from hyperdml.index.content import (
    Id,
    IndexContent,
    as_ids,
    as_info,
    as_metadata,
    as_model,
    own_points,
)
from hyperdml.index.files import read_index, write_index
from hyperdml.neighbors.ivf import IVF
from hyperdml.neighbors.knn import ExactKNN, make_knn
from hyperdml.neighbors.points import check_points

GPU: TypeAlias = "bool | Sequence[int] | None"


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search of an index found, nearest first.

    Attributes:
        ids: k ids per query.
        rows: (N, k) positions in the index, on the query's device.
        distances: (N, k) exact distances, ascending; equal ones come by position.
        metadata: k JSON objects per query.
    """

    ids: list[list[Id]]
    rows: Tensor
    distances: Tensor
    metadata: list[list[dict[str, Any]]]


class HyperbolicIndex:
    """Points of the ball under ids, searched by hyperbolic distance, stored in a folder.

    Make one with `build` or `load`. Whatever was added and removed, it searches like an index built from the points
    that are left: in their order, of which equal distances are the judge. What a search needs beside the points is
    made at the first search after a change; adding to an exact index only extends it.

    An index is not for several threads at once. Of processes, one may write a stored index and any number read it.

    Example:
        >>> import torch
        >>> index = HyperbolicIndex.build(torch.tensor([[0.0, 0.0], [0.5, 0.0]]), ["a", "b"], c=1.0)
        >>> index.add(torch.tensor([[0.9, 0.0]]), ["c"])
        >>> index.search(torch.tensor([[0.8, 0.0]]), 2).ids
        [['c', 'b']]
    """

    def __init__(self, content: IndexContent, *, engine: str = "auto", gpu: GPU = None) -> None:
        self._content = content
        self._rows = {name: row for row, name in enumerate(content.ids)}
        self._knn = _searcher(content, engine, gpu)
        self._knn_holds = 0  # points that the searcher was given; 0 says that it has to be given all
        self._stored: tuple[Path, str] | None = None

    @classmethod
    def build(
        cls,
        points: Tensor,
        ids: Iterable[Id] | Tensor | None = None,
        *,
        c: float,
        metric: str = "hyperbolic",
        metadata: Sequence[Mapping[str, Any]] | None = None,
        model: str | None = None,
        info: Mapping[str, Any] | None = None,
        approximate: IVF | bool = False,
        engine: str = "auto",
        gpu: GPU = None,
    ) -> HyperbolicIndex:
        """An index of given points.

        Args:
            points: (N, d) points, copied; float64 stays, other types become float32. N may be 0.
            ids: N different strings or N different integers; None numbers the points from 0.
            c: curvature magnitude, the ball has curvature -c.
            metric: "hyperbolic", or as a control "cosine" or "euclidean".
            metadata: a mapping of JSON values per item, returned with it by searches.
            model: hash of the model that made the points, for `check_model`.
            info: a few facts about the whole index, JSON values by name.
            approximate: an `IVF`, or True for its defaults, searches an inverted file; False searches everything.
            engine: see `ExactKNN`; not stored.
            gpu: see `ExactKNN`; not stored.

        Raises:
            ValueError: points that are not finite or not in the ball, ids that are not different, numbers of points,
                ids and mappings that differ, metadata that JSON cannot hold, a model that is no string, an unknown
                metric or engine, or an engine that has no approximate search.
            EnvironmentProblem: FAISS or the GPU that was asked for is not there.
        """
        own = own_points(points)
        content = IndexContent(
            points=own,
            ids=as_ids(range(len(own)) if ids is None else ids, len(own)),
            metadata=as_metadata(metadata, len(own)),
            c=curvature_of(c),
            metric=metric,
            model=as_model(model),
            info=as_info(info),
            approximate=IVF() if approximate is True else approximate or None,
        )
        index = cls(content, engine=engine, gpu=gpu)
        check_points(own, "points", index._knn.space)
        return index

    @classmethod
    def load(cls, folder: Path | str, *, engine: str = "auto", gpu: GPU = None) -> HyperbolicIndex:
        """The index that `save` stored in a folder.

        Args:
            folder: the folder.
            engine: see `ExactKNN`.
            gpu: see `ExactKNN`.

        Raises:
            DataError: there is no index, or a file of it is missing or damaged; the message names the file.
            EnvironmentProblem: FAISS or the GPU that was asked for is not there.
        """
        folder = Path(folder)

        def check(content: IndexContent) -> None:
            check_points(content.points, "points", _searcher(content, "torch", None).space)

        content, state = read_index(folder, check)
        index = cls(content, engine=engine, gpu=gpu)
        index._stored = (folder.resolve(), state)
        return index

    def save(self, folder: Path | str, *, replace: bool = False) -> None:
        """Store the index in a folder; a crash at any moment leaves the index that was there, or this one.

        Args:
            folder: a new or empty folder, or the one that this index was loaded from or saved to.
            replace: also replace an index that this one does not come from.

        Raises:
            ConfigError: the folder holds something else, another process is writing to it, or the index in it was
                changed by another since this one was loaded or saved.
            DataError: the folder is a file, or the manifest in it is damaged.
            OSError: the disk does not take it; the index that was there is kept.
        """
        folder = Path(folder)
        home, state = self._stored or (None, None)
        state = write_index(folder, self._content, state if home == folder.resolve() else None, replace)
        self._stored = (folder.resolve(), state)

    def add(
        self, points: Tensor, ids: Iterable[Id] | Tensor, metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Append items; on an error nothing is changed.

        Args:
            points: (N, d) points, brought to the precision of the index.
            ids: N ids, different from each other and from those in the index.
            metadata: a mapping per item.

        Raises:
            ValueError: as for `build`; an id is in the index already; another dimension.
        """
        old = self._content
        new = own_points(points, old.points.dtype)
        if new.shape[1] != self.dimension:
            raise ValueError(f"points have dimension {new.shape[1]}, those in the index {self.dimension}")
        check_points(new, "points", self._knn.space)
        names = as_ids(ids, len(new))
        taken = next((name for name in names if name in self._rows), None)
        if taken is not None:
            raise ValueError(f"id {taken!r} is in the index already")
        if names and old.ids and type(names[0]) is not type(old.ids[0]):
            raise ValueError(f"ids of the index are like {old.ids[0]!r}, got {names[0]!r}")
        self._content = replace(
            old,
            points=torch.cat([old.points, new]),
            ids=old.ids + names,
            metadata=old.metadata + as_metadata(metadata, len(new)),
        )
        self._rows.update((name, row) for row, name in enumerate(names, len(old.ids)))

    def remove(self, ids: Iterable[Id] | Tensor) -> None:
        """Take items out; the others keep their order. On an error nothing is changed.

        Args:
            ids: different ids of items in the index.

        Raises:
            ValueError: an id is not in the index, or is given twice.
        """
        old = self._content
        keep = torch.ones(len(self), dtype=torch.bool)
        keep[[self._row(name) for name in as_ids(ids)]] = False
        rows = keep.nonzero().squeeze(1)
        kept = rows.tolist()
        self._content = replace(
            old,
            points=old.points[rows],
            ids=tuple(old.ids[row] for row in kept),
            metadata=tuple(old.metadata[row] for row in kept),
        )
        self._rows = {name: row for row, name in enumerate(self._content.ids)}
        self._knn.reset()
        self._knn_holds = 0

    @torch.no_grad()
    def search(self, query: Tensor, k: int, *, without: Sequence[Id | None] | None = None) -> SearchResult:
        """The k nearest items of each query.

        Args:
            query: (N, d) points.
            k: items per query.
            without: per query the id of an item to leave out of its result, such as the query's own, or None. With
                an id among them, k may be one less than the number of items at most.

        Raises:
            ValueError: points as for `build`; another dimension; k out of range; an unknown id in `without`, or not
                one per query.
        """
        query = torch.as_tensor(query)
        own = None if without is None else self._left_out(without, len(query))
        available = len(self) - (own is not None)
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if k > available:
            raise ValueError(f"k={k} items were asked for, but only {available} are available")
        self._refresh()
        distances, rows = self._knn(query, k + (own is not None))
        if own is not None:
            # the item that is left out goes to the end, where one too many was asked for
            order = (rows == own.to(rows.device)[:, None]).int().sort(dim=1, stable=True).indices[:, :k]
            distances, rows = distances.gather(1, order), rows.gather(1, order)
        places = rows.tolist()
        return SearchResult(
            ids=[[self._content.ids[row] for row in found] for found in places],
            rows=rows,
            distances=distances,
            metadata=[[json.loads(self._content.metadata[row]) for row in found] for found in places],
        )

    def check_model(self, model: str) -> None:
        """See that queries come from the model that made the points; others have no meaning in this index.

        Args:
            model: hash of the model that embeds the queries.

        Raises:
            ValueError: it is another one, or the index does not know its model; the message names both.
        """
        if self.model is None:
            raise ValueError(f"the index does not say which model made its points, so {model!r} cannot be compared")
        if model != self.model:
            raise ValueError(f"the index was made by model {self.model!r}, the queries by {model!r}")

    def __len__(self) -> int:
        return len(self._content.ids)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    @property
    def ids(self) -> tuple[Id, ...]:
        """The ids in order of position."""
        return self._content.ids

    @property
    def points(self) -> Tensor:
        """(N, d) points on the CPU; not a copy, so not to be written to."""
        return self._content.points

    def metadata(self, name: Id) -> dict[str, Any]:
        """The metadata of one item.

        Raises:
            ValueError: the id is not in the index.
        """
        found: dict[str, Any] = json.loads(self._content.metadata[self._row(name)])
        return found

    @property
    def c(self) -> float:
        """Curvature magnitude: the ball has curvature -c."""
        return self._content.c

    @property
    def metric(self) -> str:
        """Distance by which the index searches."""
        return self._content.metric

    @property
    def dimension(self) -> int:
        """Dimension of the points."""
        return self._content.points.shape[1]

    @property
    def model(self) -> str | None:
        """Hash of the model that made the points."""
        return self._content.model

    @property
    def info(self) -> Mapping[str, Any]:
        """Facts about the whole index."""
        return self._content.info

    @property
    def approximate(self) -> IVF | None:
        """Settings of the inverted file, or None where the search is exact."""
        return self._content.approximate

    def _row(self, name: Id) -> int:
        if name not in self._rows:
            raise ValueError(f"id {name!r} is not in the index")
        return self._rows[name]

    def _left_out(self, without: Sequence[Id | None], queries: int) -> Tensor | None:
        """(N,) row to leave out of each query's result, -1 for none; None if nothing is left out at all."""
        if len(without) != queries:
            raise ValueError(f"there are {queries} queries and {len(without)} ids to leave out")
        rows = [-1 if name is None else self._row(name) for name in without]
        return torch.tensor(rows) if any(row >= 0 for row in rows) else None

    def _refresh(self) -> None:
        """Bring the searcher up to the content."""
        points, held = self._content.points, self._knn_holds
        if held == len(points):
            return
        self._knn_holds = 0  # whatever happens below
        if held and self.approximate is None:
            self._knn.add(points[held:])
        else:
            # an inverted file is made anew, so that it is the one that a fresh index has
            self._knn.train(points)
        self._knn_holds = len(points)


def _searcher(content: IndexContent, engine: str, gpu: GPU) -> ExactKNN:
    return make_knn(content.metric, content.c, approximate=content.approximate or False, engine=engine, gpu=gpu)
