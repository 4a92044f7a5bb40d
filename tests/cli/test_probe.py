"""`hyperdml probe`: features once, then seconds; recipes that do not freeze are refused."""

import json

import pytest
from cli.commands import run

SMALL = ["data.subset=tiny", "data.image_size=32", "optim.epochs=2", "evaluation.controls=[]"]


def figures(folder):
    return json.loads((folder / "results.json").read_text())["rows"][-1]["figures"]


def test_features_are_kept_where_the_user_says_and_used_again(tmp_path):
    words = ["--cache", "features", "--out"]
    code, out, err = run("probe", "emoji-lite0-hace", *SMALL, *words, "one", cwd=tmp_path)
    assert code == 0, err
    assert "features are kept in features" in out
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "features").iterdir()}
    assert len(kept) == 2
    assert code == 0, err
    code, out, err = run("probe", "emoji-lite0-hxe", *SMALL, *words, "two", cwd=tmp_path)
    assert code == 0, err
    assert "HXE 0.1" in out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "features").iterdir()} == kept
    # damage is noticed, and does not reach the figures
    for path in kept:
        content = bytearray(path.read_bytes())
        content[-5] ^= 64
        path.write_bytes(content)
    code, out, err = run("probe", "emoji-lite0-hxe", *SMALL, *words, "three", cwd=tmp_path)
    assert code == 0, err
    assert figures(tmp_path / "three") == figures(tmp_path / "two")
    assert "hyperdml probe one/config.yaml" in (tmp_path / "one" / "report.html").read_text()


def test_the_users_cache_is_the_default(tmp_path):
    words = [*SMALL, "model.backbone=test_efficientnet", "model.weights=none"]
    code, out, err = run("probe", "emoji-lite0-ce", *words, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "mine"))
    assert code == 0, err
    folder = tmp_path / "mine" / "hyperdml" / "features"
    assert f"features are kept in {folder}" in out
    assert len(list(folder.iterdir())) == 2
    assert (tmp_path / "runs" / "emoji-lite0-ce" / "model" / "taxonomy.json").is_file()


@pytest.mark.parametrize(
    ("cache", "code", "message"),
    [("taken", 2, "--cache: taken is a file; features are kept in a folder"), ("taken/features", 5, "taken/features")],
)
def test_a_cache_that_cannot_be_leaves_no_run(tmp_path, cache, code, message):
    (tmp_path / "taken").touch()
    words = [*SMALL, "model.backbone=test_efficientnet", "model.weights=none"]
    found, _, err = run("probe", "emoji-lite0-ce", *words, "--cache", cache, cwd=tmp_path)
    assert found == code
    assert message in err
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["emoji-small-hace"], "trains its backbone: use hyperdml train, or optim.freeze_backbone=true to probe"),
        (["emoji-lite0-hace", "optim.freeze_backbone=false"], "trains its backbone"),
        (["quickstart"], "is not one of classification; train it with: hyperdml train quickstart"),
    ],
)
def test_recipes_that_do_not_freeze_are_refused(tmp_path, words, message):
    code, _, err = run("probe", *words, cwd=tmp_path)
    assert code == 2
    assert message in err
    assert not list(tmp_path.iterdir())
