"""Random dendrograms, shared by the tests of this room."""

import numpy as np
from hypothesis import strategies as st

from hyperdml.tree import Dendrogram


def random_tree(leaves, seed, most=4, ties=False, **fields):
    """Join 1 to `most` (2: exactly two) random parts at a time, at rising heights, until one is left."""
    rng = np.random.default_rng(seed)
    parts, parents, heights = list(range(leaves)), [-1] * leaves, [0.0] * leaves
    while len(parts) > 1 or len(parents) == leaves > 1:
        count = min(len(parts), int(rng.integers(1 if most > 2 else 2, most + 1)))
        for part in rng.choice(len(parts), count, replace=False).tolist():
            parents[parts[part]] = len(parents)
        parts = [part for part in parts if parents[part] < 0] + [len(parents)]
        heights.append(heights[-1] + (int(rng.integers(2)) if ties else float(rng.random()) + 0.01))
        parents.append(-1)
    return Dendrogram(np.array(parents), np.array(heights, dtype=np.float64), leaves, **fields)


trees = st.builds(random_tree, st.integers(1, 25), st.integers(0, 10**6), st.sampled_from([2, 4]), st.booleans())


def chain(leaves):
    """A caterpillar: one leaf more at every level."""
    parents = np.concatenate([[leaves], np.arange(leaves, 2 * leaves - 1), np.arange(leaves + 1, 2 * leaves - 1), [-1]])
    return Dendrogram(parents, np.concatenate([np.zeros(leaves), np.arange(1.0, leaves)]), leaves)


def groups(tree):
    """The leaves below every node with its height: what a tree is, however its nodes are numbered."""
    return sorted(
        (sorted(tree.leaves_under(node).tolist()), round(float(tree.heights[node]), 9))
        for node in range(tree.num_nodes)
    )


def same(one, other):
    return (
        np.array_equal(one.parents, other.parents)
        and np.array_equal(one.heights, other.heights)
        and (one.num_leaves, one.names, one.c, one.method) == (other.num_leaves, other.names, other.c, other.method)
    )
