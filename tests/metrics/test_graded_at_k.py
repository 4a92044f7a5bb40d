"""NDCG, ASI, HP@k and AHP@K: numbers by hand, plain loops, other libraries, and what they must reduce to."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.geometry import distance
from hyperdml.metrics.graded.hierarchical_precision import (
    average_hierarchical_precision,
    hierarchical_precision_at_k,
    hp_scores,
)
from hyperdml.metrics.graded.ndcg import ndcg, ndcg_scores
from hyperdml.metrics.graded.set_intersection import asi, asi_scores
from hyperdml.metrics.graded.shared_levels import SharedLevels, shared_levels
from hyperdml.metrics.retrieval.result import retrieve

C = 0.1
# a query that meets items which share 2, 1, 0, 2, 1 levels with it, and its best order 2, 2, 1, 1, 0
ORACLE = SharedLevels(torch.tensor([[2, 1, 0, 2, 1]], dtype=torch.int16), torch.tensor([[4, 2]]))


def at_k(metric, x, levels, k, c=C, space="hyperbolic", **gallery):
    """One number of every metric, by name."""
    if metric == "HP":
        return hierarchical_precision_at_k(x, levels, [k], c, space, **gallery)[k]
    function = {"NDCG": ndcg, "ASI": asi, "AHP": average_hierarchical_precision}[metric]
    return function(x, levels, k, c, space, **gallery)


METRICS = ("NDCG", "ASI", "HP", "AHP")


def loop_score(metric, found, available, k):
    """A query's score by its definition, from the shared levels of what it found and of everything there is."""
    best = sorted(available, reverse=True)
    if best[0] == 0:
        return math.nan
    depth = max(available)

    def dcg(order):
        return sum((2**shared - 1) / math.log2(i + 2) for i, shared in enumerate(order[:k]))

    def hp(n):
        return sum(found[:n]) / sum(best[:n])

    def intersection(n):
        return sum(min(found[:n].count(level), best[:n].count(level)) for level in range(1, depth + 1)) / n

    if metric == "NDCG":
        return dcg(found) / dcg(best)
    if metric == "HP":
        return hp(k)
    if metric == "AHP":
        return sum(hp(n) for n in range(1, k + 1)) / k
    lengths = range(1, min(k, sum(shared > 0 for shared in available)) + 1)
    return sum(intersection(n) for n in lengths) / len(lengths)


def loop_mean(metric, x, levels, k, gallery=None, gallery_levels=None):
    scores = []
    for q in range(len(x)):
        items = x if gallery is None else gallery
        among = levels if gallery is None else gallery_levels
        gap = distance(x[q], items, C).tolist()
        order = sorted((j for j in range(len(items)) if gallery is not None or j != q), key=lambda j: (gap[j], j))
        found = [int((among[j] == levels[q]).sum()) for j in order]
        scores.append(loop_score(metric, found, found, k))
    scores = [score for score in scores if not math.isnan(score)]
    return sum(scores) / len(scores)


