"""Information, rank correlation and null models, against scikit-learn, SciPy and by hand."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.metrics.partition import entropy, normalized_mutual_information, usage_entropy
from hyperdml.metrics.trees.correlation import spearman
from hyperdml.metrics.trees.nulls import Null, Score, compare, permuted_radii, random_directions, verdict

small = st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 2)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(small)
def test_information_equals_scikit_learn(pairs):
    from sklearn.metrics import normalized_mutual_info_score

    left, right = torch.tensor(pairs).T
    mine = normalized_mutual_information(left, right)
    assert mine == pytest.approx(normalized_mutual_info_score(left.numpy(), right.numpy()), abs=1e-12)
    assert mine == pytest.approx(normalized_mutual_information(right, left), abs=1e-12)
    assert normalized_mutual_information(left, left * 3 + 1) == 1.0


def test_entropy_by_hand():
    assert entropy(torch.tensor([2, 0, 2])) == pytest.approx(math.log(2))
    assert usage_entropy(torch.tensor([5, 5, 5])) == pytest.approx(1.0)
    assert usage_entropy(torch.tensor([2, 2, 0, 0])) == pytest.approx(0.5)
    assert usage_entropy(torch.tensor([0, 7])) == 0.0
    assert usage_entropy(torch.tensor([7])) == 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=2, max_size=30))
def test_spearman_equals_scipy(pairs):
    from scipy.stats import spearmanr

    left, right = torch.tensor(pairs, dtype=torch.float64).T
    if len(left.unique()) == 1 or len(right.unique()) == 1:
        assert spearman(left, right) is None
    else:
        assert spearman(left, right) == pytest.approx(spearmanr(left, right).statistic, abs=1e-12)


def test_spearman_of_nothing():
    assert spearman(torch.empty(0), torch.empty(0)) is None


def test_random_directions_keep_radii_only():
    proxies = torch.randn(2000, 3, dtype=torch.float64)
    moved = random_directions(proxies, torch.Generator().manual_seed(0))
    torch.testing.assert_close(moved.norm(dim=1), proxies.norm(dim=1))
    unit = torch.nn.functional.normalize(moved)
    torch.testing.assert_close(unit.mean(0), torch.zeros(3).double(), atol=0.05, rtol=0)
    torch.testing.assert_close(unit.T @ unit / 2000, torch.eye(3).double() / 3, atol=0.05, rtol=0)


def test_permuted_radii_keep_directions_and_the_set_of_radii():
    proxies = torch.randn(50, 3, dtype=torch.float64)
    moved = permuted_radii(proxies, torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.nn.functional.normalize(moved), torch.nn.functional.normalize(proxies))
    torch.testing.assert_close(moved.norm(dim=1).sort().values, proxies.norm(dim=1).sort().values)
    assert not torch.allclose(moved, proxies)
    assert permuted_radii(torch.zeros(2, 3), None).tolist() == [[0.0] * 3] * 2


def test_comparison_by_hand():
    null = compare(5.0, [1.0, 2.0, 3.0])
    assert dataclasses.astuple(null) == (2.0, 1.0, 3.0)
    assert compare(0.1, [0.1] * 10) == Null(0.1, 0.0, None)


def test_verdict_is_two_standard_deviations():
    assert (
        verdict(4.0, 2.0, 1.0) == verdict(0.0, 2.0, 1.0) == verdict(2.0, 2.0, 0.0) == "not distinguishable from chance"
    )
    assert verdict(4.01, 2.0, 1.0) == verdict(2.01, 2.0, 0.0) == "above chance"
    assert verdict(-0.01, 2.0, 1.0) == "below chance"


def test_line_names_every_null():
    score = Score(0.5, {"a": Null(0.1, 0.1, 4.0), "b": Null(0.45, 0.1, 0.5), "c": Null(0.5, 0.0, None)})
    assert score.line("figure:") == (
        "figure: 0.500; a 0.100 ± 0.100 (z = 4.0); b 0.450 ± 0.100 (z = 0.5), not distinguishable from chance; "
        "c 0.500 ± 0.000, not distinguishable from chance"
    )
