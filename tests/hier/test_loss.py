"""The objective: a loop-and-autograd oracle, unbiased fresh noise, weights, reductions, degenerate input, bounds."""

import shutil
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hyperdml.hier import chunks, hier_triplet_loss, lca, sample_lca, sampling


def oracle(dist, triplets, tau, margin, noise, exclude=False, lca="softmax", straight_through=True):
    """Losses of the triplets one by one, by the textbook: hard Gumbel-softmax with straight-through gradient."""
    losses = []
    for t, (i, j, k) in enumerate(triplets.tolist()):
        soft = []
        cost = torch.maximum(dist[i], dist[j])
        for m, g in ((cost, noise[0][t]), (torch.maximum(cost, dist[k]), noise[1][t])):
            logits = (-m / tau if lca == "softmax" else torch.exp(-m)) + g
            if exclude and soft:
                logits = logits.clone()
                logits[soft[0].argmax()] = -torch.inf
            y = logits.softmax(0)
            hard = torch.zeros_like(y)
            hard[y.argmax()] = 1
            soft.append(hard - y.detach() + y if straight_through else hard)
        a, b = soft
        gaps = [dist[i] @ a - dist[i] @ b, dist[j] @ a - dist[j] @ b, dist[k] @ b - dist[k] @ a]
        value = sum(torch.relu(gap + margin) for gap in gaps)
        losses.append(value * float(a.detach().argmax() != b.detach().argmax()))
    return torch.stack(losses)


def gumbel(*shape, dtype=torch.float64, generator=None):
    return -torch.log(-torch.log(torch.rand(shape, dtype=dtype, generator=generator)))


