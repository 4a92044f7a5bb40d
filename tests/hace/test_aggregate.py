"""Aggregated log-probabilities: hand values, the dense product, laws, extremes, sizes."""

import copy
import pickle
import time

import numpy as np
import pytest
import torch
from hace.oracles import (
    G1,
    G1_LOGITS,
    T1,
    T1_LOGITS,
    dense_log_prob,
    random_dag,
    reachability,
    row,
    taxonomies,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.hace import Aggregation, HACELoss, aggregated_log_prob
from hyperdml.hace.plan import make_plan
from hyperdml.taxonomy import Taxonomy

MANY = settings(max_examples=60, deadline=None)


def test_tree_by_hand():
    expected = {
        "r": 0, "A": -0.555870, "B": -1.155213, "a1": -1.020239, "a2": -2.020239, "D": -1.253871,
        "d1": -1.520239, "d2": -4.020239,
    }  # fmt: skip
    found = aggregated_log_prob(row(T1, T1_LOGITS), T1)[0]
    for name, value in expected.items():
        assert found[T1.node_index(name)].item() == pytest.approx(value, abs=1e-6), name


def test_diamond_counts_what_is_shared_once():
    expected = {"A": 1, "B": 0.879774, "C": 0.598356, "D": 0.203425, "E": 0.552966}
    found = aggregated_log_prob(row(G1, G1_LOGITS), G1)[0].exp()
    for name, value in expected.items():
        assert found[G1.node_index(name)].item() == pytest.approx(value, abs=1e-6), name


@MANY
@given(taxonomies(), st.integers(0, 2**31), st.sampled_from(["all_nodes", "leaves"]), st.floats(0.1, 10))
def test_equals_the_dense_product_with_gradient(taxonomy, seed, head, scale):
    torch.manual_seed(seed)
    width = len(taxonomy) if head == "all_nodes" else taxonomy.num_leaves
    logits = (scale * torch.randn(3, width, dtype=torch.float64)).requires_grad_()
    weight = torch.rand(3, len(taxonomy), dtype=torch.float64)
    ours, dense = Aggregation(taxonomy, head)(logits), dense_log_prob(logits, taxonomy)
    torch.testing.assert_close(ours, dense, rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad((weight * found).sum(), logits)[0] for found in (ours, dense)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


@MANY
@given(taxonomies(), st.integers(0, 2**31))
def test_laws(taxonomy, seed):
    torch.manual_seed(seed)
    logits = (5 * torch.randn(2, len(taxonomy))).requires_grad_()
    found = aggregated_log_prob(logits, taxonomy)
    below, above = taxonomy.parents.row_of_values.copy(), taxonomy.parents.values.copy()
    assert (found[:, above] >= found[:, below] - 1e-6).all(), "a parent has at least the mass of a child"
    assert (found <= 1e-6).all()
    if len(taxonomy.roots) == 1:
        assert (found[:, taxonomy.roots[0]].abs() < 1e-6).all()
    if taxonomy.is_tree:
        assert (found[:, -1] == 0).all(), "exactly"
    torch.testing.assert_close(aggregated_log_prob(logits + 3, taxonomy), found, rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(found.mean(1).sum(), logits)
    torch.testing.assert_close(gradient.sum(1), torch.zeros(2), rtol=0, atol=1e-6)


@MANY
@given(taxonomies(), st.randoms(use_true_random=False))
def test_the_order_of_the_leaves_permutes_the_columns(taxonomy, random):
    leaves = random.sample(taxonomy.leaves, taxonomy.num_leaves)
    edges = [
        (taxonomy.names[up], taxonomy.names[node]) for node, ups in enumerate(taxonomy.parent_lists()) for up in ups
    ]
    lonely = [(None, taxonomy.names[root]) for root in taxonomy.roots]
    other = Taxonomy.from_edges(edges + lonely, leaves)
    place = [taxonomy.node_index(name) for name in other.names]
    logits = torch.randn(2, len(taxonomy), dtype=torch.float64)
    found = aggregated_log_prob(logits[:, place], other)
    torch.testing.assert_close(found, aggregated_log_prob(logits, taxonomy)[:, place], rtol=1e-12, atol=1e-12)


@MANY
@given(taxonomies())
def test_covers_are_disjoint_unions_of_spanning_subtrees(taxonomy):
    plan, reach = make_plan(taxonomy), reachability(taxonomy)
    parent = np.empty(len(taxonomy), dtype=int)
    for start, _, first, last in plan.edges.levels:
        parent[plan.edges.child[first:last]] = start + plan.edges.place[first:last]
    spanning = np.eye(len(taxonomy), len(taxonomy) + 1)
    for node in range(len(taxonomy)):
        up = parent[node]
        while up < len(taxonomy):
            spanning[up, node] = 1
            up = parent[up]
    covered = plan.covers.row_of_values
    for node, place in enumerate(plan.row):
        parts = [node] if place == node else plan.covers.values[covered == place - len(taxonomy) - 1]
        assert np.array_equal(spanning[parts].sum(0)[: len(taxonomy)], reach[node])
    assert taxonomy.is_forest <= (len(covered) == 0)


def test_gradcheck():
    for taxonomy, values in ((T1, T1_LOGITS), (G1, G1_LOGITS)):
        logits = row(taxonomy, values).repeat(2, 1).requires_grad_()
        assert torch.autograd.gradcheck(lambda z, t=taxonomy: aggregated_log_prob(z, t), logits)


def test_a_second_derivative_is_refused_and_not_wrong():
    logits = row(T1, T1_LOGITS).requires_grad_()
    (gradient,) = torch.autograd.grad(aggregated_log_prob(logits, T1).square().sum(), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("gap", [10, 30, 90, 120, 1e4])
def test_float32_keeps_value_and_gradient_at_any_gap(gap):
    tree = Taxonomy.from_edges([("r", "A"), ("r", "B"), ("A", "a1"), ("A", "a2"), ("B", "b1")])
    logits = torch.zeros(1, 6)
    logits[0, tree.node_index("b1")] = gap
    labels, loss = torch.tensor([tree.node_index("a1")]), HACELoss(tree, 0.5)
    found = []
    for dtype in (torch.float32, torch.float64):
        z = logits.to(dtype).requires_grad_()
        value = loss(z, labels)
        found.append([value, *torch.autograd.grad(value, z)])
    (low, low_gradient), (exact, exact_gradient) = found
    # 0.5 log 1 + 0.25 log 3, and gap for both, for a gap that drowns everything else
    assert exact.item() == pytest.approx(0.75 * gap - 0.25 * np.log(3), abs=1e-3)
    assert low.item() == pytest.approx(exact.item(), rel=1e-6)
    torch.testing.assert_close(low_gradient.double(), exact_gradient, rtol=1e-5, atol=1e-7)
    # own term 0.5, that of A 0.25 / 3; the root's share cancels
    assert low_gradient[0, tree.node_index("a1")].item() == pytest.approx(-0.5833, abs=1e-3)


def test_a_common_offset_of_the_logits_costs_no_digits():
    near = torch.tensor([[4.0, 0, 0, 0, 0, 0, 0, 0, 0]])
    exact = dense_log_prob(near, T1)
    torch.testing.assert_close(aggregated_log_prob(near + 8192, T1).double(), exact, rtol=2e-6, atol=1e-7)


def test_masked_logits_are_masses_of_zero():
    taxonomy, values = G1, dict(G1_LOGITS, C=-torch.inf, E=-torch.inf)
    logits = row(taxonomy, values).requires_grad_()
    found = aggregated_log_prob(logits, taxonomy)
    assert found[0, taxonomy.node_index("C")] == found[0, taxonomy.node_index("E")] == -torch.inf
    finite = [taxonomy.node_index(name) for name in "ABD"]
    kept = row(taxonomy, G1_LOGITS)[:, finite]
    assert found[0, taxonomy.node_index("B")].item() == pytest.approx(
        float(kept[0, 1:].logsumexp(0) - kept[0].logsumexp(0)), abs=1e-12
    )
    (gradient,) = torch.autograd.grad(found[0, finite].sum(), logits)
    assert gradient.isfinite().all()
    assert gradient[0, taxonomy.node_index("E")] == 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_shows_in_its_row_alone(bad):
    logits = torch.zeros(2, len(T1))
    logits[0, 3] = bad
    found = aggregated_log_prob(logits, T1)
    assert found[0].isnan().all()
    assert found[1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    logits = (4 * torch.randn(5, len(T1))).to(dtype).requires_grad_()
    found = aggregated_log_prob(logits, T1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), dense_log_prob(logits, T1), rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert gradient.dtype == dtype
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(aggregated_log_prob(logits.detach(), T1), found.detach())


def test_small_taxonomies():
    one = Taxonomy.from_edges([(None, "only")])
    assert aggregated_log_prob(torch.tensor([[3.0]]), one).tolist() == [[0.0]]
    two = Taxonomy.from_edges([("root", "leaf")])
    found = aggregated_log_prob(torch.tensor([[0.0, 0.0]]), two)[0]
    assert found.tolist() == pytest.approx([np.log(0.5), 0.0])
    assert aggregated_log_prob(torch.tensor([[7.0]]), two)[0].tolist() == [0.0, 0.0]
    assert aggregated_log_prob(torch.zeros(0, 2), two).shape == (0, 2)


def test_a_chain_of_5000_levels_and_a_star_of_10000_leaves():
    chain = Taxonomy.from_edges([(str(i), str(i + 1)) for i in range(4999)])
    logits = torch.randn(2, 5000, dtype=torch.float64).requires_grad_()
    found = aggregated_log_prob(logits, chain)
    expected = logits.logcumsumexp(1) - logits.logsumexp(1, keepdim=True)  # the leaf is the first column
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    gradients = [
        torch.autograd.grad(values[:, ::7].sum(), logits, retain_graph=True)[0] for values in (found, expected)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-8)
    star = Taxonomy.from_edges([("r", str(i)) for i in range(10_000)])
    leaf = torch.randn(4, 10_000)
    torch.testing.assert_close(aggregated_log_prob(leaf, star)[:, :-1], leaf.log_softmax(1), rtol=1e-5, atol=1e-5)


def test_a_dag_of_80000_nodes():
    taxonomy = random_dag(80_000, seed=0, several=0.02)
    assert not taxonomy.is_forest
    start = time.process_time()
    aggregation = Aggregation(taxonomy)
    logits = torch.randn(2, 80_000, dtype=torch.float64)
    found = aggregation(logits)
    # no clock decides, but a plan with an entry for each pair or path would not come back
    assert time.process_time() - start < 60
    for node in [*range(0, 80_000, 9_000), 79_999, 79_990]:
        members = taxonomy.descendant_closure.row(node).copy()
        expected = logits[:, members].logsumexp(1) - logits.logsumexp(1)
        torch.testing.assert_close(found[:, node], expected, rtol=1e-9, atol=1e-9)
    assert len(make_plan(taxonomy).covers.values) < len(taxonomy.descendant_closure.values) / 4


def test_nothing_of_the_plan_is_state_and_nothing_is_rounded():
    aggregation = Aggregation(G1)
    assert not aggregation.state_dict()
    assert not list(aggregation.parameters())
    halved = copy.deepcopy(aggregation).half()
    assert all(buffer.dtype == torch.int64 for buffer in halved.buffers())
    logits = torch.randn(3, 5)
    assert torch.equal(halved(logits), aggregation(logits))
    assert torch.equal(pickle.loads(pickle.dumps(aggregation))(logits), aggregation(logits))


def test_errors():
    with pytest.raises(ValueError, match=r"\(B, 9\), one a node, or \(B, 5\), one a leaf; got \(2, 7\)"):
        aggregated_log_prob(torch.zeros(2, 7), T1)
    with pytest.raises(ValueError, match="these logits fit head='leaves'"):
        Aggregation(T1)(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"floating-point numbers, got torch\.int64"):
        aggregated_log_prob(torch.zeros(2, 9, dtype=torch.int64), T1)
    with pytest.raises(ValueError, match="head must be 'all_nodes' or 'leaves', got 'both'"):
        Aggregation(T1, "both")


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_gpu_gives_the_same(dtype):
    taxonomy = random_dag(3000, seed=1)
    logits = (3 * torch.randn(64, 3000)).to(dtype)
    weight = torch.rand(64, 3000)
    found = []
    for device in ("cpu", "cuda"):
        z = logits.to(device).requires_grad_()
        value = aggregated_log_prob(z, taxonomy)
        (gradient,) = torch.autograd.grad((value * weight.to(device)).sum(), z)
        found.append([value.cpu(), gradient.cpu()])
    for low, high in zip(*found, strict=True):
        torch.testing.assert_close(low, high, rtol=1e-3, atol=2e-3)
