"""Set-based precision and recall, costs and ancestry of predicted nodes, against sets and paths followed one by one."""

import networkx as nx
import numpy as np
import pytest
import torch
from hace.oracles import G1, T1, label, taxonomies
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.metrics.taxonomic.ancestry import ancestry
from hyperdml.metrics.taxonomic.costs import prediction_costs
from hyperdml.metrics.taxonomic.node_sets import node_set_scores
from hyperdml.taxonomy import Taxonomy

MANY = settings(max_examples=60, deadline=None)
LINEAGES = [
    ("bird", "owl", "barn owl"),
    ("bird", "owl", "eagle owl"),
    ("bird", "finch", "serin"),
    ("fish", "ray", "manta"),
]
FOREST = Taxonomy.from_lineages(LINEAGES)


def lineage(taxonomy, node):
    """The node and what is above it, by following every parent."""
    found = {node}
    for parent in taxonomy.parents.row(node):
        found |= lineage(taxonomy, int(parent))
    return found


def counted(taxonomy, node):
    """anc(v) of the definition."""
    root = set(taxonomy.roots.tolist()) if len(taxonomy.roots) == 1 and len(taxonomy) > 1 else set()
    return lineage(taxonomy, node) - root if node >= 0 else set()


def pairs(taxonomy, seed, lowest=-1, count=20):
    rng = np.random.default_rng(seed)
    return rng.integers(lowest, len(taxonomy), count), rng.integers(len(taxonomy), size=count)


def test_sets_by_hand():
    scores = node_set_scores(label(T1, "d2", "B", "a1", "c", "d1", "r"), label(T1, *["d1"] * 6), T1)
    assert scores.precision.tolist()[:5] == pytest.approx([2 / 3, 1, 0, 0, 1])
    assert scores.precision[5].isnan()  # nothing but the root was predicted
    assert scores.recall.tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0, 1, 0])
    assert scores.f1.tolist() == pytest.approx([2 / 3, 0.5, 0, 0, 1, 0])
    assert scores.micro() == pytest.approx((6 / 10, 6 / 18, 12 / 28))
    none = node_set_scores([-1, T1.node_index("r")], label(T1, "d1", "r"), T1)
    assert none.precision.isnan().all()
    assert none.recall[0] == none.f1[0] == 0
    assert none.f1[1].isnan()


def test_sets_of_a_diamond_count_every_parent():
    scores = node_set_scores(label(G1, "E", "D", "C"), label(G1, "D", "E", "E"), G1)
    assert scores.shared.tolist() == [1, 1, 1]  # B, B and C, without the root A
    assert scores.predicted.tolist() == [3, 2, 1]
    assert scores.true.tolist() == [2, 3, 3]


@MANY
@given(taxonomies(), st.integers(0, 2**31))
def test_sets_are_those_of_the_definition(taxonomy, seed):
    predicted, true = pairs(taxonomy, seed)
    scores = node_set_scores(predicted, true, taxonomy)
    for row, (one, other) in enumerate(zip(predicted.tolist(), true.tolist(), strict=True)):
        guess, truth = counted(taxonomy, one), counted(taxonomy, other)
        sizes = (len(guess & truth), len(guess), len(truth))
        assert (scores.shared[row], scores.predicted[row], scores.true[row]) == sizes


def hiclass_scores(truth, guess):
    """Micro precision, recall and F1 as hiclass defines them: over the cells of lineage rows, by sets."""
    shared = sum(len(set(one) & set(other)) for one, other in zip(truth, guess, strict=True))
    precision, recall = shared / sum(map(len, map(set, guess))), shared / sum(map(len, map(set, truth)))
    return precision, recall, 2 * precision * recall / (precision + recall)


def test_micro_scores_are_those_of_hiclass():
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(4, size=(2, 50))
    cut = rng.integers(1, 4, 50)  # how deep each prediction goes
    rows = [LINEAGES[row][:depth] for row, depth in zip(guess, cut, strict=True)]
    predicted = [FOREST.node_index(row[-1]) for row in rows]
    true = [FOREST.node_index(LINEAGES[row][-1]) for row in truth]
    expected = hiclass_scores([LINEAGES[row] for row in truth], rows)
    scores = node_set_scores(predicted, true, FOREST)
    assert scores.micro() == pytest.approx(expected)
    alone = [
        hiclass_scores([LINEAGES[row]], [given])
        for row, given in zip(truth, rows, strict=True)
        if set(LINEAGES[row]) & set(given)
    ]
    assert scores.f1.sum() == pytest.approx(sum(f1 for _, _, f1 in alone))


@MANY
@given(taxonomies(), st.integers(0, 2**31))
def test_at_or_above(taxonomy, seed):
    upper, lower = pairs(taxonomy, seed)
    found = ancestry(taxonomy).at_or_above(upper, lower)
    assert found.tolist() == [
        u < 0 or u in lineage(taxonomy, v) for u, v in zip(upper.tolist(), lower.tolist(), strict=True)
    ]


