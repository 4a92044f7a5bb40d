"""`hyperdml search`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.cli.sources import Reading, data_errors, embeddings_of, is_embeddings, model_of
from hyperdml.errors import ConfigError
from hyperdml.files import write_atomic

if TYPE_CHECKING:
    from hyperdml.data import EmbeddingSet
    from hyperdml.index import HyperbolicIndex
    from hyperdml.viz import ShownItem

_FOUND = 10  # results per query
_SHOWN = 500  # queries on a page of 30 MB


def search(
    index: Path,
    query: Path,
    /,
    *,
    k: Annotated[int | None, Parameter(name=["--k", "-k"])] = None,
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
        k: results per query; by default 10, or as many as there are.
        model: run or model that made the index, if it is no longer where it was; or user/name on the Hugging Face hub.
        images: folder of the indexed images, if it is no longer where it was.
        html: page to write, with the images of queries and results.
        reading: how images are read.
        json: print one JSON object.
    """
    from hyperdml.index import HyperbolicIndex

    if k is not None and k < 1:
        raise ConfigError(f"-k must be at least 1, got {k}")
    if html is not None:
        _check_page(html, query)
    found = HyperbolicIndex.load(index)
    if k is not None and k > len(found):
        raise _too_many(k, index, found)
    items = _queries(found, index, query, model, reading)
    if html is not None:
        _check_count(len(items))
    root = _text(found, "root") if images is None else str(images.resolve())
    own = _own(items, found, root)
    available = len(found) - any(name is not None for name in own)
    wanted = min(_FOUND, available) if k is None else k
    if not 1 <= wanted <= available:
        raise _too_many(wanted, index, found)
    with data_errors(query):
        result = found.search(items.points, wanted, without=own)
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
        write_atomic(html, _page(records, items, own, found, index, root).encode())
    if json:
        print_json({"index": str(index), "items": len(found), "metric": found.metric, "c": found.c, "queries": records})
    elif html is not None:
        print(f"{len(records)} {'query' if len(records) == 1 else 'queries'} written to {html}")
    else:
        _print(records)


def _queries(found: HyperbolicIndex, index: Path, query: Path, model: Path | None, reading: Reading) -> EmbeddingSet:
    """The queries as points of the index's ball, by the index's model."""
    from hyperdml.models import model_hash

    if not is_embeddings(query) and query.exists():
        home = _text(found, "model_folder")
        if model is None and home is not None:
            model = Path(home)
            if not model.is_dir():
                raise ConfigError(f"the model of {index} is no longer in {model}; say where it is with --model")
        if model is not None:  # before the images are embedded, which can take hours
            model = model_of(model)
            _same_model(found, index, model_hash(model))
    if reading.size is None and isinstance(size := found.info.get("image_size"), int):
        reading = replace(reading, size=size)
    items = embeddings_of(query, model, reading)
    if items.c != found.c:
        raise ConfigError(f"the queries lie in a ball of c = {items.c!r}, {index} in one of c = {found.c!r}")
    if items.points.shape[1] != found.dimension:
        raise ConfigError(f"the queries have {items.points.shape[1]} dimensions, {index} has {found.dimension}")
    _same_model(found, index, items.model)
    return items


def _same_model(found: HyperbolicIndex, index: Path, model: str | None) -> None:
    if None not in (model, found.model) and model != found.model:
        raise ConfigError(f"{index} was made by another model than the queries; name its model with --model")


def _text(found: HyperbolicIndex, fact: str) -> str | None:
    """A fact about the index that this command line writes as text; others may write what they like."""
    value = found.info.get(fact)
    return value if isinstance(value, str) else None


def _too_many(k: int, index: Path, found: HyperbolicIndex) -> ConfigError:
    return ConfigError(f"-k {k} asks for more items than there are to find: {index} holds {len(found)}")


def _check_page(html: Path, query: Path) -> None:
    """See that the page can be written, as far as this is known before images are embedded."""
    from hyperdml.data import list_images

    if not html.parent.is_dir():
        raise ConfigError(f"--html: there is no folder {html.parent}")
    if html.is_dir():
        raise ConfigError(f"--html: {html} is a folder, not a file to write")
    if not is_embeddings(query) and query.is_dir():
        _check_count(len(list_images(query)))


def _check_count(queries: int) -> None:
    if queries > _SHOWN:
        raise ConfigError(f"--html shows at most {_SHOWN} queries on a page, got {queries}; use --json")


def _own(items: EmbeddingSet, found: HyperbolicIndex, root: str | None) -> list[str | int | None]:
    """The id of each query in the index, if it is there: what it must not find."""
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
    root: str | None,
) -> str:
    """Queries and results with their images."""
    from hyperdml.viz import ShownItem, search_page

    classes: Sequence[str | None] = items.class_of_items() or [None] * len(items)
    queries, hits = [], []
    for record, known, name in zip(records, classes, own, strict=True):
        label = found.metadata(name).get("class") if known is None and name is not None else known
        picture = Path(items.root) / record["query"] if items.root is not None else None
        queries.append(ShownItem(record["query"], picture, label))
        hits.append([(_shown(hit, root), hit["distance"]) for hit in record["results"]])
    title = f"Nearest in {index.name}"
    return search_page(title, queries, hits, c=found.c, metric=found.metric, count=len(found))


def _shown(hit: dict[str, Any], root: str | None) -> ShownItem:
    from hyperdml.viz import ShownItem

    more = dict(hit["metadata"])
    label = more.pop("class", None)
    picture = None if root is None or not isinstance(hit["id"], str) else Path(root) / hit["id"]
    return ShownItem(str(hit["id"]), picture, label, more)
