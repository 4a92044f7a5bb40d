"""Data sets where they are said to be: their counts, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import get_args, get_type_hints

from hyperdml.errors import ConfigError
from hyperdml.training.doctor.finding import Finding, guarded


def check_data(roots: Mapping[str, str]) -> Iterator[Finding]:
    """The bundled images, and every data set that was named.

    Args:
        roots: folder (or table) by the name that `data.name` would have; a name of both tasks is one of retrieval.
    """
    yield from guarded("data, emoji", partial(_retrieval, "emoji", None))
    for name, root in roots.items():
        yield from guarded(f"data, {name}", partial(_named, name, root))


def parse_roots(texts: tuple[str, ...]) -> dict[str, str]:
    """Data sets from texts NAME=ROOT.

    Raises:
        ConfigError: a text is not of that form.
    """
    roots = {}
    for text in texts:
        name, _, root = text.partition("=")
        if not name or not root:
            raise ConfigError(f"--data {text!r} is not of the form NAME=ROOT, for example cub=CUB_200_2011")
        roots[name] = root
    return roots


def _named(name: str, root: str) -> Iterator[Finding]:
    from hyperdml.data import ClassificationDataConfig, DataConfig

    retrieval, classification = (
        get_args(get_type_hints(kind)["name"]) for kind in (DataConfig, ClassificationDataConfig)
    )
    if name in retrieval:
        yield from _retrieval(name, root)
    elif name in classification:
        yield from _classification(name, root)
    else:
        known = ", ".join(dict.fromkeys((*retrieval, *classification)))
        yield Finding("problem", f"data, {name}", "there is no data set of that name", f"take one of {known}")


def _retrieval(name: str, root: str | None) -> Iterator[Finding]:
    from hyperdml.data import DataConfig, load_splits

    splits = load_splits(DataConfig(name=name, root=root))  # type: ignore[arg-type]
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    counts = [
        f"{part}: {len(found)} images of {found.num_classes} classes"
        for part, found in parts.items()
        if found is not None
    ]
    yield Finding("ok", f"data, {name}", "; ".join(counts))


def _classification(name: str, root: str) -> Iterator[Finding]:
    from hyperdml.data import ClassificationDataConfig, load_classification

    splits = load_classification(ClassificationDataConfig(name=name, root=root))  # type: ignore[arg-type]
    counts = f"train: {len(splits.train)} images; test: {len(splits.test)} images"
    yield Finding("ok", f"data, {name}", f"{counts}; {splits.taxonomy.num_leaves} classes")
