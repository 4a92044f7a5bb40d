"""Recipes that come with the package: files, and tables of parts for retrieval and classification."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

from hyperdml.errors import ConfigError
from hyperdml.training.classify.table import classification_names, classification_text, classification_title
from hyperdml.training.retrieval.table import retrieval_names, retrieval_text, retrieval_title
from hyperdml.training.yaml_text import read_text


def file_names() -> list[str]:
    """Names of the recipes that are files."""
    folder = resources.files("hyperdml.training") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_names() -> list[str]:
    """Names of all bundled recipes."""
    return [*file_names(), *retrieval_names(), *classification_names()]


def recipe_title(recipe: str) -> str:
    """What runs and arms are called after: the recipe, its file, or the run whose configuration it is."""
    if not recipe.endswith((".yaml", ".yml")):
        return recipe
    path = Path(recipe).absolute()
    return path.parent.name if path.name == "config.yaml" else path.stem


def recipe_line(name: str) -> str:
    """What a bundled recipe is, in a line.

    Args:
        name: one of `recipe_names()`.
    """
    if name in retrieval_names():
        return retrieval_title(name)
    if name in classification_names():
        return classification_title(name)
    return recipe_text(name).splitlines()[0].lstrip("# ")


def recipe_text(recipe: str) -> str:
    """YAML of a bundled recipe, or of a file.

    Args:
        recipe: name of a bundled recipe, or a path that ends in .yaml or .yml.

    Raises:
        ConfigError: there is no such recipe or file.
    """
    if recipe.endswith((".yaml", ".yml")):
        path = Path(recipe)
        if not path.is_file():
            raise ConfigError(f"no such recipe file: {path}")
        return read_text(path)
    if recipe in retrieval_names():
        return retrieval_text(recipe)
    if recipe in classification_names():
        return classification_text(recipe)
    if recipe not in file_names():
        close = difflib.get_close_matches(recipe, recipe_names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "hyperdml recipes list shows them"
        raise ConfigError(f"no recipe named {recipe!r}; {hint} (a path must end in .yaml)")
    return (resources.files("hyperdml.training") / "recipes" / f"{recipe}.yaml").read_text()
