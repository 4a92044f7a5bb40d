"""What the radii of proxies can add to their tree, and what they do: the tree with less and with more than radii."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.geometry import dist0, pairwise_distance
from hyperdml.metrics.trees.nulls import permutation, permuted_radii
from hyperdml.metrics.trees.parent_array import ROOT
from hyperdml.seeds import derive_seed
from hyperdml.training.records import read_record, write_record
from hyperdml.tree.extract import DIRECT
from hyperdml.tree.linkage import linkage_tree
from hyperdml.tree.proxy_tree import ProxyTree, proxy_tree
from hyperdml.tree.scores import level_purity

LEARNED, STAR, LINKED = "by radius", "cells alone", "average linkage"
ORDER, MOVED = "order permuted", "radii permuted"


@dataclass(frozen=True)
class Ordered:
    """Dendrogram purity per level of trees over the same proxies, every image in the cell of its nearest proxy.

    Attributes:
        arm: what was trained.
        seed: of the run.
        proxies: "learned" or "k-means".
        levels: names, coarse to fine.
        purity: way of joining the cells to its purities. `STAR`: not at all; `LEARNED`: under the nearest proxy of
            smaller radius; `LINKED`: by average linkage of the proxies, which needs no radius.
        draws: null to one row of purities a draw. `ORDER`: under the nearest proxy that comes before it in a random
            order, nothing moved; `MOVED`: radii permuted among the proxies, as in `proxy_tree_report`.
    """

    arm: str
    seed: int
    proxies: str
    levels: tuple[str, ...]
    purity: dict[str, list[float]]
    draws: dict[str, list[list[float]]]

    def z(self, way: str, null: str) -> np.ndarray:
        """(L,) deviations of a way from a null."""
        drawn = np.array(self.draws[null])
        return (np.array(self.purity[way]) - drawn.mean(0)) / drawn.std(0, ddof=1)

    def record(self) -> dict[str, Any]:
        """For JSON, a null as the mean and the standard deviation of its draws."""
        nulls = {
            null: [f"{np.mean(column):.4f} ± {np.std(column, ddof=1):.4f}" for column in zip(*rows, strict=True)]
            for null, rows in self.draws.items()
        }
        return {key: value for key, value in asdict(self).items() if key != "draws"} | {"nulls": nulls}


@torch.no_grad()
def ordered(arm: str, seed: int, kind: str, found: EmbeddingSet, draws: int, file: Path) -> Ordered:
    """Purities of embeddings with proxies, read from the file if they are there.

    Args:
        arm: what was trained.
        seed: of the run.
        kind: which proxies.
        found: the images and the proxies.
        draws: of every null.
        file: where they are kept.
    """
    kept = read_record(file, Ordered)
    if kept is not None and all(len(rows) == draws for rows in kept.draws.values()):
        return kept
    if found.proxies is None or found.levels is None:
        raise ValueError("an order of proxies needs proxies and levels")
    x, z, ids, c = found.points.double(), found.proxies.double(), found.levels, found.c
    generator = torch.Generator().manual_seed(derive_seed(seed, "order of proxies"))
    tree = proxy_tree(x, z, c)
    leaf = tree.leaf_parents
    linked = torch.from_numpy(linkage_tree(z, c, "average", DIRECT, seed)[0].copy())
    purity = {
        STAR: level_purity(ProxyTree(torch.full_like(tree.parents, ROOT), leaf), ids),
        LEARNED: level_purity(tree, ids),
        LINKED: level_purity(ProxyTree(linked, leaf), ids),
    }
    between, to_origin = pairwise_distance(z, z, c), dist0(z, c)
    drawn: dict[str, Callable[[], ProxyTree]] = {
        ORDER: lambda: ProxyTree(_earlier(between, to_origin, permutation(len(z), generator)), leaf),
        MOVED: lambda: proxy_tree(x, permuted_radii(z, generator), c),
    }
    nulls = {null: [level_purity(draw(), ids) for _ in range(draws)] for null, draw in drawn.items()}
    made = Ordered(arm, seed, kind, found.level_names, purity, nulls)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_record(file, made)
    return made


def _earlier(between: Tensor, to_origin: Tensor, rank: Tensor) -> Tensor:
    """Parent of every proxy: the nearest of lower rank, or the origin if that is nearer."""
    nearest, parent = between.masked_fill(rank[None] >= rank[:, None], torch.inf).min(1)
    return torch.where(nearest < to_origin, parent, ROOT)
