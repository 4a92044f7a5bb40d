"""The command line as a user meets it: subprocesses, exit codes, files, interruption."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from cli.commands import children, launch, run, start, variable
from PIL import Image
from safetensors import safe_open

from hyperdml.data.miniatures import make_cub
from hyperdml.models import EmbeddingModel

SMALL = [
    "data.subset=tiny",
    "data.image_size=32",
    "model.backbone=test_efficientnet",
    "model.weights=none",
    "model.head.embedding_size=16",
    "batch.size=24",
    "hier.levels=[2,6,16]",
    "hier.per_anchor=6",
    "hier.warmup=1",
    "evaluation.draws=2",
    "optim.views=1",
    "checkpoint_every=3",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    code, out, err = run("train", "quickstart", *SMALL, "optim.steps=12", "evaluation.every=5", cwd=folder)
    assert code == 0, err
    return folder, out


@pytest.fixture(autouse=True, scope="module")
def _features(tmp_path_factory):
    """Features are cached away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


ARMS = ["Proxy Anchor", "Proxy Anchor + triplets of HIER (default)", "Proxy Anchor + HIER (default)"]


def row_of(out):
    """The row of the main arm in the printed table, after its last epoch."""
    pattern = r"Proxy Anchor \+ HIER \(default\)( \(last epoch\))?  "
    return next(line for line in out.splitlines() if re.match(pattern, line))


def test_train_prints_the_table_the_radii_and_what_to_try_next(finished):
    _, out = finished
    lines = out.splitlines()
    start_of_table = next(i for i, line in enumerate(lines) if line.startswith("unseen classes, %"))
    names = re.split(" {2,}", lines[start_of_table])[1:]
    levels = ["subgroup@1", "group@1", "subgroup MAP@R", "group MAP@R", "H-AP"]
    assert names == ["R@1", "R@2", "R@4", "R@8", "MAP@R", *levels]
    rows = lines[start_of_table + 1 : lines.index("", start_of_table)]
    assert rows[0].startswith("untrained backbone  ")
    for title in ARMS:
        assert sum(line.startswith((f"{title}  ", f"{title} (last epoch)  ")) for line in rows) == 1
    for line in rows:
        name, *figures = re.split(" {2,}", line)
        assert re.sub(r" \((last epoch|best step (5|10) on validation)\)$", "", name) in ["untrained backbone", *ARMS]
        figures = [float(figure) for figure in figures]
        assert len(figures) == len(names)
        assert all(0 < value <= 100 for value in figures)
        assert figures[:4] == sorted(figures[:4])
    start_of_trees = next(i for i, line in enumerate(lines) if line.startswith("tree purity, %"))
    trees = [re.split(" {2,}", line) for line in lines[start_of_trees + 1 : start_of_trees + 6]]
    assert [name for name, *_ in trees] == [
        f"{ARMS[0]}, k-means after training",
        *(f"{arm}, {source}" for arm in ARMS[1:] for source in ("its proxies", "k-means after training")),
    ]
    assert all(re.fullmatch(r"\d+\.\d \((-?\d+|-), (-?\d+|-)\)", cell) for _, *cells in trees for cell in cells)
    assert "not distinguishable from chance" in out
    assert "clipped embeddings: 100.0%" in out
    assert "hyperbolic and cosine ranking agree" in out
    assert "pairs whose best common ancestor is the origin" in out
    assert "try next:" in out
    assert "Proxy Anchor + HIER (default): 12/12" in out


