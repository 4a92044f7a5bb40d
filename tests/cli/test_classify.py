"""Classification runs as a user meets them: train, interrupt, resume, mistakes."""

import json
import re
import signal
import time

import pytest
import yaml
from cli.commands import run, start

from hyperdml.models.classifier import Classifier

SMALL = [
    "data.subset=tiny",
    "data.image_size=32",
    "model.backbone=test_efficientnet",
    "optim.batch_size=64",
    "checkpoint_every=3",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    words = ["optim.epochs=2", "evaluation.every=1", "evaluation.controls=[cross_entropy,label_smoothing]"]
    code, out, err = run("train", "emoji-small-hace", *SMALL, *words, cwd=folder)
    assert code == 0, err
    return folder, out


ARMS = ["cross-entropy", "cross-entropy + label smoothing 0.1", "HACE 0.5"]


def test_train_prints_the_table_and_what_to_try_next(finished):
    _, out = finished
    lines = out.splitlines()
    top = next(i for i, line in enumerate(lines) if line.startswith("test, %"))
    names = re.split(" {2,}", lines[top])[1:]
    assert names == ["top-1", "top-5", "group", "subgroup", "hF1", "severity", "distance@1", "distance@5"]
    for title, line in zip(ARMS, lines[top + 1 : top + 4], strict=True):
        name, *figures = re.split(" {2,}", line)
        assert name == title
        assert len(figures) == len(names)
    assert "training on 480 images of 120 classes in a taxonomy of 137 nodes, evaluating on 120 test images" in out
    assert "HACE 0.5: 16/16" in out
    assert "against cross-entropy top-1" in out
    assert "hyperdml train runs/emoji-small-hace/config.yaml seed=1" in out


def test_run_folder(finished):
    run_folder = finished[0] / "runs" / "emoji-small-hace"
    assert yaml.safe_load((run_folder / "config.yaml").read_text())["task"] == "classification"
    results = json.loads((run_folder / "results.json").read_text())
    assert [row["title"] for row in results["rows"]] == ARMS
    records = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "test" in r] == [8, 16] * 3
    for place in (run_folder, run_folder / "controls" / "cross_entropy", run_folder / "controls" / "label_smoothing"):
        assert Classifier.from_pretrained(place / "model").taxonomy.num_leaves == 120
    report = (run_folder / "report.html").read_text()
    assert ">HACE 0.5</th>" in report
    assert not list(run_folder.rglob("checkpoints"))


def test_resume_of_a_finished_run_reports_it_again(finished):
    folder, out = finished
    code, again, _ = run("resume", "runs/emoji-small-hace", cwd=folder)
    assert code == 0
    assert "runs/emoji-small-hace is finished" in again
    assert all(line in again for line in out.splitlines() if line.startswith(("test, %", *ARMS)) and "/16" not in line)


