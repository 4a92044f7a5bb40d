"""Triplets: support, uniformity, anchors that do not qualify, reproducibility; exponential random numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hyperdml.hier import sample_triplets
from hyperdml.hier.sampling import Exponentials, draw_triplets


def symmetric_mask(n, share, seed=0):
    draw = torch.rand(n, n, generator=torch.Generator().manual_seed(seed)) < share
    mask = draw & draw.T
    return mask.fill_diagonal_(False)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.floats(0, 1), st.integers(1, 20), st.integers(0, 10**6), st.booleans())
def test_every_triplet_obeys_the_rules(n, share, per_anchor, seed, anchor_as_negative):
    mask = symmetric_mask(n, share, seed)
    triplets = sample_triplets(
        mask, per_anchor, torch.Generator().manual_seed(seed), anchor_as_negative=anchor_as_negative
    )
    i, j, k = triplets.T
    assert mask[i, j].all()
    assert not mask[i, k].any()
    if not anchor_as_negative:
        assert (i != k).all()
    others = ~mask if anchor_as_negative else ~(mask | torch.eye(n, dtype=torch.bool))
    qualified = ((mask.sum(1) >= 2) & others.any(1)).nonzero()[:, 0]
    assert torch.equal(i, qualified.repeat_interleave(per_anchor))


def test_draws_are_uniform():
    mask = symmetric_mask(24, 0.7)
    row = int(mask.sum(1).argmax())
    draws = 60_000
    triplets, _ = draw_triplets(mask, draws, torch.Generator().manual_seed(1))
    for column, allowed in ((1, mask[row]), (2, ~mask[row] & (torch.arange(24) != row))):
        counts = torch.bincount(triplets[row, :, column], minlength=24)
        assert (counts[~allowed] == 0).all()
        expected = draws / allowed.sum()
        chi2 = float(((counts[allowed] - expected) ** 2 / expected).sum())
        freedom = int(allowed.sum()) - 1
        assert chi2 < freedom + 5 * (2 * freedom) ** 0.5


def test_released_choice_of_negatives_includes_the_anchor():
    mask = symmetric_mask(6, 1.0)
    mask[0, 1] = mask[1, 0] = False
    triplets = sample_triplets(mask, 200, torch.Generator().manual_seed(0), anchor_as_negative=True)
    first = triplets[triplets[:, 0] == 0]
    assert set(first[:, 2].tolist()) == {0, 1}


def test_the_generator_decides():
    mask = symmetric_mask(12, 0.8)
    a, b, c = (sample_triplets(mask, 5, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("mask", [torch.zeros(0, 0), torch.zeros(1, 1), torch.zeros(4, 4), torch.ones(4, 4)])
def test_no_anchor_qualifies(mask):
    assert sample_triplets(mask.bool(), 3).shape == (0, 3)


@pytest.mark.parametrize("mask", [torch.zeros(3, 3), torch.zeros(2, 3, dtype=torch.bool)])
def test_refuses_other_masks(mask):
    with pytest.raises(ValueError, match=r"mask must be \(N, N\) bool"):
        sample_triplets(mask, 3)


def test_refuses_no_triplets():
    with pytest.raises(ValueError, match="per_anchor must be at least 1, got 0"):
        sample_triplets(symmetric_mask(4, 1.0), 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(301, 333), (300, 400)])
def test_exponentials_are_exponential_and_independent(dtype, shape):
    source = Exponentials(torch.zeros(0, dtype=dtype), torch.Generator().manual_seed(0))
    first, second = (-source.fill_negative_(torch.empty(shape, dtype=dtype)).double() for _ in range(2))
    for numbers in (first, second):
        assert (numbers > 0).all()
        assert stats.kstest(numbers.flatten().numpy(), "expon").pvalue > 1e-4
    u = torch.exp(-torch.stack([first[:-1, :-1], first[:-1, 1:], first[1:, :-1], second[:-1, :-1]]).flatten(1))
    correlation = torch.corrcoef(u) - torch.eye(4)
    assert correlation.abs().max() < 5 / u.shape[1] ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_generator_decides_the_exponentials(dtype):
    def numbers(seed):
        like = torch.empty(5, 7, dtype=dtype)
        return Exponentials(like, torch.Generator().manual_seed(seed)).fill_negative_(like)

    assert torch.equal(numbers(1), numbers(1))
    assert not torch.equal(numbers(1), numbers(2))
    torch.manual_seed(0)
    first = Exponentials(torch.empty(2, dtype=dtype), None).fill_negative_(torch.empty(2, dtype=dtype))
    second = Exponentials(torch.empty(2, dtype=dtype), None).fill_negative_(torch.empty(2, dtype=dtype))
    assert not torch.equal(first, second)
