"""The losses: hand values, identities between them, torch's cross_entropy, errors."""

import copy
import itertools

import numpy as np
import pytest
import scipy.sparse
import torch
from hace.oracles import G1, G1_LOGITS, T1, T1_LOGITS, climbed, dense_log_prob, hace_target, label, row, taxonomies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from hyperdml.hace import (
    HACELoss,
    HCELoss,
    HXELoss,
    SoftLabelLoss,
    TaxonomyLoss,
    label_rows,
    level_rows,
    matrix_rows,
)
from hyperdml.hace.soft_labels import SoftLabels, largest_lca_height
from hyperdml.taxonomy import Taxonomy

MANY = settings(max_examples=50, deadline=None)
FOREST = Taxonomy.from_edges([("fish", "cod"), ("fish", "ray"), ("tree", "oak")])
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.mark.parametrize(
    ("name", "dilution", "smoothing", "expected"),
    [
        ("a1", 0, 0, 1.0202387120),
        ("a1", 0.5, 0, 0.6490868380),
        ("a1", 0.5, 0.1, 0.7215635643),
        ("d1", 0, 0, 1.5202387120),
        ("d1", 0.5, 0, 1.2179887366),
        ("d1", 0.5, 0.1, 1.2335752730),
    ],
)
def test_hace_on_the_tree_by_hand(name, dilution, smoothing, expected):
    found = HACELoss(T1, dilution, smoothing)(row(T1, T1_LOGITS), label(T1, name))
    assert found.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("dilution", "smoothing", "expected"), [(0, 0, 0.5924590010), (0.5, 0, 0.3764369359), (0.5, 0.1, 0.3990276919)]
)
def test_hace_on_the_diamond_by_hand(dilution, smoothing, expected):
    found = HACELoss(G1, dilution, smoothing)(row(G1, G1_LOGITS), label(G1, "E"))
    assert found.item() == pytest.approx(expected, abs=1e-9)


def test_gradients_by_hand():
    cases = [
        (T1, T1_LOGITS, "d1", "r A B c a1 a2 D d1 d2",
         [0.042691, 0.070385, 0.014150, 0.054816, 0.315445, 0.116046, -0.019409, -0.586984, -0.007140]),
        (T1, T1_LOGITS, "a1", "r A B c a1 a2 D d1 d2",
         [0.036592, 0.025269, 0.022194, 0.046985, -0.386751, 0.041662, 0.036592, 0.163995, 0.013462]),
        (G1, G1_LOGITS, "E", "A B C D E", [0.056127, 0.075007, 0.024560, 0.123666, -0.279360]),
    ]  # fmt: skip
    for taxonomy, values, name, order, expected in cases:
        logits = row(taxonomy, values).requires_grad_()
        (gradient,) = torch.autograd.grad(HACELoss(taxonomy, 0.5)(logits, label(taxonomy, name)), logits)
        found = gradient[0, [taxonomy.node_index(node) for node in order.split()]]
        assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_head_of_leaves_and_hxe_by_hand():
    logits, y = row(T1, T1_LOGITS)[:, :5], label(T1, "d1")
    assert HACELoss(T1, 0.5, head="leaves")(logits, y).item() == pytest.approx(1.0970092238, abs=1e-9)
    assert HXELoss(T1, 0.5)(logits, y).item() == pytest.approx(0.7506829156, abs=1e-9)
    assert HXELoss(T1, 0.5, normalized=True)(logits, y).item() == pytest.approx(0.1718010131, abs=1e-9)
    assert HXELoss(T1, 0.0)(logits, y).item() == pytest.approx(1.2875347134, abs=1e-9)
    assert HXELoss(T1, 0.0, normalized=True)(logits, y).item() == pytest.approx(1.2875347134 / 9, abs=1e-9)


def test_soft_labels_by_hand():
    soft = SoftLabels(T1, 4)(label(T1, "c", "a1", "A"), torch.float64)
    assert soft[:, 0].tolist() == pytest.approx([0.931738] + [0.017065] * 4, abs=1e-6)
    assert soft[:, 1].tolist() == pytest.approx([0.013891, 0.758412, 0.199915, 0.013891, 0.013891], abs=1e-6)
    near, far = np.exp(-4 / 3), np.exp(-4)
    assert soft[:, 2].tolist() == pytest.approx(np.array([far, near, near, far, far]) / (2 * near + 3 * far))


