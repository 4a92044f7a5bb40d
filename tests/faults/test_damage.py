"""Files cut off or with a byte changed: our own error that names the file, never another result without a word."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from hyperdml.data import EmbeddingSet
from hyperdml.errors import HyperdmlError
from hyperdml.models import EmbeddingModel, ModelConfig
from hyperdml.training.engine.bad_steps import BadSteps, read_bad_step
from hyperdml.training.engine.best import BestEpoch
from hyperdml.training.engine.checkpoint import load_checkpoint, save_checkpoint

UNSCALED = torch.amp.GradScaler("cpu", enabled=False)
FEW, MANY = 60, 1000


@dataclass(frozen=True)
class Settings:
    name: str = "x"


def checkpoint(folder):
    def parts():
        net = nn.Linear(40, 40)
        return net, torch.optim.AdamW([{"params": list(net.parameters()), "name": "all"}])

    net, optimizer = parts()
    net(torch.ones(1, 40)).sum().backward()
    optimizer.step()
    save_checkpoint(folder, 7, net, optimizer, Settings(), 1.5, UNSCALED, {})

    def read():
        other, fresh = parts()
        found = load_checkpoint(folder, other, fresh, Settings(), UNSCALED, {})
        return found, [*other.state_dict().values(), *(s["exp_avg"] for s in fresh.state.values())]

    return [folder / "step-0000007.safetensors", folder / "latest.json"], read


def embeddings(folder):
    points = 0.1 * torch.randn(30, 8)
    EmbeddingSet(points, 0.1, labels=torch.arange(30) // 3, ks=(1, 2)).save(folder / "embeddings.safetensors")

    def read():
        found = EmbeddingSet.load(folder)
        return (found.c, found.ks, found.class_names), [found.points, found.labels]

    return [folder / "embeddings.safetensors"], read


def best(folder):
    kept = BestEpoch(folder, "R@1")
    kept.seen({"weight": torch.randn(30, 30)}, 1, 10, {"R@1": 0.5})
    return [folder / "step-0000010.safetensors"], lambda: (None, [kept.weights()["weight"]])


def bad_step(folder):
    task = type("Task", (), {"module": nn.Linear(20, 20)})()
    BadSteps(folder, 9, task, Settings()).left_out(3, {"loss": float("nan")}, {"inputs": torch.randn(4, 20)})
    path = folder / "step-0000004.safetensors"

    def read():
        found = read_bad_step(path)
        return (found.step, found.config, found.processes), [found.module["weight"], found.batch["inputs"]]

    return [path], read


def weights(folder):
    torch.manual_seed(0)
    EmbeddingModel(ModelConfig(backbone="test_vit", weights="none"), 32).save_pretrained(folder)

    def read():
        found = EmbeddingModel.from_pretrained(folder)
        return None, list(found.state_dict().values())

    return [folder / "model.safetensors"], read


ARTEFACTS = [checkpoint, embeddings, best, bad_step, weights]


def same(a, b):
    return repr(a[0]) == repr(b[0]) and all(torch.equal(x, y) for x, y in zip(a[1], b[1], strict=True))


def met(path, read, good):
    """Whether damage was met with our own error that names the file; else the result must be the right one."""
    message, found = None, None
    try:
        found = read()
    except HyperdmlError as error:
        message = str(error)
    if found is not None:
        assert same(found, good), f"{path.name} gave another result without a word"
        return False
    assert path.name in message or "latest.json" in message
    return True


@pytest.mark.parametrize("artefact", ARTEFACTS)
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_a_changed_byte(tmp_path, artefact, count):
    paths, read = artefact(tmp_path)
    good, rng = read(), np.random.default_rng(0)
    for path in paths:
        intact, noticed = path.read_bytes(), 0
        places = rng.integers(len(intact), size=count)
        places[: count // 3] = rng.integers(min(len(intact), 400), size=count // 3)  # the head is small
        for place in places:
            broken = bytearray(intact)
            broken[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(broken)
            noticed += met(path, read, good)
        path.write_bytes(intact)
        assert noticed > 0.9 * count  # a blank for another blank changes nothing
    assert same(read(), good)


@pytest.mark.parametrize("artefact", ARTEFACTS)
@pytest.mark.parametrize("step", [4096, pytest.param(512, marks=pytest.mark.slow)])
def test_a_file_that_is_cut_off(tmp_path, artefact, step):
    paths, read = artefact(tmp_path)
    good = read()
    for path in paths:
        intact = path.read_bytes()
        for length in {*range(0, len(intact), step), 1, 7, 8, 9, len(intact) - 1}:
            path.write_bytes(intact[:length])
            assert met(path, read, good), length
        path.unlink()
        if path.name != "latest.json":  # without it there is no checkpoint
            assert met(path, read, good)
        path.write_bytes(intact)


@pytest.mark.parametrize("artefact", [checkpoint, best, bad_step, embeddings])
def test_a_head_that_lies_about_its_length_costs_neither_time_nor_memory(tmp_path, artefact):
    paths, read = artefact(tmp_path)
    good, intact = read(), paths[0].read_bytes()
    for length in (0, 2, 10**8, 2**40, 2**64 - 1):
        paths[0].write_bytes(length.to_bytes(8, "little") + intact[8:])
        assert met(paths[0], read, good)
