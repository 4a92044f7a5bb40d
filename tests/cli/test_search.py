"""embed, index, search and eval: each reads what the others write, in one process for speed."""

import io
import json
import os
import re
import shutil
import sys

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import RepositoryNotFoundError
from PIL import Image

from hyperdml.cli.app import main, run
from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.data.miniatures import make_cub
from hyperdml.index import HyperbolicIndex
from hyperdml.models import EmbeddingModel, HeadConfig, ModelConfig, hub
from hyperdml.training.settings import load_config

CLASSES = ("ant", "bee", "<script>alert(1)</script>".replace("/", "-"))
PER_CLASS = 4


def save_model(folder, seed=0):
    torch.manual_seed(seed)
    head = HeadConfig(kind="scaled", embedding_size=8, c=0.3, clip_r=1.5)
    model = EmbeddingModel(ModelConfig(backbone="test_efficientnet", weights="none", head=head))
    model.image_size = 32
    model.save_pretrained(folder)
    return model.eval()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model, images of three classes, their embeddings and an index of them."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(PER_CLASS):
            pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{i}.png")
    save_model(folder / "run" / "model")
    (folder / "folder.safetensors").mkdir()
    EmbeddingSet(torch.full((2, 8), 5.0), 0.3).save(folder / "outside.safetensors")
    here = os.getcwd()
    os.chdir(folder)
    try:
        assert run(["embed", "run", "photos", "-o", "photos.safetensors"]) == 0
        assert run(["index", "photos.safetensors", "-o", "photos.index"]) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def command(world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    capsys.readouterr()

    def call(*words, code=0):
        found = run([str(word) for word in words])
        out, err = capsys.readouterr()
        assert found == code, err
        return out, err

    return call


def test_embeddings_say_what_they_are(world, command):
    stored = EmbeddingSet.load(world / "photos.safetensors")
    assert stored.points.shape == (12, 8)
    assert stored.c == 0.3
    assert stored.class_names == tuple(sorted(CLASSES))
    assert stored.ids == tuple(f"{name}/{i}.png" for name in sorted(CLASSES) for i in range(PER_CLASS))
    assert stored.class_of_items() == [name.split("/")[0] for name in stored.ids]
    assert (stored.root, stored.image_size) == (str(world / "photos"), 32)
    out, err = command("embed", "run/model", "photos", "-o", "again.safetensors", "--json")
    record = json.loads(out)
    assert (record["images"], record["dimension"], record["c"], record["classes"]) == (12, 8, 0.3, 3)
    assert record["broken"] == []
    assert record["model"] == stored.model
    assert "12/12" in err
    assert torch.equal(EmbeddingSet.load(world / "again.safetensors").points, stored.points)
    assert not list(world.glob("*.parts"))


def test_search_agrees_with_brute_force(world, command):
    from hyperdml.geometry import pairwise_distance

    stored = EmbeddingSet.load(world / "photos.safetensors")
    d = pairwise_distance(stored.points.double(), stored.points.double(), stored.c).fill_diagonal_(torch.inf)
    out, _ = command("search", "photos.index", "photos", "-k", 5, "--json")
    record = json.loads(out)
    assert (record["items"], record["metric"], record["c"]) == (12, "hyperbolic", 0.3)
    assert [query["query"] for query in record["queries"]] == list(stored.ids)
    for row, query in enumerate(record["queries"]):
        nearest = d[row].argsort()[:5]
        assert [hit["id"] for hit in query["results"]] == [stored.ids[i] for i in nearest]
        assert [hit["distance"] for hit in query["results"]] == pytest.approx(d[row, nearest].tolist(), rel=1e-4)
        assert [hit["metadata"]["class"] for hit in query["results"]] == [stored.ids[i].split("/")[0] for i in nearest]


def test_one_image_a_class_and_embeddings_find_the_same(world, command):
    whole = json.loads(command("search", "photos.index", "photos.safetensors", "-k", 3, "--json")[0])["queries"]
    part = json.loads(command("search", "photos.index", "photos/bee", "-k", 3, "--json")[0])["queries"]
    one = json.loads(command("search", "photos.index", "photos/bee/2.png", "-k", 3, "--json")[0])["queries"]
    expected = next(query["results"] for query in whole if query["query"] == "bee/2.png")
    for found in (part[2], one[0]):
        assert found["query"] == "2.png"
        # another batch: float32 sums are rounded otherwise
        assert [hit["id"] for hit in found["results"]] == [hit["id"] for hit in expected]
        assert "bee/2.png" not in [hit["id"] for hit in found["results"]]
    # the same pixels under another name are not the indexed image
    shutil.copy(world / "photos" / "bee" / "2.png", world / "copy.png")
    copy = json.loads(command("search", "photos.index", "copy.png", "-k", 1, "--json")[0])["queries"][0]["results"][0]
    assert copy["id"] == "bee/2.png"
    assert copy["distance"] == pytest.approx(0, abs=1e-3)


def test_a_small_index_gives_what_it_has(world, command):
    command("embed", "run", "photos/ant", "-o", "few.safetensors")
    command("index", "few.safetensors", "-o", "few.index")
    record = json.loads(command("search", "few.index", "photos/ant", "--json")[0])
    assert {len(query["results"]) for query in record["queries"]} == {PER_CLASS - 1}
    record = json.loads(command("search", "photos.index", "photos/ant", "--json")[0])
    assert {len(query["results"]) for query in record["queries"]} == {10}


def test_search_in_words(command):
    out, _ = command("search", "photos.index", "photos/bee/2.png", "-k", 2)
    lines = out.splitlines()
    assert lines[0] == "2.png"
    assert all(re.fullmatch(r"  \d\.\d{4}  .+/\d\.png  \(.+\)", line) for line in lines[1:])
    assert len(lines) == 3


def test_page_shows_images_and_is_harmless(world, command):
    out, _ = command("search", "photos.index", "photos", "-k", 4, "--html", "found.html")
    assert "12 queries written to found.html" in out
    page = (world / "found.html").read_text()
    assert page.count("data:image/") >= 12 * 5
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    moved = command("search", "photos.index", "photos", "--images", "nowhere", "--html", "found.html", "--json")[0]
    assert len(json.loads(moved)["queries"][0]["results"]) == 10
    assert (world / "found.html").read_text().count("data:image/") < page.count("data:image/")


def test_index_of_a_folder_is_that_of_its_embeddings(world, command):
    out, _ = command("index", "photos", "--model", "run", "-o", "direct.index", "--json")
    assert json.loads(out)["items"] == 12
    direct, through = HyperbolicIndex.load(world / "direct.index"), HyperbolicIndex.load(world / "photos.index")
    assert direct.ids == through.ids
    assert torch.equal(direct.points, through.points)
    assert (direct.model, direct.info) == (through.model, through.info)


def test_add_extends_an_index_and_refuses_what_does_not_belong(world, command):
    command("embed", "run", "photos/ant", "-o", "ant.safetensors")
    command("index", "photos.safetensors", "-o", "grown.index")
    assert "named below" in command("index", "ant.safetensors", "-o", "grown.index", "--add", code=2)[1]
    _, err = command("index", "photos.safetensors", "-o", "grown.index", "--add", code=2)
    assert re.search(r"--add: id '.*0\.png' is in the index already", err)
    Image.new("RGB", (9, 9)).save(world / "photos" / "ant" / "new.png")
    try:
        command("embed", "run", "photos", "-o", "all.safetensors")
    finally:
        (world / "photos" / "ant" / "new.png").unlink()
    whole = EmbeddingSet.load(world / "all.safetensors")
    from dataclasses import replace

    row = whole.ids.index("ant/new.png")
    replace(
        whole, points=whole.points[row : row + 1], labels=whole.labels[row : row + 1], levels=None, ids=("ant/new.png",)
    ).save(world / "new.safetensors")
    assert "13 items" in command("index", "new.safetensors", "-o", "grown.index", "--add")[0]
    assert HyperbolicIndex.load(world / "grown.index").ids[-1] == "ant/new.png"


def test_eval_of_embeddings_a_model_and_a_gallery_agree(world, command):
    table, _ = command("eval", "photos.safetensors", "-k", 1, 3)
    assert "leave-one-out: 12 queries among 12 items" in table
    record = json.loads(command("eval", "photos.safetensors", "-k", 1, 3, "--json")[0])
    assert (record["queries"], record["references"], record["protocol"]) == (12, 12, "leave-one-out")
    assert {"R@1", "R@3", "P@1", "P@3", "R-precision", "MAP@R", "MAP", "MRR"} <= record["scores"].keys()
    for name, (low, high) in record["intervals"].items():
        assert low <= record["scores"][name] <= high
        assert f"{100 * record['scores'][name]:.1f}" in next(
            line for line in table.splitlines() if line.startswith(f"{name} ")
        )
    model = json.loads(command("eval", "run", "--data", "photos", "-k", 1, 3, "--json")[0])
    assert model["scores"] == record["scores"]
    gallery = json.loads(
        command("eval", "run", "--data", "photos", "--gallery", "photos", "-k", 1, 3, "--clustering", "--json")[0]
    )
    assert gallery["protocol"] == "query against gallery"
    assert gallery["scores"]["R@1"] == 1  # nothing is masked: every image finds itself
    assert "NMI" in gallery["scores"]
    cosine = json.loads(command("eval", "photos.safetensors", "--metric", "cosine", "--intervals", "none", "--json")[0])
    assert cosine["intervals"] == {}
    assert cosine["scores"]["MRR"] != record["scores"]["MRR"]  # radii differ, so the ranking does


def test_galleries_are_matched_by_class_name(world, command):
    for name in ("bee", "zebra"):
        (world / "gallery" / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(world / "photos" / "bee" / "0.png", world / "gallery" / "bee" / "x.png")
    shutil.copy(world / "photos" / "ant" / "0.png", world / "gallery" / "zebra" / "y.png")
    (world / "queries" / "bee").mkdir(parents=True, exist_ok=True)
    shutil.copy(world / "photos" / "bee" / "0.png", world / "queries" / "bee" / "q.png")
    words = ("eval", "run", "--data", "queries", "--gallery", "gallery", "-k", 1, "--json")
    assert "at least two groups" in command(*words, code=2)[1]  # one class of queries has no interval over classes
    out, _ = command(*words, "--intervals", "none")
    assert json.loads(out)["scores"]["R@1"] == 1


def test_broken_images_by_policy(world, command):
    shutil.copytree(world / "photos" / "bee", world / "mixed" / "bee")
    (world / "mixed" / "bee" / "bad.jpg").write_text("no")
    _, err = command("embed", "run", "mixed", "-o", "mixed.safetensors", code=3)
    assert "bad.jpg" in err
    assert not list(world.glob("mixed.safetensors*"))
    out, err = command("embed", "run", "mixed", "-o", "mixed.safetensors", "--broken", "skip", "--json")
    assert json.loads(out)["images"] == 4
    assert json.loads(out)["broken"][0]["image"].endswith("bad.jpg")
    assert "left out: mixed/bee/bad.jpg" in err
    out, err = command("embed", "run", "mixed", "-o", "replaced.safetensors", "--broken", "replace", "--json")
    assert json.loads(out)["images"] == 5
    assert "replaced: mixed/bee/bad.jpg" in err
    for words in (["search", "photos.index", "mixed"], ["index", "mixed", "--model", "run", "-o", "mixed.index"]):
        assert "left out: mixed/bee/bad.jpg" in command(*words, "--broken", "skip")[1]


def test_an_index_that_could_not_be_written_is_written_the_next_time(world, command, monkeypatch):
    import hyperdml.index.files as files

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomic", _full_disk)
        command("index", "photos.safetensors", "-o", "late.index", code=5)
    assert [path.name for path in (world / "late.index").iterdir()] == [".lock"]
    command("index", "photos.safetensors", "-o", "late.index")
    assert len(HyperbolicIndex.load(world / "late.index")) == 12


def _full_disk(path, data):
    raise OSError(28, "No space left on device")


def test_small_indexes_are_exported_too(world, command):
    command("index", "photos/bee", "--model", "run", "-o", "bee.index", "--export", "bee.export")
    rule = json.loads((world / "bee.export" / "export.json").read_text())["search"]
    assert (rule["k"], rule["candidates"]) == (3, 4)
    one = ("index", "photos/bee/0.png", "--model", "run", "-o", "one.index", "--export", "one.export")
    assert "--export needs at least two items" in command(*one, code=2)[1]
    assert not list(world.glob("one.*"))


def test_indexes_that_others_built(world, command):
    """In Python, without the facts that the command line writes, or with other ones of the same names."""
    stored = EmbeddingSet.load(world / "photos.safetensors")
    for info in ({}, {"root": 5, "model_folder": [], "image_size": "large"}):
        index = HyperbolicIndex.build(stored.points, c=0.3, info=info)
        index.save(world / "python.index", replace=True)
        out, _ = command("search", "python.index", "photos", "--model", "run", "-k", 1, "--html", "p.html", "--json")
        assert [query["results"][0]["id"] for query in json.loads(out)["queries"]] == list(range(12))
        assert "name a model with --model" in command("search", "python.index", "photos", code=2)[1]
        assert "another model" in command("index", "photos.safetensors", "-o", "python.index", "--add", code=2)[1]
    HyperbolicIndex.build(stored.points, c=0.3, model=stored.model).save(world / "python.index", replace=True)
    _, err = command("index", "photos.safetensors", "-o", "python.index", "--add", code=2)
    assert "those of the index below None" in err


def test_folders_whose_names_are_not_text(world, command):
    odd = os.fsdecode(b"fo\xff\nlder")
    shutil.copytree(world / "photos", world / odd)
    command("index", odd, "--model", "run", "-o", "odd.index")
    out, _ = command("search", "odd.index", odd, "-k", 1, "--html", f"{odd}.html", "--json")
    assert len(json.loads(out)["queries"]) == 12
    _, err = command("search", odd, odd, code=3)
    assert "fo\\udcff" in err
    for words in (["embed", "run", "photos", "-o", f"{odd}.safetensors"], ["index", "photos", "-o", f"{odd}.index"]):
        assert "is not UTF-8, and safetensors opens no others" in command(*words, code=2)[1]


def test_moved_images_are_known_by_their_new_folder(world, command, tmp_path):
    shutil.copytree(world / "photos", tmp_path / "moved")
    words = ("search", "photos.index", tmp_path / "moved" / "bee", "-k", 1, "--json")
    own = [query["results"][0]["id"] for query in json.loads(command(*words)[0])["queries"]]
    assert own == [f"bee/{i}.png" for i in range(PER_CLASS)]
    others = json.loads(command(*words, "--images", tmp_path / "moved")[0])["queries"]
    assert all(query["results"][0]["id"] != f"bee/{query['query']}" for query in others)


def test_pages_of_too_many_queries_are_refused_before_they_are_embedded(world, command, monkeypatch):
    monkeypatch.setattr("hyperdml.cli.search._SHOWN", 11)
    for query in ("photos", "photos.safetensors"):
        _, err = command("search", "photos.index", query, "--html", "many.html", code=2)
        assert err == "hyperdml: error: --html shows at most 11 queries on a page, got 12; use --json\n"
    assert not (world / "many.html").exists()


def test_another_model_is_refused_before_images_are_embedded(world, command):
    if not (world / "other").exists():
        save_model(world / "other", seed=1)
    _, err = command("search", "photos.index", "photos", "--model", "other", code=2)
    assert "embedding" not in err


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_too_little_memory_is_one_line(command, monkeypatch, error):
    def fail(*arguments, **settings):
        raise error

    monkeypatch.setattr("hyperdml.models.embed._points", fail)
    _, err = command("embed", "run", "photos", "-o", "x.safetensors", code=5)
    assert err.endswith("not enough memory for batches of 64 images; lower --batch-size or --size\n")


def test_an_interrupted_command_says_so(command, monkeypatch):
    def interrupt(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("hyperdml.models.embed._points", interrupt)
    assert "hyperdml: error: interrupted" in command("embed", "run", "photos", "-o", "x.safetensors", code=130)[1]


def test_names_beyond_the_encoding_of_the_output(world, monkeypatch):
    (world / "猫").mkdir()
    shutil.copy(world / "photos" / "bee" / "0.png", world / "猫" / "猫.png")
    output = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    monkeypatch.chdir(world)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as done:
            main(["search", "photos.index", "猫", "-k", "1"])
    assert done.value.code == 0
    assert output.buffer.getvalue().startswith(rb"\u732b.png")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["embed", "nowhere", "photos", "-o", "x.safetensors"], 3, "nowhere is neither a model nor a run"),
        (["embed", "run", "nowhere", "-o", "x.safetensors"], 3, "no such folder or image: nowhere"),
        (["embed", "run", "photos", "-o", "x.npy"], 2, "must end in .safetensors"),
        (["embed", "run", "photos", "-o", "no/x.safetensors"], 2, "there is no folder no"),
        (["embed", "run", "photos", "-o", "x.safetensors", "--batch-size", "0"], 2, "--batch-size must be at least 1"),
        (["embed", "run", "photos", "-o", "x.safetensors", "--size", "0"], 2, "--size must be at least 1"),
        (["embed", "run", "photos", "-o", "x.safetensors", "--device", "toaster"], 2, "device"),
        (["embed", "run", "photos", "-o", "x.safetensors", "--broken", "eat"], 2, "eat"),
        (["embed", "run", "photos"], 2, "--out"),
        (["index", "photos.safetensors"], 2, "--out INDEX"),
        (["index", "photos.safetensors", "-o", "photos.index"], 2, "photos.index holds an index already"),
        (["index", "photos", "-o", "x.index"], 2, "name a model with --model"),
        (["index", "nowhere", "-o", "x.index"], 3, "nowhere: no such file or folder"),
        (["index", "photos.safetensors", "--add", "--export", "x"], 2, "--add needs --out"),
        (["index", "photos.index", "-o", "x.index"], 2, "photos.index is an index already"),
        (["search", "photos", "photos"], 3, "photos is not an index"),
        (["search", "photos.index", "nowhere"], 3, "nowhere: no such file or folder"),
        (["search", "photos.index", "photos", "-k", "0"], 2, "-k must be at least 1"),
        (["search", "photos.index", "photos", "-k", "12"], 2, "photos.index holds 12"),
        (["search", "photos.index", "nowhere", "-k", "13"], 2, "photos.index holds 12"),
        (["search", "photos.index", "photos", "--html", "photos"], 2, "--html: photos is a folder"),
        (["embed", "run", "photos", "-o", "folder.safetensors"], 2, "--out: folder.safetensors exists"),
        (["index", "photos.safetensors", "-o", "photos"], 2, "photos is not the folder of an index: it holds"),
        (["index", "photos.safetensors", "-o", "photos.safetensors"], 3, "photos.safetensors is a file, not a folder"),
        (["index", "photos", "--model", "run", "-o", "x.index", "--add"], 3, "x.index is not an index"),
        (["index", "photos", "--model", "run", "--export", "photos"], 2, "photos exists and is not empty"),
        (["index", "photos.index", "--export", "x", "--model", "run"], 2, "leave out --out and --model"),
        (["index", "photos.index", "--export", "x", "--approximate"], 2, "--approximate is chosen when"),
        (["index", "photos.safetensors", "-o", "photos.index", "--add", "--approximate"], 2, "--approximate is chosen"),
        (["index", "outside.safetensors", "-o", "x.index"], 3, "outside.safetensors: points row 0 has norm"),
        (["search", "photos.index", "outside.safetensors"], 3, "outside.safetensors: query row 0 has norm"),
        (["search", "photos.index", "photos", "--html", "no/x.html"], 2, "there is no folder no"),
        (["search", "photos.index", "photos", "--model", "other"], 2, "made by another model"),
        (["eval", "run"], 2, "--data"),
        (["eval", "nowhere"], 3, "no such run, model or file"),
        (["eval", "user/name"], 3, "no such run, model or file of embeddings here (the hub is asked with --data only)"),
        (["eval", "run", "--data", "photos/ant"], 3, "FOLDER/CLASS/IMAGE"),
        (["eval", "photos.safetensors", "-k", "12"], 2, "12"),
        (["eval", "other", "--data", "photos.safetensors"], 2, "were not made by other"),
    ],
)
def test_mistakes_give_one_line_and_an_exit_code(world, command, words, code, message):
    if not (world / "other").exists():
        save_model(world / "other", seed=1)
    before = sorted(path for path in world.iterdir() if not path.name.endswith(".parts"))
    _, err = command(*words, code=code)
    errors = [line for line in err.splitlines() if line.startswith("hyperdml: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert sorted(path for path in world.iterdir() if not path.name.endswith(".parts")) == before


def test_moved_model_is_asked_for(world, command, tmp_path):
    shutil.copytree(world / "run", tmp_path / "moved")
    command("embed", tmp_path / "moved", "photos", "-o", "moved.safetensors")
    command("index", "moved.safetensors", "-o", "moved.index")
    shutil.move(tmp_path / "moved", tmp_path / "elsewhere")
    _, err = command("search", "moved.index", "photos", code=2)
    assert "say where it is with --model" in err
    out, _ = command("search", "moved.index", "photos", "--model", tmp_path / "elsewhere", "-k", 1, "--json")
    assert len(json.loads(out)["queries"]) == 12


def test_damaged_files_are_named(world, command):
    shutil.copytree(world / "photos.index", world / "damaged.index")
    points = next((world / "damaged.index").glob("points-*"))
    content = bytearray(points.read_bytes())
    content[-1] ^= 1
    points.write_bytes(content)
    assert points.name in command("search", "damaged.index", "photos.safetensors", code=3)[1]


RECIPE = """
data: {name: cub, root: CUB_200_2011, complete: false, image_size: 40}
crop: {kind: resized, interpolation: bilinear}
model: {backbone: test_efficientnet, weights: none, head: {kind: scaled, embedding_size: 16}}
batch: {size: 8}
hier: {weight: 0}
optim: {steps: 2, freeze_backbone: FROZEN}
evaluation: {controls: [], batch_size: 24}
"""


@pytest.mark.parametrize("frozen", ["false", "true"])
def test_embedding_the_test_images_of_a_run_gives_the_points_that_training_scored(
    command, monkeypatch, tmp_path, frozen
):
    monkeypatch.chdir(tmp_path)
    make_cub(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("FROZEN", frozen))
    command("train", "recipe.yaml", "-o", "run", "--cache", "features")
    files = load_splits(load_config("recipe.yaml", ()).data).test.images
    for path in files.paths:
        target = tmp_path / "test" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files.root / path, target)
    command("embed", "run", "test", "-o", "test.safetensors")
    scored, found = EmbeddingSet.load(tmp_path / "run"), EmbeddingSet.load(tmp_path / "test.safetensors")
    rows = [found.ids.index(path) for path in files.paths]
    assert len(set(rows)) == len(scored) == len(found)
    torch.testing.assert_close(found.points[rows], scored.points, rtol=0, atol=1e-6)
    assert found.model == scored.model
    assert (scored.points - scored.points.mean(0)).norm(dim=1).min() > 1e-4  # points that tell images apart


@pytest.fixture
def asked(world, monkeypatch):
    """A hub that holds one model, and what it was asked for."""
    names = []

    def download(repo, **options):
        names.append(repo)
        if repo == "user/name":
            return str(world / "run" / "model")
        if repo == "user/other":
            return str(world / "photos")
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)  # its constructor asks for a server's answer

    monkeypatch.setattr(hub, "_check_reachable", lambda otherwise: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return names


def test_models_of_the_hub(world, command, asked):
    command("embed", "user/name", "photos", "-o", "hub.safetensors")
    stored, found = (EmbeddingSet.load(world / name) for name in ("photos.safetensors", "hub.safetensors"))
    assert torch.equal(found.points, stored.points)
    assert found.model == stored.model
    command("index", "photos", "--model", "user/name", "-o", "hub.index")
    for words in (
        ["search", "hub.index", "photos/bee"],  # the folder of the cache stands in the index
        ["search", "photos.index", "photos/bee", "--model", "user/name"],
    ):
        assert len(json.loads(command(*words, "--json")[0])["queries"]) == PER_CLASS
    own = json.loads(command("eval", "run", "--data", "photos", "--gallery", "photos", "--json")[0])
    of_hub = json.loads(command("eval", "user/name", "--data", "photos", "--gallery", "photos", "--json")[0])
    assert of_hub["scores"] == own["scores"]
    assert asked == ["user/name"] * 4  # once a command


def test_a_folder_goes_before_the_hub(world, command, asked):
    shutil.copytree(world / "run", world / "user" / "name")
    try:
        command("embed", "user/name", "photos", "-o", "folder_first.safetensors")
    finally:
        shutil.rmtree(world / "user")
    assert asked == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["embed", "runs/x", "photos", "-o", "x.safetensors"],
            "there is no folder runs/x, and as the name of a model on",
        ),
        (["export", "user/other", "--torch-export", "x.pt2"], "user/other is neither a model nor a run"),
        (["embed", "../x", "photos", "-o", "x.safetensors"], "../x is neither a model nor a run"),
        (["embed", "a/b/c", "photos", "-o", "x.safetensors"], "a/b/c is neither a model nor a run"),
    ],
)
def test_what_is_no_model_here_or_on_the_hub(world, command, asked, words, message):
    _, err = command(*words, code=3)
    assert message in err
    assert not list(world.glob("x.*"))


def test_a_mistyped_run_without_the_net(command, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    _, err = command("embed", "runs/quikstart", "photos", "-o", "x.safetensors", code=5)
    assert "runs/quikstart is neither a folder here nor in the local cache, and HF_HUB_OFFLINE" in err
