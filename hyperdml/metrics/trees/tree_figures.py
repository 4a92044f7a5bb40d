"""What labels and a taxonomy say about trees over the same items, prepared once for a tree and all of its nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike

from hyperdml.metrics.labels import Labels, integers, level_titles
from hyperdml.metrics.trees.best_match import best_matches
from hyperdml.metrics.trees.cuts import agreement, cut_labels
from hyperdml.metrics.trees.dasgupta import cost_of
from hyperdml.metrics.trees.dendrogram import purity
from hyperdml.metrics.trees.leaf_tree import Floats, LeafTree, Tree, leaf_tree
from hyperdml.metrics.trees.measured import Measured
from hyperdml.metrics.trees.meetings import meetings
from hyperdml.metrics.trees.nulls import permutation
from hyperdml.metrics.trees.reference import groups_by_depth, reference_parents
from hyperdml.metrics.trees.robinson_foulds import induced, robinson_foulds
from hyperdml.metrics.trees.tree_scores_result import MACRO, MICRO, RECOVERED, ROBINSON_FOULDS, TRIPLETS
from hyperdml.metrics.trees.triplets import TripletAccuracy, accuracy_of, draw_triplets, triplet_scores
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints

_SAMPLES = 10  # of one item per class


@dataclass(frozen=True, eq=False)
class Truth:
    """Labels of N items and what follows from them.

    Attributes:
        levels: name of every level that tells items apart and has some that share an id to the (N,) ids.
        tree: the items below their classes below the taxonomy.
        groups: for every depth of the tree the (N,) node that every item is grouped below, or -1.
        triplets: (T, 3) items ij|k that the tree resolves.
        samples: (S, C) one item of every class.
        classes: the taxonomy over the classes in `samples`; None where it has no group of several classes, but not all.
    """

    levels: dict[str, Ints]
    tree: LeafTree
    groups: list[Ints]
    triplets: Ints
    samples: Ints
    classes: LeafTree | None

    @property
    def cuts(self) -> list[int]:
        """Number of ids of every level."""
        return [len(np.unique(ids)) for ids in self.levels.values()]


@dataclass(frozen=True, eq=False)
class Case:
    """A tree, which item hangs at which of its leaves, and what is known of the items.

    Attributes:
        tree: the tree.
        heights: (M,) height of every node, or None.
        cuts: (N,) part of every leaf, for as many parts as each level has ids; none without heights.
        items: (N,) item of every leaf.
        truth: the labels of the items, or None.
        measured: their distances and similarities, or None.
        radii: (n,) radius of every node of `tree`, of which those of leaves are not read; or None.
    """

    tree: LeafTree
    heights: ArrayLike | None
    cuts: list[Ints]
    items: Ints
    truth: Truth | None
    measured: Measured | None
    radii: Floats | None = None

    @property
    def leaves(self) -> Ints:
        """(N,) leaf of every item."""
        return np.argsort(self.items)

    def shuffled(self, generator: torch.Generator | None, labelled: bool) -> Case:
        """The items dealt anew to the leaves, either their labels or what is measured of them looked at."""
        items = permutation(len(self.items), generator).numpy()
        return replace(
            self,
            items=items,
            truth=self.truth if labelled else None,
            measured=None if labelled else self.measured,
            radii=None,
        )

    def radii_permuted(self, generator: torch.Generator | None) -> Case:
        """Nothing but the radii looked at, dealt anew to the inner nodes."""
        if self.radii is None:
            raise ValueError("there are no radii to permute")
        inner = self.radii[self.tree.inner]
        moved = np.r_[self.radii[: self.tree.leaves], inner[permutation(len(inner), generator).numpy()]]
        return replace(self, truth=None, measured=None, radii=moved)


def case_of(
    parents: Tree,
    heights: ArrayLike | None,
    leaves: int,
    truth: Truth | None,
    measured: Measured | None = None,
    radii: ArrayLike | None = None,
) -> Case:
    """A tree over items in their order; heights and radii are those of its nodes as they were given."""
    tree = leaf_tree(parents, leaves)
    parts = [] if heights is None or truth is None else truth.cuts
    cuts = [cut_labels(tree, heights, leaves, count) for count in parts]  # type: ignore[arg-type]
    own = None if radii is None else tree.values(radii, "radii")
    return Case(tree, heights, cuts, np.arange(leaves), truth, measured, own)


def truth_of(
    labels: Labels,
    taxonomy: Taxonomy | None,
    level_names: Sequence[str] | None,
    triplets: int,
    generator: torch.Generator | None,
) -> Truth:
    """Prepare labels; see `tree_scores`."""
    tree = leaf_tree(reference_parents(labels, taxonomy), len(labels))
    found = integers(labels, "labels").numpy()
    ids = np.unique(found, return_inverse=True)[1][:, None] if taxonomy is None else taxonomy.levels_array()[found]
    names = ["class"] if taxonomy is None and level_names is None else level_titles(level_names, ids.shape[1])
    counts = [len(np.unique(level)) for level in ids.T]
    levels = {name: level for name, level, n in zip(names, ids.T, counts, strict=True) if 1 < n < len(found)}
    groups = list(groups_by_depth(tree))
    if not groups:
        raise ValueError("labels say nothing about a tree: no two leaves belong together and apart from a third")
    classes = np.unique(found, return_inverse=True)[1]
    shuffles = [permutation(len(found), generator).numpy() for _ in range(_SAMPLES)]
    samples = np.stack([order[np.unique(classes[order], return_index=True)[1]] for order in shuffles])
    above = induced(tree, samples[0])
    return Truth(
        levels,
        tree,
        groups,
        draw_triplets(tree, triplets, generator),
        samples,
        above if next(groups_by_depth(above), None) is not None else None,
    )


def label_figures(truth: Truth, case: Case) -> dict[str, float]:
    """Every figure that compares a tree with labels, by name."""
    out = {}
    for name, ids in truth.levels.items():
        found = meetings(case.tree, ids[case.items])
        out[f"dendrogram purity, {name}"] = purity(case.tree, found)
        out[f"Dasgupta score, {name}"] = cost_of(case.tree, found.node, found.pairs).score
    out[TRIPLETS] = float(triplet_scores(case.tree, case.leaves[truth.triplets]).mean())
    match = best_matches(case.tree, [ids[case.items] for ids in truth.groups])
    out[MACRO], out[MICRO] = match.macro, match.micro
    if truth.classes is not None:
        parts = [
            robinson_foulds(induced(case.tree, some), truth.classes, len(some)) for some in case.leaves[truth.samples]
        ]
        out[ROBINSON_FOULDS] = sum(part.distance for part in parts) / len(parts)
        out[RECOVERED] = sum(part.shared / part.right for part in parts) / len(parts)
    for (name, ids), cut in zip(truth.levels.items(), case.cuts, strict=False):  # without heights there are no cuts
        scores = agreement(cut, ids[case.items])
        out[f"NMI of the cut, {name}"], out[f"ARI of the cut, {name}"] = scores.nmi, scores.ari
    return out


def triplet_interval(truth: Truth, tree: LeafTree) -> TripletAccuracy:
    """The triplets again, with the interval over classes."""
    return accuracy_of(triplet_scores(tree, truth.triplets), truth.tree.parent[truth.triplets[:, 0]])
