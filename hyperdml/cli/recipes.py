"""`hyperdml recipes`."""

from __future__ import annotations


def list_recipes() -> None:
    """Names of the bundled recipes, each with its first comment line."""
    from hyperdml.training.settings import recipe_names, recipe_text

    for name in recipe_names():
        print(f"{name:<16} {recipe_text(name).splitlines()[0].lstrip('# ')}")


def show_recipe(recipe: str, /, *, full: bool = False) -> None:
    """Print a recipe.

    Args:
        recipe: name of a bundled recipe, or the path of a YAML file.
        full: print every key with its value, defaults included.
    """
    from hyperdml.training.settings import config_to_yaml, load_config, recipe_text

    print(config_to_yaml(load_config(recipe)) if full else recipe_text(recipe), end="")
