"""The objective: a loop-and-autograd oracle, unbiased fresh noise, weights, reductions, degenerate input."""

import pytest
import torch

from hyperdml.hier import hier_triplet_loss, sample_lca
from hyperdml.hier import loss as loss_module


def oracle(dist, triplets, tau, margin, noise, exclude=False):
    """Losses of the triplets one by one, by the textbook: hard Gumbel-softmax with straight-through gradient."""
    losses = []
    for t, (i, j, k) in enumerate(triplets.tolist()):
        soft = []
        cost = torch.maximum(dist[i], dist[j])
        for m, g in ((cost, noise[0][t]), (torch.maximum(cost, dist[k]), noise[1][t])):
            logits = -m / tau + g
            if exclude and soft:
                logits = logits.clone()
                logits[soft[0].argmax()] = -torch.inf
            y = logits.softmax(0)
            hard = torch.zeros_like(y)
            hard[y.argmax()] = 1
            soft.append(hard - y.detach() + y)
        a, b = soft
        gaps = [dist[i] @ a - dist[i] @ b, dist[j] @ a - dist[j] @ b, dist[k] @ b - dist[k] @ a]
        value = sum(torch.relu(gap + margin) for gap in gaps)
        losses.append(value * float(a.detach().argmax() != b.detach().argmax()))
    return torch.stack(losses)


@pytest.fixture
def problem():
    dist = (torch.rand(14, 9, dtype=torch.float64) * 2).requires_grad_()
    triplets = torch.stack([torch.randperm(14)[:3] for _ in range(60)])
    noise = tuple(-torch.log(-torch.log(torch.rand(60, 9, dtype=torch.float64))) for _ in range(2))
    return dist, triplets, noise


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("chunk", [7, 1024])
def test_value_and_gradient_agree_with_the_oracle(problem, exclude, chunk, monkeypatch):
    monkeypatch.setattr(loss_module, "CHUNK", chunk)
    dist, triplets, noise = problem
    expected = oracle(dist, triplets, 0.2, 0.1, noise, exclude).mean()
    (gradient,) = torch.autograd.grad(expected, dist)
    found = hier_triplet_loss(dist, triplets, 0.2, 0.1, noise, exclude)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(torch.autograd.grad(found, dist)[0], gradient, rtol=1e-9, atol=1e-12)


def test_sum_and_weights(problem):
    dist, triplets, noise = problem
    each = oracle(dist, triplets, 0.2, 0.1, noise)
    weight = torch.rand(60, dtype=torch.float64)
    weight[:20] = 0
    total = hier_triplet_loss(dist, triplets, 0.2, 0.1, noise, reduction="sum", weight=weight)
    mean = hier_triplet_loss(dist, triplets, 0.2, 0.1, noise, weight=weight)
    torch.testing.assert_close(total, (each * weight).sum())
    torch.testing.assert_close(mean, (each * weight).sum() / weight.sum())
    expected = torch.autograd.grad((each * weight).sum(), dist)[0]
    torch.testing.assert_close(torch.autograd.grad(total, dist)[0], expected)
    kept = hier_triplet_loss(dist, triplets[20:], 0.2, 0.1, tuple(g[20:] for g in noise), weight=weight[20:])
    torch.testing.assert_close(mean, kept)


@pytest.mark.parametrize("exclude", [False, True])
def test_fresh_noise_has_the_law_of_gumbel_softmax(exclude):
    """Mean value and mean gradient of drawn noise against those of given Gumbel noise, within five standard errors."""
    dist = (torch.rand(5, 4, dtype=torch.float64)).requires_grad_()
    triplets = torch.tensor([[0, 1, 2], [1, 3, 4]])
    draws = 4000
    many = triplets.repeat(draws, 1)
    generator = torch.Generator().manual_seed(0)

    def samples(fresh):
        values, gradients = [], []
        for _ in range(20):
            noise = None
            if not fresh:
                uniform = torch.rand(2, len(many), 4, dtype=torch.float64, generator=generator)
                noise = tuple(-torch.log(-torch.log(uniform)))
            value = hier_triplet_loss(dist, many, 0.3, 0.2, noise, exclude, generator=generator)
            values.append(value.detach())
            gradients.append(torch.autograd.grad(value, dist)[0])
        return torch.stack(values), torch.stack(gradients)

    for given_noise, drawn in zip(samples(False), samples(True), strict=True):
        error = (given_noise.var(0) / 20 + drawn.var(0) / 20).sqrt()
        assert ((given_noise.mean(0) - drawn.mean(0)).abs() < 5 * error + 1e-9).all()


@pytest.mark.parametrize("extreme", [0.0, 1 - 2**-24])
def test_extreme_uniform_numbers_do_no_harm(problem, extreme, monkeypatch):
    """An exact 0, which torch.rand gives about once in 2^24 draws, once turned a whole model into NaN."""
    dist, triplets, _ = problem
    dist = dist.detach().float().requires_grad_()
    monkeypatch.setattr(loss_module, "uniform", lambda shape, like, generator: torch.full(shape, extreme))
    value = hier_triplet_loss(dist, triplets, 0.1, 0.1)
    assert value.isfinite()
    assert torch.autograd.grad(value, dist)[0].isfinite().all()


def test_equal_picks_cost_nothing():
    dist = torch.tensor([[0.1, 9.0], [0.2, 9.0], [0.3, 9.0]], requires_grad=True)
    triplets = torch.tensor([[0, 1, 2]])
    noise = (torch.zeros(1, 2), torch.zeros(1, 2))
    assert (sample_lca(dist, triplets, 0.1, noise[0]) == 0).all()
    value = hier_triplet_loss(dist, triplets, 0.1, 1.0, noise)
    value.backward()
    assert value == 0
    assert (dist.grad == 0).all()


def test_no_triplet_gives_zero_with_gradient_zero():
    dist = torch.rand(3, 4, requires_grad=True)
    for triplets, weight in (
        (torch.zeros(0, 3, dtype=torch.int64), None),
        (torch.zeros(5, 3, dtype=torch.int64), torch.zeros(5)),
    ):
        value = hier_triplet_loss(dist, triplets, 0.1, 0.1, weight=weight)
        (gradient,) = torch.autograd.grad(value, dist)
        assert value == 0
        assert (gradient == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tau": -1.0}, "tau must be positive"),
        ({"reduction": "median"}, "reduction must be 'mean' or 'sum', got 'median'"),
        ({"triplets": torch.zeros(5, 2, dtype=torch.int64)}, r"triplets must be \(T, 3\), got \(5, 2\)"),
        ({"noise": (torch.zeros(5, 4), torch.zeros(5, 3))}, r"two tensors of shape \(5, 4\)"),
        ({"dist": torch.rand(3, 1), "exclude_pair_lca": True}, "at least two proxies"),
    ],
)
def test_refuses(arguments, message):
    valid = {"dist": torch.rand(3, 4), "triplets": torch.zeros(5, 3, dtype=torch.int64), "tau": 0.1, "margin": 0.1}
    with pytest.raises(ValueError, match=message):
        hier_triplet_loss(**{**valid, **arguments})
