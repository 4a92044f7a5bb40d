"""What users install: contents of the wheel, import cost, layering of the rooms, licences."""

import ast
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "hyperdml"
ROOMS = [
    "geometry",
    "taxonomy",
    "neighbors",
    "index",
    "hier",
    "hace",
    "metrics",
    "data",
    "models",
    "integrations",
    "tree",
    "viz",
    "training",
    "testing",
    "cli",
]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_upward_in_the_house(path):
    parts = path.relative_to(SOURCE).parts
    if len(parts) == 1:
        return
    own = ROOMS.index(parts[0])
    for name in imports(path):
        words = name.split(".")
        if words[0] == "hyperdml" and len(words) > 1 and words[1] in ROOMS:
            assert ROOMS.index(words[1]) <= own, f"{path} imports {name}"
        if words[0] == "pytorch_metric_learning":
            assert parts[0] == "integrations"


def loaded(statement, *packages):
    """Which of the packages a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint([m for m in {packages} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(found.stdout)


def test_the_package_and_its_command_line_start_without_torch():
    assert loaded("import hyperdml, hyperdml.cli", "torch", "faiss", "matplotlib", "timm") == []


def test_the_library_starts_without_what_it_does_not_need():
    heavy = ("faiss", "matplotlib", "timm", "geoopt", "numba", "pytorch_metric_learning", "sklearn")
    assert loaded("from hyperdml import HIER, HyperbolicKNN, ToPoincare", *heavy) == []


def test_metadata():
    found = distribution("hyperdml")
    assert found.version == "0.1.0"
    assert "hyperdml" in {entry.name for entry in found.entry_points}
    faiss = [line for line in found.requires if line.startswith("faiss")]
    assert len(faiss) == 2
    assert all(";" in line for line in faiss)


def test_wheel_holds_data_recipes_and_licences(tmp_path):
    # a copy, so that neither the checkout nor an old build folder in it takes part
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(SOURCE, copy / "hyperdml", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for name in (
        "hyperdml/py.typed",
        "hyperdml/data/emoji/emoji.webp",
        "hyperdml/data/emoji/emoji.json",
        "hyperdml/data/emoji/NOTICE.md",
        "hyperdml/training/recipes/quickstart.yaml",
        "hyperdml-0.1.0.dist-info/licenses/LICENSE",
        "hyperdml-0.1.0.dist-info/licenses/hyperdml/data/emoji/NOTICE.md",
    ):
        assert name in names
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)
    sources = {str(path.relative_to(ROOT)) for path in SOURCE.rglob("*.py")}
    assert sources <= names
    assert wheel.stat().st_size < 12e6
