"""The documentation, run: every Python block, every command line, every link, every docstring example."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import hyperdml
from hyperdml.cli.app import build_app
from hyperdml.training.settings import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language):
    return [
        pytest.param(code, id=f"{page.name}-{number}")
        for page in PAGES
        for number, code in enumerate(re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S))
    ]


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "documentation", "exec"), {"__name__": "documentation"})


TEXTS = [page.read_text() for page in PAGES] + [path.read_text() for path in (ROOT / "hyperdml").rglob("*.py")]
NAMES = (
    "train|probe|compare|resume|report|replay|doctor|export|push|eval|embed|index|search|recipes|datasets|taxonomy"
    "|tree|plot|view"
)


def command_lines():
    """Lines of the documentation and of the help texts that are commands, without the remarks beside them."""
    return [
        shlex.split(line)[1:]
        for text in TEXTS
        for line in re.findall(rf"^ *(hyperdml (?:{NAMES}) .*?)(?: {{2,}}.*| &&.*)?$", text, re.M)
        if line.count("'") % 2 == 0
    ]


def test_command_lines_are_accepted():
    found = command_lines()
    assert len(found) > 15
    for words in found:
        build_app().parse_args(words, exit_on_error=False, print_error=False)
        if words[:2] == ["train", "quickstart"]:
            load_config("quickstart", [word for word in words[2:] if "=" in word])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_python_files_that_the_documentation_names_exist():
    for page in PAGES:
        for name in re.findall(r"(?:benchmarks|tests|hyperdml)/[\w/]+\.py", page.read_text()):
            assert (ROOT / name).is_file(), f"{page.name} names {name}"


MODULES = [info.name for info in pkgutil.walk_packages(hyperdml.__path__, "hyperdml.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    module = importlib.import_module(name)
    extra = {} if hasattr(module, "torch") else {"torch": importlib.import_module("torch")}
    result = doctest.testmod(module, extraglobs=extra)
    assert result.failed == 0
