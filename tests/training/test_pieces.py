"""Gradients of a batch in pieces: those of the whole batch, with dropout, autocast, a scaler and two processes."""

from pathlib import Path

import pytest
import torch
from torch import nn
from two_processes import run_two_ranks

from hyperdml.geometry import ToPoincare
from hyperdml.seeds import derive_seed
from hyperdml.training.engine.pieces import average_gradients, cached_backward

SEED = 5
UNSCALED = torch.amp.GradScaler("cpu", enabled=False)


class Network(nn.Module):
    """A small transformer over four tokens of three numbers, with dropout, and the map to the ball."""

    def __init__(self, dropout=0.3):
        super().__init__()
        self.embed = nn.Linear(3, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout, batch_first=True)
        self.head = nn.Sequential(nn.Linear(8, 5), ToPoincare(0.1, 2.3, riemannian_gradient=True))

    def forward(self, x):
        return self.head(self.block(self.embed(x)).mean(1))


class Pull(nn.Module):
    """A loss with parameters and chance in which every pair of the batch has a part."""

    def __init__(self):
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(4, 5))

    def forward(self, points):
        near = torch.cdist(points, points).square().mean()
        far = torch.logsumexp(-torch.cdist(points, self.proxies) * torch.rand(len(points), 4).to(points), 0).sum()
        return {"near": near, "loss": near + far}


def modules(dtype=torch.float64, dropout=0.3):
    torch.manual_seed(0)
    return nn.ModuleDict({"net": Network(dropout), "loss": Pull()}).to(dtype).train()


def gradients(learner):
    return {name: weight.grad.clone() for name, weight in learner.named_parameters()}


def in_one_graph(learner, inputs, piece, scale=1.0):
    """The same pieces with the same chance, all in one graph: more memory, no trick."""
    points = []
    for number, part in enumerate(inputs.split(piece)):
        torch.manual_seed(derive_seed(SEED, "piece", number))
        points.append(learner["net"](part))
    torch.manual_seed(derive_seed(SEED, "loss"))
    parts = learner["loss"](torch.cat(points))
    (scale * parts["loss"]).backward()
    return parts


@pytest.mark.parametrize("piece", [1, 4, 5, 11, 12, 100])
def test_gradients_are_those_of_the_whole_batch(piece):
    inputs = torch.randn(12, 4, 3, dtype=torch.float64)
    whole, cut = modules(), modules()
    expected = in_one_graph(whole, inputs, piece)
    found = cached_backward(cut["net"], inputs, piece, cut["loss"], UNSCALED, SEED)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert not value.requires_grad
        torch.testing.assert_close(value, expected[name].detach(), rtol=1e-12, atol=0)
    for (name, grad), other in zip(gradients(whole).items(), gradients(cut).values(), strict=True):
        torch.testing.assert_close(other, grad, rtol=1e-10, atol=1e-13, msg=name)


def test_without_chance_it_is_the_batch_at_once():
    inputs = torch.randn(12, 4, 3, dtype=torch.float64)
    whole, cut = modules(dropout=0.0), modules(dropout=0.0)
    torch.manual_seed(derive_seed(SEED, "loss"))
    whole["loss"](whole["net"](inputs))["loss"].backward()
    cached_backward(cut["net"], inputs, 5, cut["loss"], UNSCALED, SEED)
    for (name, grad), other in zip(gradients(whole).items(), gradients(cut).values(), strict=True):
        torch.testing.assert_close(other, grad, rtol=1e-10, atol=1e-13, msg=name)


def test_every_piece_drops_something_else():
    seen = []

    def embed(part):
        points = nn.functional.dropout(part, 0.5) * weight
        seen.append(points.detach() != 0)
        return points

    weight = nn.Parameter(torch.ones(()))
    cached_backward(embed, torch.ones(6, 40), 2, lambda x: {"loss": x.sum()}, UNSCALED, SEED)
    assert len(seen) == 6
    for first, second in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(seen[0], seen[1])


def test_gradients_add_to_those_that_are_there():
    weight = nn.Parameter(torch.tensor(2.0))
    for _ in range(2):
        cached_backward(lambda x: x * weight, torch.ones(4, 1), 2, lambda x: {"loss": x.sum()}, UNSCALED, SEED)
    assert weight.grad.item() == 8


