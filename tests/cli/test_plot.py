"""`hyperdml plot`: every figure from its source, one clear error for everything else, before work begins."""

import re
import warnings
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from cyclopts import App
from PIL import Image
from training.run_curves_case import SIZE, finished
from viz.figure_case import embeddings

from hyperdml.cli.plot import Layout, _queries, plot
from hyperdml.errors import ConfigError, DataError
from hyperdml.viz.layouts import LAYOUTS


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file of embeddings with its images, one of them broken."""
    folder = tmp_path_factory.mktemp("plot")
    (folder / "images").mkdir()
    own = embeddings(60)
    draw = np.random.default_rng(0)
    for row in range(60):
        Image.fromarray(draw.integers(0, 255, (9, 7, 3), dtype=np.uint8)).save(folder / "images" / f"{row}.png")
    (folder / "images" / "0.png").write_bytes(b"broken")
    ids = tuple(f"{row}.png" for row in range(60))
    # two orders, where 60 images of the shared case have one
    levels = own.levels.clone()
    levels[:, 0] = (own.labels >= 4).long()
    own = replace(own, levels=levels, ids=ids, root=str(folder / "images"))
    own.save(folder / "points.safetensors")
    return folder / "points.safetensors"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Points without anything else."""
    path = tmp_path_factory.mktemp("bare") / "bare.safetensors"
    replace(embeddings(60, proxies=0), labels=None, levels=None, level_names=(), class_names=(), ids=None).save(path)
    return path


@pytest.fixture
def no_work(monkeypatch):
    """Fails the test when a source is opened."""

    def opened(*args, **options):
        raise AssertionError("work began")

    monkeypatch.setattr("hyperdml.training.subject.subject_of", opened)
    monkeypatch.setattr("hyperdml.training.run_curves.run_curves", opened)


@pytest.mark.parametrize("figure", ["affinity", "retrieval", "proxies", "radii"])
def test_figures_of_a_file_of_embeddings(file, figure, capsys):
    plot(file, figure=figure)
    path = file.with_name(f"points-{figure}.png")
    with Image.open(path) as image:
        assert min(image.size) > 300
    said = capsys.readouterr().out.split("\n", 1)
    assert said[0] == f"written to {path}"
    assert len(said[1]) > 40


@pytest.mark.parametrize(
    ("figure", "function", "given", "expected"),
    [
        ("disk", "viz.disk.draw_disk", {}, {"layout": "tree", "colour": None, "control": False, "seed": 0}),
        (
            "disk",
            "viz.disk.draw_disk",
            {"layout": "umap", "colour": "radius", "control": True, "seed": 3},
            {"layout": "umap", "colour": "radius", "control": True, "seed": 3},
        ),
        ("epochs", "viz.epochs.draw_epochs", {"seed": 2}, {"layout": "tangent-pca", "seed": 2}),
        (
            "affinity",
            "viz.affinity.draw_affinity",
            {"colour": "order", "against": "x"},
            {"level": "order", "against": "x", "seed": 0},
        ),
        (
            "retrieval",
            "viz.retrieval_grid.draw_retrieval_grid",
            {"queries": ("3", "5"), "seed": 1},
            {"queries": [3, 5], "level": None, "against": None, "seed": 1},
        ),
        ("proxies", "viz.proxy_images.draw_proxy_images", {"seed": 4}, {"seed": 4}),
        ("radii", "viz.radius_histogram.draw_radii", {"colour": "family"}, {"level": "family"}),
    ],
)
def test_options_reach_the_figure(file, monkeypatch, tmp_path, figure, function, given, expected):
    seen = []
    monkeypatch.setattr(f"hyperdml.{function}", lambda path, subject, **options: seen.append((path, options)) or "said")
    plot(file, figure=figure, out=tmp_path / "x.svg", **given)
    assert seen == [(tmp_path / "x.svg", expected)]


@pytest.mark.parametrize(("layout", "name"), [(None, "disk-tree"), ("radius", "disk-radius")])
def test_the_disk_is_called_by_its_layout(file, monkeypatch, layout, name):
    """disk.png of a run folder is that of its report."""
    seen = []
    monkeypatch.setattr("hyperdml.viz.disk.draw_disk", lambda path, subject, **options: seen.append(path) or "said")
    plot(file, layout=layout)
    assert seen == [file.with_name(f"points-{name}.png")]


