"""Made-up data of the explorer page, in its format: a random tree over classes, proxies, epochs and coloured tiles."""

import base64
import io

import numpy as np


def array(values, dtype):
    values = np.asarray(values, dtype=f"<{dtype}")
    return {"dtype": dtype, "data": base64.b64encode(values.tobytes()).decode()}


def numbers(field):
    """The array back."""
    return np.frombuffer(base64.b64decode(field["data"]), dtype=f"<{field['dtype']}")


def pairs(points):
    return array(np.stack((points.real, points.imag), axis=-1).ravel(), "f8")


def split_tree(leaves, rng):
    """A random binary tree over consecutive leaves: parents, sizes, and each node's middle and depth."""
    inner = []  # (first leaf, last leaf + 1, parent) in the order of the root first
    parents = np.full(leaves, -1)
    stack = [(0, leaves, -1)]
    while stack:
        first, end, parent = stack.pop()
        if end - first == 1:
            parents[first] = parent
            continue
        number = len(inner)
        inner.append((first, end, parent))
        cut = int(first + 1 + rng.binomial(end - first - 2, 0.3 + 0.4 * rng.random()))
        stack += [(first, cut, number), (cut, end, number)]
    order = sorted(range(len(inner)), key=lambda i: inner[i][1] - inner[i][0])  # children first, the root last
    place = np.empty(len(inner) + 1, dtype=int)
    place[order] = leaves + np.arange(len(inner))
    place[-1] = -1
    spans = np.array([inner[i][:2] for i in order], dtype=int).reshape(-1, 2)
    above = np.array([inner[i][2] for i in order], dtype=int)
    return np.concatenate((place[parents], place[above])), spans


