"""Laws of the classification report on any taxonomy, and its levels against their definition."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hace.oracles import T1, dense_log_prob, reachability, taxonomies
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.hace import HCELoss, decide
from hyperdml.metrics.bootstrap import bootstrap_interval
from hyperdml.metrics.taxonomic import predictions
from hyperdml.metrics.taxonomic.report import classification_report
from hyperdml.metrics.taxonomic.top_leaves import ranked_leaves
from hyperdml.taxonomy import Taxonomy

MANY = settings(max_examples=30, deadline=None)
EVEN = Taxonomy.from_lineages([(f"o{i // 6}", f"f{i // 2}", f"s{i}") for i in range(24)])


def some(taxonomy, seed=0, count=40, inner=False, width=None):
    """Logits and labels; only in float64 is rounding out of the way of ties."""
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, width or len(taxonomy), generator=g, dtype=torch.float64)
    return logits, torch.randint(len(taxonomy) if inner else taxonomy.num_leaves, (count,), generator=g)


def same(one, other):
    assert one.figures().keys() == other.figures().keys()
    assert one.figures() == pytest.approx(other.figures(), abs=1e-12)


@MANY
@given(taxonomies(), st.integers(0, 2**31), st.booleans(), st.booleans())
def test_levels_are_those_of_the_definition(taxonomy, seed, all_nodes, inner):
    logits, labels = some(taxonomy, seed, 12, inner, None if all_nodes else taxonomy.num_leaves)
    report = classification_report(logits, labels, taxonomy)
    scores, mass, reach = report.per_sample(), dense_log_prob(logits, taxonomy).exp(), reachability(taxonomy)
    leaf, chosen = np.arange(len(taxonomy)) < taxonomy.num_leaves, []
    for level, name in enumerate(report.levels.names):
        depth = level + report.levels.first
        nodes = np.flatnonzero((taxonomy.depths == depth) | (leaf & (taxonomy.depths < depth)))
        covered = reach[nodes][:, : taxonomy.num_leaves].sum(0)
        assert (covered >= 1).all()
        assert (covered == 1).all() or not taxonomy.is_forest
        found = nodes[mass[:, nodes].argmax(1)]
        chosen.append(found)
        expected = reach[found, labels.numpy()]
        expected[~leaf[labels] & (taxonomy.depths[labels] < depth)] = np.nan
        assert scores[f"accuracy/{name}"].numpy() == pytest.approx(expected, nan_ok=True)
        sure = mass.gather(1, torch.from_numpy(found)[:, None])[:, 0]
        assert report.predictions.level_log_prob[:, level].exp() == pytest.approx(sure, abs=1e-9)
    above = np.all([reach[found, chosen[-1]] for found in chosen], axis=0)
    assert scores["consistency"].tolist() == above.tolist()
    if taxonomy.is_forest:
        path = np.all([reach[up, down] for up, down in pairwise(chosen)] or [above], axis=0)
        assert path.tolist() == above.tolist()


@MANY
@given(taxonomies(), st.integers(0, 2**31), st.booleans(), st.sampled_from(["lca_height", "path"]))
def test_laws(taxonomy, seed, inner, distance):
    logits, labels = some(taxonomy, seed, inner=inner)
    report = classification_report(logits, labels, taxonomy, distance=distance)
    scores, figures = report.per_sample(), report.figures()
    assert not any(np.isnan(list(figures.values())))
    assert torch.equal(scores["AHC"], scores["hierarchical_distance@1"])
    leaf = labels < taxonomy.num_leaves
    assert scores["top1"][leaf].equal((decide(logits, taxonomy) == labels)[leaf].double())
    assert scores["top1"][~leaf].isnan().all()
    assert torch.equal(scores[f"accuracy/{report.levels.names[-1]}"][leaf], scores["top1"][leaf])
    assert (scores["mistake_severity"].isnan() == (scores["AHC"] == 0)).all()
    assert scores["nll"].numpy() == pytest.approx(HCELoss(taxonomy, reduction="none")(logits, labels).numpy())
    if leaf.any():
        wrong = 1 - figures["top1"] if leaf.all() else float((scores["AHC"] > 0).double().mean())
        assert figures["AHC"] == pytest.approx(wrong * figures["mistake_severity"])
        assert all(figures[name] == 1 for name in figures if name == "top5" and taxonomy.num_leaves <= 5)


@MANY
@given(taxonomies(), st.booleans())
def test_perfect_predictions(taxonomy, all_nodes):
    labels = torch.arange(taxonomy.num_leaves)
    width = len(taxonomy) if all_nodes else taxonomy.num_leaves
    figures = classification_report(200 * torch.eye(taxonomy.num_leaves, width), labels, taxonomy).figures()
    for name, value in figures.items():
        best = 0 if name in ("mistake_severity", "AHC", "hierarchical_distance@1", "nll") or name[:3] == "ece" else 1
        if name not in ("hierarchical_distance@5", "hierarchical_distance@20"):
            assert value == pytest.approx(best, abs=1e-6), name


@MANY
@given(taxonomies(several_parents=False), st.integers(0, 2**31))
def test_order_of_classes_does_not_matter(taxonomy, seed):
    logits, labels = some(taxonomy, seed, inner=True)
    order = np.random.default_rng(seed).permutation(taxonomy.num_leaves)
    other = taxonomy.restrict(order)
    place = torch.tensor([other.node_index(name) for name in taxonomy.names])
    same(
        classification_report(logits, labels, taxonomy),
        classification_report(logits[:, place.argsort()], place[labels], other),
    )


@MANY
@given(taxonomies(), st.integers(0, 2**31))
def test_heads_without_mass_at_inner_nodes_agree(taxonomy, seed):
    logits, labels = some(taxonomy, seed)
    leaves = logits[:, : taxonomy.num_leaves]
    without = logits.clone()
    without[:, taxonomy.num_leaves :] = -torch.inf
    expected = classification_report(leaves, labels, taxonomy)
    same(classification_report(without, labels, taxonomy), expected)
    same(classification_report(logits, labels, taxonomy, leaf_only=True), expected)
    same(classification_report(leaves, labels, taxonomy, leaf_only=True), expected)


def test_precision_is_recall_where_all_leaves_are_equally_deep():
    scores = classification_report(*some(EVEN), EVEN).per_sample()
    assert torch.equal(scores["hP/macro"], scores["hR/macro"])
    assert 0 < scores["hP/macro"].mean() < 1


def test_heights_of_an_even_tree_are_levels_missed():
    scores = classification_report(*some(EVEN), EVEN, level_rule="leaf").per_sample()
    right = sum(scores[f"accuracy/depth {depth}"] for depth in range(3))
    assert torch.equal(scores["AHC"], 3 - right)
    assert torch.allclose(scores["hF1/macro"], right / 3)


def test_own_costs():
    logits, labels = some(T1)
    costs = torch.rand(5, 5).fill_diagonal_(0)
    scores = classification_report(logits, labels, T1, distance=costs).per_sample()
    expected = costs.double()[labels, logits[:, :5].argmax(1)]
    assert torch.equal(scores["AHC"], expected)


def test_blocks_and_devices_change_nothing(monkeypatch):
    logits, labels = some(T1, count=50, inner=True)
    whole = classification_report(logits, labels, T1)
    monkeypatch.setattr(predictions, "_BLOCK", 7 * len(T1))
    parts = classification_report(logits, labels.numpy(), T1)
    assert parts.figures() == whole.figures()
    for name, values in whole.per_sample().items():
        assert torch.equal(values.nan_to_num(-1), parts.per_sample()[name].nan_to_num(-1))


@pytest.mark.gpu
def test_logits_on_the_gpu():
    logits, labels = some(EVEN, inner=True)
    same(classification_report(logits.cuda(), labels.cuda(), EVEN), classification_report(logits, labels, EVEN))


def test_samples_without_a_label_are_left_out():
    logits, labels = some(T1)
    mixed = labels.clone()
    mixed[::3] = -100
    logits[0] = torch.nan  # of a sample that does not count
    kept = mixed != -100
    report = classification_report(logits, mixed, T1)
    assert report.samples == int(kept.sum())
    same(report, classification_report(logits[kept], labels[kept], T1))
    same(report, classification_report(logits, mixed.where(kept, -1), T1, ignore_index=-1))


def test_scores_make_intervals():
    one = classification_report(*some(EVEN), EVEN).per_sample()
    logits, labels = some(EVEN)
    other = classification_report(logits + torch.nn.functional.one_hot(labels, logits.shape[1]), labels, EVEN)
    assert bootstrap_interval(one["hF1/macro"], labels).mean == pytest.approx(float(one["hF1/macro"].mean()))
    better = bootstrap_interval(other.per_sample()["top1"] - one["top1"], labels)
    assert 0 <= better.low <= better.mean


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_equal_logits_are_ranked_by_index(dtype):
    logits = torch.randint(0, 3, (200, 12)).to(dtype)
    for k in (1, 4, 12):
        expected = [sorted(range(12), key=lambda leaf, z=z: (-z[leaf], leaf))[:k] for z in logits.tolist()]
        assert ranked_leaves(logits, k).tolist() == expected
    assert torch.equal(ranked_leaves(logits, 3)[:, 0], logits.argmax(1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_coarse_logits(dtype):
    logits, labels = some(EVEN)
    coarse = logits.to(dtype)
    same(classification_report(coarse, labels, EVEN), classification_report(coarse.float(), labels, EVEN))
