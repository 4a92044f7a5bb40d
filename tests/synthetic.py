"""Synthetic embeddings with a three-level class tree, shared by the tests of several rooms."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

PER_CLASS = 6
CLASSES_PER_MIDDLE = 4
MIDDLES_PER_TOP = 3


def tree_points(
    n: int, dim: int, spread: bool, c: float = 0.1, clip_r: float = 2.3, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Points of the ball around a tree of class directions.

    Args:
        n: points; `PER_CLASS` a class.
        dim: dimension.
        spread: tangent norms uniform between 0.1 and clip_r; otherwise every tangent vector is clipped to clip_r, as
            in trained models with a clipped head.
        c: curvature magnitude.
        clip_r: clip radius.
        seed: of everything.

    Returns:
        (n, dim) float32 points, (n,) labels of the classes, (n, 3) levels coarse to fine (the last are the labels).
    """
    rng = np.random.default_rng(seed)
    classes = -(-n // PER_CLASS)
    middle = np.arange(classes) // CLASSES_PER_MIDDLE
    top = middle // MIDDLES_PER_TOP
    tops = rng.normal(size=(top[-1] + 1, dim))
    middles = tops[np.arange(middle[-1] + 1) // MIDDLES_PER_TOP] + 0.8 * rng.normal(size=(middle[-1] + 1, dim))
    centres = middles[middle] + 0.7 * rng.normal(size=(classes, dim))
    labels = np.arange(n) % classes
    direction = centres[labels] + 0.6 * rng.normal(size=(n, dim))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    norm = rng.uniform(0.1, clip_r, size=(n, 1)) if spread else np.full((n, 1), clip_r)
    points = np.tanh(np.sqrt(c) * norm) / np.sqrt(c) * direction
    levels = np.stack([top[labels], middle[labels], labels], 1)
    return torch.from_numpy(points).float(), torch.from_numpy(labels), torch.from_numpy(levels)