def explorer_data(leaves=60, *, classes=5, proxies=6, epochs=(1, 3, 10), thumbnails=True, neighbours=4, seed=0):
    """Data of the page; `leaves` from 1 on, 0 proxies for none, no epochs for one frame."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, classes, leaves))
    parents, spans = split_tree(leaves, rng)
    sizes = np.concatenate((np.ones(leaves, dtype=int), spans[:, 1] - spans[:, 0]))
    middles = np.concatenate((np.arange(leaves) + 0.5, spans.mean(axis=1)))
    depth = 1 - np.log(sizes) / np.log(max(leaves, 2))
    points = np.tanh(0.4 + 3.6 * depth) * np.exp(2j * np.pi * middles / leaves)
    points[sizes == leaves] = 0
    radius = 2 + 3 * depth + rng.normal(0, 0.05, len(depth))
    medoid = np.concatenate((np.arange(leaves), spans.mean(axis=1).astype(int)))
    counts = np.cumsum(np.vstack((np.zeros(classes), np.eye(classes)[labels])), axis=0)
    purity = np.concatenate((np.ones(leaves), (counts[spans[:, 1]] - counts[spans[:, 0]]).max(axis=1) / sizes[leaves:]))
    flat = 0.93 * np.exp(2j * np.pi * (labels + 0.12 * rng.normal(size=leaves)) / classes)
    hubs = 0.6 * np.exp(2j * np.pi * np.arange(proxies) / max(proxies, 1))
    frames = [frame(epoch, flat * (0.4 + 0.6 * i / max(len(epochs) - 1, 1)), hubs) for i, epoch in enumerate(epochs)]
    near = (np.arange(leaves)[:, None] + np.arange(1, neighbours + 1)) % leaves
    right = (np.roll(labels, -1) == labels).astype(int)
    layouts = [
        {
            "key": "tree",
            "name": "Tree",
            "note": "Radius: how small a subtree is. Angle: its place among its siblings.",
            "edges": "tree",
            "frames": [
                {"epoch": None, "leaves": pairs(points[:leaves]), "inner": pairs(points[leaves:]), "proxies": None}
            ],
        },
        {
            "key": "tangent-pca",
            "name": "Tangent PCA",
            "note": "Two directions of the learned space; radius and angle are those of the projection.",
            "edges": "proxies" if proxies else "none",
            "frames": frames or [frame(None, flat, hubs)],
        },
    ]
    groups = rng.integers(-1, proxies, leaves) if proxies else None
    shares = np.bincount(groups[groups >= 0], minlength=proxies) if proxies else None
    return {
        "format": "hyperdml.explorer/1",
        "title": "made-up run",
        "notes": [f"{leaves} points of {classes} classes, curvature -0.1."],
        "c": 0.1,
        "leaves": leaves,
        "names": [f"class {label}/picture-{i:05d}.png" for i, label in enumerate(labels)],
        "tree": {
            "method": "average",
            "parents": array(parents, "i4"),
            "heights": array(np.concatenate((np.zeros(leaves), 1 + np.log(sizes[leaves:]))), "f4"),
            "sizes": array(sizes, "i4"),
            "radius": array(radius, "f4"),
            "medoid": array(medoid, "i4"),
            "purity": array(purity, "f4"),
        },
        "proxies": {
            "count": proxies,
            "parents": array(np.where(np.arange(proxies) % 3 == 0, -1, np.arange(proxies) // 3 * 3), "i4"),
            "leaf_parents": array(groups, "i4"),
            "radius": array(np.linspace(1, 2, proxies), "f4"),
            "sizes": array(shares, "i4"),
            "medoid": array(np.arange(proxies) % leaves, "i4"),
            "purity": array(np.linspace(0.2, 0.9, proxies), "f4"),
        }
        if proxies
        else None,
        "layouts": layouts,
        "colours": [
            category("class", "class", [f"class {i}" for i in range(classes)], labels),
            category("level", "super-class", ["even", "odd"], labels % 2),
            {"key": "radius", "name": "hyperbolic radius", "kind": "number", "values": array(radius[:leaves], "f4")},
            category("correct", "nearest neighbour", ["another class", "same class"], right),
        ],
        "neighbours": {
            "k": neighbours,
            "index": array(near.ravel(), "i4"),
            "distance": array(np.tile(np.arange(1, neighbours + 1) / 8, leaves), "f4"),
        },
        "labels": array(labels, "i4"),
        "thumbnails": tiles(labels, classes) if thumbnails else None,
        "figures": [
            {
                "title": "tree against class",
                "rows": [
                    figure("dendrogram purity", 0.61, "higher", 0.11, 0.01, 50.0, "above chance"),
                    figure("Dasgupta cost", 0.98, "lower", 1.0, 0.02, -1.0, "not distinguishable from chance"),
                    figure("Gromov delta", 0.3, "lower", 0.3, 0.0, None, "not distinguishable from chance"),
                ],
            }
        ],
    }


def frame(epoch, leaves, proxies):
    return {
        "epoch": epoch,
        "leaves": pairs(leaves),
        "inner": None,
        "proxies": pairs(proxies) if len(proxies) else None,
    }


def category(key, name, names, values):
    return {"key": key, "name": name, "kind": "category", "names": names, "values": array(values, "i4")}


def figure(name, value, better, mean, sd, z, verdict):
    null = {"name": "labels shuffled", "mean": mean, "sd": sd, "z": z, "verdict": verdict}
    return {"name": name, "value": value, "better": better, "nulls": [null], "controls": {"cosine": value - 0.01}}


def tiles(labels, classes, side=48, columns=64, rows=64):
    from PIL import Image

    atlases = []
    for first in range(0, len(labels), columns * rows):
        shown = labels[first : first + columns * rows]
        height = -(-len(shown) // columns)
        pixels = np.full((height * side, columns * side, 3), 255, dtype=np.uint8)
        for cell, label in enumerate(shown):
            y, x = divmod(cell, columns)
            tile = pixels[y * side : (y + 1) * side, x * side : (x + 1) * side]
            tile[6:-6, 6:-6] = np.array([40 + 200 * label // classes, 90, 255 - 200 * label // classes])
            tile[14:20, 8 : 12 + cell % 30] = 255
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "WEBP", quality=60)
        atlases.append(f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    cells = array(np.arange(len(labels)), "i4")
    return {"side": side, "columns": columns, "rows_per_atlas": rows, "atlases": atlases, "cells": cells}
