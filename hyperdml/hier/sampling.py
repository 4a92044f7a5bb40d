"""Random numbers for HIER, and its triplets (anchor, reciprocal neighbour, other), drawn for all anchors at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """U(0, 1) numbers on the device of `like`, in its dtype if it is a float, drawn where the generator lives."""
    dtype = like.dtype if like.dtype.is_floating_point else torch.float32
    device = like.device if generator is None else generator.device
    return torch.rand(shape, dtype=dtype, device=device, generator=generator).to(like.device)


class Exponentials:
    """Source of exponential random numbers that never are 0 nor infinite.

    torch draws uniform numbers on a CPU one by one with the Mersenne Twister, which took half of the time of a HIER
    step. There float32 numbers are made from the bits of NumPy's SFC64, which one draw from the generator seeds.

    Args:
        like: a tensor with the device and dtype of the numbers.
        generator: source of the draws, or of the seed.
    """

    def __init__(self, like: Tensor, generator: torch.Generator | None) -> None:
        self.generator = generator
        self.bits: np.random.SFC64 | None = None
        if like.is_cpu and like.dtype == torch.float32:
            device = None if generator is None else generator.device
            self.bits = np.random.SFC64(int(torch.randint(2**63 - 1, (), generator=generator, device=device)))

    def fill_negative_(self, out: Tensor) -> Tensor:
        """Overwrite `out` with numbers -E, E ~ Exp(1)."""
        if self.bits is None:
            tiny = torch.finfo(out.dtype).tiny
            return out.copy_(uniform(tuple(out.shape), out, self.generator)).clamp_min_(tiny).log_()
        raw = self.bits.random_raw((out.numel() + 1) // 2).view(np.int32)[: out.numel()]
        # the logarithm of U(0, 1), of 32 random bits, shrunk to end one part in 2^22 before either end
        return out.copy_(torch.from_numpy(raw).view(out.shape)).mul_(2.0**-32 * (1 - 2.0**-22)).sub_(0.5).log1p_()


def draw_triplets(
    mask: Tensor,
    per_anchor: int,
    generator: torch.Generator | None = None,
    *,
    anchor_as_negative: bool = False,
) -> tuple[Tensor, Tensor]:
    """`sample_triplets` with a fixed shape: every anchor gets its triplets and a flag that says whether they count.

    Args:
        mask: (N, N) bool, True where i and j are k-reciprocal neighbours.
        per_anchor: triplets per anchor t, at least 1.
        generator: source of the draws.
        anchor_as_negative: let k = i be drawn, as the released implementation does.

    Returns:
        (N, t, 3) indices (i, j, k), and (N,) bool: the anchor has at least two reciprocal neighbours (as released)
        and at least one other point.

    Raises:
        ValueError: mask is not a square bool matrix, or per_anchor is below 1.
    """
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1] or mask.dtype != torch.bool:
        raise ValueError(f"mask must be (N, N) bool, got {tuple(mask.shape)} {mask.dtype}")
    if per_anchor < 1:
        raise ValueError(f"per_anchor must be at least 1, got {per_anchor}")
    n = len(mask)
    own = torch.eye(n, dtype=torch.bool, device=mask.device)
    positives = mask & ~own
    others = ~positives if anchor_as_negative else ~(positives | own)
    valid = (positives.sum(1) >= 2) & others.any(1)
    anchors = torch.arange(n, device=mask.device)[:, None].expand(n, per_anchor)
    drawn = [anchors, *(_draw_column(allowed, per_anchor, generator) for allowed in (positives, others))]
    return torch.stack(drawn, -1), valid


def sample_triplets(
    mask: Tensor,
    per_anchor: int,
    generator: torch.Generator | None = None,
    *,
    anchor_as_negative: bool = False,
) -> Tensor:
    """Draw triplets (i, j, k): j uniform among the reciprocal neighbours of i, k uniform among the others.

    Draws are independent and with replacement; anchors with fewer than two reciprocal neighbours give none (as in the
    released implementation). Vectorised, with one device synchronisation (the number of anchors that qualify).

    Args:
        mask: (N, N) bool, True where i and j are k-reciprocal neighbours (`reciprocal_mask`).
        per_anchor: triplets per anchor.
        generator: source of the draws.
        anchor_as_negative: let k = i be drawn, as the released implementation does.

    Returns:
        (T, 3) int64 indices; T = 0 if no anchor qualifies.

    Raises:
        ValueError: mask is not a square bool matrix, or per_anchor is below 1.
    """
    triplets, valid = draw_triplets(mask, per_anchor, generator, anchor_as_negative=anchor_as_negative)
    return triplets[valid].flatten(0, 1)


def _draw_column(allowed: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """(N, count) column indices, uniform over the True entries of each row (arbitrary in an empty row)."""
    order = allowed.cumsum(1, dtype=torch.int32)
    total = allowed.sum(1, keepdim=True, dtype=torch.int32)
    u = uniform((len(allowed), count), allowed, generator)
    # the r-th allowed column, r = 1 .. total; the product can round up to total
    r = torch.minimum((u * total).to(torch.int32) + 1, total)
    return torch.searchsorted(order, r).clamp_max(allowed.shape[1] - 1)
