"""Null models of proxies, and how far a score lies from what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BEYOND = 2.0  # standard deviations
ABOVE = "above chance"
BELOW = "below chance"
CHANCE = "not distinguishable from chance"
_ROUNDING = 1e-12  # of a figure; neither a spread nor a difference
_MOST = 99.0  # deviations: of more nothing is meant but that the draws hardly vary


@dataclass(frozen=True)
class Null:
    """A score under a null model, over several draws.

    Attributes:
        mean: mean of the draws.
        sd: their standard deviation (n - 1).
        z: how many standard deviations the score lies above the mean; None if the draws do not vary.
    """

    mean: float
    sd: float
    z: float | None


@dataclass(frozen=True)
class Score:
    """A score beside its null models.

    Attributes:
        value: the score.
        nulls: name of the null model to what it gives.
    """

    value: float
    nulls: dict[str, Null]

    def line(self, title: str, lower_is_better: bool = False) -> str:
        """The score, what every null model gives, and in plain words where the score is not clearly better."""
        better = BELOW if lower_is_better else ABOVE
        parts = []
        for name, null in self.nulls.items():
            words = verdict(self.value, null.mean, null.sd)
            parts.append(
                f"{name} {null.mean:.3f} ± {null.sd:.3f}"
                + ("" if null.z is None else f" ({z_text(null.z)})")
                + ("" if words == better else f", {words}")
            )
        return "; ".join([f"{title} {self.value:.3f}", *parts])


def compare(value: float, draws: Sequence[float]) -> Null:
    """A score against the same score of at least two draws from a null model."""
    sample = torch.tensor(draws, dtype=torch.float64)
    if float(sample.max() - sample.min()) <= _ROUNDING * float(sample.abs().max()):
        return Null(float(sample[0]), 0.0, None)
    mean, sd = float(sample.mean()), float(sample.std())
    return Null(mean, sd, (value - mean) / sd)


def verdict(value: float, mean: float, sd: float) -> str:
    """Plain words: within two standard deviations a score is not distinguishable from chance."""
    if abs(value - mean) <= BEYOND * sd + _ROUNDING * abs(mean):
        return CHANCE
    return ABOVE if value > mean else BELOW


def chance_beyond(draws: int) -> float:
    """Share of scores drawn from a null model itself that `verdict` calls above or below chance.

    A further draw lies more than two of the n draws' standard deviations from their mean if ``|t| > 2 / sqrt(1 + 1/n)``
    for Student's t with n - 1 degrees of freedom: 5% of many draws, 9% of 10, 14% of 5. Scores taken as normal.

    Args:
        draws: n, at least 2.
    """
    from scipy.special import stdtr

    return float(2 * stdtr(draws - 1, -BEYOND / (1 + 1 / draws) ** 0.5))


def z_text(z: float | None) -> str:
    """A z-score for readers: "z = 3.1", beyond 99 "z > 99" or "z < -99"; "no spread" where the draws do not vary."""
    if z is None:
        return "no spread"
    if abs(z) > _MOST:
        return f"z > {_MOST:.0f}" if z > 0 else f"z < -{_MOST:.0f}"
    return f"z = {z:.1f}"


def random_directions(proxies: Tensor, generator: torch.Generator | None) -> Tensor:
    """(P, d) proxies at the same radii in independent uniform directions."""
    noise = torch.randn(proxies.shape, generator=generator, device=_device(generator), dtype=torch.float64).cpu()
    return torch.nn.functional.normalize(noise) * torch.linalg.vector_norm(proxies, dim=1, keepdim=True)


def permuted_radii(proxies: Tensor, generator: torch.Generator | None) -> Tensor:
    """(P, d) proxies in the same directions with the radii permuted among them; one at the origin stays there."""
    norm = torch.linalg.vector_norm(proxies, dim=1, keepdim=True)
    return torch.nn.functional.normalize(proxies) * norm[permutation(len(proxies), generator)]


def permutation(n: int, generator: torch.Generator | None) -> Tensor:
    """A random permutation on the CPU, from a generator of any device."""
    return torch.randperm(n, generator=generator, device=_device(generator)).cpu()


def _device(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device
