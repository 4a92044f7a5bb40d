"""The loop under every training, on a module of one vector."""

import math
import os
import signal
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from hyperdml.errors import DivergedError, Interrupted
from hyperdml.training.engine.steps import Pace, take_steps


@dataclass(frozen=True)
class Settings:
    name: str = "x"


def module(*values):
    found = nn.Module()
    found.weight = nn.Parameter(torch.tensor(values))
    return found


class Steps:
    """A task whose loss is a function of the step."""

    def __init__(self, module, losses):
        self.module, self.losses = module, losses

    def batch(self, step):
        return {"inputs": torch.tensor([float(step)])}

    def backward(self, step, batch, scaler):
        assert batch["inputs"] == step
        parts = self.losses(step)
        scaler.scale(parts["loss"]).backward()
        return {name: value.detach() for name, value in parts.items()}


def take(net, losses, folder, pace, lr=1.0, factor=lambda step, group: 1.0, **options):
    group = {"name": "all", "params": list(net.parameters()), "lr": lr, "base_lr": lr}
    optimizer = torch.optim.SGD([group])
    return take_steps(Steps(net, losses), optimizer, pace, factor, Settings(), folder, **options)


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ({}, [-3.0, -4.0]),
        ({"clip_norm": 1.0}, [-0.6, -0.8]),
        ({"clip_norm": 10.0}, [-3.0, -4.0]),
        ({"clip_value": 3.5}, [-3.0, -3.5]),
        ({"clip_value": 5.0}, [-3.0, -4.0]),
        ({"clip_value": 3.0, "clip_norm": 3.0}, [-(4.5**0.5), -(4.5**0.5)]),
    ],
)
def test_clipping(tmp_path, clip, expected):
    net = module(0.0, 0.0)
    take(net, lambda step: {"loss": net.weight @ torch.tensor([3.0, 4.0])}, tmp_path, Pace(1, 10, **clip))
    torch.testing.assert_close(net.weight.detach(), torch.tensor(expected))


def test_learning_rates_follow_the_schedule_and_the_step(tmp_path):
    net, seen = module(0.0), []

    def losses(step):
        seen.append((step, net.weight.item()))
        return {"loss": net.weight.sum()}

    take(net, losses, tmp_path, Pace(4, 10), lr=2.0, factor=lambda step, group: {"all": step}[group])
    assert seen == [(0, 0.0), (1, 0.0), (2, -2.0), (3, -6.0)]
    assert net.weight.item() == -12


def test_hooks_are_called_when_they_should(tmp_path):
    net, called = module(0.0), []
    pace = Pace(5, 2, validate_every=2)
    take(
        net,
        lambda step: {"loss": net.weight.sum(), "part": net.weight.sum() + 1},
        tmp_path,
        pace,
        on_start=lambda done: called.append(("start", done)),
        monitor=lambda done, figures: called.append((done, figures["part"])),
        validate=lambda done: called.append(("validate", done)),
    )
    assert called == [("start", 0), (1, 1), (2, 0), ("validate", 2), (3, -1), (4, -2), ("validate", 4), (5, -3)]


def through_half(net):
    """A loss whose gradient with respect to the weight passes through float16, where 65,504 is the largest number."""
    return lambda step: {"loss": net.weight.half().float().sum()}


def test_float16_leaves_out_a_step_that_overflows_and_keeps_its_scale_in_checkpoints(tmp_path):
    net, weights = module(0.0), []
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**17)
    monitor = lambda done, figures: weights.append(net.weight.item())  # noqa: E731
    take(net, through_half(net), tmp_path, Pace(4, 3), scaler=scaler, monitor=monitor)
    assert weights == [0, 0, -1, -2]  # gradients of 2^17 and 2^16 are infinite, that of 2^15 is not
    again, fresh, starts = module(0.0), torch.amp.GradScaler("cpu", init_scale=2.0**17), []
    take(again, through_half(again), tmp_path, Pace(4, 3), scaler=fresh, on_start=starts.append)
    assert starts == [3]
    assert again.weight.item() == -2  # one step on from the checkpoint, at the scale that it holds
    assert fresh.get_scale() == scaler.get_scale() == 2.0**15