def test_run_folder(finished):
    run_folder = finished[0] / "runs" / "quickstart"
    assert yaml.safe_load((run_folder / "config.yaml").read_text())["optim"]["steps"] == 12
    records = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    hier = [r for r in records if r["arm"] == "Proxy Anchor + HIER (default)" and "loss" in r]
    assert [r["step"] for r in hier] == list(range(1, 13))
    for r in hier:
        assert r["loss"] == pytest.approx(r["metric"] + 0.5 * (r["hier_samples"] + r["hier_proxies"]), rel=1e-5)
    assert [r["step"] for r in records if "validation" in r] == [5, 10] * 3
    assert all(r["radii"]["clipped_fraction"] == 1.0 for r in records if "validation" in r)
    assert [r["hier_samples"] > 0 for r in hier[:2]] == [False, True]  # one step of warm-up
    control = [r for r in records if r["arm"] == "Proxy Anchor" and "loss" in r]
    assert control[0]["metric"] == hier[0]["metric"]
    results = json.loads((run_folder / "results.json").read_text())
    assert results["rows"][0]["title"] == "untrained backbone"
    assert results["radius"]["clipped_fraction"] == 1.0
    for place in (run_folder, run_folder / "controls" / "metric", run_folder / "controls" / "triplet"):
        model = EmbeddingModel.from_pretrained(place / "model")
        assert model.config.head.embedding_size == 16
        with safe_open(place / "embeddings.safetensors", framework="pt") as file:
            assert file.get_tensor("points").shape == (210, 16)
            assert file.metadata()["c"] == "0.1"
            assert ("proxies" in file.keys()) is (place.name != "metric")  # noqa: SIM118
    assert not list(run_folder.rglob("checkpoints"))
    with Image.open(run_folder / "disk.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10
    report = (run_folder / "report.html").read_text()
    assert re.search(r">Proxy Anchor \+ HIER \(default\)( \(last epoch\))?</th>", report)
    assert "minus Proxy Anchor, points</th>" in report
    assert "data:image/webp;base64," in report
    packages = json.loads((run_folder / "env.json").read_text())["packages"]
    assert packages["torch"]


def test_a_second_run_takes_the_next_free_folder_and_repeats_the_first(finished):
    folder, _ = finished
    code, _, err = run("train", "quickstart", *SMALL, "optim.steps=12", "evaluation.every=5", cwd=folder)
    assert code == 0, err
    first, second = (
        json.loads((folder / "runs" / n / "results.json").read_text()) for n in ("quickstart", "quickstart-2")
    )
    for result in (first, second):
        for row in [*result["rows"], *result["best"]]:
            del row["seconds"]
    assert first == second


def test_eval_gives_the_figures_of_the_run_and_of_other_distances(finished):
    folder, out = finished
    code, table, _ = run("eval", "runs/quickstart", cwd=folder)
    assert code == 0
    figures = dict(re.split(" {2,}", line)[:2] for line in table.splitlines()[2:])
    names = ["R@1", "R@2", "R@4", "R@8", "MAP@R", "subgroup R@1", "group R@1", "subgroup MAP@R", "group MAP@R", "H-AP"]
    assert [figures[name] for name in names] == row_of(out).split()[-10:]
    # every image is clipped to one sphere: cosine ranks alike
    assert (
        run("eval", "runs/quickstart", "--metric", "cosine", cwd=folder)[1].splitlines()[1:] == table.splitlines()[1:]
    )


def test_resume_of_a_finished_run_reports_it_again(finished):
    folder, out = finished
    code, again, _ = run("resume", "runs/quickstart", cwd=folder)
    assert code == 0
    assert "runs/quickstart is finished" in again
    table = [
        line
        for line in out.splitlines()
        if line.startswith(("untrained", "Proxy Anchor   ", "Proxy Anchor + HIER (default) (best "))
    ]
    assert all(line in again for line in table)


def cut(folder, number, text, *words):
    """Start a long run and end it by a signal as soon as its log holds a text."""
    process = start("train", "quickstart", *SMALL, *words, "--out", "cut", cwd=folder)
    log = folder / "cut" / "metrics.jsonl"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None and not (log.is_file() and text in log.read_text()):
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupt_and_resume(tmp_path, number):
    code, err = cut(tmp_path, number, '"step": 40', "optim.steps=120", "evaluation.every=50", "hier.per_anchor=40")
    if number == signal.SIGKILL:
        assert code == -9
    else:
        assert code == 128 + number, err
        assert "continue with: hyperdml resume cut" in err
        assert "Traceback" not in err
    (tmp_path / "cut" / ".results.json.xyz.part").write_text("left by a killed process")
    code, out, err = run("resume", "cut", cwd=tmp_path)
    assert code == 0, err
    records = [json.loads(line) for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    for arm in ("Proxy Anchor", "Proxy Anchor + HIER (default)"):
        assert [r["step"] for r in records if r["arm"] == arm and "loss" in r] == list(range(1, 121))
    assert not list((tmp_path / "cut").rglob(".*.part"))
    assert row_of(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_before_the_first_step(tmp_path, number):
    process = start("train", "quickstart", "--out", "early", cwd=tmp_path)  # minutes of features lie before it
    while not (tmp_path / "early" / "env.json").is_file() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert err.strip() == "hyperdml: error: interrupted; continue with: hyperdml resume early"


def edit(config, *pairs):
    text = config.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)


def test_resume_refuses_an_edited_configuration(tmp_path, finished):
    code, err = cut(tmp_path, signal.SIGINT, '"step": 5', "optim.steps=5000", "hier.weight=0")
    assert code == 130, err
    edit(tmp_path / "cut" / "config.yaml", ("lr: 0.0001", "lr: 0.5"))
    code, _, err = run("resume", "cut", cwd=tmp_path)
    assert code == 2
    assert "the configuration changed since" in err
    assert "optim.lr" in err
    # also when the arms, or the whole run, are finished
    for name, gone in (("half", ["results.json", "report.html", "arm.json"]), ("whole", [])):
        shutil.copytree(finished[0] / "runs" / "quickstart", tmp_path / name)
        for file in gone:
            (tmp_path / name / file).unlink()
        edit(
            tmp_path / name / "config.yaml", ("head_lr_mult: 30.0", "head_lr_mult: 3.0"), ("weight: 0.5", "weight: 0.0")
        )
        log = (tmp_path / name / "metrics.jsonl").read_bytes()
        code, _, err = run("resume", name, cwd=tmp_path)
        assert code == 2, err
        assert "hier.weight, optim.head_lr_mult" in err
        assert (tmp_path / name / "metrics.jsonl").read_bytes() == log


def test_a_finished_run_is_reported_without_its_data(tmp_path):
    photos(tmp_path / "photos")
    words = [*SMALL[1:], "data.name=folder", "data.root=photos", "optim.steps=2", "batch.size=12", "hier.weight=0"]
    assert run("train", "quickstart", *words, cwd=tmp_path)[0] == 0
    (tmp_path / "photos").rename(tmp_path / "moved")
    code, out, err = run("resume", "runs/quickstart", cwd=tmp_path)
    assert code == 0, err
    assert "Proxy Anchor" in out


def photos(root, classes=20, images=4):
    rng = np.random.default_rng(0)
    for k in range(classes):
        (root / f"c{k}").mkdir(parents=True)
        for i in range(images):
            Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(root / f"c{k}" / f"{i}.jpg")


@pytest.mark.parametrize(
    ("classes", "images", "words", "code", "message"),
    [
        (10, 4, ["evaluation.every=1"], 2, "evaluation.ks asks for 8 neighbours, but the validation part has"),
        (30, 1, ["batch.per_class=1"], 3, "no class of the test part has two images"),
        (30, 4, ["evaluation.ks=[1, 500]"], 2, "evaluation.ks asks for 500 neighbours"),
        (
            30,
            4,
            ["model.backbone=vit_tiny_patch16_224", "data.image_size=40", "hier.weight=0"],
            2,
            "data.image_size must be a multiple of 16",
        ),
        (30, 4, ["batch.size=100"], 2, "needs 50 classes; the training part has 15"),
    ],
)
def test_data_and_settings_that_do_not_fit_are_found_before_training(tmp_path, classes, images, words, code, message):
    photos(tmp_path / "photos", classes, images)
    base = [*SMALL[1:], "data.name=folder", "data.root=photos", "batch.size=4", "optim.steps=2"]
    found, out, err = run("train", "quickstart", *base, *words, cwd=tmp_path)
    assert found == code, err
    assert message in err
    assert "Proxy Anchor:" not in out
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_training_on_a_folder_without_hier(tmp_path):
    photos(tmp_path / "photos")
    words = [*SMALL[1:], "data.name=folder", "data.root=photos", "optim.steps=2", "batch.size=12", "hier.weight=0"]
    code, out, err = run("train", "quickstart", *words, cwd=tmp_path)
    assert code == 0, err
    assert "Proxy Anchor" in out
    assert "HIER" not in out.split("try next")[0]
    assert (tmp_path / "runs" / "quickstart" / "disk.png").is_file()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["trian"], 2, "Did you mean"),
        (["train"], 2, "RECIPE"),
        (["train", "quikstart"], 2, "did you mean 'quickstart'"),
        (["train", "quickstart", "hier.wieght=1"], 2, "did you mean hier.weight"),
        (["train", "quickstart", "--otu", "x"], 2, "--otu"),
        (["train", "quickstart", "model.head.clip_r=-1"], 2, "clip_r must be positive"),
        (["train", "quickstart", "device=toaster"], 2, "device"),
        (["train", "quickstart", "data.name=folder", "data.root=nowhere"], 3, "data.root: no such folder: "),
        (["train", "quickstart", "data.root=nowhere"], 3, "nowhere"),
        (["resume", "nowhere"], 3, "is not a run folder"),
        (["eval", "nowhere"], 3, "nowhere: no such run, model or file of embeddings"),
        (["eval", "nowhere", "--metric", "manhattan"], 2, "manhattan"),
        (["recipes", "show", "nothing"], 2, "no recipe named 'nothing'"),
        (["datasets", "build-emoji", "--size", "3"], 2, "size must be in 8..512"),
        (["train", "quickstart", "device=mps"], 5, "device=mps cannot be used here"),
        (["train", "quickstart", "evaluation.ks=[]"], 2, "evaluation.ks"),
        (["train", "quickstart", "metric_loss.name=ArcFaceLoss"], 2, "metric_loss.options={} clears them"),
    ],
)
def test_mistakes_give_one_line_an_exit_code_and_leave_nothing(tmp_path, words, code, message):
    found, _, err = run(*words, cwd=tmp_path)
    assert found == code, err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_broken_images_are_named(tmp_path):
    photos(tmp_path / "photos")
    for folder in (tmp_path / "photos").iterdir():
        (folder / "0.jpg").write_text("no")
    words = [*SMALL[1:], "data.name=folder", "data.root=photos", "optim.steps=2", "batch.size=12", "hier.weight=0"]
    code, _, err = run("train", "quickstart", *words, cwd=tmp_path)
    assert code == 3, err
    assert re.search(r"photos/c\d+/0\.jpg", err)
    assert len(err.strip().splitlines()) == 1


