"""What stands in the disk for a set of embeddings: places by a layout, edges of the learned space, the caption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.errors import ConfigError
from hyperdml.metrics import recall_at_k
from hyperdml.tree import ROOT, extract_tree, nearest_ancestors
from hyperdml.viz.layouts import LAYOUTS, Layout, LinearMap, radius_layout, tree_layout, umap_layout

Places = NDArray[np.complex128]

MOST: dict[Layout, int] = {
    "tree": 20_000,
    "radius": 20_000,
    "umap": 5_000,  # minutes beyond
    "tangent-pca": 100_000,
    "horospherical": 100_000,
}
"""Images that a layout shows unless more are asked for; a sample of them beyond."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Places in the unit disk and the edges between them.

    Attributes:
        layout: which of `LAYOUTS`.
        rows: (n,) int64 rows of the embeddings that are shown.
        images: (n,) places of the images.
        inner: (I,) places of the inner nodes of a tree; none in other layouts.
        proxies: (P,) places of the proxies; none without them and in the layout of a tree.
        origin: place of the origin of the ball, or of the root in the layout of a tree; None in UMAP without proxies.
        tree_edges: (E, 2) lower and upper end of every edge of the tree, or from an image to its proxy or the origin.
        proxy_edges: (P, 2) the same between proxies.
        words: what radius, angle and edges mean, and what was left out.
    """

    layout: Layout
    rows: NDArray[np.int64]
    images: Places
    inner: Places
    proxies: Places
    origin: complex | None
    tree_edges: Places
    proxy_edges: Places
    words: str


def scene_of(embeddings: EmbeddingSet, layout: Layout = "tree", *, most: int | None = None, seed: int = 0) -> Scene:
    """Places and edges of a set of embeddings.

    Edges are always found in the learned space: those of average linkage in the layout of a tree, to the nearest proxy
    of smaller radius (or the origin) in the others, where there are proxies.

    Args:
        embeddings: at least 4 points.
        layout: one of `LAYOUTS`.
        most: images to show; by default `MOST`.
        seed: of the sample, of trees over cells and of UMAP.

    Raises:
        ConfigError: an unknown layout, or too few points for it.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if len(embeddings) < 4:
        raise ConfigError(f"a picture of the disk needs 4 or more points, got {len(embeddings)}")
    most = MOST[layout] if most is None else most
    rows = np.sort(np.random.default_rng(seed).permutation(len(embeddings))[:most])
    said = []
    if len(rows) < len(embeddings):
        said.append(f"A random sample of {len(rows):,} of {len(embeddings):,} images.")
    points = embeddings.points.detach().cpu()[torch.from_numpy(rows)].double()
    if layout == "tree":
        return _of_tree(rows, points, embeddings.c, said, seed)
    proxies = points[:0] if embeddings.proxies is None else embeddings.proxies.detach().cpu().double()
    # the origin is the root of the proxies' tree: it is laid out with them
    both = torch.cat([points, proxies, points.new_zeros(1, points.shape[1])])
    origin: complex | None = 0.0
    if layout == "radius":
        images, at = radius_layout(points, proxies, embeddings.c)
        said.append(
            "Distance from the centre is the learned distance from the origin (grey circles at 2, 4 and 6 over "
            "sqrt(c)); the angle is a layout."
        )
    elif layout == "umap":
        places = umap_layout(both if len(proxies) else points, c=embeddings.c, seed=seed)
        images, at = places[: len(rows)], places[len(rows) : len(rows) + len(proxies)]
        origin = complex(places[-1]) if len(proxies) else None
        said.append(_about_umap(embeddings, rows, points, images))
    else:
        seen = LinearMap.fit(points, c=embeddings.c, kind=layout)
        images, at, origin = seen(points), seen(proxies), complex(seen(both[-1:])[0])
        said.append(about_linear(seen))
    return parent_scene(layout, rows, images, at, origin, points, proxies, embeddings.c, said)


def about_linear(seen: LinearMap) -> str:
    """What a linear map shows, in words."""
    held = f"{100 * seen.share:.0f} % of the variance"
    if seen.kind == "tangent-pca":
        return f"Two tangent directions at the midpoint, with {held}; radii are scaled to fill the disk."
    return f"Two Busemann coordinates, with {held} of all such; moved to the centre and scaled to fill the disk."


def _of_tree(rows: NDArray[np.int64], points: Tensor, c: float, said: list[str], seed: int) -> Scene:
    tree = extract_tree(points, c=c, seed=seed)
    places = tree_layout(tree)
    said.append(
        "The tree of average linkage in hyperbolic distance, grown in the learned space, with its root at the centre. "
        "A subtree has as much of the rim as it has images, and the radius of a node tells how few are below it; no "
        "edge crosses another. A tree can be grown over any points: what this one is worth, its scores beside their "
        "null models say."
    )
    edges = np.stack([places[:-1], places[tree.parents[:-1]]], 1)
    none = places[:0]
    root = complex(places[tree.root])
    images, inner = places[: len(rows)], places[len(rows) :]
    return Scene("tree", rows, images, inner, none, root, edges, edges[:0], " ".join(said))


def parent_scene(
    layout: Layout,
    rows: NDArray[np.int64],
    images: Places,
    at: Places,
    origin: complex | None,
    points: Tensor,
    proxies: Tensor,
    c: float,
    said: list[str],
) -> Scene:
    """Images and proxies at their places, with lines to the parents that they have in the learned space.

    Args:
        layout: what the places are of.
        rows: (n,) rows of the embeddings that are shown.
        images: (n,) their places.
        at: (P,) places of the proxies.
        origin: place of the origin.
        points: (n, d) points of the ball.
        proxies: (P, d) points of the ball, P may be 0.
        c: curvature magnitude.
        said: sentences of the caption so far.
    """
    none = images[:0]
    if len(proxies) == 0:
        return Scene(layout, rows, images, none, at, origin, none.reshape(0, 2), none.reshape(0, 2), " ".join(said))
    parents = nearest_ancestors(points, proxies, c).numpy()
    above = nearest_ancestors(proxies, proxies, c).numpy()
    said = [
        *said,
        "Lines lead to the parent in the learned space: the nearest proxy closer to the origin, or the origin. The "
        f"origin is the parent of {(parents == ROOT).mean():.0%} of the images shown and of "
        f"{(above == ROOT).mean():.0%} of the proxies.",
    ]
    tops = [np.where(found == ROOT, 0 if origin is None else origin, at[found]) for found in (parents, above)]
    edges, between = np.stack([images, tops[0]], 1), np.stack([at, tops[1]], 1)
    return Scene(layout, rows, images, none, at, origin, edges, between, " ".join(said))


def _about_umap(embeddings: EmbeddingSet, rows: NDArray[np.int64], points: Tensor, images: Places) -> str:
    said = (
        "UMAP of hyperbolic distances: who is near whom. Its radius is not depth, and it can make clusters look "
        "cleaner than they are"
    )
    if embeddings.labels is None:
        return f"{said}."
    labels = embeddings.labels.cpu()[torch.from_numpy(rows)]
    flat = torch.from_numpy(np.stack([images.real, images.imag], 1))
    shown = float(recall_at_k(flat, labels, ks=(1,), c=1.0)[1])
    true = float(recall_at_k(points, labels, ks=(1,), c=embeddings.c)[1])
    return f"{said}: R@1 of the images shown is {100 * shown:.1f} % in the picture, {100 * true:.1f} % in the space."