def test_a_gradient_that_is_not_finite_at_scale_one_is_divergence(tmp_path):
    net = module(0.0)
    losses = lambda step: {"loss": (net.weight.half() * 60000).float().sum() * 2}  # noqa: E731
    with pytest.raises(DivergedError, match="the gradient is not finite at step 3"):
        take(net, losses, tmp_path, Pace(9, 10), scaler=torch.amp.GradScaler("cpu", init_scale=4.0))
    assert net.weight.item() == 0
    with pytest.raises(DivergedError, match="the gradient is not finite at step 1"):
        take(net, losses, tmp_path, Pace(9, 10))


def test_a_loss_that_is_not_finite_is_divergence(tmp_path):
    net = module(1.0)
    with pytest.raises(DivergedError, match=r"the loss is not finite at step 1: .*lower the learning rates"):
        take(net, lambda step: {"loss": net.weight.sum() / 0}, tmp_path, Pace(2, 10))


class Counter:
    """State beside the module: how often it was asked to validate, in a tensor and in notes."""

    def __init__(self):
        self.count = 0

    def tensors(self):
        return {"count": torch.tensor(self.count)}

    def notes(self):
        return {"text": "x" * self.count}

    def restore(self, tensors, notes):
        self.count = int(tensors["count"])
        assert notes == {"text": "x" * self.count}


def test_checkpoints_keep_what_else_a_run_keeps(tmp_path):
    def counting(net, counter, folder, last):
        def validate(done):
            counter.count += 1
            return False

        pace = Pace(last, 2, validate_every=1)
        take(net, lambda step: {"loss": net.weight.sum()}, folder, pace, extras={"n": counter}, validate=validate)

    counter = Counter()
    counting(module(0.0), counter, tmp_path, 5)
    assert counter.count == 5
    again = Counter()
    counting(module(0.0), again, tmp_path, 5)  # goes on after step 4
    assert again.count == 5


def test_a_validation_may_end_the_training(tmp_path):
    net, seen = module(0.0), []
    take(
        net,
        lambda step: {"loss": net.weight.sum()},
        tmp_path,
        Pace(100, 10, validate_every=3),
        monitor=lambda done, figures: seen.append(done),
        validate=lambda done: done == 6,
    )
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_training_that_a_validation_ended_stays_ended_after_an_interruption(tmp_path):
    """The signal comes while the validation is made that ends the training."""
    net, seen = module(0.0), []

    def validate(done):
        seen.append(done)
        os.kill(os.getpid(), signal.SIGINT)
        return True

    def sitting(net):
        losses = lambda step: {"loss": net.weight.sum()}  # noqa: E731
        take(net, losses, tmp_path, Pace(100, 10, validate_every=3), validate=validate)

    with pytest.raises(Interrupted, match="after step 3"):
        sitting(net)
    again = module(0.0)
    sitting(again)
    assert seen == [3]
    assert torch.equal(again.weight, net.weight)


def test_bad_steps_are_told_and_not_applied(tmp_path):
    net, told = module(1.0), []

    class Told(Counter):
        def left_out(self, step, figures, batch):
            told.append((step, figures["loss"], batch["inputs"].item()))

        def fine(self):
            told.append("fine")

    losses = lambda step: {"loss": net.weight.sum() * (float("inf") if step == 1 else 1.0)}  # noqa: E731
    take(net, losses, tmp_path, Pace(3, 10), bad=Told())
    assert told[0] == told[2] == "fine"
    assert told[1][::2] == (1, 1.0)
    assert not math.isfinite(told[1][1])
    assert net.weight.item() == -1
