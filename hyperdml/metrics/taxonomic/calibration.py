"""Whether confidences are what they say: shares of right predictions by confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Binning = Literal["width", "mass"]


@dataclass(frozen=True)
class Reliability:
    """Predictions by confidence, in bins; empty bins are left out.

    Attributes:
        count: (K,) int64 predictions.
        confidence: (K,) float64 mean confidence, ascending.
        accuracy: (K,) float64 share that is right.
    """

    count: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """Expected calibration error, ``sum_k count_k / sum(count) |accuracy_k - confidence_k|``."""
        gap = (self.accuracy - self.confidence).abs()
        return float((self.count * gap).sum() / self.count.sum())


def reliability(confidence: Tensor, correct: Tensor, bins: int = 15, binning: Binning = "width") -> Reliability:
    """Bins of a reliability diagram (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).

    Args:
        confidence: (B,) probabilities of the predictions.
        correct: (B,) 1 where a prediction is right, 0 where it is wrong, NaN where that is not known: left out.
        bins: how many.
        binning: "width": bin k holds confidences above (k - 1) / bins up to k / bins; "mass": as many predictions in
            each as possible, those of one confidence together, so that their order does not matter.

    Raises:
        ValueError: shapes, bins or binning do not fit, a confidence is not a probability, or nothing is known.

    Example:
        >>> reliability(torch.tensor([0.9, 0.8, 0.6, 0.7]), torch.tensor([1.0, 1.0, 0.0, 0.0]), bins=2).error
        0.25
    """
    check_bins(bins, binning)
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ValueError(
            f"confidence and correct must be (B,) each, got {tuple(confidence.shape)} and {tuple(correct.shape)}"
        )
    known = ~correct.isnan()
    sure, right = confidence[known].double().cpu().numpy(), correct[known].double().cpu().numpy()
    if len(sure) == 0:
        raise ValueError("there are no predictions of which it is known whether they are right")
    wrong = np.flatnonzero(~((sure >= 0) & (sure <= 1)))
    if len(wrong):
        raise ValueError(f"confidences must be from 0 to 1, got {sure[wrong[0]]}")
    if binning == "width":
        place = np.maximum(np.ceil(sure * bins).astype(np.int64) - 1, 0)
    else:
        starts = np.sort(sure)[np.arange(1, bins) * len(sure) // bins]
        place = np.searchsorted(starts, sure, side="right")
    count = np.bincount(place, minlength=bins)
    held = count > 0
    mean = [torch.from_numpy(np.bincount(place, part, bins)[held] / count[held]) for part in (sure, right)]
    return Reliability(torch.from_numpy(count[held]), *mean)


def check_bins(bins: int, binning: str) -> None:
    """Check what `reliability` is asked for.

    Raises:
        ValueError: bins is not a positive whole number, or binning is not known.
    """
    if not isinstance(bins, int) or bins < 1:
        raise ValueError(f"bins must be a whole number of at least 1, got {bins!r}")
    if binning not in ("width", "mass"):
        raise ValueError(f"binning must be 'width' or 'mass', got {binning!r}")
