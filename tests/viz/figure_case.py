"""A small subject with everything that figures show, and a look at figures before they become files."""

import numpy as np
import torch
from matplotlib.text import Text
from synthetic import tree_points

from hyperdml.data import ArrayImages, EmbeddingSet
from hyperdml.geometry import expmap0
from hyperdml.viz.subject import Subject

C = 0.1
LEVELS = ("order", "family", "species")


def embeddings(n=240, dim=16, *, proxies=12, noise=0.0, **fields):
    """40 species of 6 images in 10 families and 4 orders (at n = 240)."""
    points, labels, levels = tree_points(n, dim, spread=True)
    generator = torch.Generator().manual_seed(1)
    if noise:
        points = expmap0(torch.randn(points.shape, generator=generator) * noise, C)
    names = tuple(f"species {i}" for i in range(int(labels.max()) + 1))
    found = expmap0(torch.randn(proxies, dim, generator=generator) * 0.4, C) if proxies else None
    return EmbeddingSet(
        points,
        C,
        **{
            "labels": labels,
            "levels": levels,
            "level_names": LEVELS,
            "class_names": names,
            "proxies": found,
            **fields,
        },
    )


def subject(n=240, **fields):
    """Its second arm, the metric loss alone, has no proxies and holds noise."""
    own = embeddings(n)
    pixels = np.random.default_rng(0).integers(0, 255, (n, 6, 6, 3), dtype=np.uint8)
    known = {
        "images": ArrayImages(pixels, own.labels.numpy()),
        "coarse_names": ("birds", "cars", "shoes", "faces"),
        "clip_r": 2.3,
        "arms": {"with proxies": own, "plain": embeddings(n, proxies=0, noise=0.5)},
    }
    return Subject("run", own, **(known | fields))


class Captured:
    """Takes the place of `save_figure` in a module."""

    def __init__(self, monkeypatch, module):
        self.figures = []
        monkeypatch.setattr(module, "save_figure", lambda figure, path: self.figures.append(figure))

    @property
    def texts(self):
        return [text.get_text() for text in self.figures[-1].findobj(Text) if text.get_text()]

    @property
    def axes(self):
        return self.figures[-1].subfigs[0].axes
