"""The dendrogram: its questions against walks by hand, cuts, deep chains, and what it refuses."""

import warnings

import numpy as np
import pytest
import torch
from dendrograms import chain, random_tree, trees
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from hyperdml.metrics import robinson_foulds
from hyperdml.metrics.trees.cuts import cut_labels
from hyperdml.tree import Dendrogram

laws = settings(deadline=None, max_examples=40)


def path(tree, node):
    out = [node]
    while tree.parents[out[-1]] >= 0:
        out.append(int(tree.parents[out[-1]]))
    return out


@laws
@given(trees)
def test_questions_against_walks(tree):
    below = {
        node: {leaf for leaf in range(tree.num_leaves) if node in path(tree, leaf)} for node in range(tree.num_nodes)
    }
    for node in range(tree.num_nodes):
        assert tree.ancestors(node).tolist() == path(tree, node)[1:]
        assert set(tree.leaves_under(node).tolist()) == below[node]
        assert tree.sizes[node] == len(below[node])
        assert tree.depths[node] == len(path(tree, node)) - 1
        assert tree.children.row(node).tolist() == np.flatnonzero(tree.parents == node).tolist()
    a, b = np.triu_indices(tree.num_nodes)
    for one, other, found in zip(a.tolist(), b.tolist(), tree.lca(a, b).tolist(), strict=True):
        assert found == next(node for node in path(tree, one) if node in path(tree, other))


@laws
@given(trees)
def test_cuts_are_nested_groups_of_the_tree(tree):
    below = [set(tree.leaves_under(node).tolist()) for node in range(tree.num_nodes)]
    before = None
    for k in range(1, tree.num_leaves + 1):
        labels = tree.cut(k)
        assert len(set(labels.tolist())) <= k
        first = [labels.tolist().index(label) for label in range(labels.max() + 1)]
        assert first == sorted(first)
        for label in range(labels.max() + 1):
            assert set(np.flatnonzero(labels == label).tolist()) in below
        if before is not None:
            assert len(set(zip(labels.tolist(), before.tolist(), strict=True))) == labels.max() + 1
        before = labels
    assert (before is None) or before.tolist() == list(range(tree.num_leaves))


def test_cuts_of_a_binary_tree_are_those_of_scipy():
    z = linkage(np.random.default_rng(0).normal(size=(60, 3)), "average")
    tree = Dendrogram.from_linkage(z)
    for k in (1, 2, 5, 17, 59, 60):
        ours, theirs = tree.cut(k), fcluster(z, k, "maxclust")
        assert len(set(ours.tolist())) == k
        assert len(set(zip(ours.tolist(), theirs.tolist(), strict=True))) == k


def test_a_chain_of_5000_levels():
    tree = chain(5001)
    assert tree.depths.max() == 5000
    assert tree.ancestors(0).size == 5000
    assert tree.lca([0, 0, 4999], [1, 5000, 5000]).tolist() == [5001, 10000, 10000]
    assert np.bincount(tree.cut(3)).tolist() == [4999, 1, 1]
    assert len(tree.to_newick()) > 5000
    assert np.array_equal(Dendrogram.from_newick(tree.to_newick()).parents, tree.parents)
    assert np.array_equal(Dendrogram.from_networkx(tree.to_networkx()).parents, tree.parents)
    assert np.array_equal(Dendrogram.from_linkage(tree.to_linkage()).heights, tree.heights)


def test_one_leaf():
    tree = Dendrogram(np.array([-1]), np.zeros(1), 1)
    assert (tree.root, tree.cut(1).tolist(), tree.to_newick()) == (0, [0], "0;")
    assert tree.to_linkage().shape == (0, 4)
    assert [part.tolist() for part in tree.parent_arrays()] == [[], [-1]]


