"""Reliability diagrams against bins counted by hand."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from hyperdml.metrics.taxonomic.calibration import reliability

CONFIDENCE = torch.tensor([0.05, 0.2, 0.15, 0.55, 0.6, 0.95, 1.0, 0.0], dtype=torch.float64)
CORRECT = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0], dtype=torch.float64)


def test_equal_width_by_hand():
    found = reliability(CONFIDENCE, CORRECT, bins=5)
    assert found.count.tolist() == [4, 2, 2]  # 0.2 and 0 belong to the first bin
    assert found.confidence.tolist() == pytest.approx([0.1, 0.575, 0.975])
    assert found.accuracy.tolist() == [0.25, 0.5, 1]
    assert found.error == pytest.approx((4 * 0.15 + 2 * 0.075 + 2 * 0.025) / 8)


def test_equal_mass_by_hand():
    found = reliability(CONFIDENCE, CORRECT, bins=4, binning="mass")
    assert found.count.tolist() == [2, 2, 2, 2]
    assert found.accuracy.tolist() == [0, 0.5, 0.5, 1]
    assert found.error == pytest.approx((0.025 + 0.325 + 0.075 + 0.025) / 4)


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_against_a_loop_over_bins(binning):
    rng = np.random.default_rng(0)
    confidence = rng.integers(0, 40, 500) / 39  # many ties
    correct = (rng.random(500) < confidence**2).astype(float)
    if binning == "width":
        edges = np.linspace(0, 1, 16)
        inside = [(confidence > low) & (confidence <= high) for low, high in pairwise(edges)]
        inside[0] |= confidence == 0
    else:
        starts = [np.sort(confidence)[k * 500 // 15] for k in range(15)] + [2]
        inside = [(confidence >= low) & (confidence < high) for low, high in pairwise(starts)]
    assert sum(part.sum() for part in inside) == 500
    expected = sum(abs((correct - confidence)[part].sum()) for part in inside) / 500
    found = reliability(torch.from_numpy(confidence), torch.from_numpy(correct), binning=binning)
    assert found.error == pytest.approx(expected)
    order = rng.permutation(500)
    again = reliability(torch.from_numpy(confidence[order]), torch.from_numpy(correct[order]), binning=binning)
    assert again.error == pytest.approx(found.error, abs=1e-12)


def test_perfect_calibration_and_one_bin():
    confidence = torch.full((100,), 0.7)
    assert reliability(confidence, (torch.arange(100) < 70).float()).error == pytest.approx(0, abs=1e-6)
    assert reliability(CONFIDENCE, CORRECT, bins=1).error == pytest.approx(float((CORRECT - CONFIDENCE).mean().abs()))


def test_what_is_not_known_is_left_out():
    correct = torch.cat([CORRECT, torch.full((3,), torch.nan)])
    confidence = torch.cat([CONFIDENCE, torch.rand(3)])
    assert reliability(confidence, correct).error == reliability(CONFIDENCE, CORRECT).error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 0}, "bins must be a whole number of at least 1, got 0"),
        ({"binning": "quantile"}, "binning must be 'width' or 'mass', got 'quantile'"),
        ({"confidence": CONFIDENCE + 0.5}, "from 0 to 1, got 1.0"),
        ({"confidence": CONFIDENCE[:3]}, r"\(B,\) each, got \(3,\) and \(8,\)"),
        ({"correct": torch.full((8,), torch.nan)}, "no predictions of which it is known"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        reliability(**({"confidence": CONFIDENCE, "correct": CORRECT} | options))