@MANY
@given(
    taxonomies(),
    st.integers(0, 2**31),
    st.floats(0, 0.95),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from(["absorb", "virtual"]),
)
def test_hace_is_the_dense_formula(taxonomy, seed, dilution, smoothing, root):
    torch.manual_seed(seed)
    logits = (3 * torch.randn(4, len(taxonomy), dtype=torch.float64)).requires_grad_()
    labels = torch.randint(len(taxonomy), (4,))
    target = torch.from_numpy(
        np.stack([hace_target(taxonomy, int(y), dilution, smoothing, root == "virtual") for y in labels])
    )
    if root == "absorb":
        torch.testing.assert_close(target.sum(1), torch.ones(4, dtype=torch.float64))
    expected = -(target * dense_log_prob(logits, taxonomy)).sum(1)
    found = HACELoss(taxonomy, dilution, smoothing, root=root, reduction="none")(logits, labels)
    torch.testing.assert_close(found, expected, **CLOSE)
    gradients = [torch.autograd.grad(loss.sum(), logits)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients, **CLOSE)
    assert (gradients[0].abs() <= target.sum(1, keepdim=True) + 1e-9).all()
    torch.testing.assert_close(gradients[0].sum(1), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-9)


@MANY
@given(
    taxonomies(), st.integers(0, 2**31), st.floats(0, 0.95), st.floats(0.5, 30), st.sampled_from(["absorb", "virtual"])
)
def test_hace_over_soft_labels_is_the_dense_formula(taxonomy, seed, dilution, beta, root):
    torch.manual_seed(seed)
    classes = taxonomy.num_leaves
    logits = (3 * torch.randn(4, len(taxonomy), dtype=torch.float64)).requires_grad_()
    labels = torch.randint(classes, (4,))
    distance = taxonomy.distance_matrix().astype(np.float64)
    soft = np.exp(-beta * distance / max(distance.max(), 1))
    soft /= soft.sum(1, keepdims=True)
    mass = np.concatenate([soft, np.zeros((classes, len(taxonomy) - classes))], 1)
    target = torch.from_numpy(np.stack([climbed(taxonomy, mass[y], dilution, root == "virtual") for y in labels]))
    expected = -(target * dense_log_prob(logits, taxonomy)).sum(1)
    loss = HACELoss(taxonomy, dilution, horizontal="lca", beta=beta, root=root, reduction="none")
    torch.testing.assert_close(loss(logits, labels), expected, **CLOSE)
    gradients = [torch.autograd.grad(found.sum(), logits)[0] for found in (loss(logits, labels), expected)]
    torch.testing.assert_close(*gradients, **CLOSE)
    leaf = logits[:, :classes].detach()
    plain = -(torch.from_numpy(soft)[labels] * leaf.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(SoftLabelLoss(taxonomy, beta)(leaf, labels), plain, **CLOSE)


@MANY
@given(taxonomies())
def test_largest_lca_height_is_that_of_the_distance_matrix(taxonomy):
    assert largest_lca_height(taxonomy) == taxonomy.distance_matrix().max()


@MANY
@given(taxonomies(several_parents=False), st.integers(0, 2**31), st.floats(0, 3), st.booleans())
def test_hxe_is_the_sum_over_the_edges_of_the_path(taxonomy, seed, alpha, normalized):
    torch.manual_seed(seed)
    logits = 3 * torch.randn(1, taxonomy.num_leaves, dtype=torch.float64)
    log_prob = dense_log_prob(logits, taxonomy)[0]
    node = int(torch.randint(len(taxonomy), ()))
    depth = taxonomy.depths + (len(taxonomy.roots) > 1)
    path = [*taxonomy.ancestor_closure.row(node).tolist(), None]
    expected = 0.0
    for child, parent in itertools.pairwise(path):
        above = 0.0 if parent is None else log_prob[parent]
        expected -= np.exp(-alpha * depth[child]) * (log_prob[child] - above)
    if normalized:
        expected /= np.exp(-alpha * depth).sum()
    found = HXELoss(taxonomy, alpha, normalized)(logits, torch.tensor([node]))
    assert found.item() == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


def test_hxe_at_a_leaf_below_the_root_and_at_a_wrong_sample_is_finite():
    logits = torch.tensor([[-120.0, 0, 0, 0, 0]]).requires_grad_()
    value = HXELoss(T1, 0.5)(logits, label(T1, "c"))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.item() == pytest.approx(np.exp(-0.5) * (120 + np.log(4)), rel=1e-6)
    assert gradient[0, 0].item() == pytest.approx(-np.exp(-0.5), rel=1e-6)


def test_hce_takes_labels_of_any_level_and_equals_hace_without_dilution():
    logits, labels = torch.randn(9, 9, dtype=torch.float64), torch.arange(9)
    expected = -dense_log_prob(logits, T1)[labels, labels]
    torch.testing.assert_close(HCELoss(T1, reduction="none")(logits, labels), expected, **CLOSE)
    torch.testing.assert_close(HACELoss(T1, 0.0, reduction="none")(logits, labels), expected, **CLOSE)


def test_telescoped_form():
    logits, y, dilution = torch.randn(1, 9, dtype=torch.float64), "d1", 0.3
    log_prob = dense_log_prob(logits, T1)[0]
    path = [T1.node_index(name) for name in ("d1", "D", "B", "r")]
    expected = sum(
        -(1 - dilution ** (step + 1)) * (log_prob[low] - log_prob[high])
        for step, (low, high) in enumerate(itertools.pairwise(path))
    )
    assert HACELoss(T1, dilution)(logits, label(T1, y)).item() == pytest.approx(expected.item(), rel=1e-12)


def test_start_value_counts_nodes():
    expected = 0.5 * np.log(9) + 0.25 * np.log(9 / 3) + 0.125 * np.log(9 / 4)
    assert HACELoss(T1, 0.5)(torch.zeros(1, 9), label(T1, "d1")).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_without_dilution_these_are_the_numbers_of_torch(smoothing, weighted, reduction):
    logits = torch.randn(6, 5, dtype=torch.float64).requires_grad_()
    labels = torch.tensor([0, 4, -100, 2, -100, 1])
    weight = torch.rand(5, dtype=torch.float64) if weighted else None
    expected = cross_entropy(logits, labels, weight, label_smoothing=smoothing, reduction=reduction)
    options = {"weight": weight, "reduction": reduction, "head": "leaves"}
    losses = [HACELoss(T1, 0.0, smoothing, **options)]
    if not smoothing:
        losses.append(SoftLabelLoss(T1, 1000.0, **options))
    for loss in losses:
        found = loss(logits, labels)
        torch.testing.assert_close(found, expected, **CLOSE)
        gradients = [torch.autograd.grad(value.sum(), logits, retain_graph=True)[0] for value in (found, expected)]
        torch.testing.assert_close(*gradients, **CLOSE)


def test_class_weights_act_on_the_leaves_before_the_climb():
    logits = torch.randn(2, 9, dtype=torch.float64)
    labels, weight = label(T1, "a1", "d1"), torch.tensor([1.0, 2, 3, 4, 5], dtype=torch.float64)
    log_prob = dense_log_prob(logits, T1)
    for options, masses in (
        ({"label_smoothing": 0.1}, 0.9 * np.eye(5)[labels] + 0.02),
        ({"horizontal": "lca", "beta": 4}, SoftLabels(T1, 4)(labels, torch.float64).T.numpy()),
    ):
        masses = np.concatenate([masses * weight.numpy(), np.zeros((2, 4))], 1)
        target = torch.from_numpy(np.stack([climbed(T1, mass, 0.5) for mass in masses]))
        expected = -(target * log_prob).sum() / weight[labels].sum()
        torch.testing.assert_close(HACELoss(T1, 0.5, weight=weight, **options)(logits, labels), expected, **CLOSE)


def test_ignored_rows_count_nothing_and_may_be_all():
    logits = torch.randn(3, 9).requires_grad_()
    loss = HACELoss(T1, 0.5, 0.1, ignore_index=7)
    found = loss(logits, torch.tensor([7, 1, 7]))
    (gradient,) = torch.autograd.grad(found, logits)
    torch.testing.assert_close(found, loss(logits[1:2], torch.tensor([1])))
    assert not gradient[[0, 2]].any()
    assert gradient[1].any()
    assert loss(logits, torch.full((3,), 7)).isnan()
    assert cross_entropy(logits, torch.full((3,), -100)).isnan(), "as torch"


def test_the_root_changes_nothing_in_a_tree_and_something_in_a_forest():
    logits = torch.randn(3, 9, dtype=torch.float64)
    labels = label(T1, "a1", "d1", "c")
    one, other = (HACELoss(T1, 0.7, root=root)(logits, labels) for root in ("absorb", "virtual"))
    torch.testing.assert_close(one, other, **CLOSE)
    logits, labels = torch.randn(2, 5, dtype=torch.float64), torch.tensor([0, 2])
    log_prob = dense_log_prob(logits, FOREST)
    for root, weight in (("absorb", 0.7), ("virtual", 0.7 * 0.3)):
        roots = [FOREST.node_index("fish"), FOREST.node_index("tree")]
        expected = (
            -(0.3 * (log_prob[0, 0] + log_prob[1, 2]) + weight * (log_prob[0, roots[0]] + log_prob[1, roots[1]])) / 2
        )
        torch.testing.assert_close(HACELoss(FOREST, 0.7, root=root)(logits, labels), expected, **CLOSE)


def test_normalized_rows_give_every_class_the_same_say():
    logits, labels = torch.randn(3, 9, dtype=torch.float64), label(T1, "c", "a1", "d1")
    plain = HACELoss(T1, 0.9, reduction="none")(logits, labels)
    found = HACELoss(T1, 0.9, normalize=True, reduction="none")(logits, labels)
    shares = 1 - 0.9 ** torch.tensor([1, 2, 3], dtype=torch.float64)
    torch.testing.assert_close(found, plain / shares, **CLOSE)
    assert HACELoss(T1, 0.9, normalize=True)(logits[:1], label(T1, "r")) == 0
    lca = {"horizontal": "lca", "beta": 1000.0, "reduction": "none"}
    torch.testing.assert_close(HACELoss(T1, 0.9, normalize=True, **lca)(logits, labels), found, **CLOSE)


def test_rows_of_ones_own():
    logits, labels = torch.randn(4, 9, dtype=torch.float64), torch.tensor([0, 1, 3, 4])
    log_prob = dense_log_prob(logits, T1)
    matrix = np.random.default_rng(0).random((5, 9)) * (np.random.default_rng(1).random((5, 9)) > 0.6)
    expected = -(torch.from_numpy(matrix)[labels] * log_prob).sum(1)
    for given_matrix in (matrix, scipy.sparse.csr_array(matrix)):
        loss = TaxonomyLoss(T1, matrix_rows(T1, given_matrix), reduction="none")
        torch.testing.assert_close(loss(logits, labels), expected, **CLOSE)
    by_level = TaxonomyLoss(T1, level_rows(T1), reduction="none")(logits, label(T1, "c", "a1", "d1", "r"))
    paths = [["c"], ["a1", "A"], ["d1", "D", "B"]]
    for found, sample, path in zip(by_level, log_prob, paths, strict=False):
        assert found.item() == pytest.approx(-float(sample[label(T1, *path)].mean()))
    assert by_level[3] == 0


@given(st.integers(0, 8), st.floats(0, 0.9))
@settings(max_examples=20, deadline=None)
def test_masked_nodes_off_the_path_change_nothing_but_the_mass(node, dilution):
    assume(node not in T1.ancestor_closure.row(1))
    logits = torch.randn(1, 9, dtype=torch.float64)
    logits[0, node] = -torch.inf
    z = logits.requires_grad_()
    value = HACELoss(T1, dilution)(z, torch.tensor([1]))
    (gradient,) = torch.autograd.grad(value, z)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient[0, node] == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_and_half_precision(dtype):
    logits, labels = (30 * torch.randn(8, 9)).to(dtype), torch.arange(8) % 5
    losses = [HACELoss(T1, 0.5, 0.1), HXELoss(T1, 0.3, head="all_nodes"), SoftLabelLoss(T1, 5.0, head="all_nodes")]
    for loss in losses:
        expected = loss(logits.double(), labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = loss(logits, labels)
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)
        assert loss.half()(logits, labels) == found, "targets are not rounded"


def test_losses_have_no_state_and_copy():
    for loss in (HACELoss(T1, 0.5, 0.1, weight=torch.ones(5)), SoftLabelLoss(T1, 4.0), HXELoss(T1, 0.1)):
        assert not loss.state_dict()
        logits = torch.randn(2, loss.aggregation.width)
        assert copy.deepcopy(loss)(logits, torch.tensor([1, 2])) == loss(logits, torch.tensor([1, 2]))
        assert type(loss).__name__ in repr(loss)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HACELoss(T1, 1.0), "dilution must be at least 0 and below 1, got 1.0"),
        (lambda: HACELoss(T1, -0.1), "got -0.1"),
        (lambda: HACELoss(T1, float("nan")), "got nan"),
        (lambda: HACELoss(T1, 0.5, 1.5), "label_smoothing must be from 0 to 1, got 1.5"),
        (lambda: HACELoss(T1, 0.5, horizontal="tree"), "horizontal must be 'uniform' or 'lca', got 'tree'"),
        (lambda: HACELoss(T1, 0.5, horizontal="lca"), "needs beta"),
        (lambda: HACELoss(T1, 0.5, beta=4), "beta=4 belongs to horizontal='lca'"),
        (lambda: HACELoss(T1, 0.5, 0.1, horizontal="lca", beta=4), "takes the place of label smoothing"),
        (lambda: HACELoss(T1, 0.5, root="keep"), "root must be 'absorb' or 'virtual', got 'keep'"),
        (lambda: HACELoss(T1, 0.5, head="nodes"), "head must be"),
        (lambda: HACELoss(T1, 0.5, reduction="max"), "reduction must be 'mean', 'sum' or 'none', got 'max'"),
        (lambda: HACELoss(T1, 0.5, weight=torch.ones(4)), "each of 5 leaves or 9 nodes, got shape"),
        (lambda: HACELoss(T1, 0.5, weight=torch.tensor([1.0, -2, 1, 1, 1])), "not negative, got -2.0 for 'a1'"),
        (lambda: HXELoss(T1, -1.0), "alpha must be a finite number of at least 0, got -1.0"),
        (lambda: HXELoss(G1, 0.1), "needs a tree or a forest, got a DAG"),
        (lambda: SoftLabelLoss(T1, 0.0), "beta must be positive and finite, got 0.0"),
        (lambda: matrix_rows(T1, np.ones((4, 9))), r"\(5, 9\) or \(9, 9\), got \(4, 9\)"),
        (lambda: matrix_rows(T1, -np.eye(9)[:5]), r"got -1.0 in row 0 \('c'\), column 0 \('c'\)"),
    ],
)
def test_errors_of_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_errors_of_batches():
    loss, by_leaf = HACELoss(T1, 0.5), TaxonomyLoss(T1, matrix_rows(T1, np.eye(9)[:5]))
    logits = torch.zeros(3, 9)
    with pytest.raises(
        ValueError, match=r"label 9 in row 1 is not one of the 9 nodes, 0 to 8 \(ignore_index is -100\)"
    ):
        loss(logits, torch.tensor([0, 9, 1]))
    with pytest.raises(ValueError, match="label 5 in row 2 is not one of the 5 leaves"):
        by_leaf(logits, torch.tensor([0, 4, 5]))
    with pytest.raises(ValueError, match="label -1 in row 0"):
        loss(logits, torch.tensor([-1, 0, 0]))
    with pytest.raises(ValueError, match=r"one label for each of 3 rows of logits, got shape \(2,\)"):
        loss(logits, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"labels must be integers, got torch\.float32"):
        loss(logits, torch.zeros(3))
    with pytest.raises(ValueError, match=r"expected \(B, 9\) logits .* fit head='leaves'"):
        loss(torch.zeros(3, 5), torch.tensor([0, 1, 2]))


def test_gradcheck_of_all_kinds_of_targets():
    labels = torch.tensor([1, 4, 0])
    for taxonomy in (T1, G1):
        for loss in (
            HACELoss(taxonomy, 0.5),
            HACELoss(taxonomy, 0.3, 0.2),
            HACELoss(taxonomy, 0.3, horizontal="lca", beta=5.0),
            TaxonomyLoss(taxonomy, label_rows(taxonomy), weight=torch.rand(len(taxonomy))),
        ):
            logits = torch.randn(3, len(taxonomy), dtype=torch.float64, requires_grad=True)
            assert torch.autograd.gradcheck(lambda z, f=loss: f(z, labels), logits)


@pytest.mark.gpu
def test_gpu_gives_the_same():
    logits, labels = torch.randn(16, 9), torch.arange(16) % 9
    for loss in (HACELoss(T1, 0.5, 0.1, weight=torch.rand(5)), HACELoss(T1, 0.5, horizontal="lca", beta=5.0)):
        found = loss.to("cuda")(logits.cuda(), labels.cuda()).cpu()
        torch.testing.assert_close(found, loss.to("cpu")(logits, labels))
