"""Dendrogram purity against every pair, and walks over parent arrays."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.metrics import dendrogram_purity
from hyperdml.metrics.trees.parent_array import children_first, node_depths, subtree_sizes

# root - 0 - (1, 2), root - 3, and one leaf on the root itself
PARENTS = [-1, 0, 0, -1]
LEAVES = [1, 1, 2, 3, 3, 0, -1]


def path(parents, node):
    """The node and its ancestors, the root (-1) last."""
    out = [node]
    while out[-1] != -1:
        out.append(parents[out[-1]])
    return out


def by_pairs(parents, leaf_parents, labels):
    """Every pair, its ancestor by walking up, its purity by counting leaves."""
    paths = [path(parents, home) for home in leaf_parents]
    purities = []
    for i in range(len(labels)):
        for j in range(i):
            if labels[i] == labels[j]:
                ancestor = next(node for node in paths[i] if node in paths[j])
                below = [labels[k] for k in range(len(labels)) if ancestor in paths[k]]
                purities.append(Fraction(below.count(labels[i]), len(below)))
    return sum(purities) / len(purities)


@st.composite
def trees(draw):
    """A random tree of up to 12 nodes, its indices shuffled, with up to 14 leaves of few labels."""
    nodes, leaves = draw(st.integers(0, 12)), draw(st.integers(2, 14))
    order = draw(st.permutations(range(nodes)))
    parents = [-1] * nodes
    for place in range(nodes):
        above = draw(st.integers(-1, place - 1))
        parents[order[place]] = -1 if above < 0 else order[above]
    homes = draw(st.lists(st.integers(-1, nodes - 1), min_size=leaves, max_size=leaves))
    labels = draw(st.lists(st.integers(5, 8), min_size=leaves, max_size=leaves))
    labels[0] = labels[1]
    return parents, homes, labels


def arrays(*lists):
    return tuple(np.array(values, dtype=np.int64) for values in lists)


def test_by_hand():
    # label 0 at leaves 0, 1 (node 1: 2 of 2) and 2 (twice node 0: 3 of 4); label 1 at 3, 4 (node 3: 2 of 2)
    # and 6 (twice the root: 3 of 7); leaf 5 is alone
    labels = [0, 0, 0, 1, 1, 2, 1]
    expected = (1 + 2 * 3 / 4 + 1 + 2 * 3 / 7) / 6
    assert dendrogram_purity(PARENTS, LEAVES, labels) == pytest.approx(expected, abs=1e-15)
    assert dendrogram_purity(torch.tensor(PARENTS), torch.tensor(LEAVES), np.array(labels)) == pytest.approx(expected)


@settings(max_examples=150, deadline=None)
@given(trees())
def test_equals_all_pairs(tree):
    assert dendrogram_purity(*arrays(*tree)) == pytest.approx(float(by_pairs(*tree)), abs=1e-12)


def test_a_tree_that_follows_the_labels_is_pure_and_a_star_has_the_shares():
    labels = np.repeat(np.arange(5), [2, 3, 4, 5, 6])
    assert dendrogram_purity(np.full(5, -1), labels, labels) == 1.0
    n = np.bincount(labels)
    share = (n * (n - 1) / 2 * n / n.sum()).sum() / (n * (n - 1) / 2).sum()
    assert dendrogram_purity(np.empty(0, np.int64), np.full(20, -1), labels) == pytest.approx(share)


def test_equals_average_linkage_counted_merge_by_merge():
    from scipy.cluster.hierarchy import linkage

    generator = np.random.default_rng(0)
    merges = linkage(generator.normal(size=(60, 3)), "average")
    labels = generator.integers(0, 6, 60)
    parents, homes = np.full(59, -1), np.empty(60, np.int64)
    total = pairs = 0.0
    counts = list(np.eye(6)[labels])
    for node, (a, b) in enumerate(merges[:, :2].astype(int)):
        for child in (a, b):
            if child < 60:
                homes[child] = node
            else:
                parents[child - 60] = node
        met = counts[a] * counts[b]
        counts.append(counts[a] + counts[b])
        total += (met * counts[-1]).sum() / counts[-1].sum()
        pairs += met.sum()
    assert dendrogram_purity(parents, homes, labels) == pytest.approx(total / pairs, abs=1e-12)


def test_a_chain_of_thousands():
    n = 5000
    parents = torch.arange(n) - 1
    # one leaf a node, label alternating: pairs (i < j) of a label meet at node i, where n - i leaves hang
    i = torch.arange(n, dtype=torch.float64)
    same = ((n - i) / 2).ceil()
    expected = float(((same - 1) * same / (n - i)).sum() / (same - 1).sum())
    assert dendrogram_purity(parents, torch.arange(n), torch.arange(n) % 2) == pytest.approx(expected, abs=1e-12)
    assert node_depths(parents).tolist() == list(range(1, n + 1))
    assert subtree_sizes(parents, torch.arange(n)).tolist() == list(range(n, 0, -1))


@settings(max_examples=60, deadline=None)
@given(trees())
def test_walks(tree):
    parents, homes, _ = tree
    p, h, _ = arrays(*tree)
    assert node_depths(p).tolist() == [len(path(parents, node)) - 1 for node in range(len(parents))]
    expected = [sum(node in path(parents, home) for home in homes) for node in range(len(parents))]
    assert subtree_sizes(p, h).tolist() == expected
    rounds = children_first(torch.from_numpy(p))
    seen = [node for nodes in rounds for node in nodes.tolist()]
    assert sorted(seen) == list(range(len(parents)))
    assert all(parents[node] == -1 or seen.index(node) < seen.index(parents[node]) for node in seen)


@pytest.mark.parametrize(
    ("parents", "leaves", "labels", "message"),
    [
        ([-1, 2, 3, 1, 3], [0, 0], [0, 0], "cycle: node [123] is its own ancestor"),
        ([0], [0, 0], [0, 0], "cycle: node 0"),
        ([-1, 2], [0, 0], [0, 0], r"parents\[1\] is 2, but nodes are 0 to 1 and the root is -1"),
        ([-2], [0, 0], [0, 0], r"parents\[0\] is -2"),
        ([-1], [0, 1], [0, 0], r"leaf_parents\[1\] is 1"),
        ([-1], [0, 0], [0], r"labels must be one per leaf, \(2,\), got \(1,\)"),
        ([-1], [0, 0], [0.5, 1.0], "labels must be integers, got float64"),
        ([[-1]], [0, 0], [0, 0], r"parents must be a list of indices, got shape \(1, 1\)"),
        ([-1], [0, 0], [0, 1], "no two leaves share a label"),
    ],
)
def test_errors(parents, leaves, labels, message):
    with pytest.raises(ValueError, match=message):
        dendrogram_purity(parents, leaves, labels)