def nested(n, seed):
    g = torch.Generator().manual_seed(seed)
    fine = torch.randint(6, (n,), generator=g)
    x = torch.randn(n, 3, generator=g, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * (3 * torch.rand(n, 1, generator=g, dtype=torch.float64))
    return x, torch.stack([fine // 4, fine // 2, fine], 1)


def test_ndcg_by_hand():
    log = math.log2
    best = 3 + 3 / log(3) + 1 / 2 + 1 / log(5)
    by_hand = (3 + 1 / log(3) + 3 / log(5) + 1 / log(6)) / best
    assert by_hand == pytest.approx(0.9117959, abs=1e-7)
    assert ndcg_scores(ORACLE).tolist() == pytest.approx([by_hand])
    # the best order puts both of two levels first, and 3 of its items count
    assert ndcg_scores(ORACLE, 3).tolist() == pytest.approx([(3 + 1 / log(3)) / (3 + 3 / log(3) + 1 / 2)])
    assert ndcg_scores(ORACLE, 3).tolist() == pytest.approx([0.6732935], abs=1e-7)


def test_asi_by_hand():
    # first 1, 2, 3, 4 found and best: {2} {2}; {2 1} {2 2}; {2 1 0} {2 2 1}; {2 1 0 2} {2 2 1 1}
    by_hand = (1 + 1 / 2 + 2 / 3 + 3 / 4) / 4
    assert by_hand == pytest.approx(0.7291667, abs=1e-7)
    assert asi_scores(ORACLE).tolist() == asi_scores(ORACLE, 5).tolist() == pytest.approx([by_hand])
    assert asi_scores(ORACLE, 2).tolist() == pytest.approx([3 / 4])


def test_hierarchical_precision_by_hand():
    # sums of similarities 1, .5, 0, 1, .5 over those of the best order 1, 1, .5, .5, 0
    by_hand = [1 / 1, 1.5 / 2, 1.5 / 2.5, 2.5 / 3, 3 / 3]
    assert by_hand == pytest.approx([1, 0.75, 0.6, 0.8333333, 1], abs=1e-7)
    assert hp_scores(ORACLE)[0].tolist() == pytest.approx(by_hand)
    assert hp_scores(ORACLE, 2)[0].tolist() == pytest.approx(by_hand[:2])


def test_a_cut_off_takes_the_best_order_from_all_items():
    cut = SharedLevels(ORACLE.shared[:, :3], ORACLE.relevant)
    assert ndcg_scores(cut).tolist() == ndcg_scores(ORACLE, 3).tolist()
    assert hp_scores(cut).tolist() == hp_scores(ORACLE, 3).tolist()
    assert asi_scores(cut, 3).tolist() == asi_scores(ORACLE, 3).tolist()
    with pytest.raises(ValueError, match=r"ASI needs 4 neighbours.* only 3 were searched"):
        asi_scores(cut)
    with pytest.raises(ValueError, match=r"NDCG@4 needs .* k <= 3"):
        ndcg_scores(cut, 4)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 20), st.integers(1, 9), st.integers(0, 2**31))
def test_against_plain_loops(n, k, seed):
    x, levels = nested(n, seed)
    k = min(k, n - 1)
    for metric in METRICS:
        assert at_k(metric, x, levels, k) == pytest.approx(loop_mean(metric, x, levels, k), abs=1e-12)
    half = n // 2
    gallery = {"reference": x[half:], "reference_levels": levels[half:]}
    if not (levels[:half, None, 0] == levels[half:, 0]).any():
        return
    k = min(k, n - half)
    for metric in METRICS:
        expected = loop_mean(metric, x[:half], levels[:half], k, x[half:], levels[half:])
        assert at_k(metric, x[:half], levels[:half], k, **gallery) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("spread", [False, True])
def test_ndcg_against_scikit_learn(spread):
    from sklearn.metrics import ndcg_score

    x, _, levels = tree_points(120, 8, spread)
    gap = torch.cdist(x.double(), x.double())
    gain = 2.0 ** (levels[:, None] == levels).sum(2) - 1
    others = ~torch.eye(120, dtype=torch.bool)
    gap, gain = gap[others].view(120, 119), gain[others].view(120, 119)
    for k in (None, 1, 10):
        expected = ndcg_score(gain.numpy(), -gap.numpy(), k=k)
        assert ndcg(x, levels, k, metric="euclidean") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_search_and_full_ranking_agree_and_so_does_a_result(metric, monkeypatch):
    x, labels, levels = tree_points(240, 8, spread=True)
    x[100:110] = x[:10]
    ranked = at_k(metric, x, levels, 40)
    monkeypatch.setattr("hyperdml.metrics.ranks.ranking._ITEMS_PER_NEIGHBOUR", 1)
    assert at_k(metric, x, levels, 40) == ranked
    monkeypatch.setattr("hyperdml.metrics.graded.shared_levels._BLOCK", 999)
    assert at_k(metric, x, levels, 40) == ranked
    found = SharedLevels.of_result(retrieve(x, labels, 40, C), levels)
    scores = {
        "NDCG": ndcg_scores(found),
        "ASI": asi_scores(found, 40),
        "HP": hp_scores(found)[:, 39],
        "AHP": hp_scores(found).mean(1),
    }
    assert float(scores[metric].mean()) == pytest.approx(ranked, abs=1e-15)


@pytest.mark.parametrize("metric", METRICS)
def test_curvature_matters_on_spread_points_only(metric):
    """On points of one radius every distance ranks alike, so nothing could be told from them alone."""
    for spread in (False, True):
        x, _, levels = tree_points(240, 8, spread)
        scores = [at_k(metric, x, levels, 20, C, space) for space in ("hyperbolic", "cosine", "euclidean")]
        if spread:
            assert min(abs(scores[0] - scores[1]), abs(scores[0] - scores[2]), abs(scores[1] - scores[2])) > 1e-3
        else:
            assert scores == pytest.approx([scores[0]] * 3, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_best_order_scores_one(metric):
    levels = torch.tensor([[g, 2 * g + s, 4 * g + 2 * s + k] for g in range(2) for s in range(2) for k in range(2)] * 3)
    parts = [w * torch.nn.functional.one_hot(ids) for w, ids in zip((9.0, 3.0, 1.0), levels.T, strict=True)]
    x = torch.cat(parts, 1)  # the more levels two items share, the nearer they are
    for k in (1, 2, 5, 11, 12, 23):
        assert at_k(metric, x, levels, k, space="euclidean") == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_names_of_ids_and_order_of_items_do_not_matter(metric):
    x, _, levels = tree_points(120, 8, spread=True)
    score = at_k(metric, x, levels, 15)
    g = torch.Generator().manual_seed(1)
    renamed = torch.stack([torch.randperm(int(ids.max()) + 1, generator=g)[ids] - 3 for ids in levels.T], 1)
    shuffled = torch.randperm(120, generator=g)
    assert at_k(metric, x[shuffled], renamed[shuffled], 15) == pytest.approx(score, abs=1e-12)


def test_one_level_is_plain_precision_and_overlap():
    x, labels, levels = tree_points(120, 8, spread=True)  # six of a class: R = 5
    hits = retrieve(x, labels, 5, C).hits
    one = levels[:, 2:]
    assert at_k("HP", x, one, 3) == pytest.approx(float(hits[:, :3].double().mean()))
    precisions = hits.cumsum(1) / torch.arange(1, 6)
    assert at_k("AHP", x, one, 5) == pytest.approx(float(precisions.mean()))
    assert asi(x, one, c=C) == pytest.approx(float(precisions.mean()))
    assert at_k("HP", x, one, 119) == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_gallery_that_holds_the_queries(metric):
    x, _, levels = tree_points(120, 8, spread=True)
    x[40:44] = x[:4]
    same = {"reference": x, "reference_levels": levels, "ref_includes_query": True}
    assert at_k(metric, x, levels, 9, **same) == at_k(metric, x, levels, 9)
    parts = {"reference": [x[:50], x[50:]], "reference_levels": [levels[:50], levels[50:]]}
    assert at_k(metric, x[:30], levels[:30], 9, **parts) == at_k(
        metric, x[:30], levels[:30], 9, reference=x, reference_levels=levels
    )
    more = {"reference": x, "reference_levels": levels.numpy(), "ref_includes_query": True}
    assert at_k(metric, x[:30], levels[:30], 9, **more) < at_k(metric, x[:30], levels[:30], 9, **parts)


def test_queries_that_share_nothing_are_left_out():
    x, _, levels = tree_points(120, 8, spread=True)
    alone = torch.tensor([[99, 999, 9999]])
    queries = torch.cat([x[:10], 1e-3 * torch.ones(1, 8)])
    asked = torch.cat([levels[:10], alone])
    gallery = {"reference": x[10:], "reference_levels": levels[10:]}
    for metric in METRICS:
        assert at_k(metric, queries, asked, 9, **gallery) == at_k(metric, x[:10], levels[:10], 9, **gallery)
        with pytest.raises(ValueError, match="is not defined: no query"):
            at_k(metric, queries[10:], alone, 9, **gallery)
    (found,) = shared_levels(queries, asked, 9, C, **gallery)
    for scores in (ndcg_scores(found), asi_scores(found, 9), hp_scores(found)[:, 8]):
        assert scores.isnan().tolist() == [False] * 10 + [True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: ndcg(x, y, 12, C), "12 needs a whole number 1 <= k <= 11"),
        (lambda x, y: asi(x, y, 0, C), "0 needs a whole number 1 <= k"),
        (lambda x, y: hierarchical_precision_at_k(x, y, [], C), "ks is empty"),
        (lambda x, y: hierarchical_precision_at_k(x, y, [0, 3], C), "HP@0 needs a whole number 1 <= k <= 11"),
        (lambda x, y: ndcg(x, y, 3), "needs the curvature"),
        (lambda x, y: ndcg(x, y, 3, C, reference=x), "pass both or none"),
        (lambda x, y: ndcg(x, y, 3, C, reference=x, reference_levels=y[:5]), r"reference_levels must be \(12, 3\)"),
        (lambda x, y: ndcg(x, y, 3, C, reference=x, reference_levels=y[:, 1:]), r"got \(12, 2\)"),
        (lambda x, y: ndcg(x, y, 3, C, reference=x, reference_levels=y.float()), "reference_levels must be integers"),
        (lambda x, y: ndcg(x, y, 3, C, reference=x, reference_levels=y + torch.tensor([1, 0, 0])), "not nested"),
        (lambda x, y: ndcg(x, y, 3, C, reference=[x], reference_levels=[y, y]), "1 galleries and 2 matrices"),
        (
            lambda x, y: ndcg(x, y, 3, C, reference=x, reference_levels=y.flip(0), ref_includes_query=True),
            "row 0 has label",
        ),
        (lambda x, y: SharedLevels.of_result(retrieve(x, y[:, 2], 3, C, reference=x, reference_labels=y[:, 2]), y),
         "reference_levels is missing"),
    ],
)  # fmt: skip
def test_errors(call, message):
    x, _, levels = tree_points(12, 4, spread=True)
    with pytest.raises(ValueError, match=message):
        call(x, levels)