@pytest.mark.parametrize("outside", [False, True])
def test_autocast_around_it_or_in_the_network_loses_no_gradient(outside):
    inputs = torch.randn(12, 4, 3)
    whole, cut = modules(torch.float32), modules(torch.float32)

    def inside(net):
        def embed(x):
            with torch.autocast("cpu", torch.bfloat16, enabled=not outside):
                return net(x)

        return embed

    with torch.autocast("cpu", torch.bfloat16, enabled=outside):
        for learner, piece in ((whole, 12), (cut, 4)):
            cached_backward(inside(learner["net"]), inputs, piece, learner["loss"], UNSCALED, SEED)
    for name, grad in gradients(cut).items():
        assert grad.dtype == torch.float32
        assert grad.abs().sum() > 0, name


def test_autocast_gives_the_gradients_of_one_graph():
    inputs = torch.randn(12, 4, 3)
    whole, cut = modules(torch.float32), modules(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        in_one_graph(whole, inputs, 4)
        cached_backward(cut["net"], inputs, 4, cut["loss"], UNSCALED, SEED)
    for (name, grad), other in zip(gradients(whole).items(), gradients(cut).values(), strict=True):
        assert (other - grad).norm() <= 0.02 * grad.norm() + 1e-6, name


def test_a_scaler_scales_every_gradient():
    inputs = torch.randn(12, 4, 3, dtype=torch.float64)
    whole, cut = modules(), modules()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    found = cached_backward(cut["net"], inputs, 5, cut["loss"], scaler, SEED)
    expected = in_one_graph(whole, inputs, 5, scale=1024.0)
    torch.testing.assert_close(found["loss"], expected["loss"].detach(), rtol=1e-12, atol=0)
    for (name, grad), other in zip(gradients(whole).items(), gradients(cut).values(), strict=True):
        torch.testing.assert_close(other, grad, rtol=1e-10, atol=1e-10, msg=name)


def test_only_a_piece_has_a_graph_at_a_time():
    """What autograd keeps for the backward pass, counted in bytes, is that of a piece."""

    def kept(piece):
        learner, held, most = modules(torch.float32), 0, 0

        class Held:
            def __init__(self, tensor):
                nonlocal held, most
                self.tensor = tensor
                held += tensor.nbytes
                most = max(most, held)

            def __del__(self):
                nonlocal held
                held -= self.tensor.nbytes

        with torch.autograd.graph.saved_tensors_hooks(Held, lambda box: box.tensor):
            loss = lambda x: {"loss": x.square().sum()}  # noqa: E731
            cached_backward(learner["net"], torch.randn(64, 4, 3), piece, loss, UNSCALED, SEED)
        assert held == 0
        return most

    assert kept(8) < 0.2 * kept(64)


def test_wrong_pieces_and_losses_are_named():
    with pytest.raises(ValueError, match="piece must be at least 1, got 0"):
        cached_backward(nn.Identity(), torch.ones(2, 2), 0, lambda x: {"loss": x.sum()}, UNSCALED, SEED)
    alone = nn.Parameter(torch.ones(()))
    with pytest.raises(ValueError, match="does not depend on the embeddings"):
        cached_backward(nn.Identity(), torch.ones(2, 2), 1, lambda x: {"loss": alone * 1}, UNSCALED, SEED)


def test_alone_there_is_nothing_to_average():
    net = nn.Linear(2, 1)
    net(torch.ones(1, 2)).sum().backward()
    before = net.weight.grad.clone()
    average_gradients(net)
    assert torch.equal(net.weight.grad, before)


def test_two_processes_have_the_gradients_of_one(tmp_path):
    worker = Path(__file__).with_name("two_ranks_pieces.py")
    first, second = run_two_ranks(worker, tmp_path)
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 5)).double()
    proxies = nn.Parameter(torch.randn(4, 5, dtype=torch.float64))
    inputs = torch.randn(11, 6, dtype=torch.float64)
    points = net(inputs)
    loss = torch.logsumexp(-torch.cdist(points, proxies), 0).sum() + torch.pdist(points).square().sum()
    loss.backward()
    expected = [weight.grad for weight in [*net.parameters(), proxies]]
    for rank in (first, second):
        torch.testing.assert_close(rank["loss"], loss.detach(), rtol=1e-12, atol=0)
        for found, grad in zip(rank["gradients"], expected, strict=True):
            torch.testing.assert_close(found, grad, rtol=1e-10, atol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(first["gradients"], second["gradients"], strict=True))
