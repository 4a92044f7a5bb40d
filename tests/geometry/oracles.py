"""Random points of the ball, and its formulas in 50 digits, shared by the tests of geometry."""

import mpmath
import torch

from hyperdml.geometry import expmap0

mpmath.mp.dps = 50


def ball_points(shape, radius, c, dtype=torch.float64, spread=False, seed=None):
    """Points at distance `radius` from the origin, or up to it with `spread`, in random directions."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    u = torch.nn.functional.normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)
    share = torch.rand(*shape[:-1], 1, generator=generator, dtype=torch.float64) if spread else 1.0
    return expmap0(u * share * (radius / 2), c).to(dtype)


def exact(x):
    """A tensor row as mpmath numbers."""
    return [mpmath.mpf(float(value)) for value in x]


def dot(x, y):
    return mpmath.fsum(a * b for a, b in zip(x, y, strict=True))


def exact_distance(x, y, c):
    x, y, c = exact(x), exact(y), mpmath.mpf(c)
    gap = mpmath.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    return 2 / mpmath.sqrt(c) * mpmath.asinh(mpmath.sqrt(c * gap / ((1 - c * dot(x, x)) * (1 - c * dot(y, y)))))


def exact_mobius_add(x, y, c):
    """The textbook fraction."""
    x, y, c = exact(x), exact(y), mpmath.mpf(c)
    xy, x2, y2 = dot(x, y), dot(x, x), dot(y, y)
    below = 1 + 2 * c * xy + c * c * x2 * y2
    return [((1 + 2 * c * xy + c * y2) * a + (1 - c * x2) * b) / below for a, b in zip(x, y, strict=True)]


def exact_midpoint(points, weights, c):
    """Mean of Klein coordinates weighted with Lorentz factors, back in Poincaré coordinates."""
    c = mpmath.mpf(c)
    above, below = None, mpmath.mpf(0)
    for row, weight in zip(points, weights, strict=True):
        x = exact(row)
        x2 = dot(x, x)
        klein = [2 * a / (1 + c * x2) for a in x]
        lorentz = float(weight) / mpmath.sqrt(1 - c * dot(klein, klein))
        terms = [lorentz * k for k in klein]
        above = terms if above is None else [a + t for a, t in zip(above, terms, strict=True)]
        below += lorentz
    mean = [a / below for a in above]
    return [k / (1 + mpmath.sqrt(1 - c * dot(mean, mean))) for k in mean]
