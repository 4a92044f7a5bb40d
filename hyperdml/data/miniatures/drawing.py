"""Pictures of coloured figures: the colour is the coarse class, the figure tells the classes of a colour apart."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np

Box = tuple[int, int, int, int]

# whether a point belongs to the figure, from its offsets to the centre in units of the radius
FIGURES: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...] = (
    lambda x, y: x**2 + y**2 < 1,
    lambda x, y: (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 1),
    lambda x, y: (np.maximum(abs(x), abs(y)) < 1) & (np.floor(3 * y) % 2 == 0),
    lambda x, y: abs(x) + abs(y) < 1,
    lambda x, y: (np.maximum(abs(x), abs(y)) < 1) & (np.floor(3 * x) % 2 == 0),
    lambda x, y: (x**2 + y**2 < 1) & (x**2 + y**2 > 0.4),
)
_GOLDEN = 0.618034  # steps of this share of the circle keep any number of hues apart


def draw(rng: np.random.Generator, colour: int, figure: int, width: int, height: int) -> tuple[np.ndarray, Box]:
    """One figure at a random place and of a random size on a light, noisy ground.

    Args:
        rng: randomness of this picture.
        colour: number of the hue.
        figure: number of the figure, modulo their count.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        (height, width, 3) uint8, and the left, top, right and bottom of the figure.
    """
    radius = rng.uniform(0.28, 0.4) * min(width, height)
    centre = rng.uniform(radius, [width - radius, height - radius])
    y, x = np.mgrid[:height, :width] + 0.5
    inside = FIGURES[figure % len(FIGURES)]((x - centre[0]) / radius, (y - centre[1]) / radius)
    hue = (colour * _GOLDEN + rng.uniform(-0.02, 0.02)) % 1
    paint = np.array(colorsys.hsv_to_rgb(hue, 0.8, rng.uniform(0.6, 0.9)))
    pixels = 255 * np.where(inside[:, :, None], paint, rng.uniform(0.85, 0.95)) + rng.normal(0, 6, (height, width, 3))
    near, far = np.floor(centre - radius).astype(int), np.ceil(centre + radius).astype(int)
    box = (max(0, int(near[0])), max(0, int(near[1])), min(width, int(far[0])), min(height, int(far[1])))
    return pixels.clip(0, 255).astype(np.uint8), box
