"""The text tree: order, limits, nodes with several parents."""

import doctest
import importlib
import pkgutil

import pytest

import hyperdml.taxonomy
from hyperdml.taxonomy import Taxonomy

TREE = Taxonomy.from_nested({"r": {"B": {"D": ["d1", "d2"]}, "c": None, "A": ["a1", "a2", "a3"]}, "s": None})


def test_whole_tree():
    assert TREE.show().splitlines() == [
        "s",
        "r (6 leaves)",
        "├── B (2 leaves)",
        "│   └── D (2 leaves)",
        "│       ├── d1",
        "│       └── d2",
        "├── c",
        "└── A (3 leaves)",
        "    ├── a1",
        "    ├── a2",
        "    └── a3",
    ]


def test_limits():
    assert TREE.show(max_depth=1).splitlines() == [
        "s",
        "r (6 leaves)",
        "├── B (2 leaves), 1 child not shown",
        "├── c",
        "└── A (3 leaves), 3 children not shown",
    ]
    assert TREE.show(max_depth=0).splitlines() == ["s", "r (6 leaves), 3 children not shown"]
    assert TREE.show(max_children=1).splitlines() == [
        "s",
        "r (6 leaves)",
        "├── B (2 leaves)",
        "│   └── D (2 leaves)",
        "│       ├── d1",
        "│       └── ... 1 more",
        "└── ... 2 more",
    ]
    assert TREE.show(max_children=0).splitlines() == ["s", "r (6 leaves)", "└── ... 3 more"]
    for limits in ({"max_depth": -1}, {"max_children": -1}):
        with pytest.raises(ValueError, match=f"{next(iter(limits))} must be 0 or more, or None, got -1"):
            TREE.show(**limits)


def test_what_has_several_parents_is_shown_once():
    dag = Taxonomy.from_edges([("r", "A"), ("r", "B"), ("A", "M"), ("B", "M"), ("M", "x"), ("M", "y"), ("B", "x")])
    assert dag.show().splitlines() == [
        "r (2 leaves)",
        "├── A (2 leaves)",
        "│   └── M (2 leaves)",
        "│       ├── x",
        "│       └── y",
        "└── B (2 leaves)",
        "    ├── x",
        "    └── M (2 leaves), shown above",
    ]


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(hyperdml.taxonomy.__path__)])
def test_examples_in_the_documentation(module):
    loaded = importlib.import_module(f"hyperdml.taxonomy.{module}")
    failed, _ = doctest.testmod(loaded, extraglobs={"Taxonomy": Taxonomy})
    assert failed == 0
