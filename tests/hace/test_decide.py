"""Decision rules against their definitions."""

import numpy as np
import pytest
import torch
from hace.oracles import G1, T1, dense_log_prob, label, taxonomies
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.hace import decide, top_k_leaves
from hyperdml.taxonomy import Taxonomy

MANY = settings(max_examples=60, deadline=None)
FOREST = Taxonomy.from_edges([("fish", "cod"), ("fish", "ray"), ("tree", "oak"), ("tree", "elm")])


def names(taxonomy, nodes):
    return [taxonomy.names[node] if node >= 0 else None for node in nodes.tolist()]


def test_rules_by_hand():
    # A holds most of the mass in two halves, D is the likeliest single leaf's parent
    probability = {"c": 0.05, "a1": 0.3, "a2": 0.29, "d1": 0.34, "d2": 0.02}
    logits = torch.tensor([[probability[name] for name in T1.leaves]]).log()
    assert names(T1, decide(logits, T1)) == ["d1"]
    assert names(T1, decide(logits, T1, "cost")) == ["a1"]
    for confidence, expected in ((0.3, "d1"), (0.35, "D"), (0.5, "A"), (0.6, "r"), (1.0, "r")):
        assert names(T1, decide(logits, T1, "confidence", confidence=confidence)) == [expected]
    assert names(T1, decide(logits, T1, within="A")) == ["a1"]
    assert names(T1, decide(logits, T1, "cost", within="B")) == ["d1"]
    assert names(T1, decide(logits, T1, "confidence", confidence=0.9, within="B")) == ["d1"]
    assert names(T1, decide(logits, T1, "confidence", confidence=0.95, within="B")) == ["D"]


@MANY
@given(taxonomies(), st.integers(0, 2**31), st.booleans())
def test_least_expected_cost(taxonomy, seed, all_nodes):
    torch.manual_seed(seed)
    classes = taxonomy.num_leaves
    logits = 2 * torch.randn(5, len(taxonomy) if all_nodes else classes, dtype=torch.float64)
    cost = logits[:, :classes].softmax(1) @ torch.from_numpy(taxonomy.distance_matrix().astype(np.float64))
    found = decide(logits, taxonomy, "cost")
    assert (found < classes).all()
    torch.testing.assert_close(cost.gather(1, found[:, None])[:, 0], cost.amin(1), rtol=1e-9, atol=1e-9)


@MANY
@given(taxonomies(), st.integers(0, 2**31), st.floats(0.05, 1))
def test_deepest_confident_node(taxonomy, seed, confidence):
    torch.manual_seed(seed)
    logits = 2 * torch.randn(5, len(taxonomy), dtype=torch.float64)
    mass = dense_log_prob(logits, taxonomy).exp()
    for row, node in zip(mass, decide(logits, taxonomy, "confidence", confidence=confidence).tolist(), strict=True):
        certain = np.flatnonzero(row.numpy() >= confidence - 1e-12)
        if node < 0:
            assert not len(certain)
            continue
        depths = taxonomy.depths[certain]
        assert node in certain
        assert taxonomy.depths[node] == depths.max()
        assert row[node] == row[certain[depths == depths.max()]].max()


@MANY
@given(taxonomies(), st.integers(0, 2**31), st.sampled_from(["leaf", "cost", "confidence"]))
def test_within_a_clade_is_the_same_in_its_taxonomy(taxonomy, seed, rule):
    torch.manual_seed(seed)
    clade = int(torch.randint(len(taxonomy), ()))
    part = taxonomy.subtree(clade)
    logits = 2 * torch.randn(4, len(taxonomy), dtype=torch.float64)
    own = logits[:, [taxonomy.node_index(name) for name in part.names]]
    options = {"rule": rule, "confidence": 0.6 if rule == "confidence" else None}
    found, expected = decide(logits, taxonomy, within=clade, **options), decide(own, part, **options)
    if rule == "leaf":
        assert names(taxonomy, found) == names(part, expected)
    elif rule == "cost":
        # ties may fall differently
        cost = own[:, : part.num_leaves].softmax(1) @ torch.from_numpy(part.distance_matrix().astype(np.float64))
        if taxonomy.is_forest:
            place = torch.tensor([part.node_index(name) for name in names(taxonomy, found)])
            torch.testing.assert_close(cost.gather(1, place[:, None])[:, 0], cost.amin(1))
    elif taxonomy.is_forest:
        assert names(taxonomy, found) == names(part, expected)


def test_a_forest_may_have_no_confident_node():
    logits = torch.zeros(1, 4)
    assert decide(logits, FOREST, "confidence", confidence=0.6).tolist() == [-1]
    assert decide(logits, FOREST, "confidence", confidence=0.5)[0] in label(FOREST, "fish", "tree")


def test_top_leaves():
    logits = torch.randn(4, 9)
    found = top_k_leaves(logits, T1, 3)
    expected = logits.log_softmax(1)[:, :5].topk(3, 1)
    assert torch.equal(found.leaf, expected.indices)
    torch.testing.assert_close(found.log_prob, expected.values)
    inside = top_k_leaves(logits, T1, 2, within="B")
    assert set(inside.leaf[0].tolist()) == set(label(T1, "d1", "d2").tolist())


def test_errors():
    logits = torch.zeros(2, 5)
    with pytest.raises(ValueError, match="rule must be 'leaf', 'cost' or 'confidence', got 'best'"):
        decide(logits, T1, "best")
    with pytest.raises(ValueError, match=r"confidence belongs to rule='confidence' alone, got 0\.5"):
        decide(logits, T1, confidence=0.5)
    with pytest.raises(ValueError, match="got None for rule='confidence'"):
        decide(logits, T1, "confidence")
    with pytest.raises(ValueError, match=r"above 0 and at most 1, got 1\.2"):
        decide(logits, T1, "confidence", confidence=1.2)
    with pytest.raises(ValueError, match="'X' is not a node"):
        decide(logits, T1, within="X")
    with pytest.raises(ValueError, match=r"one a leaf; got \(2, 4\)"):
        decide(logits[:, :4], T1)
    with pytest.raises(ValueError, match="k must be from 1 to the 2 leaves, got 3"):
        top_k_leaves(logits, T1, 3, within="A")
    assert G1.num_leaves == 2
    assert decide(torch.zeros(0, 2), G1).shape == (0,)