def test_an_existing_folder_is_kept(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, _, err = run("train", "quickstart", "--out", "mine", cwd=tmp_path)
    assert code == 2
    assert "mine exists and is not empty" in err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_an_empty_folder_of_the_users_stays_after_a_mistake(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    for out in ("mine", "link"):
        code, _, err = run("train", "quickstart", "device=toaster", "--out", out, cwd=tmp_path)
        assert code == 2
        assert "device" in err
        assert not list((tmp_path / "mine").iterdir())


def test_folder_names_with_brackets(tmp_path):
    words = ["train", "quickstart", *SMALL, "optim.steps=2", "evaluation.every=0", "--out", "r[/x]"]
    code, out, err = run(*words, cwd=tmp_path)
    assert code == 0, err
    assert "written to r[/x]:" in out


def test_divergence_has_its_exit_code(tmp_path):
    code, _, err = run(
        "train", "quickstart", *SMALL, "optim.steps=9", "optim.lr=1e30", "optim.clip_value=null", cwd=tmp_path
    )
    assert code == 4, err
    assert "not finite in 5 steps in a row" in err
    assert "hyperdml replay runs/quickstart/controls/metric/bad_steps/step-" in err


def test_two_processes_in_one_folder(tmp_path):
    process = start("train", "quickstart", *SMALL, "optim.steps=5000", "--out", "shared", cwd=tmp_path)
    while not (tmp_path / "shared" / "metrics.jsonl").is_file() and process.poll() is None:
        time.sleep(0.01)
    code, _, err = run("resume", "shared", cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert code == 2
    assert "another process is working in shared" in err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["train"],
        ["resume"],
        ["eval"],
        ["embed"],
        ["index"],
        ["search"],
        ["recipes"],
        ["datasets"],
        ["datasets", "build-emoji"],
    ],
)
def test_every_command_has_help(tmp_path, words):
    code, out, _ = run(*words, "--help", cwd=tmp_path)
    assert code == 0
    assert "Usage: hyperdml" in out
    assert len(out.splitlines()) > 5


def test_small_commands(tmp_path):
    assert run("--version", cwd=tmp_path)[1].strip() == "0.1.0"
    assert "quickstart" in run("recipes", "list", cwd=tmp_path)[1]
    shown = run("recipes", "show", "quickstart", "--full", cwd=tmp_path)[1]
    assert yaml.safe_load(shown)["optim"]["clip_value"] == 10
    assert "emoji" in run("datasets", "list", cwd=tmp_path)[1]


def test_a_dry_run_tells_what_a_run_needs_and_writes_nothing(tmp_path):
    make_cub(tmp_path / "data")
    words = [*SMALL[1:], "data.name=cub", "data.complete=false", "batch.size=8", "hier.mode=official"]
    words += ["hier.levels=null", "hier.warmup=null", "evaluation.ks=[1]", "optim.steps=null", "optim.epochs=4"]
    words += ["optim.freeze_backbone=false", "optim.warmup_epochs=1", "optim.decay_norms=false", "optim.lr=1e-5"]
    words += ["model.freeze=[conv_stem]", "crop.kind=resized"]
    code, out, err = run(
        "train", "quickstart", *words, "--data-root", "data", "--dry-run", "--cache", "cache", cwd=tmp_path
    )
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "data: training 24 images of 4 classes, test 24 images of 4 classes"
    assert "12 steps of 8 images each, 3 an epoch; warm-up of 3 steps" in lines
    groups = {line.split()[0]: line.split()[1:3] for line in lines[lines.index("") + 2 :] if line[:1].isalpha()}
    assert groups["backbone"] == ["1e-05", "0.01"]
    assert groups["backbone/no_decay"] == ["1e-05", "0"]
    assert groups["head"] == ["0.0003", "0.01"]
    assert groups["class_proxies"] == ["0.1", "0.01"]
    assert groups["hier_proxies"] == ["0.0005", "0.01"]
    assert re.search(r"frozen: [\d,]+ parameters of model\.backbone\.conv_stem$", out, re.MULTILINE)
    assert re.search(r"one batch: metric \S+, hier_samples \S+, hier_proxies \S+, loss \S+", out)
    assert re.search(r"memory: \d+\.\d\d GiB", out)
    assert re.search(r"time: \d+\.\d{3} s a step", out)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_dry_run_of_frozen_features_and_of_classification(tmp_path):
    code, out, err = run("train", "quickstart", *SMALL, "optim.steps=9", "--dry-run", cwd=tmp_path)
    assert code == 0, err
    assert "of it for features, evaluation not counted" in out
    words = ["data.subset=tiny", "model.backbone=test_efficientnet", "data.image_size=32", "optim.epochs=2"]
    code, out, err = run("train", "emoji-small-hace", *words, "--dry-run", cwd=tmp_path)
    assert code == 0, err
    assert "one batch: loss" in out
    code, _, err = run("train", "quickstart", *SMALL, "batch.size=25", "--dry-run", cwd=tmp_path)
    assert code == 2
    assert "batch.size" in err
    assert not list(tmp_path.iterdir())


def test_paths_may_begin_at_home(tmp_path):
    photos(tmp_path / "home" / "photos")
    words = [*SMALL[1:], "data.name=folder", "optim.steps=2", "batch.size=12", "hier.weight=0"]
    code, _, err = run(
        "train", "quickstart", *words, "--data-root", "~/photos", cwd=tmp_path, HOME=str(tmp_path / "home")
    )
    assert code == 0, err
    stored = yaml.safe_load((tmp_path / "runs" / "quickstart" / "config.yaml").read_text())
    assert stored["data"]["root"] == str(tmp_path / "home" / "photos")


def test_torchrun_trains_in_two_processes_and_resumes_in_one(tmp_path):
    """The first process alone prints and writes; another number of processes goes on with the run."""
    words = [*SMALL, "optim.steps=400", "hier.weight=0", "--out", "run"]
    process = launch(2, "train", "quickstart", *words, cwd=tmp_path)
    log = tmp_path / "run" / "metrics.jsonl"
    while not (log.is_file() and '"step": 5,' in log.read_text()) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert out.count("training on 300 images") == 1
    assert "interrupted after step" in err
    code, _, err = run("resume", "run", cwd=tmp_path)
    assert code == 0, err
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [r["step"] for r in records] == list(range(1, 401))


def test_a_process_that_dies_ends_the_others(tmp_path):
    process = launch(2, "train", "quickstart", *SMALL, "optim.steps=100000", "--out", "run", cwd=tmp_path)
    log = tmp_path / "run" / "metrics.jsonl"
    while not (log.is_file() and '"step": 5,' in log.read_text()) and process.poll() is None:
        time.sleep(0.05)
    workers = {rank: pid for pid in children(process.pid) for rank in [variable(pid, "RANK")] if rank is not None}
    os.kill(workers["1"], signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert all(not Path(f"/proc/{pid}").exists() for pid in workers.values())
    assert (tmp_path / "run" / "controls" / "metric" / "checkpoints" / "latest.json").is_file()


def test_classification_and_comparisons_refuse_several_processes(tmp_path):
    words = ["emoji-small-hace", "data.subset=tiny"]
    assert "trains in one process" in run("train", *words, cwd=tmp_path, WORLD_SIZE="2")[2]
    assert "trains in one process" in run("compare", *words, cwd=tmp_path, WORLD_SIZE="2")[2]
    assert not list(tmp_path.iterdir())


def test_several_processes_need_a_device_each_and_make_no_dry_run(tmp_path):
    words = ["train", "quickstart", "data.subset=tiny"]
    assert "device=cuda:1 is one GPU for all" in run(*words, "device=cuda:1", cwd=tmp_path, WORLD_SIZE="2")[2]
    assert "--dry-run takes one process" in run(*words, "--dry-run", cwd=tmp_path, WORLD_SIZE="2")[2]
    assert not list(tmp_path.iterdir())