def test_another_run_from_the_configuration_of_a_run(finished):
    folder, _ = finished
    words = ["runs/emoji-small-hace/config.yaml", "seed=1", "optim.epochs=1", "evaluation.controls=[]"]
    code, _, err = run("train", *words, cwd=folder)
    assert code == 0, err
    assert (folder / "runs" / "emoji-small-hace-2" / "report.html").is_file()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupt_and_resume(tmp_path, finished, number):
    """Cut in the middle of an epoch of the second arm, and taken up again: the figures of a run that was not cut."""
    words = ["optim.epochs=2", "evaluation.every=1", "evaluation.controls=[cross_entropy,label_smoothing]"]
    process = start("train", "emoji-small-hace", *SMALL, *words, "--out", "cut", cwd=tmp_path)
    log, text = tmp_path / "cut" / "metrics.jsonl", '"cross-entropy + label smoothing 0.1", "step": 5'
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None and not (log.is_file() and text in log.read_text()):
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), err
    code, _, err = run("resume", "cut", cwd=tmp_path)
    assert code == 0, err
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for arm in ARMS:
        assert [r["step"] for r in records if r["arm"] == arm and "loss" in r] == list(range(1, 17))
    whole = json.loads((finished[0] / "runs" / "emoji-small-hace" / "results.json").read_text())
    again = json.loads((tmp_path / "cut" / "results.json").read_text())
    assert [row["figures"] for row in again["rows"]] == [row["figures"] for row in whole["rows"]]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["emoji-smal-hace"], 2, "did you mean 'emoji-small-hace'"),
        (["emoji-small-hace", "loss.dilutoin=0.3"], 2, "did you mean loss.dilution"),
        (["emoji-small-hace", "loss.dilution=2"], 2, "loss.dilution must be from 0 to below 1, got 2"),
        (["emoji-small-hace", "loss.name=hce"], 2, "loss.dilution=null clears it"),
        (["emoji-small-hace", "hier.weight=1"], 2, "unknown key hier"),
        (["emoji-small-hace", "data.held_out=nobody"], 2, "data.held_out must be one of"),
        (["emoji-small-hace", "model.backbone=resnet1"], 2, "timm has no model 'resnet1'"),
        (["emoji-small-hace", "model.weights=nowhere.pth"], 3, "weight file not found"),
        (["cifar100-resnet18-hace"], 2, "data.name=cifar100 needs data.root=FOLDER"),
        (["nabirds-swin_t-ce", "data.root=nowhere"], 3, "nowhere"),
    ],
)
def test_mistakes_give_one_line_an_exit_code_and_leave_nothing(tmp_path, words, code, message):
    found, _, err = run("train", *words, cwd=tmp_path)
    assert found == code, err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_divergence_has_its_exit_code(tmp_path):
    code, _, err = run("train", "emoji-small-ce", *SMALL, "optim.epochs=2", "optim.lr=1e30", cwd=tmp_path)
    assert code == 4, err
    assert "not finite at step" in err


def test_recipes_are_listed_in_a_few_lines_or_by_word(tmp_path):
    out = run("recipes", "list", cwd=tmp_path)[1]
    assert out.startswith("quickstart")
    assert "DATA-NET-LOSS" in out
    assert len(out.splitlines()) < 40
    lines = run("recipes", "list", "emoji", "hace-soft", cwd=tmp_path)[1].splitlines()
    assert [line.split()[0] for line in lines] == [
        f"emoji-{net}-{loss}" for net in ("lite0", "small") for loss in ("hace-soft", "hace-soft-wide")
    ]
    assert len(run("recipes", "list", "--all", cwd=tmp_path)[1].splitlines()) > 200
    shown = run("recipes", "show", "cifar100-resnet18-hace", cwd=tmp_path)[1]
    assert "epochs: 450  # source: Table 8" in shown
    full = yaml.safe_load(run("recipes", "show", "cifar100-resnet18-hace", "--full", cwd=tmp_path)[1])
    assert (full["optim"]["epochs"], full["evaluation"]["controls"]) == (450, ["cross_entropy"])
    code, _, err = run("recipes", "list", "emoji", "hac", cwd=tmp_path)
    assert code == 2
    assert "no recipe has 'emoji' and 'hac' in its name" in err


@pytest.mark.parametrize(
    "words",
    [
        ["eval", "{}"],
        ["eval", "{}", "--data", "pictures"],
        ["eval", "{}/model"],
        ["eval", "{}/controls/cross_entropy"],
        ["embed", "{}", "pictures", "--out", "out.safetensors"],
        ["index", "pictures", "--model", "{}", "--out", "out"],
    ],
)
def test_commands_of_retrieval_say_what_to_do_with_a_classifier(finished, words):
    folder, _ = finished
    (folder / "pictures").mkdir(exist_ok=True)
    before = sorted(folder.iterdir())
    code, _, err = run(*(word.format("runs/emoji-small-hace") for word in words), cwd=folder)
    assert code == 2
    assert "model is a classifier over a taxonomy and makes no embeddings. hyperdml resume RUN prints the scores" in err
    assert len(err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before
