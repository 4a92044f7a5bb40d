"""`hyperdml view` on files of embeddings and runs, in this process."""

import pytest
import torch
from viz.figure_case import embeddings

from hyperdml.cli.app import run as hyperdml


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "points.safetensors"
    embeddings(48).save(path)
    return path


def test_the_page_is_written_beside_the_file(file, capsys):
    assert hyperdml(["view", str(file), "--draws", "2"]) == 0
    page = file.with_suffix(".html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "http://" not in page.split('<script type="application/json"')[0]
    out = capsys.readouterr().out
    assert "points.html (" in out
    assert "48 images of 8 classes, 12 hierarchical proxies" in out
    before = file.with_suffix(".html").read_bytes()
    assert hyperdml(["view", str(file), "--draws", "2"]) == 0  # the tree is read again
    assert file.with_suffix(".html").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--thumbnails", "-1"], "--thumbnails must be 0 or more, got -1"),
        (["--draws", "1"], "--draws must be 2 or more"),
        (["-o", "x.png"], "an .html file, got x.png"),
        (["-o", "nowhere/x.html"], "there is no folder nowhere"),
        (["--layout", "radius", "--layout", "pca"], "pca"),
        (["--part", "train"], "training part"),
    ],
)
def test_mistakes_are_said_at_once(file, words, message, capsys):
    assert hyperdml(["view", str(file), *words]) in (2, 3)
    assert message in capsys.readouterr().err


def test_a_layout_that_there_is_nothing_for(tmp_path, capsys):
    embeddings(30, proxies=0).save(tmp_path / "bare.safetensors")
    assert hyperdml(["view", str(tmp_path / "bare.safetensors"), "--layout", "radius", "--draws", "2"]) == 2
    assert "'radius' needs proxies" in capsys.readouterr().err
    assert not (tmp_path / "bare.html").exists()


def test_two_points_have_no_tree_and_are_shown(tmp_path):
    two = embeddings(30, proxies=0).select(torch.arange(2))
    two.save(tmp_path / "two.safetensors")
    assert hyperdml(["view", str(tmp_path / "two.safetensors")]) == 0
    assert (tmp_path / "two.html").is_file()
