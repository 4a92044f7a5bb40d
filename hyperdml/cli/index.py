"""`hyperdml index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.cli.sources import Reading, check_out, data_errors, embeddings_of
from hyperdml.errors import ConfigError

if TYPE_CHECKING:
    from hyperdml.data import EmbeddingSet
    from hyperdml.index import HyperbolicIndex

_EXPORTED = 10  # results that an export's rule is measured for, unless there are fewer items


def build_index(
    source: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    model: Path | None = None,
    add: Annotated[bool, Parameter(negative="")] = False,
    approximate: Annotated[bool, Parameter(negative="")] = False,
    export: Path | None = None,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    json: Json = False,
) -> None:
    """Build a hyperbolic index that `hyperdml search` reads, or export one to a vector database.

    hyperdml index photos.safetensors -o photos.index

    hyperdml index PHOTOS --model runs/quickstart -o photos.index

    hyperdml index more.safetensors -o photos.index --add

    hyperdml index photos.index --export photos.export

    Args:
        source: file of embeddings, run, folder of images, or (with --export) an index.
        out: folder of the index to write; must be new or empty, unless --add is given.
        model: run or model that embeds the images, or user/name on the Hugging Face hub; only for a folder of images.
        add: add to the index in --out.
        approximate: search an inverted file instead of everything: faster for a million items, and misses about one
            neighbour in a hundred.
        export: folder to write for a vector database: vectors, ids, metadata, curvature and the re-rank rule.
        reading: how images are read.
        json: print one JSON object.
    """
    from hyperdml.index import HyperbolicIndex, export_index, is_index
    from hyperdml.training.settings import settings_errors

    _check(source, out, model, add, approximate, export)
    if is_index(source):
        index = HyperbolicIndex.load(source)
    elif add and out is not None:
        index = HyperbolicIndex.load(out)
        _extend(index, embeddings_of(source, model, reading))
    else:
        items = embeddings_of(source, model, reading)
        with data_errors(source):
            index = _built(items, approximate)
    if export is not None and len(index) < 2:
        raise ConfigError(f"--export needs at least two items, {source} gives {len(index)}")
    if out is not None:
        index.save(out)
    if export is not None:
        with settings_errors("--export"):
            export_index(index, export, k=min(_EXPORTED, len(index) - 1))
    if json:
        record = {"index": str(out or source), "items": len(index), "dimension": index.dimension, "c": index.c}
        print_json(record | {"model": index.model, "export": None if export is None else str(export)})
        return
    if out is not None:
        print(f"{out}: {len(index)} items, {index.dimension} dimensions, c = {index.c:g}")
    if export is not None:
        print(f"{export}: export of {len(index)} items; its README.md says how to search it")


def _check(
    source: Path, out: Path | None, model: Path | None, add: bool, approximate: bool, export: Path | None
) -> None:
    """Everything that can be known before a folder is embedded, which can take hours."""
    from hyperdml.index import is_index
    from hyperdml.index.folder import refuse_foreign, refuse_occupied

    if out is None and export is None:
        raise ConfigError("name the folder of the index with --out INDEX, or of its export with --export FOLDER")
    if add and out is None:
        raise ConfigError("--add needs --out INDEX, the index to add to")
    if approximate and (add or is_index(source)):
        raise ConfigError("--approximate is chosen when an index is built; leave it out")
    if is_index(source) and (out is not None or model is not None):
        raise ConfigError(f"{source} is an index already: leave out --out and --model")
    if out is not None:
        check_out(out)
        if not add:
            if is_index(out):
                raise ConfigError(f"{out} holds an index already; choose another --out, or add to it with --add")
            refuse_foreign(out)
    if export is not None:
        refuse_occupied(export)


def _built(items: EmbeddingSet, approximate: bool) -> HyperbolicIndex:
    from hyperdml.index import HyperbolicIndex

    return HyperbolicIndex.build(
        items.points,
        items.ids,
        c=items.c,
        metadata=_metadata(items),
        model=items.model,
        approximate=approximate,
        info={"root": items.root, "model_folder": items.model_folder, "image_size": items.image_size},
    )


def _extend(index: HyperbolicIndex, items: EmbeddingSet) -> None:
    from hyperdml.training.settings import settings_errors

    if items.c != index.c:
        raise ConfigError(f"the new items lie in a ball of c = {items.c!r}, the index in one of c = {index.c!r}")
    if items.model != index.model:
        raise ConfigError("the new items were embedded by another model than those of the index")
    if items.ids is None:
        raise ConfigError("the new items have no names; only embeddings of images can be added (hyperdml embed)")
    root = index.info.get("root")
    if items.root != root:
        raise ConfigError(f"the new items are named below {items.root}, those of the index below {root}")
    with settings_errors("--add"):
        index.add(items.points, items.ids, _metadata(items))


def _metadata(items: EmbeddingSet) -> list[dict[str, str]] | None:
    names = items.class_of_items()
    return None if names is None else [{"class": name} for name in names]
