"""Scores of trees against pairs, triplets and sets counted one by one, and against other libraries."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.metrics.trees.best_match import best_match_f1
from hyperdml.metrics.trees.cophenetic import cophenetic_correlation, leaf_pairs
from hyperdml.metrics.trees.cuts import cut_labels, cut_scores
from hyperdml.metrics.trees.dasgupta import dasgupta_cost
from hyperdml.metrics.trees.dendrogram import purity
from hyperdml.metrics.trees.leaf_tree import leaf_tree
from hyperdml.metrics.trees.meetings import meetings
from hyperdml.metrics.trees.radius_order import radius_order
from hyperdml.metrics.trees.reference import reference_parents
from hyperdml.metrics.trees.robinson_foulds import induced, robinson_foulds
from hyperdml.metrics.trees.triplets import draw_triplets, triplet_accuracy, triplet_scores
from hyperdml.taxonomy import Taxonomy

PARENTS = [6, 6, 7, 7, 7, 8, 8, 9, 9, -1]  # ((0, 1), 5), (2, 3, 4)


@st.composite
def trees(draw, leaves=None):
    """Parents of a random tree, its inner nodes shuffled, some empty or with one child; several may be roots."""
    n = draw(st.integers(2, 10)) if leaves is None else leaves
    inner = draw(st.integers(1, 9))
    order = draw(st.permutations(range(n, n + inner)))
    parents = [-1] * (n + inner)
    for place, node in enumerate(order):
        above = draw(st.integers(-1, place - 1))
        parents[node] = -1 if above < 0 else order[above]
    for leaf in range(n):
        parents[leaf] = draw(st.sampled_from([-1, *order]))
    return parents


@st.composite
def two_trees(draw):
    n = draw(st.integers(2, 8))
    return n, draw(trees(n)), draw(trees(n))


def sets(parents, leaves):
    """Leaves below every node, the root that is put above all last."""
    below = {node: set() for node in [*range(len(parents)), -1]}
    for leaf in range(leaves):
        node = leaf
        while node != -1:
            below[node].add(leaf)
            node = parents[node]
        below[-1].add(leaf)
    return [frozenset(found) for found in below.values() if found]


def joined(groups, *members):
    """The smallest group that holds all members: the leaves of their lowest common ancestor."""
    return min((group for group in groups if group.issuperset(members)), key=len)


def groups(parents, leaves):
    return {group for group in sets(parents, leaves) if 1 < len(group) < leaves}


@settings(max_examples=40, deadline=None)
@given(two_trees())
def test_the_tree_itself(both):
    n, parents, _ = both
    tree, below = leaf_tree(parents, n), sets(parents, n)
    found = [frozenset(tree.order[a : a + size].tolist()) for a, size in zip(tree.start, tree.sizes, strict=True)]
    assert set(found) == set(below)
    assert found[:n] == [frozenset([leaf]) for leaf in range(n)]
    assert all(up > node or up == -1 for node, up in enumerate(tree.parent))
    assert [tree.parent[-1], tree.depths[-1], found[-1]] == [-1, 0, frozenset(range(n))]
    assert (tree.depths[:-1] == tree.depths[tree.parent[:-1]] + 1).all()
    kept = tree.given[tree.given >= 0]
    assert len(set(kept.tolist())) == len(kept)
    pairs = np.array(list(itertools.product(range(n), repeat=2)))
    assert [found[v] for v in tree.lca(*pairs.T)] == [joined(below, i, j) for i, j in pairs.tolist()]
    assert leaf_tree(tree, n) is tree


@settings(max_examples=40, deadline=None)
@given(two_trees(), st.data())
def test_meetings_count_pairs(both, data):
    n, parents, _ = both
    ids = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)))
    tree, below = leaf_tree(parents, n), sets(parents, n)
    expected = {}
    for i, j in itertools.combinations(range(n), 2):
        if ids[i] == ids[j] >= 0:
            key = ids[i], joined(below, i, j)
            expected[key] = expected.get(key, 0) + 1
    found = meetings(tree, ids)
    got = {}
    for group, node, count, pairs in zip(found.group, found.node, found.count, found.pairs, strict=True):
        leaves = frozenset(tree.order[tree.start[node] : tree.start[node] + tree.sizes[node]].tolist())
        assert count == sum(ids[leaf] == found.ids[group] for leaf in leaves)
        got[found.ids[group], leaves] = pairs
    assert got == expected
    assert found.members.tolist() == [int((ids == name).sum()) for name in found.ids]


@settings(max_examples=40, deadline=None)
@given(two_trees(), st.data())
def test_dasgupta_by_pairs(both, data):
    from scipy.sparse import csr_array

    n, parents, _ = both
    labels = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    labels[0] = labels[1]
    below = sets(parents, n)
    pairs = list(itertools.combinations(range(n), 2))
    cost = sum(len(joined(below, i, j)) for i, j in pairs if labels[i] == labels[j])
    alike = sum(labels[i] == labels[j] for i, j in pairs)
    found = dasgupta_cost(parents, labels)
    assert (found.cost, found.revenue) == (cost, n * alike - cost)
    assert found.score == pytest.approx(1 - cost / (n * alike), abs=1e-12)
    table = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n * n, max_size=n * n)), float).reshape(n, n)
    table[0, 1] += 1
    cost = sum(len(joined(below, i, j)) * (table[i, j] + table[j, i]) / 2 for i, j in pairs)
    assert dasgupta_cost(parents, csr_array(table)).cost == pytest.approx(cost, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(two_trees())
def test_robinson_foulds_by_sets(both):
    n, left, right = both
    mine, theirs = groups(left, n), groups(right, n)
    found = robinson_foulds(left, right, n)
    assert (found.shared, found.left, found.right) == (len(mine & theirs), len(mine), len(theirs))
    assert robinson_foulds(right, left, n).distance == found.distance
    assert robinson_foulds(left, left, n).distance == 0.0
    total = len(mine) + len(theirs)
    assert found.distance == (len(mine ^ theirs) / total if total else 0.0)
    assert found.recovered == (len(mine & theirs) / len(theirs) if theirs else None)


@settings(max_examples=40, deadline=None)
@given(two_trees(), st.data())
def test_induced_tree_keeps_the_groups(both, data):
    n, parents, _ = both
    members = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True))
    tree = induced(leaf_tree(parents, n), np.array(members))
    found = {frozenset(tree.order[a : a + size].tolist()) for a, size in zip(tree.start, tree.sizes, strict=True)}
    place = {leaf: i for i, leaf in enumerate(members)}
    cut = {frozenset(place[leaf] for leaf in group if leaf in place) for group in sets(parents, n)}
    assert found == cut - {frozenset()}


@settings(max_examples=50, deadline=None)
@given(two_trees())
def test_best_match_by_sets(both):
    n, parents, reference = both
    below = sets(parents, n)
    expected = {
        group: max(2 * len(group & other) / (len(group) + len(other)) for other in below)
        for group in groups(reference, n)
    }
    if not expected:
        with pytest.raises(ValueError, match="no group of two or more leaves but not all"):
            best_match_f1(parents, reference, n)
        return
    found = best_match_f1(parents, reference, n)
    assert sorted(found.f1.tolist()) == pytest.approx(sorted(expected.values()), abs=1e-12)
    sizes = {group: len(group) for group in expected}
    assert found.macro == pytest.approx(np.mean(list(expected.values())))
    micro = sum(expected[g] * sizes[g] for g in expected) / sum(sizes.values())
    assert found.micro == pytest.approx(micro)
    assert best_match_f1(reference, reference, n).f1.tolist() == [1.0] * len(expected)


@settings(max_examples=30, deadline=None)
@given(two_trees())
def test_triplets_are_those_resolved_and_score_as_defined(both):
    n, parents, reference = both
    below, truth = sets(parents, n), sets(reference, n)
    resolved = {(i, j, k) for i, j, k in itertools.permutations(range(n), 3) if k not in joined(truth, i, j)}
    tree = leaf_tree(reference, n)
    if not resolved:
        with pytest.raises(ValueError, match="joins no two leaves before a third"):
            draw_triplets(tree, 10, None)
        return
    drawn = draw_triplets(tree, 4000, torch.Generator().manual_seed(0))
    assert {tuple(row) for row in drawn.tolist()} <= resolved
    if len(resolved) < 200:
        assert {tuple(row) for row in drawn.tolist()} == resolved
    every = np.array(sorted(resolved))
    expected = []
    for i, j, k in every.tolist():
        near, far, other = joined(below, i, j), joined(below, i, k), joined(below, j, k)
        expected.append(1.0 if near < far else 0.5 if near == far == other else 0.0)
    assert triplet_scores(leaf_tree(parents, n), every).tolist() == expected


def test_triplets_are_uniform():
    tree = leaf_tree(PARENTS, 6)
    drawn = draw_triplets(tree, 60000, torch.Generator().manual_seed(0))
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    # by hand: {0, 1} against 4 others, {0, 5} and {1, 5} against 3, three pairs of {2, 3, 4} against 3; both orders
    assert len(counts) == 2 * (4 + 6 + 9)
    assert counts / 60000 == pytest.approx(1 / len(counts), abs=0.004)


def test_triplet_accuracy_has_the_interval_of_classes():
    labels = np.repeat(np.arange(12), 20)
    reference = reference_parents(labels)
    star = [240] * 240 + [-1]
    seed = torch.Generator().manual_seed(0)
    perfect = triplet_accuracy(reference, reference, 240, generator=seed)
    assert (perfect.interval.mean, perfect.unresolved, perfect.triplets) == (1.0, 0.0, 100_000)
    flat = triplet_accuracy(star, reference, 240, triplets=500, generator=seed)
    assert (flat.interval.mean, flat.unresolved) == (0.5, 1.0)
    # half of the classes are kept, the others dealt out: the classes differ, and the interval is theirs
    generator = np.random.default_rng(0)
    mixed = labels.copy()
    mixed[120:] = 6 + generator.integers(0, 6, 120)
    found = triplet_accuracy(reference_parents(mixed), reference, 240, generator=seed).interval
    assert found.low < found.mean - 0.05 < found.mean + 0.05 < found.high
    assert found.high - found.low > 20 * 2 * 0.5 / math.sqrt(100_000)  # far wider than triplets one by one would say
    alone = triplet_accuracy([3, 3, 4, -1, -1], [3, 3, 4, -1, -1], 3, triplets=50, generator=seed).interval
    assert (alone.mean, alone.low, alone.high) == (1.0, 0.0, 1.0)


def linked(merges):
    """Parents and heights of a linkage matrix."""
    n = len(merges) + 1
    parents = np.full(2 * n - 1, -1)
    for row, (a, b) in enumerate(merges[:, :2].astype(int)):
        parents[[a, b]] = n + row
    return parents, np.r_[np.zeros(n), merges[:, 2]]


def average_linkage(n, seed=0):
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist

    x = np.random.default_rng(seed).normal(size=(n, 3))
    distances = pdist(x)
    merges = linkage(distances, "average")
    return merges, *linked(merges), distances


def test_cophenetic_correlation_and_cuts_equal_scipy():
    from scipy.cluster.hierarchy import cophenet, fcluster

    merges, parents, heights, distances = average_linkage(80)
    expected, _ = cophenet(merges, distances)
    assert cophenetic_correlation(parents, heights, 80, leaf_pairs(80), distances) == pytest.approx(expected, abs=1e-12)
    for parts in (1, 2, 7, 80):
        found, other = cut_labels(parents, heights, 80, parts), fcluster(merges, parts, "maxclust")
        assert found.max() + 1 == len(np.unique(other)) == parts
        assert len(np.unique(np.stack([found, other], 1), axis=0)) == parts
        assert (np.diff(np.unique(found, return_index=True)[1]) > 0).all()


def test_cut_scores_equal_scikit_learn():
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    _, parents, heights, _ = average_linkage(60, 1)
    labels = np.random.default_rng(1).integers(3, 8, 60)
    found, cut = cut_scores(parents, heights, labels), cut_labels(parents, heights, 60, 5)
    assert found.parts == 5
    assert found.nmi == pytest.approx(normalized_mutual_info_score(labels, cut), abs=1e-12)
    assert found.ari == pytest.approx(adjusted_rand_score(labels, cut), abs=1e-12)


def test_cuts_of_several_children_and_of_heights_that_rise():
    heights = [0] * 6 + [1, 2, 3, 4]
    assert cut_labels(PARENTS, heights, 6, 3).tolist() == [0, 0, 1, 1, 1, 2]
    assert cut_labels(PARENTS, heights, 6, 4).tolist() == [0, 0, 1, 1, 1, 2]  # the next one would make five
    assert cut_labels(PARENTS, heights, 6, 5).tolist() == [0, 0, 1, 2, 3, 4]
    assert cut_labels(PARENTS, heights, 6, 6).tolist() == list(range(6))
    rising = [0] * 6 + [9, 2, 3, 4]  # node 6 only after node 8
    assert cut_labels(PARENTS, rising, 6, 4).tolist() == [0, 1, 2, 2, 2, 3]


def test_leaf_pairs():
    assert leaf_pairs(4).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    drawn = leaf_pairs(50, 300, torch.Generator().manual_seed(0))
    assert drawn.shape == (300, 2)
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert len(np.unique(drawn)) == 50


def test_constant_distances_have_no_correlation():
    assert cophenetic_correlation(PARENTS, range(10), 6, leaf_pairs(6), np.ones(15)) is None
    assert cophenetic_correlation(PARENTS, [1] * 10, 6, leaf_pairs(6), np.arange(15)) is None


def test_radius_order_equals_scipy_on_inner_nodes():
    from scipy.stats import spearmanr

    _, parents, _, _ = average_linkage(40)
    radii = np.random.default_rng(0).normal(size=79)
    tree = leaf_tree(parents, 40)
    found = radius_order(parents, radii, 40)
    own = tree.values(radii, "radii")[40:].round(4)
    assert found.size == pytest.approx(spearmanr(own, tree.sizes[40:]).statistic, abs=1e-12)
    assert found.level == pytest.approx(spearmanr(own, tree.depths[40:]).statistic, abs=1e-12)
    assert radius_order(PARENTS, [1.0 + 1e-7 * i for i in range(10)], 6).size is None


def test_purity_equals_higra():
    higra = pytest.importorskip("higra", reason="higra is not installed")
    _, parents, _, _ = average_linkage(200)
    labels = np.random.default_rng(0).integers(0, 9, 200)
    above = parents.copy()
    above[-1] = len(above) - 1
    tree = leaf_tree(parents, 200)
    expected = higra.dendrogram_purity(higra.Tree(above), labels)
    assert purity(tree, meetings(tree, labels)) == pytest.approx(expected, abs=1e-12)


def test_dasgupta_equals_higra_and_scikit_network():
    higra = pytest.importorskip("higra", reason="higra is not installed")
    hierarchy = pytest.importorskip("sknetwork.hierarchy", reason="scikit-network is not installed")
    from scipy.sparse import csr_array, csr_matrix

    merges, parents, _, _ = average_linkage(60)
    generator = np.random.default_rng(2)
    table = np.triu(generator.random((60, 60)) * (generator.random((60, 60)) < 0.2), 1)
    found = dasgupta_cost(parents, csr_array(table + table.T))
    merges[:, 2] = np.arange(59)  # the order is all that counts
    assert found.score == pytest.approx(hierarchy.dasgupta_score(csr_matrix(table + table.T), merges), abs=1e-6)
    row, column = table.nonzero()
    graph = higra.UndirectedGraph(60)
    graph.add_edges(row, column)
    above = parents.copy()
    above[-1] = len(above) - 1
    expected = higra.dasgupta_cost(higra.Tree(above), table[row, column], graph, mode="similarity")
    assert found.cost == pytest.approx(expected, rel=1e-9)


def test_reference_of_a_taxonomy():
    taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
    # names: wren, finch, eel, bird, animal
    assert reference_parents([1, 1, 0, 2], taxonomy).tolist() == [5, 5, 4, 6, 7, 7, 8, 8, -1]
    parents = [9, 9, 8, 8, -1, -1, -1, -1, 10, 10, -1]  # (0, 1), (2, 3) and four nodes without leaves
    found = best_match_f1(parents, reference_parents([1, 1, 0, 2], taxonomy), 4)
    assert dict(zip(found.nodes.tolist(), found.f1.tolist(), strict=True)) == {5: 1.0, 7: pytest.approx(6 / 7)}


def test_long_chains():
    n = 5000
    chain = np.r_[np.arange(n, 2 * n - 1), 2 * n - 2, np.arange(n + 1, 2 * n - 1), -1]  # leaf i on inner node i
    chain[n - 1] = 2 * n - 2
    labels = np.arange(n) % 2
    tree = leaf_tree(chain, n)
    assert tree.depths.max() == n - 1
    assert robinson_foulds(chain, chain, n).distance == 0.0
    assert best_match_f1(chain, reference_parents(labels), n).macro == pytest.approx(2 / 3, abs=1e-3)
    # leaf i meets those before it below a node of i + 1 leaves; the last two leaves hang from the root
    i = np.arange(n)
    assert dasgupta_cost(chain, labels).cost == (i // 2 * np.where(i == n - 2, n, i + 1)).sum()
    assert cut_labels(chain, np.arange(2 * n - 1), n, 3).max() == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: leaf_tree([2, 2, -1], 4), "1 or more leaves among its 3 nodes, got 4"),
        (lambda: leaf_tree([2, 0, -1], 2), r"parents\[1\] is 0, a leaf: nodes 0 to 1 are leaves"),
        (lambda: leaf_tree([2, 2, 3, 2], 2), "cycle: node [23] is its own ancestor"),
        (lambda: leaf_tree([2, 9, -1], 2), r"parents\[1\] is 9, but nodes are 0 to 2"),
        (lambda: leaf_tree(leaf_tree([2, 2, -1], 2), 3), "the tree has 2 leaves, expected 3"),
        (lambda: cut_labels(PARENTS, [1] * 9, 6, 2), r"heights must hold one number per node, \(10,\), got \(9,\)"),
        (lambda: cut_labels(PARENTS, [1] * 9 + [math.nan], 6, 2), r"heights\[9\] is nan"),
        (lambda: cut_labels([-1, -1, -1], [1] * 3, 2, 2), "heights has no entry for the root: several nodes"),
        (lambda: cut_labels(PARENTS, [1] * 10, 6, 7), "cut into 1 to 6 parts, got 7"),
        (lambda: dasgupta_cost(PARENTS, np.eye(6)), "similarities must be integers, got float64"),
        (lambda: dasgupta_cost(PARENTS, [0, 1, 2, 3, 4, 5]), "no two leaves are similar"),
        (lambda: reference_parents([]), "labels must be"),
        (lambda: reference_parents([[1]]), r"one integer per leaf of the tree, \(N,\), got shape \(1, 1\)"),
        (
            lambda: reference_parents([0, 7], Taxonomy.from_edges([("a", "b")])),
            r"labels\[1\] is 7, but the taxonomy has leaves 0 to 0",
        ),
        (lambda: leaf_pairs(1), "at least 2 leaves and at least 1 pair, got 1 leaves"),
        (
            lambda: cophenetic_correlation(PARENTS, range(10), 6, leaf_pairs(6), [1.0]),
            r"expected \(T, 2\) pairs and \(T,\) distances, got \(15, 2\) and \(1,\)",
        ),
        (
            lambda: cophenetic_correlation(PARENTS, range(10), 6, leaf_pairs(6), [math.inf] * 15),
            r"distances\[0\] is inf",
        ),
        (lambda: triplet_accuracy(PARENTS, PARENTS, 6, triplets=0), "triplets must be at least 1, got 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_errors_of_sparse_similarities():
    from scipy.sparse import coo_array

    with pytest.raises(ValueError, match=r"similarities\[0, 1\] is -1.0, expected a finite number of at least 0"):
        dasgupta_cost(PARENTS, coo_array(([-1.0], ([0], [1])), shape=(6, 6)))
    with pytest.raises(ValueError, match=r"must be \(N, N\), got \(6, 5\)"):
        dasgupta_cost(PARENTS, coo_array((6, 5)))
    with pytest.raises(ValueError, match="no two leaves are similar"):
        dasgupta_cost(PARENTS, coo_array(([1.0], ([2], [2])), shape=(6, 6)))
