"""`hyperdml recipes`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from hyperdml.errors import ConfigError


def list_recipes(*words: str, all: Annotated[bool, Parameter(negative="")] = False) -> None:
    """The bundled recipes, or what the names of the many are made of.

    hyperdml recipes list cub vit_s pa_hier

    Args:
        words: list the recipes whose names hold all of these words, each with its first line.
        all: list every recipe so.
    """
    from hyperdml.training.bundled import file_names, recipe_line, recipe_names

    chosen = all or words
    names = [name for name in recipe_names() if {*words} <= _words(name)] if chosen else file_names()
    if not names:
        raise ConfigError(_nothing(words, recipe_names()))
    width = max(len(name) for name in names)
    for name in names:
        print(f"{name:<{width}}  {recipe_line(name)}")
    if not chosen:
        _print_parts()


def show_recipe(recipe: str, /, *, full: bool = False) -> None:
    """Print a recipe, each value with where it is from.

    Args:
        recipe: name of a bundled recipe, or the path of a YAML file.
        full: print every key with its value, defaults included.
    """
    from hyperdml.training.bundled import recipe_text
    from hyperdml.training.settings import config_to_yaml, load_config

    print(config_to_yaml(load_config(recipe)) if full else recipe_text(recipe), end="")


def _print_parts() -> None:
    from hyperdml.training.classify.table import PARTS as CLASSIFICATION
    from hyperdml.training.classify.table import classification_names
    from hyperdml.training.recipe_part import overview
    from hyperdml.training.retrieval.table import PARTS as RETRIEVAL
    from hyperdml.training.retrieval.table import retrieval_names

    print(f"\n{len(retrieval_names())} recipes for retrieval, DATA-NET-DIM-METHOD and where it differs -VARIANT:")
    print("\n".join(overview(RETRIEVAL)))
    print("For example cub-vit_s-384-pa_hier, as released, and cub-vit_s-384-pa_hier-ours.")
    print(f"\n{len(classification_names())} recipes for classification over a taxonomy, DATA-NET-LOSS:")
    print("\n".join(overview(CLASSIFICATION)))
    print("For example emoji-lite0-hace, which probes, or emoji-small-hace, which trains a net.")
    print("\nhyperdml recipes list WORD lists those with a word in their name, --all every one.")


def _nothing(words: Sequence[str], names: Sequence[str]) -> str:
    """Why no name has all of the words."""
    known = set[str]().union(*map(_words, names))
    asked = " and ".join(map(repr, words))
    hints = [
        f"; for {word!r}: did you mean {', '.join(close)}?"
        for word in words
        if word not in known and (close := difflib.get_close_matches(word, known, n=3))
    ]
    return f"no recipe has {asked} in its name as whole parts{''.join(hints)}" + (
        "" if hints else "; hyperdml recipes list shows what names are made of"
    )


def _words(name: str) -> set[str]:
    """A name, its parts and all of its runs of parts."""
    parts = name.split("-")
    return {"-".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)}
