"""All that the explorer's page shows, as one JSON object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.errors import ConfigError
from hyperdml.geometry import dist0
from hyperdml.metrics.trees.nulls import Score, verdict
from hyperdml.neighbors import HyperbolicKNN
from hyperdml.tree.hierarchy import Hierarchy
from hyperdml.viz.explorer.atlas import SIDE, atlases, wanted
from hyperdml.viz.explorer.encode import encoded, encoded_places
from hyperdml.viz.explorer.nodes import proxy_nodes, tree_nodes
from hyperdml.viz.explorer.page import FORMAT
from hyperdml.viz.groups import Groups, class_groups, levels_above, super_groups
from hyperdml.viz.layouts import LAYOUTS, Layout, LinearMap, align, radius_layout, tree_layout, umap_layout
from hyperdml.viz.scene import about_linear
from hyperdml.viz.subject import Subject

NEIGHBOURS, CLUSTERS = 10, 12
THUMBNAILS = 10_000
_ONE_SPHERE = 1e-3  # spread of radii as a share of their mean; less is rounding

Ints = NDArray[np.int64]
_NAMES: dict[Layout, str] = {
    "tree": "Tree",
    "radius": "Learned radius",
    "umap": "UMAP",
    "tangent-pca": "Tangent PCA",
    "horospherical": "Horospherical",
}


def explorer_data(
    subject: Subject,
    hierarchy: Hierarchy | None,
    *,
    thumbnails: int = THUMBNAILS,
    side: int = SIDE,
    layouts: Sequence[Layout] = ("tree", "radius", "tangent-pca"),
    seed: int = 0,
) -> dict[str, Any]:
    """Make the data of `explorer_page`.

    Args:
        subject: embeddings, and what is known about them.
        hierarchy: of the same embeddings (`hyperdml.tree.hierarchy_of`): the tree and its scores; None without.
        thumbnails: most images with a thumbnail: those that stand for inner nodes and proxies first, then all classes
            in turn.
        side: of a thumbnail in pixels.
        layouts: of `hyperdml.viz.layouts.LAYOUTS`, the first is shown first. Those that there is nothing for are left
            out: "tree" without a hierarchy, "radius" without proxies.
        seed: of samples and of UMAP.

    Returns:
        An object that JSON holds, of the format that `explorer_page` reads.

    Raises:
        ConfigError: an unknown layout, or nothing to show: no layout is left, or fewer than two points.
        ValueError: the hierarchy is of another number of points.
    """
    found = subject.embeddings
    unknown = [layout for layout in layouts if layout not in LAYOUTS]
    if unknown:
        raise ConfigError(f"layout must be one of {', '.join(LAYOUTS)}, got {unknown[0]!r}")
    if len(found) < 2:
        raise ConfigError(f"{subject.title} has {len(found)} points; there is nothing to explore")
    if hierarchy is not None and hierarchy.tree.num_leaves != len(found):
        raise ValueError(f"the tree has {hierarchy.tree.num_leaves} leaves and there are {len(found)} points")
    points = found.points.detach().cpu().double()
    proxies = None if found.proxies is None or not len(found.proxies) else found.proxies.detach().cpu().double()
    classes = None if found.labels is None else class_groups(found)
    labels = None if classes is None else classes.ids
    near, gaps = _neighbours(found, points)
    tree = of_proxies = None
    first: list[Ints] = []
    if hierarchy is not None:
        tree, medoid = tree_nodes(hierarchy.tree, points, labels)
        first.append(medoid[: len(found) - 1 : -1])  # the root first
    if proxies is not None:
        of_proxies, nearest = proxy_nodes(points, proxies, labels, found.c)
        first.append(nearest)
    notes = _notes(subject, points)
    images = None
    if subject.images is not None and thumbnails > 0:
        rows = wanted(len(found), np.concatenate([*first, np.empty(0, np.int64)]), labels, thumbnails, seed)
        images, shown = atlases(subject.images, rows, side=side)
        if shown < len(found):
            notes.append(f"{shown:,} of {len(found):,} images have a thumbnail.")
    elif subject.missing:
        notes.append(f"There are no images: {subject.missing}")
    return {
        "format": FORMAT,
        "title": subject.title,
        "notes": notes,
        "c": found.c,
        "leaves": len(found),
        "names": _names(found, classes),
        "tree": tree,
        "proxies": of_proxies,
        "layouts": _layouts(subject, hierarchy, points, proxies, layouts, seed),
        "colours": _colours(subject, hierarchy, classes, points, near),
        "neighbours": {"k": near.shape[1], "index": encoded(near, "i4"), "distance": encoded(gaps, "f4")},
        "labels": None if labels is None else encoded(labels, "i4"),
        "thumbnails": images,
        "figures": [] if hierarchy is None else _figures(subject, hierarchy),
    }


def _names(found: EmbeddingSet, classes: Groups | None) -> list[str]:
    if found.ids is not None:
        return list(found.ids)
    if classes is None:
        return [f"image {row}" for row in range(len(found))]
    return [f"{classes.names[group]}, image {row}" for row, group in enumerate(classes.ids.tolist())]


def _notes(subject: Subject, points: Tensor) -> list[str]:
    found = subject.embeddings
    what = f"{len(found):,} images"
    if found.labels is not None:
        what += f" of {len(found.labels.unique()):,} classes"
    if found.proxies is not None:
        what += f", {len(found.proxies):,} hierarchical proxies"
    notes = [f"{what}; {points.shape[1]} dimensions, curvature {-found.c:g}."]
    radius = dist0(points, found.c)
    if _one_sphere(radius):
        notes.append(
            f"All images lie on one sphere of hyperbolic radius {float(radius.mean()):.3f}: hyperbolic and cosine "
            "ranking agree there, and radii tell nothing about images."
        )
    elif subject.clip_r is not None:
        clipped = float((radius > 2 * subject.clip_r * (1 - _ONE_SPHERE)).double().mean())
        notes.append(f"{clipped:.0%} of the images are clipped to the largest radius.")
    if subject.embeddings.queries is not None:
        notes.append("Neighbours are those in the gallery.")
    return notes


def _one_sphere(radius: Tensor) -> bool:
    return bool(radius.std(correction=0) <= _ONE_SPHERE * radius.mean())


def _neighbours(found: EmbeddingSet, points: Tensor) -> tuple[Ints, NDArray[np.float64]]:
    """(N, k) nearest items of the gallery in hyperbolic distance, an item itself left out, and their distances."""
    gallery = torch.arange(len(found)) if found.gallery is None else found.gallery.cpu().nonzero()[:, 0]
    k = min(NEIGHBOURS, len(gallery) - 1)
    gaps, places = HyperbolicKNN(c=found.c)(points, k + 1, points[gallery])
    index = gallery[places]
    own = index == torch.arange(len(found))[:, None]
    own[:, -1] |= ~own.any(1)  # one too many for what is not found itself
    kept = ~own
    return index[kept].reshape(len(found), k).numpy(), gaps[kept].reshape(len(found), k).double().numpy()


def _layouts(
    subject: Subject,
    hierarchy: Hierarchy | None,
    points: Tensor,
    proxies: Tensor | None,
    layouts: Sequence[Layout],
    seed: int,
) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for layout in dict.fromkeys(layouts):
        edges = "none" if proxies is None else "proxies"
        if layout == "tree":
            if hierarchy is None:
                continue
            at = tree_layout(hierarchy.tree)
            frames = [_frame(None, at, len(points), inner=True)]
            edges = "tree"
            note = (
                f"A tree grown in the learned space ({hierarchy.tree.method}). A subtree has as much of the rim as it "
                "has images; the radius of a node tells how few are below it."
            )
        elif layout == "radius":
            if proxies is None:
                continue
            order = hierarchy.tree.order if hierarchy is not None else None
            images, above = radius_layout(points, proxies, subject.embeddings.c, order=order)
            frames = [_frame(None, np.concatenate([images, above]), len(points))]
            note = (
                "The distance from the centre is the learned distance from the origin; the angle is a layout. Lines "
                "lead to the parent: the nearest proxy nearer to the origin."
            )
        else:
            frames, note = _over_epochs(subject, points, proxies, layout, seed)
        out.append({"key": layout, "name": _NAMES[layout], "note": note, "edges": edges, "frames": frames})
    if not out:
        raise ConfigError(f"no layout is left for {subject.title}: 'tree' needs a hierarchy, 'radius' needs proxies")
    return out


def _frame(epoch: int | None, at: NDArray[np.complex128], leaves: int, inner: bool = False) -> dict[str, Any]:
    rest = encoded_places(at[leaves:]) if len(at) > leaves else None
    return {
        "epoch": epoch,
        "leaves": encoded_places(at[:leaves]),
        "inner": rest if inner else None,
        "proxies": None if inner else rest,
    }


def _over_epochs(
    subject: Subject, points: Tensor, proxies: Tensor | None, layout: Layout, seed: int
) -> tuple[list[dict[str, Any]], str]:
    """A frame for every epoch that was kept and one for the end, in one frame of reference."""
    c, count = subject.embeddings.c, len(points)
    stages: list[tuple[int | None, Tensor]] = []
    for number, found in subject.epochs.items():
        to_ball = math.sqrt(found.c / c)  # a learned curvature moves: the same disk for all balls
        x = to_ball * found.points.detach().cpu().double()
        if not torch.equal(x, points):
            if proxies is not None and found.proxies is not None and len(found.proxies) == len(proxies):
                x = torch.cat([x, to_ball * found.proxies.detach().cpu().double()])
            stages.append((number, x))
    stages.append((None, points if proxies is None else torch.cat([points, proxies])))
    if layout == "umap":
        frames: list[dict[str, Any]] = []
        before: NDArray[np.complex128] | None = None
        for epoch, both in stages:
            start = before if before is not None and len(before) == len(both) else None
            at = umap_layout(both, c=c, seed=seed, start=start)
            before = at if before is None else align(at, before[:count], count)
            frames.append(_frame(epoch, before, count))
        return frames, (
            "UMAP of hyperbolic distances: who is near whom. Its radius is not depth, and it can make clusters look "
            "cleaner than they are. Lines lead to parents found in the learned space."
        )
    seen = LinearMap.fit(points, c=c, kind="horospherical" if layout == "horospherical" else "tangent-pca")
    frames = [_frame(epoch, seen(both), count) for epoch, both in stages]
    return frames, about_linear(seen) + (" The map is that of the end of the training." if len(frames) > 1 else "")


def _colours(
    subject: Subject, hierarchy: Hierarchy | None, classes: Groups | None, points: Tensor, near: Ints
) -> list[dict[str, Any]]:
    found, out = subject.embeddings, []
    if classes is not None:
        for level in levels_above(found):
            groups = super_groups(found, level, subject.coarse_names)
            if groups is not None:
                out.append(_category(level, level, groups.names, groups.ids))
        out.append(_category("class", "class", classes.names, classes.ids))
    radius = dist0(points, found.c)
    if not _one_sphere(radius):
        values = encoded(radius.numpy(), "f4")
        out.append({"key": "radius", "name": "hyperbolic radius", "kind": "number", "values": values})
    if classes is not None and near.shape[1]:
        right = (classes.ids[near[:, 0]] == classes.ids).astype(np.int64)
        out.append(_category("correct", "nearest neighbour", ("another class", "same class"), right))
    if hierarchy is not None:
        parts = hierarchy.tree.cut(min(CLUSTERS, len(found)))
        names = [f"subtree {number + 1}" for number in range(int(parts.max()) + 1)]
        out.append(_category("cut", f"{len(names)} subtrees", names, parts))
    return out


def _category(key: str, name: str, names: Sequence[str], values: Ints) -> dict[str, Any]:
    return {"key": key, "name": name, "kind": "category", "names": list(names), "values": encoded(values, "i4")}


def _figures(subject: Subject, hierarchy: Hierarchy) -> list[dict[str, Any]]:
    rows = [{**asdict(row), "nulls": [null._asdict() for null in row.nulls]} for row in hierarchy.scores.rows()]
    out = [{"title": f"{subject.title}: the tree ({hierarchy.tree.method})", "rows": rows}]
    if hierarchy.proxies is not None:
        scores = [(f"dendrogram purity, {level}", score) for level, score in hierarchy.proxies.purity.items()]
        scores += [(f"NMI of nearest proxy and {level}", score) for level, score in hierarchy.proxies.nmi.items()]
        out.append({"title": "The learned proxies", "rows": [_row(name, score) for name, score in scores]})
    return out


def _row(name: str, score: Score) -> dict[str, Any]:
    nulls = [
        {"name": null, **asdict(found), "verdict": verdict(score.value, found.mean, found.sd)}
        for null, found in score.nulls.items()
    ]
    return {"name": name, "value": score.value, "better": "higher", "nulls": nulls, "controls": {}}
