"""The averaged weights: their formula, the exchange, what a checkpoint keeps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hyperdml.errors import DataError
from hyperdml.training.engine.ema import WeightAverage


def walked(decay, steps):
    """A module after a random walk, the average along it, and the weights after each step."""
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    average, path = WeightAverage(net, decay), []
    for _ in range(steps):
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(torch.randn_like(weight))
        average.update()
        path.append([weight.detach().clone() for weight in net.parameters()])
    return net, average, path


@given(st.floats(0.01, 0.9999), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_it_is_the_weighted_mean_of_the_steps_without_the_start(decay, steps):
    net, average, path = walked(decay, steps)
    shares = torch.tensor([decay ** (steps - 1 - s) for s in range(steps)], dtype=torch.float64)
    shares /= shares.sum()
    with average.applied():
        for place, weight in enumerate(net.parameters()):
            expected = sum(share * step[place] for share, step in zip(shares, path, strict=True))
            torch.testing.assert_close(weight.detach(), expected, rtol=1e-9, atol=1e-12)


def test_after_many_steps_it_follows_the_usual_recursion():
    net, average, _ = walked(0.5, 40)
    with average.applied():
        before = net[0].weight.detach().clone()
    with torch.no_grad():
        net[0].weight.fill_(7.0)
    average.update()
    with average.applied():
        torch.testing.assert_close(net[0].weight.detach(), 0.5 * before + 3.5)


def test_own_weights_come_back_also_after_an_error():
    net, average, path = walked(0.9, 3)
    seen = []

    def evaluate():
        with average.applied():
            seen.append(net[0].weight.detach().clone())
            net(torch.ones(2, 99))

    with pytest.raises(RuntimeError, match=r"cannot be multiplied|dtype"):
        evaluate()
    assert not torch.equal(seen[0], path[-1][0])
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), path[-1], strict=True))
    assert all(weight.requires_grad for weight in net.parameters())


def test_before_the_first_step_it_is_the_weights_themselves():
    net = nn.Linear(2, 2)
    own = net.weight.detach().clone()
    with WeightAverage(net, 0.9).applied():
        assert torch.equal(net.weight, own)


def test_frozen_weights_and_buffers_stay_those_of_the_module():
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    net[0].weight.requires_grad_(False)
    average = WeightAverage(net, 0.9)
    assert set(average.tensors()) == {"0.bias", "1.weight", "1.bias"}
    net(torch.randn(8, 3))
    statistics = net[1].running_mean.clone()
    average.update()
    with average.applied():
        assert torch.equal(net[1].running_mean, statistics)


def test_it_goes_on_from_what_was_stored():
    net, average, _ = walked(0.8, 3)
    stored = {name: value.clone() for name, value in average.tensors().items()}, average.notes()
    other = WeightAverage(net, 0.8)
    other.restore(*stored)
    with torch.no_grad():
        net[0].weight.add_(1)
    for one in (average, other):
        one.update()
    assert all(torch.equal(value, other.tensors()[name]) for name, value in average.tensors().items())
    with pytest.raises(DataError, match=r"not one of these weights: .*0\.bias"):
        WeightAverage(nn.Linear(2, 2), 0.8).restore(*stored)


@pytest.mark.parametrize("decay", [0, 1, 1.5, float("nan")])
def test_decays_out_of_range(decay):
    with pytest.raises(ValueError, match="decay must lie between 0 and 1"):
        WeightAverage(nn.Linear(1, 1), decay)
