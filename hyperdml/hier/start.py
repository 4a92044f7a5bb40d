"""How proxies start: at random, or after a warm-up from a memory of recent embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hyperdml.geometry import clip_norm, expmap0, poincare_ball

PER_PROXY = 16


def start_proxies(count: int, dim: int, clip_r: float, manifold_c: float | None) -> nn.Parameter:
    """Random proxies as released: N(0, 1) / sqrt(dim) * 0.9 clip_r in the tangent space at the origin.

    Args:
        count: number of proxies.
        dim: their dimension.
        clip_r: clipping radius.
        manifold_c: curvature magnitude, to get points of the ball as a `geoopt.ManifoldParameter`; None for tangent
            vectors.

    Returns:
        (count, dim) parameter.
    """
    tangent = torch.randn(count, dim) * (0.9 * clip_r / dim**0.5)
    if manifold_c is None:
        return nn.Parameter(tangent)
    manifold = poincare_ball(manifold_c)
    import geoopt

    points = expmap0(clip_norm(tangent, clip_r), manifold_c)
    parameter: nn.Parameter = geoopt.ManifoldParameter(points, manifold=manifold)
    return parameter


class RecentEmbeddings(nn.Module):
    """Ring buffer of the newest embeddings of a warm-up, and the count of its steps.

    Everything is part of the state, so that a resumed run starts its proxies from the same embeddings. Nothing here
    waits for the device: the counts are Python numbers.

    Args:
        size: embeddings to keep.
        dim: their dimension.
        steps: length of the warm-up.

    Attributes:
        done: the proxies have started.
    """

    rows: Tensor

    def __init__(self, size: int, dim: int, steps: int) -> None:
        super().__init__()
        self.size = size
        self.steps = steps
        self.seen_steps = 0
        self.seen_points = 0
        self.done = False
        self.register_buffer("rows", torch.zeros(0, dim))

    def add(self, points: Tensor) -> None:
        """Keep a batch, over the oldest embeddings once the buffer is full."""
        if not len(self.rows):
            self.rows = points.new_zeros(self.size, points.shape[1])
        kept = points.detach()[-self.size :]
        at = (torch.arange(len(kept), device=points.device) + self.seen_points) % self.size
        self.rows[at] = kept.to(self.rows)
        self.seen_steps += 1
        self.seen_points += len(kept)

    def newest(self) -> Tensor:
        """The embeddings that were kept."""
        return self.rows[: min(self.seen_points, self.size)]

    @property
    def over(self) -> bool:
        """Whether the warm-up has lasted its steps."""
        return self.seen_steps >= self.steps

    def finish(self) -> None:
        """Let the embeddings go: the proxies have started."""
        self.done = True
        self.rows = self.rows[:0].clone()

    def get_extra_state(self) -> Tensor:
        """The counts, as a tensor like the rest of the state."""
        return torch.tensor([self.seen_steps, self.seen_points, int(self.done)])

    def set_extra_state(self, state: Tensor) -> None:
        """Counts of `get_extra_state`."""
        self.seen_steps, self.seen_points, done = state.tolist()
        self.done = bool(done)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        stored = state_dict.get(prefix + "rows")
        if stored is not None:  # empty before the warm-up and after it
            self.rows = self.rows.new_zeros(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)