def test_costs_by_hand():
    labels = label(T1, *["d1"] * 6)
    assert prediction_costs(label(T1, "d1", "d2", "D", "B", "a1", "r"), labels, T1).tolist() == [0, 1, 1, 2, 3, 3]
    assert prediction_costs(label(T1, "d1", "d2", "D", "B", "c", "r"), labels, T1, "path").tolist() == [
        0,
        2,
        1,
        2,
        4,
        3,
    ]
    # a label at an inner node stands for the leaves below it
    assert prediction_costs(label(T1, "d1", "d2", "D", "a1"), label(T1, *["B"] * 4), T1).tolist() == [0, 0, 0, 3]
    # a common ancestor counts, also where roots that are not common are nearer
    edges = [("r", "x"), ("x", "y"), ("y", "a"), ("r", "z"), ("z", "b"), ("r", "c"), ("s", "a"), ("t", "b")]
    far = Taxonomy.from_edges(edges, ["a", "b", "c"], virtual_root=False)
    assert prediction_costs([0, 0], [1, 2], far, "path").tolist() == [5, 4]
    assert far.distance_matrix("path")[0].tolist() == [0, 5, 4]
    # nothing in common: over a root above all, which no answer is
    assert prediction_costs([-1, 3], [0, 0], FOREST).tolist() == [3, 3]
    assert prediction_costs([-1, 3], [0, 0], FOREST, "path").tolist() == [3, 6]


@MANY
@given(taxonomies(), st.sampled_from(["lca_height", "path"]))
def test_costs_of_leaves_are_the_distance_matrix(taxonomy, kind):
    leaves = taxonomy.num_leaves
    one, other = np.divmod(np.arange(leaves * leaves), leaves)
    expected = taxonomy.distance_matrix(kind)
    found = prediction_costs(one, other, taxonomy, kind)
    assert found.reshape(leaves, leaves).tolist() == expected.tolist()
    assert torch.equal(found, prediction_costs(one, other, taxonomy, expected))


@MANY
@given(taxonomies(several_parents=False), st.integers(0, 2**31))
def test_an_inner_label_costs_what_its_nearest_leaf_does(taxonomy, seed):
    guess, truth = pairs(taxonomy, seed)
    guess %= taxonomy.num_leaves
    matrix = taxonomy.distance_matrix()
    expected = [matrix[p, taxonomy.leaves_under(y)].min() for p, y in zip(guess.tolist(), truth.tolist(), strict=True)]
    assert prediction_costs(guess, truth, taxonomy).tolist() == expected


@MANY
@given(taxonomies(), st.integers(0, 2**31))
def test_paths_between_any_nodes(taxonomy, seed):
    guess, truth = pairs(taxonomy, seed)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(-1, len(taxonomy)))
    graph.add_edges_from(zip(taxonomy.parents.row_of_values.tolist(), taxonomy.parents.values.tolist(), strict=True))
    graph.add_edges_from((root, -1) for root in taxonomy.roots.tolist())
    for cost, p, y in zip(
        prediction_costs(guess, truth, taxonomy, "path").tolist(), guess.tolist(), truth.tolist(), strict=True
    ):
        if p >= 0 and y in lineage(taxonomy, p):
            assert cost == 0
            continue
        up, down = (nx.single_source_shortest_path_length(graph, node) for node in (p, y))
        shared = up.keys() & down.keys()
        assert cost == min(up[node] + down[node] for node in (shared - {-1} or shared))


def test_own_costs_know_leaves_only():
    costs = np.arange(25.0).reshape(5, 5)
    np.fill_diagonal(costs, 0)
    found = prediction_costs([1, 0, 6, -1, 2], [0, 1, 0, 0, 6], T1, torch.from_numpy(costs))
    assert found[:2].tolist() == [1, 5]  # rows are labels
    assert found[2:].isnan().all()


@pytest.mark.parametrize(
    ("predictions", "labels", "options", "message"),
    [
        ([0, 9], [0, 1], {}, "predictions must be indices into taxonomy.names, -1 to 8, but row 1 has 9"),
        ([0, 1], [0, -1], {}, "labels must be indices into taxonomy.names, 0 to 8, but row 1 has -1"),
        ([0, 1], [0], {}, "a label for each prediction, got 1 for 2"),
        ([[0]], [0], {}, r"predictions must hold one node a sample, \(B,\), got \(1, 1\)"),
        ([0.5], [0], {}, "predictions must be integers, got float64"),
        ([0], [0], {"distance": "edges"}, "distance must be 'lca_height', 'path' or a .* matrix, got 'edges'"),
        ([0], [0], {"distance": np.zeros((9, 9))}, r"a row and a column a leaf, \(5, 5\), got \(9, 9\)"),
        ([0], [0], {"distance": np.eye(5)}, "0 on the diagonal"),
    ],
)
def test_errors(predictions, labels, options, message):
    with pytest.raises(ValueError, match=message):
        prediction_costs(predictions, labels, T1, **options)