@pytest.fixture
def problem():
    """Few nodes, so that pairs repeat, also as (j, i)."""
    dist = (torch.rand(7, 9, dtype=torch.float64) * 2).requires_grad_()
    triplets = torch.stack([torch.randperm(7)[:3] for _ in range(60)])
    return dist, triplets, (gumbel(60, 9), gumbel(60, 9))


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("chunk", [7, 1024])
@pytest.mark.parametrize(
    "options", [{}, {"lca": "printed"}, {"straight_through": False}], ids=["softmax", "printed", "hard gradient"]
)
def test_value_and_gradient_agree_with_the_oracle(problem, exclude, chunk, options, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    dist, triplets, noise = problem
    expected = oracle(dist, triplets, 0.2, 0.1, noise, exclude, **options).mean()
    (gradient,) = torch.autograd.grad(expected, dist)
    found = hier_triplet_loss(dist, triplets, 0.2, 0.1, noise, exclude, **options)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(torch.autograd.grad(found, dist)[0], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("exclude", [False, True])
def test_far_proxies_keep_their_weights_in_float32(exclude):
    """Distances up to 50 at tau 0.1: exp(-d / tau) of a single node would underflow, that of a group must not."""
    dist = torch.rand(12, 40, dtype=torch.float64) * 50
    dist[:, :20] = 50 - torch.rand(12, 20, dtype=torch.float64)  # far from all, but the best that most groups have
    dist = dist.float().double().requires_grad_()
    triplets = torch.stack([torch.randperm(12)[:3] for _ in range(300)])
    noise = gumbel(300, 40), gumbel(300, 40)
    exact = hier_triplet_loss(dist, triplets, 0.1, 0.1, noise, exclude)
    (gradient,) = torch.autograd.grad(exact, dist)
    rounded = dist.detach().float().requires_grad_()
    found = hier_triplet_loss(rounded, triplets, 0.1, 0.1, tuple(g.float() for g in noise), exclude)
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0)
    found.backward()
    torch.testing.assert_close(rounded.grad.double(), gradient, rtol=1e-2, atol=1e-4 * gradient.abs().max())
    drawn = dist.detach().float().requires_grad_()
    hier_triplet_loss(drawn, triplets, 0.1, 0.1, exclude_pair_lca=exclude).backward()
    assert drawn.grad.isfinite().all()
    assert (drawn.grad != 0).any()


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
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fresh_noise_has_the_law_of_gumbel_softmax(exclude, dtype):
    """Mean value and mean gradient of drawn noise against those of given Gumbel noise, within five standard errors."""
    dist = torch.rand(5, 4, dtype=dtype).requires_grad_()
    triplets = torch.tensor([[0, 1, 2], [1, 3, 4]])
    many = triplets.repeat(4000, 1)
    generator = torch.Generator().manual_seed(0)

    def samples(fresh):
        values, gradients = [], []
        for _ in range(20):
            noise = None if fresh else tuple(gumbel(2, len(many), 4, generator=generator).to(dtype))
            value = hier_triplet_loss(dist, many, 0.3, 0.2, noise, exclude, generator=generator)
            values.append(value.detach())
            gradients.append(torch.autograd.grad(value, dist)[0])
        return torch.stack(values).double(), torch.stack(gradients).double()

    for given_noise, drawn in zip(samples(False), samples(True), strict=True):
        error = (given_noise.var(0) / 20 + drawn.var(0) / 20).sqrt()
        assert ((given_noise.mean(0) - drawn.mean(0)).abs() < 5 * error + 1e-7).all()
        # the spread over draws too: noise shared between triplets would leave the means alone
        ratio = drawn.var(0)[drawn.var(0) > 1e-12] / given_noise.var(0)[drawn.var(0) > 1e-12]
        assert ((ratio > 0.15) & (ratio < 7)).all()


@pytest.mark.parametrize("extreme", [0.0, 1 - 2**-24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bits", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_extreme_random_numbers_do_no_harm(problem, extreme, bits, dtype, monkeypatch):
    """An exact 0, which torch.rand gives about once in 2^24 draws, once turned a whole model into NaN."""

    class Stuck:
        def __init__(self, seed):
            pass

        def random_raw(self, count):
            return np.full(count, bits << 32 | bits, dtype=np.uint64)

    dist, triplets, _ = problem
    dist = dist.detach().to(dtype).requires_grad_()
    for module in (lca, sampling):
        monkeypatch.setattr(
            module, "uniform", lambda shape, like, generator: torch.full(shape, extreme, dtype=like.dtype)
        )
    monkeypatch.setattr(np.random, "SFC64", Stuck)
    value = hier_triplet_loss(dist, triplets, 0.1, 0.1)
    assert value.isfinite()
    assert torch.autograd.grad(value, dist)[0].isfinite().all()


def test_the_generator_decides_value_and_gradient(problem):
    dist = problem[0].detach().float().requires_grad_()

    def run(seed):
        value = hier_triplet_loss(dist, problem[1], 0.2, 0.1, generator=torch.Generator().manual_seed(seed))
        return value, torch.autograd.grad(value, dist)[0]

    for a, b in zip(run(3), run(3), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(run(3), run(4), strict=True):
        assert not torch.equal(a, b)


class Sizes(TorchDispatchMode):
    """Remembers the largest tensor that any operation returned."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.largest = max([self.largest, *(tensor.numel() for tensor in tensors)])
        return result


def test_no_tensor_grows_with_triplets_times_proxies(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 16)
    dist = torch.rand(10, 96, requires_grad=True)
    triplets = torch.stack([torch.randperm(10)[:3] for _ in range(1000)])
    with Sizes() as seen:
        hier_triplet_loss(dist, triplets, 0.1, 0.1).backward()
    assert seen.largest <= max(4 * 16 * 96, 6 * len(triplets))


@pytest.mark.parametrize("exclude", [False, True])
def test_nothing_waits_for_a_device(problem, exclude):
    """On the meta device, as on a GPU, shapes are all there is: whatever depends on a value raises an error there."""
    dist, triplets, noise = problem
    dist = torch.empty_like(dist, device="meta").requires_grad_()
    triplets, weight = triplets.to("meta"), torch.empty(60, device="meta")
    for given_noise in (None, tuple(g.to("meta") for g in noise)):
        hier_triplet_loss(dist, triplets, 0.2, 0.1, given_noise, exclude, weight=weight).backward()
        assert dist.grad.shape == dist.shape
    with pytest.raises(NotImplementedError):
        triplets.nonzero()


@pytest.mark.gpu
@pytest.mark.parametrize("exclude", [False, True])
def test_gpu_agrees_with_the_cpu_and_never_waits(problem, exclude):
    dist, triplets, noise = problem
    expected = hier_triplet_loss(dist, triplets, 0.2, 0.1, noise, exclude)
    (gradient,) = torch.autograd.grad(expected, dist)
    there = dist.detach().cuda().requires_grad_()
    triplets, noise = triplets.cuda(), tuple(g.cuda() for g in noise)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = hier_triplet_loss(there, triplets, 0.2, 0.1, noise, exclude)
        found.backward()
        hier_triplet_loss(there.detach().float().requires_grad_(), triplets, 0.2, 0.1, None, exclude).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(found.cpu(), expected.detach())
    torch.testing.assert_close(there.grad.cpu(), gradient)


@pytest.mark.filterwarnings("default")  # of the compiler, none of ours
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_code_around_it_changes_nothing(problem, backend):
    if backend == "inductor":
        if not (shutil.which("g++") or shutil.which("clang++")):
            pytest.skip("inductor needs a C++ compiler")
        if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
            pytest.skip("inductor needs the headers of Python")
    x, triplets, noise = problem

    def scaled(x, noise, generator):
        return hier_triplet_loss(x * 2, triplets, 0.2, 0.1, noise, generator=generator)

    compiled = torch.compile(scaled, backend=backend)
    for given_noise in (noise, None):
        values = [f(x, given_noise, torch.Generator().manual_seed(0)) for f in (scaled, compiled)]
        gradients = [torch.autograd.grad(value, x)[0] for value in values]
        torch.testing.assert_close(*values)
        torch.testing.assert_close(*gradients)


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
        ({"lca": "hard"}, "lca must be 'softmax' or 'printed', got 'hard'"),
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
