"""`check_knn`: what is ours passes, and every law has a search that breaks it."""

import math

import pytest
import torch
from geometry.oracles import ball_points
from synthetic import tree_points

from hyperdml.neighbors import CosineKNN, EuclideanKNN, HyperbolicKNN, make_knn
from hyperdml.testing import ContractError, check_knn
from hyperdml.testing.knn_laws import KNN_LAWS

C = 0.1
METRICS = ["hyperbolic", "cosine", "euclidean"]
right = HyperbolicKNN(C, engine="torch")


@pytest.mark.parametrize("engine", ["faiss", "torch"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("c", [0.1, 3.0])
def test_our_searches_keep_the_contract(metric, engine, c):
    for k, dim in ((1, 5), (7, 20)):
        check_knn(make_knn(metric, c, engine=engine), metric, c, k=k, dim=dim)


@pytest.mark.parametrize("metric", METRICS)
def test_points_of_your_own(metric):
    points = tree_points(200, 32, spread=True)[0]
    check_knn(make_knn(metric, C), metric, C, points=points, generator=torch.Generator().manual_seed(1))


def violations(knn, metric="hyperbolic", c=C, **options):
    with pytest.raises(ContractError) as caught:
        check_knn(knn, metric, c, **options)
    return caught.value


@pytest.mark.parametrize(("posing", "name"), [(CosineKNN(), "cosine"), (EuclideanKNN(), "euclidean")])
def test_another_metric_in_disguise_is_named(posing, name):
    found = violations(posing, skip=["recomputed distances"])
    assert found.laws == {"exactness", "near-duplicates", "own row"}
    assert f"these are the nearest by {name} distance" in str(found)


def test_a_check_that_could_not_fail_is_refused():
    ring = ball_points((100, 8), 4.0, C)
    with pytest.raises(ValueError, match="10 nearest by cosine distance are the hyperbolic ones for all but 0%"):
        check_knn(CosineKNN(), "hyperbolic", C, points=ring)


def without_first_column(query, k, reference, ref_includes_query):
    """As in the code of several papers: the nearest is taken for the point itself."""
    distances, indices = right(query, k + ref_includes_query, reference, False)
    return distances[:, -k:], indices[:, -k:]


def scores(query, reference):
    def lift(x):
        x2 = (x * x).sum(1, keepdim=True)
        return torch.cat([2 * x, (1 + C * x2) / math.sqrt(C)], 1) / (1 - C * x2)

    left, right = lift(query), lift(reference)
    return -torch.cat([left[:, :-1], -left[:, -1:]], 1) @ right.T


def by_float32_products(query, k, reference, ref_includes_query):
    d = torch.acosh((C * scores(query, reference)).clamp_min(1)) / math.sqrt(C)
    if ref_includes_query:
        d.fill_diagonal_(torch.inf)
    found = d.sort(dim=1)
    return found.values[:, :k], found.indices[:, :k]


def of_a_centred_batch(query, k, reference, ref_includes_query):
    return right(query - 0.01 * (query - query.mean(0)), k, reference, ref_includes_query)


def furthest_first(*arguments):
    return tuple(found.flip(1) for found in right(*arguments))


def squared(*arguments):
    distances, indices = right(*arguments)
    return distances.square(), indices


def with_int32(*arguments):
    distances, indices = right(*arguments)
    return distances, indices.int()


def repeating(query, k, reference, ref_includes_query):
    distances, indices = right(query, 1, reference, ref_includes_query)
    return distances.expand(-1, k), indices.expand(-1, k)


def padded(filler):
    def knn(query, k, reference, ref_includes_query):
        available = len(reference) - ref_includes_query
        distances, indices = right(query, min(k, available), reference, ref_includes_query)
        surplus = (0, k - distances.shape[1])
        return (
            torch.nn.functional.pad(distances, surplus, value=math.inf),
            torch.nn.functional.pad(indices, surplus, value=filler),
        )

    return knn


def narrower(query, k, reference, ref_includes_query):
    return right(query, min(k, len(reference) - ref_includes_query), reference, ref_includes_query)


def overwriting(query, k, reference, ref_includes_query):
    found = right(query, k, reference, ref_includes_query)
    query /= query.norm(dim=1, keepdim=True)
    return found


BROKEN = [
    ("shape", with_int32, "got torch.float32 distances and torch.int32 indices, expected floats and int64"),
    ("shape", repeating, "query 0 has a neighbour twice"),
    ("shape", lambda *a: tuple(found.T for found in right(*a)), "distances have shape (10, 20), expected (20, 10)"),
    ("shape", lambda *a: (right(*a)[0], right(*a)[1] + 1), "indices run from 1 to"),
    ("exactness", CosineKNN(), "ref_includes_query: query 0: neighbour 0 is row"),
    ("near-duplicates", by_float32_products, "of the queries have wrong neighbours"),
    ("own row", without_first_column, "is its own neighbour, beside its duplicates (80 of 120 queries)"),
    ("sorted distances", furthest_first, "distance["),
    ("recomputed distances", squared, "mixed radii: distance["),
    ("rows", of_a_centred_batch, "neighbour["),
    ("k beyond the reference", padded(0), "no exception, and the columns from 6 on are not -1: ["),
    ("k beyond the reference", narrower, "k=8 of 6: no exception, and indices of shape (6, 6)"),
    ("inputs untouched", overwriting, "coordinate of the query["),
]


@pytest.mark.parametrize(("law", "broken", "message"), BROKEN)
def test_every_law_can_be_broken(law, broken, message):
    found = violations(broken)
    assert any(message in violation.message for violation in found.violations if violation.law == law), str(found)
    if law == "shape":
        assert found.laws == {"shape"}  # nothing else was tried


def test_no_law_was_left_out_above():
    assert {law for law, _, _ in BROKEN} == set(KNN_LAWS)


def test_float32_products_find_the_neighbours_of_points_that_are_apart():
    found = violations(by_float32_products, skip=["k beyond the reference"])
    assert found.laws == {"near-duplicates", "recomputed distances", "rows"}


def test_padding_with_minus_one_is_allowed():
    check_knn(padded(-1), "hyperbolic", C)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "manhattan"}, "metric must be one of 'hyperbolic', 'cosine', 'euclidean', got 'manhattan'"),
        ({"c": None}, "metric='hyperbolic' needs the curvature magnitude c"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"points": torch.zeros(12, 3)}, r"N at least 3 k = 30, got shape \(12, 3\)"),
        ({"points": torch.ones(40, 16)}, r"points must lie in the ball of radius 3\.162 \(c=0\.1\)"),
        ({"skip": ["speed"]}, "skip names no law: 'speed'"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        check_knn(right, **{"metric": "hyperbolic", "c": C, **options})


def test_the_documentation_names_every_law():
    lines = [line for line in check_knn.__doc__.splitlines() if line.lstrip().startswith("|")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(KNN_LAWS)


@pytest.mark.gpu
@pytest.mark.parametrize("metric", METRICS)
def test_on_a_gpu(metric):
    check_knn(make_knn(metric, C), metric, C, device="cuda")
