"""What a set of embeddings knows about classes and what lies above them, as scores of trees take it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.metrics.labels import level_titles, nested_levels
from hyperdml.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class KnownClasses:
    """Labels and the tree above them.

    Attributes:
        labels: (N,) int64 labels from 0; with a taxonomy its leaves.
        taxonomy: the tree or forest of the classes that occur; None where nothing lies above them.
        level_names: a name for every level of `ids`.
        ids: (N, L) nested ids, coarse to fine.
    """

    labels: Tensor
    taxonomy: Taxonomy | None
    level_names: tuple[str, ...]
    ids: Tensor


def known_classes(embeddings: EmbeddingSet, taxonomy: Taxonomy | None = None) -> KnownClasses | None:
    """Classes of embeddings, below the levels stored with them or below a taxonomy.

    Args:
        embeddings: the points, with levels or labels; with a taxonomy also with names of their classes.
        taxonomy: a tree or forest with a leaf for every class that occurs, found by its name; other leaves are left
            out. None for the levels that are stored.

    Returns:
        The classes; None where labels and levels are missing, or where no level has both several ids and images that
        share one, so that there is nothing to score by.

    Raises:
        ValueError: stored levels are not nested, classes have no names to be matched with a taxonomy or no leaf in it
            (all are listed, with suggestions), or a node of the taxonomy has several parents.
    """
    found = _stored(embeddings) if taxonomy is None else _below(embeddings, taxonomy)
    if found is None or not any(1 < len(ids.unique()) < len(ids) for ids in found.ids.T):
        return None
    return found


def _stored(embeddings: EmbeddingSet) -> KnownClasses | None:
    if embeddings.levels is not None:
        ids = nested_levels(embeddings.levels, embeddings.points).cpu()
        names = tuple(level_titles(embeddings.level_names or None, ids.shape[1]))
        labels = ids[:, -1].unique(return_inverse=True)[1]
        if ids.shape[1] == 1:
            return KnownClasses(labels, None, names, labels[:, None])
        above = Taxonomy.from_levels(ids.numpy())
        table = torch.from_numpy(above.levels_array())  # without a column that all share at the top
        return KnownClasses(labels, above, names[-table.shape[1] :], table[labels])
    if embeddings.labels is None:
        return None
    labels = embeddings.labels.cpu().unique(return_inverse=True)[1]
    return KnownClasses(labels, None, ("class",), labels[:, None])


def _below(embeddings: EmbeddingSet, taxonomy: Taxonomy) -> KnownClasses:
    if embeddings.labels is None or not embeddings.class_names:
        raise ValueError("a taxonomy is matched by the names of the classes, which these embeddings do not have")
    found, labels = embeddings.labels.cpu().unique(return_inverse=True)
    names = [embeddings.class_names[label] for label in found.tolist()]
    taxonomy.match(names)
    kept = taxonomy.restrict(names)
    table = torch.from_numpy(kept.levels_array())
    ranks = tuple(f"level {level}" for level in range(table.shape[1] - 1))
    return KnownClasses(labels, kept, (*ranks, "class"), table[labels])
