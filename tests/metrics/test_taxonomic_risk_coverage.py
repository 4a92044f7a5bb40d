"""The curve of cautious answers against one call of `decide` a confidence."""

import numpy as np
import pytest
import torch
from hace.oracles import T1, label, taxonomies
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.hace import decide
from hyperdml.metrics.taxonomic.report import classification_report

MANY = settings(max_examples=60, deadline=None)
LOGITS = torch.tensor([[0.05, 0.3, 0.29, 0.34, 0.02], [0.9, 0.04, 0.03, 0.02, 0.01]]).log()


def answers(logits, labels, taxonomy, confidence):
    """Share of right answers and mean specificity, sample by sample."""
    right, specificity = [], []
    for node, true in zip(
        decide(logits, taxonomy, "confidence", confidence=confidence).tolist(), labels.tolist(), strict=True
    ):
        if node < 0:
            right.append(1)
            specificity.append(0)
            continue
        path = {node, *taxonomy.ancestors(node)}, {true, *taxonomy.ancestors(true)}
        right.append(path[0] <= path[1] or node in path[1] or true in path[0])
        share = len(taxonomy.leaves_under(node)) / taxonomy.num_leaves
        specificity.append(np.log2(share) / np.log2(1 / taxonomy.num_leaves) if taxonomy.num_leaves > 1 else 1)
    return np.mean(right), np.mean(specificity)


def test_by_hand():
    # answers to the first: d1 (0.34), A (0.59), r; to the second: c (0.9), r
    report = classification_report(LOGITS, label(T1, "a2", "c"), T1)
    found = report.risk_coverage((0.3, 0.5, 0.85, 0.95))
    two_of_five = 1 - np.log2(2) / np.log2(5)
    assert found.correctness.tolist() == [0.5, 1, 1, 1]
    assert found.specificity.tolist() == pytest.approx([1, (two_of_five + 1) / 2, 0.5, 0])
    # right until A has to become d1
    knee = (two_of_five + 1) / 2
    assert found.area == pytest.approx(knee + (1 - knee) * 0.75)
    assert report.figures()["correctness_specificity_auc"] == found.area


@MANY
@given(taxonomies(), st.integers(0, 2**31), st.booleans(), st.lists(st.floats(0.02, 1), min_size=1, max_size=8))
def test_answers_are_those_of_decide(taxonomy, seed, all_nodes, confidences):
    torch.manual_seed(seed)
    logits = 2 * torch.randn(12, len(taxonomy) if all_nodes else taxonomy.num_leaves)
    labels = torch.randint(len(taxonomy), (12,))
    found = classification_report(logits, labels, taxonomy).risk_coverage([*confidences, 1.0])
    expected = [answers(logits, labels, taxonomy, t) for t in [*confidences, 1.0]]
    assert torch.stack([found.correctness, found.specificity], 1).numpy() == pytest.approx(np.array(expected), abs=1e-9)
    assert 0 <= found.area <= 1 + 1e-12


@MANY
@given(taxonomies(several_parents=False), st.integers(0, 2**31))
def test_caution_pays_on_trees(taxonomy, seed):
    torch.manual_seed(seed)
    logits = 3 * torch.randn(20, len(taxonomy))
    labels = torch.randint(taxonomy.num_leaves, (20,))
    found = classification_report(logits, labels, taxonomy).risk_coverage(np.linspace(0.501, 1, 50))
    assert (found.correctness.diff() >= -1e-12).all()
    assert (found.specificity.diff() <= 1e-12).all()


def test_area_of_the_best_and_of_one_leaf():
    labels = torch.arange(5)
    best = classification_report(20 * torch.eye(5), labels, T1).risk_coverage()
    assert best.area == pytest.approx(1)
    assert classification_report(20 * torch.eye(5).roll(1, 1), labels, T1).risk_coverage().area < 0.7


@pytest.mark.parametrize("wrong", [0.0, 1.5, -0.1, float("nan")])
def test_confidences_are_checked(wrong):
    with pytest.raises(ValueError, match="confidences must be numbers above 0, at most 1"):
        classification_report(LOGITS, [0, 1], T1).risk_coverage([0.5, wrong])
