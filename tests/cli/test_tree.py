"""`hyperdml tree`: what it prints and writes, arms and methods, what is read again, errors."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from cli.commands import run
from scipy.cluster.hierarchy import is_valid_linkage
from synthetic import tree_points

from hyperdml.data import EmbeddingSet
from hyperdml.training import hierarchy as kept
from hyperdml.training.folder import create_run
from hyperdml.training.hierarchy import arm_subject, can_keep, draws_and_seed, run_hierarchy, tree_folder
from hyperdml.training.settings import config_from_dict
from hyperdml.tree import Dendrogram
from hyperdml.viz.subject import Subject

C = 0.1
POINTS, LABELS, LEVELS = tree_points(96, 8, spread=False)
NAMES = tuple(f"class {label}" for label in range(16))
SET = EmbeddingSet(
    POINTS,
    C,
    LABELS,
    LEVELS,
    ("top", "middle", "class"),
    NAMES,
    ids=tuple(f"photos/{row}.jpg" for row in range(96)),
    proxies=POINTS[:20] * 0.6,
)


@pytest.fixture
def file(tmp_path):
    SET.save(tmp_path / "points.safetensors")
    return tmp_path / "points.safetensors"


def tree(file, *words):
    return run("tree", file, "--draws", 3, *words, cwd=file.parent)


def test_prints_figures_beside_nulls_and_controls(file):
    code, out, err = tree(file)
    assert code == 0, err
    assert "points: 96 leaves, 95 inner nodes" in out
    lines = [line.split() for line in out.splitlines() if line.startswith("dendrogram purity, top ")]
    assert len(lines) == 2  # beside nulls, beside controls
    assert "labels shuffled" in out
    assert "random directions" in out
    assert "Draws: labels shuffled 3" in out
    assert "to quote: Average linkage in hyperbolic distance over 96 images" in out
    assert out.rstrip().endswith("points-tree: tree.json, scores.json, tree.nwk")
    folder = file.parent / "points-tree"
    found = Dendrogram.from_newick((folder / "tree.nwk").read_text(), leaves=SET.ids)
    stored = Dendrogram.from_json(folder / "tree.json")
    assert np.array_equal(found.parents, stored.parents)
    assert stored.names == SET.ids


def test_json_and_files(file):
    code, out, err = tree(file, "--json", "--format", "graphml", "linkage", "edges", "--out", file.parent / "here")
    assert code == 0, err
    record = json.loads(out)
    assert (record["method"], record["draws"], record["seed"]) == ("average", 3, 0)
    (found,) = record["trees"]
    assert (found["leaves"], found["c"], found["taxonomy"]) == (96, C, None)
    purity = next(figure for figure in found["figures"] if figure["name"] == "dendrogram purity, class")
    assert purity["nulls"][0].keys() == {"name", "mean", "sd", "z", "verdict"}
    assert purity["better"] == "higher"
    assert set(purity["controls"]) == {"cosine", "tangent vectors"}
    here = file.parent / "here"
    assert sorted(path.name for path in here.iterdir()) == [
        "linkage.npy",
        "scores.json",
        "tree.csv",
        "tree.graphml",
        "tree.json",
    ]
    assert is_valid_linkage(np.load(here / "linkage.npy"))
    parents = Dendrogram.from_json(here / "tree.json").parents
    assert np.array_equal(Dendrogram.from_graphml(here / "tree.graphml").parents, parents)
    assert np.array_equal(Dendrogram.from_edges_csv(here / "tree.csv").parents, parents)


def test_a_taxonomy_from_a_file(file):
    rows = {(f"top {top}", f"middle {middle}") for top, middle, _ in LEVELS.tolist()}
    rows |= {(f"middle {middle}", NAMES[label]) for _, middle, label in LEVELS.tolist()}
    path = file.parent / "t.csv"
    path.write_text("parent,child\n" + "".join(f"{a},{b}\n" for a, b in sorted(rows)))
    code, out, err = tree(file, "--taxonomy", path, "--json")
    assert code == 0, err
    names = [figure["name"] for figure in json.loads(out)["trees"][0]["figures"]]
    assert "dendrogram purity, level 0" in names
    assert (file.parent / "points-tree" / "by-t" / "scores.json").is_file()
    assert not (file.parent / "points-tree" / "scores.json").exists()  # which is of the stored levels
    path.write_text("parent,child\na,class 1\na,klass 2\n")
    code, _, err = tree(file, "--taxonomy", path)
    assert code == 3
    assert f"{path}: 15 of 16 classes are not clear" in err
    assert "'class 2' is not in the file, did you mean 'klass 2'" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--seed", "x"], 2, "--seed"),
        (["--arm", "nix"], 2, "no arm 'nix'; there are: none"),
        (["--method", "ward"], 2, "ward"),
        (["--taxonomy", "missing.csv"], 3, "missing.csv"),
    ],
)
def test_errors(file, words, code, message):
    found, _, err = tree(file, *words)
    assert (found, message in err) == (code, True), err
    assert not (file.parent / "points-tree").exists()


def test_missing_things(file, tmp_path):
    code, _, err = run("tree", "nowhere", cwd=tmp_path)
    assert code == 3
    assert "nowhere" in err
    replace(SET, proxies=None).save(file)
    code, _, err = tree(file, "--method", "lca")
    assert code == 2
    assert "'lca' needs proxies, which these embeddings do not have" in err


def arms():
    other = replace(SET, points=tree_points(96, 8, spread=False, seed=4)[0], proxies=None)
    return Subject("main", SET, arms={"Metric, alone": other})


def test_all_arms(file, monkeypatch):
    monkeypatch.setattr("hyperdml.training.subject.subject_of", lambda path, images: arms())
    code, out, err = tree(file, "--arm", "all", "--json")
    assert code == 0, err
    main, other = json.loads(out)["trees"]
    assert (main["title"], other["title"]) == ("main", "main, Metric, alone")
    assert main["files"][0].endswith("points-tree/tree.json")
    assert other["files"][0].endswith("points-tree/Metric-alone/tree.json")
    one, two = ({row["name"]: row for row in found["figures"]}["triplet accuracy"] for found in (main, other))
    assert one["controls"]["Metric, alone"] == pytest.approx(two["value"], abs=0.02)  # other triplets are drawn
    code, out, err = tree(file, "--arm", "all", "--method", "nearest_ancestor")
    assert code == 0, err
    assert "left out, without proxies: Metric, alone" in err
    assert (file.parent / "points-tree" / "nearest_ancestor" / "scores.json").is_file()


def test_what_is_there_is_read_again(tmp_path, monkeypatch):
    subject, folder = arms(), tmp_path / "tree"
    first = run_hierarchy(subject, folder, draws=2)
    made = []
    monkeypatch.setattr(kept, "hierarchy_of", lambda *given, **options: made.append(options) or first)
    again = run_hierarchy(subject, folder, draws=2)
    assert not made
    assert (again.scores, again.proxies) == (first.scores, first.proxies)
    assert np.array_equal(again.tree.parents, first.tree.parents)
    assert torch.equal(again.tree.points, first.tree.points)
    assert again.tree.names == first.tree.names
    for options in ({"draws": 3}, {"seed": 1}, {"method": "gromov"}):
        run_hierarchy(subject, folder, **{"draws": 2} | options, write=False)
    moved = SET.points.clone()
    moved[0] *= 0.9
    run_hierarchy(replace(subject, embeddings=replace(SET, points=moved)), folder, draws=2, write=False)
    run_hierarchy(replace(subject, arms={}), folder, draws=2, write=False)
    assert len(made) == 5
    run_hierarchy(subject, folder, draws=2)
    assert len(made) == 5  # nothing was written
    (folder / "tree.json").write_text("{}")
    run_hierarchy(subject, folder, draws=2)
    (folder / "scores.json").write_text("{")
    run_hierarchy(subject, folder, draws=2)
    assert len(made) == 7
    assert Dendrogram.from_json(folder / "tree.json").num_leaves == 96  # and anew
    run_hierarchy(subject, None, draws=2)
    assert len(made) == 8


def test_what_cannot_be_kept_is_said_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    assert can_keep(tmp_path / "new" / "folders")
    assert not can_keep(tmp_path / "file" / "tree")
    made = []
    monkeypatch.setattr(kept, "hierarchy_of", lambda *given, **options: made.append(options))
    with pytest.raises(PermissionError, match=r"cannot be written.*file/tree"):
        run_hierarchy(arms(), tmp_path / "file" / "tree", draws=2)
    assert not made
    run_hierarchy(arms(), tmp_path / "file" / "tree", draws=2, write=False)
    assert len(made) == 1


def test_draws_and_seed_are_those_of_the_run(file):
    run_folder = file.parent / "run"
    create_run(config_from_dict({"seed": 7, "evaluation": {"draws": 4}}, "test"), run_folder)
    (run_folder / "controls" / "metric").mkdir(parents=True)
    assert draws_and_seed(run_folder) == draws_and_seed(run_folder / "controls" / "metric") == (4, 7)
    assert draws_and_seed(file) == draws_and_seed(file.parent / "nowhere") == (20, 0)


def test_folders_and_arms(tmp_path):
    assert tree_folder(tmp_path) == tmp_path / "tree"
    assert tree_folder(tmp_path, "lca", "A + B (x)") == tmp_path / "tree" / "lca" / "A-B-x"
    assert tree_folder(tmp_path / "a.safetensors", "gromov") == tmp_path / "a-tree" / "gromov"
    assert tree_folder(tmp_path, "lca", "A", tmp_path / "birds of prey.csv") == (
        tmp_path / "tree" / "lca" / "A" / "by-birds-of-prey"
    )
    swapped = arm_subject(arms(), "Metric, alone")
    assert list(swapped.arms) == ["main"]
    assert swapped.embeddings is not SET
    with pytest.raises(ValueError, match="no arm 'x'; there are: 'Metric, alone'"):
        arm_subject(arms(), "x")


def test_one_draw_has_no_spread(file):
    code, _, err = run("tree", file, "--draws", 1, cwd=file.parent)
    assert code == 2
    assert "--draws must be 2 or more for a standard deviation, got 1" in err
