"""The checks of the doctor, each on something healthy and on something ill."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest
import torch

from hyperdml.errors import ConfigError
from hyperdml.training.doctor import machine, numerics, packages, search
from hyperdml.training.doctor.checks import _CHECKS, all_findings
from hyperdml.training.doctor.finding import Finding, guarded
from hyperdml.training.doctor.images import check_data, parse_roots


def levels(findings):
    return [finding.level for finding in findings]


def test_a_check_that_breaks_down_is_a_problem_and_keeps_what_it_found():
    def check():
        yield Finding("ok", "first", "fine")
        raise RuntimeError("the driver went away")

    first, second = guarded("GPU", check)
    assert first == Finding("ok", "first", "fine")
    assert (second.level, second.about, second.text) == ("problem", "GPU", "the driver went away")

    def silent():
        raise ValueError
        yield

    assert next(guarded("GPU", silent)).text == "ValueError"


@pytest.mark.parametrize("broken", ["torch", "faiss", "geoopt", "packaging.requirements"])
def test_nothing_ends_the_report(monkeypatch, broken):
    """With a package that cannot be imported every other check is still made."""
    monkeypatch.setitem(sys.modules, broken, None)
    monkeypatch.setattr(search, "check_search", lambda: iter(()))
    monkeypatch.setitem(_CHECKS, "FAISS", search.search_findings)
    monkeypatch.setitem(_CHECKS, "workers", lambda: iter(()))
    findings = list(all_findings({}))
    assert {"hyperdml", "optional", "disk, here"} <= {finding.about for finding in findings}
    if broken != "geoopt":  # which only some options need
        assert "problem" in levels(findings)


def test_versions_name_what_is_there():
    [about, found] = packages.check_versions()
    assert version("hyperdml") in about.text
    assert f"torch {torch.__version__.partition('+')[0]}" in found.text


def requirements(monkeypatch, needs, versions):
    """Findings with such requirements of hyperdml and of torch, and such versions."""
    monkeypatch.setattr(packages, "requires", needs.get)
    monkeypatch.setattr(packages, "_version", versions.get)
    return list(packages.check_requirements())


def test_requirements(monkeypatch):
    needs = {"hyperdml": ["torch>=2.6", "old>=1; python_version < '3'", "x; extra == 'test'"], "torch": ["numpy<3"]}
    assert levels(requirements(monkeypatch, needs, {"torch": "2.15", "numpy": "2.0"})) == ["ok"]
    [found] = requirements(monkeypatch, needs, {"torch": "2.5.1", "numpy": "2.0"})
    assert (found.level, found.about) == ("problem", "torch")
    assert found.text == "2.5.1; hyperdml asks for torch>=2.6"
    [found] = requirements(monkeypatch, needs, {})
    assert found.text.startswith("not installed; hyperdml asks for torch")
    [found] = requirements(monkeypatch, needs, {"torch": "2.6", "numpy": "3.1"})
    assert (found.level, found.text) == ("warning", "3.1; torch asks for numpy<3")
    assert found.advice == 'pip install "numpy<3"'


@pytest.mark.parametrize(
    ("names", "level"),
    [(["faiss-gpu"], "ok"), (["faiss-cpu", "faiss-gpu"], "problem"), (["faiss-gpu-cu12", "faiss_cpu"], "problem"),
     (["torch"], "warning")],
)  # fmt: skip
def test_builds_of_faiss(monkeypatch, names, level):
    found = [SimpleNamespace(metadata={"Name": name}) for name in names]
    monkeypatch.setattr(packages, "distributions", lambda: found)
    [finding] = packages.check_faiss_builds()
    assert finding.level == level
    if level == "problem":
        assert finding.advice.startswith(f"pip uninstall {' '.join(sorted(names))}")


def test_optional_packages_come_with_what_they_are_for(monkeypatch):
    monkeypatch.setattr(packages, "_version", {"wandb": "1.2"}.get)
    texts = [finding.text for finding in packages.check_optional()]
    assert "wandb 1.2" in texts
    assert "tensorboard is not installed; only logging.tensorboard needs it: pip install tensorboard" in texts


def test_the_geometry_is_right_here_and_a_wrong_one_is_found(monkeypatch):
    found = list(numerics.check_geometry())
    assert levels(found) == ["ok"] * 2 * (1 + torch.cuda.device_count())
    import hyperdml.geometry as geometry

    original = geometry.pairwise_distance
    for wrong in (1 + 2e-4, float("nan")):
        monkeypatch.setattr(geometry, "pairwise_distance", lambda x, y, c, wrong=wrong: wrong * original(x, y, c))
        ill = list(numerics.check_geometry())
        assert levels(ill) == ["problem"] * len(found)
        assert "(distance)" in ill[0].text
    monkeypatch.setattr(geometry, "pairwise_distance", lambda x, y, c: original(x, y, c).triu())
    assert {finding.level for finding in numerics.check_geometry()} == {"problem"}


@pytest.mark.gpu
def test_the_geometry_is_tried_on_every_gpu():
    assert "geometry, float32 on cuda:0" in {finding.about for finding in numerics.check_geometry()}


def test_faiss_is_held_to_brute_force(monkeypatch):
    found = list(search.search_findings())
    assert found[-1].level == "ok"
    assert re.match(r"FAISS [\d.]+ on the CPU", found[0].about)
    import hyperdml.neighbors as neighbors

    original = neighbors.HyperbolicKNN.__call__

    def shuffled(self, *arguments, **options):
        distances, rows = original(self, *arguments, **options)
        return distances, rows.flip(0)

    monkeypatch.setattr(neighbors.HyperbolicKNN, "__call__", shuffled)
    [*_, ill] = search.search_findings()
    assert ill.level == "problem"
    assert "are not those of brute force" in ill.text


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "expected"),
    [(-6, "", "noise\nno kernel image", ["problem"]), (0, "", "", ["problem"]),
     (-11, '{"level": "ok", "about": "FAISS", "text": "fine", "advice": ""}\n', "", ["ok", "problem"])],
)  # fmt: skip
def test_a_faiss_that_ends_its_process_ends_nothing_else(monkeypatch, code, stdout, stderr, expected):
    done = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: done)
    found = list(search.check_search())
    assert levels(found) == expected
    assert f"ended with code {code}" in found[-1].text


def test_disks_and_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not" / "made"))
    for free, level in ((100e9, "ok"), (2e9, "warning"), (1e8, "problem")):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        assert levels(machine.check_disks()) == [level] * 3 + ["ok"]
    assert not list(tmp_path.iterdir())

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    *_, cache = machine.check_disks()
    assert (cache.level, cache.text) == (
        "problem",
        f"{tmp_path / 'not' / 'made' / 'hyperdml'} cannot be written: Permission denied",
    )


def test_a_machine_without_a_gpu_that_torch_can_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for driver, level in ((None, "ok"), ("/usr/bin/nvidia-smi", "warning")):
        monkeypatch.setattr("shutil.which", lambda name, driver=driver: driver)
        monkeypatch.setattr(machine.Path, "exists", lambda path: False)
        [_, gpu] = machine.check_gpus()
        assert gpu.level == level


def test_workers_hand_over_batches(monkeypatch):
    assert levels(machine.check_workers()) == ["ok"]

    def fails(*arguments, **options):
        raise RuntimeError("unable to allocate shared memory\nand more")

    monkeypatch.setattr("torch.utils.data.DataLoader", fails)
    [finding] = machine.check_workers()
    assert finding.level == "problem"
    assert finding.text == "a process cannot hand over images: unable to allocate shared memory"
    assert "workers=0" in finding.advice
    assert ("--shm-size" in finding.advice) == os.path.isdir("/dev/shm")


def test_data_are_counted_or_their_error_is_told(tmp_path):
    roots = parse_roots((f"cub={tmp_path}", f"cifar100={tmp_path}", "cup=x"))
    emoji, cub, cifar, cup = check_data(roots)
    assert emoji.level == "ok"
    assert "train: 2670 images of 534 classes" in emoji.text
    assert levels([cub, cifar, cup]) == ["problem"] * 3
    assert str(tmp_path) in cub.text
    assert str(tmp_path) in cifar.text
    assert "take one of emoji, folder" in cup.advice


@pytest.mark.parametrize("text", ["cub", "cub=", "=x"])
def test_data_are_given_as_name_and_root(text):
    with pytest.raises(ConfigError, match=re.escape(f"--data {text!r} is not of the form NAME=ROOT")):
        parse_roots((text,))
