"""`hyperdml search`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.cli.sources import Reading, embeddings_of, is_embeddings
from hyperdml.errors import ConfigError
from hyperdml.files import write_atomic

if TYPE_CHECKING:
    from hyperdml.data import EmbeddingSet
    from hyperdml.index import HyperbolicIndex
    from hyperdml.viz import ShownItem

_SHOWN = 500  # queries on a page of 30 MB


def search(
    index: Path,
    query: Path,
    /,
    *,
    k: Annotated[int, Parameter(name=["--k", "-k"])] = 10,
    model: Path | None = None,
    images: Path | None = None,
    html: Path | None = None,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    json: Json = False,
) -> None:
    """Find the k nearest items of an index for one image, a folder of images, or embeddings.

    A query that is an indexed image is left out of its own results.

    hyperdml search photos.index PHOTOS/cat/1.jpg -k 5

    hyperdml search photos.index HOLIDAYS --html found.html

    Args:
        index: folder that `hyperdml index` wrote.
        query: image, folder of images, run, or file of embeddings.
        k: results per query.
        model: run or model that made the index, if it is no longer where it was.
        images: folder of the indexed images, if it is no longer where it was; for --html.
        html: page to write, with the images of queries and results.
        reading: how images are read.
        json: print one JSON object.
    """
    from hyperdml.index import HyperbolicIndex

    if k < 1:
        raise ConfigError(f"-k must be at least 1, got {k}")
    if html is not None and not html.parent.is_dir():
        raise ConfigError(f"--html: there is no folder {html.parent}")
    found = HyperbolicIndex.load(index)
    items = _queries(found, index, query, model, reading)
    own = _own(items, found)
    if k > len(found) - any(name is not None for name in own):
        raise ConfigError(f"-k {k} asks for more items than there are to find: {index} holds {len(found)}")
    result = found.search(items.points, k, without=own)
    records = [
        {
            "query": name,
            "results": [
                {"id": hit, "distance": distance, "metadata": metadata}
                for hit, distance, metadata in zip(ids, distances, described, strict=True)
            ],
        }
        for name, ids, distances, described in zip(
            _names(items), result.ids, result.distances.tolist(), result.metadata, strict=True
        )
    ]
    if html is not None:
        page = _page(records, items, own, found, index, images)
        write_atomic(html, page.encode())
    if json:
        print_json({"index": str(index), "items": len(found), "metric": found.metric, "c": found.c, "queries": records})
    elif html is not None:
        print(f"{len(records)} queries written to {html}")
    else:
        _print(records)


def _queries(found: HyperbolicIndex, index: Path, query: Path, model: Path | None, reading: Reading) -> EmbeddingSet:
    """The queries as points of the index's ball, by the index's model."""
    if model is None and not is_embeddings(query) and found.info.get("model_folder"):
        model = Path(found.info["model_folder"])
        if not model.is_dir():
            raise ConfigError(f"the model of {index} is no longer in {model}; say where it is with --model")
    size = reading.size or found.info.get("image_size")
    items = embeddings_of(query, model, replace(reading, size=size))
    if items.c != found.c:
        raise ConfigError(f"the queries lie in a ball of c = {items.c!r}, {index} in one of c = {found.c!r}")
    if items.points.shape[1] != found.dimension:
        raise ConfigError(f"the queries have {items.points.shape[1]} dimensions, {index} has {found.dimension}")
    if None not in (items.model, found.model) and items.model != found.model:
        raise ConfigError(f"{index} was made by another model than the queries; name its model with --model")
    return items


def _own(items: EmbeddingSet, found: HyperbolicIndex) -> list[str | int | None]:
    """The id of each query in the index, if it is there: what it must not find."""
    root = found.info.get("root")
    if items.ids is None or items.root is None or root is None:
        return [None] * len(items)
    # the query may be one image of a class, the index one of the whole folder: whole paths are compared
    paths = [os.path.relpath(os.path.join(items.root, name), root) for name in items.ids]
    names = [Path(path).as_posix() for path in paths]
    return [name if name in found else None for name in names]


def _names(items: EmbeddingSet) -> Sequence[str]:
    return items.ids if items.ids is not None else [str(row) for row in range(len(items))]


def _print(records: Sequence[dict[str, Any]]) -> None:
    from hyperdml.data.image_files import printable

    for record in records:
        print(printable(record["query"]))
        for hit in record["results"]:
            of = "".join(f"  ({value})" for key, value in hit["metadata"].items() if key == "class")
            print(printable(f"  {hit['distance']:.4f}  {hit['id']}{of}"))


def _page(
    records: Sequence[dict[str, Any]],
    items: EmbeddingSet,
    own: Sequence[str | int | None],
    found: HyperbolicIndex,
    index: Path,
    images: Path | None,
) -> str:
    """Queries and results with their images."""
    from hyperdml.viz import ShownItem, search_page

    if len(records) > _SHOWN:
        raise ConfigError(f"--html shows at most {_SHOWN} queries on a page, got {len(records)}; use --json")
    root = images or found.info.get("root")
    classes: Sequence[str | None] = items.class_of_items() or [None] * len(items)
    queries, hits = [], []
    for record, known, name in zip(records, classes, own, strict=True):
        label = found.metadata(name).get("class") if known is None and name is not None else known
        picture = Path(items.root) / record["query"] if items.root is not None else None
        queries.append(ShownItem(record["query"], picture, label))
        hits.append([(_shown(hit, root), hit["distance"]) for hit in record["results"]])
    title = f"Nearest in {index.name}"
    return search_page(title, queries, hits, c=found.c, metric=found.metric, count=len(found))


def _shown(hit: dict[str, Any], root: Path | str | None) -> ShownItem:
    from hyperdml.viz import ShownItem

    more = dict(hit["metadata"])
    label = more.pop("class", None)
    picture = None if root is None or not isinstance(hit["id"], str) else Path(root) / hit["id"]
    return ShownItem(str(hit["id"]), picture, label, more)