def test_words_of_the_command_line(file, monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(
        "hyperdml.viz.retrieval_grid.draw_retrieval_grid", lambda path, subject, **options: seen.update(options) or ""
    )
    app = App()
    app.command(plot, name="plot")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app(
            ["plot", str(file), "--figure", "retrieval", "--queries", "3", "5", "-o", str(tmp_path / "x.pdf")],
            exit_on_error=False,
            result_action="return_value",
        )
    assert seen["queries"] == [3, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"figure": "radii", "layout": "umap"}, "--layout belongs to --figure disk or epochs, not to radii"),
        (
            {"figure": "proxies", "colour": "order"},
            "--colour belongs to --figure disk or affinity",
        ),
        ({"figure": "radii", "control": True}, "--control belongs to --figure disk, not to radii"),
        ({"figure": "epochs", "layout": "tree"}, "epochs share one frame, which --layout tree does not give"),
        ({"against": "x"}, "--against belongs to --figure affinity or retrieval, not to disk"),
        ({"figure": "affinity", "queries": ("best",)}, "--queries belongs to --figure retrieval, not to affinity"),
        ({"figure": "epochs", "part": "train"}, "--part belongs to .*, not to epochs"),
        ({"figure": "radii", "seed": 0}, "--seed belongs to .*, not to radii"),
        ({"x": ("hier.weight",)}, "--x belongs to --figure curves, not to disk"),
        ({"metric": ("R@1",)}, "--metric belongs to --figure curves, not to disk"),
        ({"figure": "retrieval", "queries": ("good",)}, "--queries takes best, worst, random, changed, or numbers"),
        ({"figure": "retrieval", "queries": ("3", "-4")}, "--queries takes .*, got '3 -4'"),
        ({"figure": "curves"}, "curves need --x"),
        ({"figure": "curves", "x": ("hier.weight",)}, "say with -o which file to write"),
    ],
)
def test_options_that_do_not_belong(file, no_work, options, message):
    with pytest.raises(ConfigError, match=message):
        plot(file, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.jpg", r"a figure is written as .png, .svg or .pdf, got '.jpg'"),
        ("x", "got 'no ending'"),
        ("missing/x.png", "--out: there is no folder"),
        ("folder.png", "is a folder, not a file to write"),
    ],
)
def test_files_that_cannot_be_written(file, no_work, tmp_path, name, message):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigError, match=message):
        plot(file, out=tmp_path / name)


def test_numbers_of_runs(file, no_work):
    with pytest.raises(ConfigError, match="--figure disk is of one run or file of embeddings, got 2"):
        plot(file, file)
    with pytest.raises(ConfigError, match="got 0"):
        plot()
    with pytest.raises(ConfigError, match="curves need finished runs"):
        plot(figure="curves", x=("a",))


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ("affinity", "have no labels"),
        ("retrieval", "shows images, and bare has none: .* does not say where its images are"),
        ("proxies", "shows images, and bare has none"),
    ],
)
def test_embeddings_that_lack_something(bare, figure, message):
    with pytest.raises(DataError, match=message):
        plot(bare, figure=figure)
    assert not list(bare.parent.glob("*.png"))


def test_levels_and_rows_that_are_not_there(file):
    with pytest.raises(ConfigError, match="no level 'genus' above the classes; there are: order, family"):
        plot(file, figure="affinity", colour="genus")
    with pytest.raises(ConfigError, match="row 60 is not one of the 60 queries"):
        plot(file, figure="retrieval", queries=("60",))
    with pytest.raises(ConfigError, match="points has no other arm 'HIER'; it has: none"):
        plot(file, figure="retrieval", against="HIER")
    with pytest.raises(ConfigError, match="needs a second model"):
        plot(file, figure="retrieval", queries=("changed",))


def test_sets_that_are_too_small_name_the_file(file, tmp_path):
    from hyperdml.data import EmbeddingSet

    few = tmp_path / "few.safetensors"
    EmbeddingSet.load(file).select(torch.arange(3)).save(few)
    with pytest.raises(DataError, match=re.escape(f"{few}: k=4 nearest images were asked for, expected 1 to 2")):
        plot(few, figure="retrieval")


def test_curves(tmp_path, capsys):
    runs = [finished(tmp_path / str(size), f"{SIZE}={size}") for size in (32, 64)]
    plot(*runs, figure="curves", x=(SIZE,), out=tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")
    assert capsys.readouterr().out.startswith(f"written to {tmp_path / 'x.pdf'}\n2 runs; one seed a point")


def test_layouts_are_those_that_there_are():
    assert get_args(Layout) == LAYOUTS


def test_how_queries_are_said():
    assert _queries(()) == "random"
    assert _queries(("changed",)) == "changed"
    assert _queries(("0", "12")) == [0, 12]
    with pytest.raises(ConfigError):
        _queries(("best", "worst"))