@laws
@given(trees, st.data())
def test_parent_arrays_number_inner_nodes_from_0(tree, data):
    inner, home = tree.parent_arrays()
    leaf = data.draw(st.integers(0, tree.num_leaves - 1))
    found, at = [], int(home[leaf])
    while at >= 0:
        found.append(at + tree.num_leaves)
        at = int(inner[at])
    assert [*found, tree.root][: len(tree.ancestors(leaf))] == tree.ancestors(leaf).tolist()


def test_arrays_cannot_be_written_to():
    tree = random_tree(5, 0)
    for array in (tree.parents, tree.heights, tree.depths, tree.sizes, tree.order):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("parents", "heights", "leaves", "message"),
    [
        ([2, 2, 3], [0, 0, 1], 2, "last node, 2, must be the root"),
        ([2, 1, -1], [0, 0, 1], 2, "parent of node 1 must come after it, from 2 to 2, got 1"),
        ([2, 2, -1], [0, 0, 1], 3, "node 2 has a child, but the leaves are the first 3"),
        ([2, 2, -1], [0, 0, 1], 1, "node 1 has no child"),
        ([2, 2, -1], [0, 0, 1], 0, "num_leaves must be from 1"),
        ([2, 2, -1], [0, 0.5, 1], 2, "leaves have height 0, but node 1 has 0.5"),
        ([2, 2, -1], [0, 0, np.inf], 2, "height of node 2 must be finite"),
        ([3, 3, 4, 4, -1], [0, 0, 0, 2, 1], 3, "go from 2.0 to 1.0 after node 3"),
        ([2, 2, -1], [0, 0], 2, r"expected \(M,\) int64 parents"),
        ([], [], 0, "num_leaves"),
    ],
)
def test_shapes_that_are_refused(parents, heights, leaves, message):
    with pytest.raises(ValueError, match=message):
        Dendrogram(np.array(parents, dtype=np.int64), np.array(heights, dtype=np.float64), leaves)


def test_other_errors():
    good = {"parents": np.array([2, 2, -1]), "heights": np.array([0.0, 0, 1]), "num_leaves": 2}
    with pytest.raises(ValueError, match="names must be one for each of 2 leaves, got 1"):
        Dendrogram(**good, names=("a",))
    with pytest.raises(ValueError, match=r"points must be \(1, d\)"):
        Dendrogram(**good, points=torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"proxies must be \(1,\)"):
        Dendrogram(**good, proxies=np.array([1, 2]))
    tree = Dendrogram(**good)
    for k in (0, 3):
        with pytest.raises(ValueError, match=f"k must be from 1 to the number of leaves, 2, got {k}"):
            tree.cut(k)
    for wrong in (3, -1):
        with pytest.raises(ValueError, match=f"nodes are integers from 0 to 2, got {wrong}"):
            tree.lca(0, wrong)
    with pytest.raises(ValueError, match=r"integers from 0 to 2, got 0\.5"):
        tree.ancestors(0.5)


def test_robinson_foulds_equals_dendropy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dendropy = pytest.importorskip("dendropy", reason="dendropy is not installed")
        from dendropy.calculate import treecompare
    for seed in range(5):
        trees = [
            Dendrogram.from_linkage(linkage(np.random.default_rng(2 * seed + k).normal(size=(12, 3)), "average"))
            for k in range(2)
        ]
        found = robinson_foulds(trees[0].parents, trees[1].parents, 12)
        space = dendropy.TaxonNamespace()
        theirs = [
            dendropy.Tree.get(data=f"[&R] {tree.to_newick()}", schema="newick", taxon_namespace=space) for tree in trees
        ]
        expected = treecompare.symmetric_difference(*theirs)
        assert found.left + found.right - 2 * found.shared == expected


def test_cuts_equal_those_of_dendrograms():
    for seed in range(20):
        tree = random_tree(17, seed, most=4, ties=bool(seed % 2))
        for parts in range(1, 18):
            assert np.array_equal(cut_labels(tree.parents, tree.heights, 17, parts), tree.cut(parts))
