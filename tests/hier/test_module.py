"""`HIER`: modes, degenerate batches, determinism, gradients, copies, messages."""

import copy

import pytest
import torch

from hyperdml.geometry import ToPoincare, poincare_ball
from hyperdml.hier import HIER


def batch(n=24, d=8, dtype=torch.float32):
    points = ToPoincare()(torch.randn(n, d, dtype=dtype) * 3).requires_grad_()
    return points, torch.arange(n) // 2


def small(**options):
    return HIER(8, 20, **{"k": 6, "per_anchor": 5, **options})


@pytest.mark.parametrize("mode", ["official", "paper"])
def test_value_and_gradients_are_finite(mode):
    points, labels = batch()
    hier = small(mode=mode)
    terms = hier.terms(points, labels)
    (terms.samples + terms.proxies).backward()
    assert terms.samples > 0
    assert terms.proxies > 0
    for grad in (points.grad, hier.proxies.grad):
        assert grad.isfinite().all()
        assert (grad != 0).any()


def test_labels_matter_in_official_mode_only():
    points, labels = batch()
    shuffled = labels.flip(0) // 3
    for mode, matters in (("official", True), ("paper", False)):
        hier = small(mode=mode)
        values = [hier.manual_seed(1).terms(points, y).samples.item() for y in (labels, shuffled, None)]
        assert (len(set(values)) == 3) is matters


def test_a_seed_repeats_the_draws():
    points, labels = batch()
    hier = small()
    first = hier.manual_seed(7)(points, labels)
    torch.rand(3)
    assert hier.manual_seed(7)(points, labels) == first
    assert hier(points, labels) != first


def test_tangent_input_is_mapped():
    u = torch.randn(24, 8) * 3
    hier = small(mode="paper")
    tangent = copy.deepcopy(hier)
    tangent.embeddings = "tangent"
    labels = torch.arange(24)
    assert hier.manual_seed(0)(ToPoincare()(u), labels) == tangent.manual_seed(0)(u, labels)


@pytest.mark.parametrize("mode", ["official", "paper"])
@pytest.mark.parametrize(
    "case", ["one point", "two points", "no points", "one class", "all equal", "k beyond the batch"]
)
def test_degenerate_batches(mode, case):
    points, labels = batch()
    points = points.detach()
    if case == "all equal":
        points = points[:1].expand(24, 8).clone()
    n = {"one point": 1, "two points": 2, "no points": 0}.get(case, 24)
    points, labels = points[:n].requires_grad_(), labels[:n]
    if case == "one class":
        labels = torch.zeros_like(labels)
    hier = small(mode=mode, k=500 if case == "k beyond the batch" else 6)
    value = hier(points, labels)
    value.backward()
    assert value.isfinite()
    assert points.grad.isfinite().all()
    assert hier.proxies.grad.isfinite().all()
    if case in ("no points", "one point", "two points"):
        assert hier.terms(points, labels).samples == 0


def test_half_precision_input_under_autocast():
    points, labels = batch()
    hier = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = hier.manual_seed(0)(points, labels)
    assert inside == hier.manual_seed(0)(points, labels)
    assert hier(points.detach().half(), labels).dtype == torch.float32


def test_training_lowers_the_loss_of_free_points():
    """Points and proxies without any other loss: the objective must go down over draws that it has not seen."""
    u = torch.nn.Parameter(torch.randn(40, 8))
    hier = HIER(8, 32, k=8, per_anchor=10, mode="paper", embeddings="tangent", margin=0.5)
    labels = torch.arange(40) // 4
    optimizer = torch.optim.Adam([{"params": [u], "lr": 0.02}, {"params": hier.parameters(), "lr": 0.02}])

    def held_out():
        with torch.no_grad():
            return sum(hier.manual_seed(10_000 + s)(u, labels).item() for s in range(5)) / 5

    before = held_out()
    for step in range(60):
        optimizer.zero_grad()
        hier.manual_seed(step)(u, labels).backward()
        optimizer.step()
    assert held_out() < 0.8 * before


def test_copies_state_and_text():
    hier = small().manual_seed(3)
    hier(*batch())
    twin = copy.deepcopy(hier)
    assert torch.equal(twin.proxies, hier.proxies)
    assert list(hier.state_dict()) == ["proxies"]
    assert "num_proxies=20" in repr(hier)
    assert "mode='official'" in repr(hier)


def test_start_of_the_proxies_is_the_released_one():
    proxies = HIER(128, 4000).proxies.detach()
    assert float(proxies.norm(dim=1).mean()) == pytest.approx(0.9 * 2.3, rel=0.01)


def test_takes_geoopts_ball():
    assert HIER(4, c=poincare_ball(0.3)).c == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "default"}, r"mode must be one of \['official', 'paper'\], got 'default'"),
        ({"embeddings": "sphere"}, "embeddings must be 'ball' or 'tangent', got 'sphere'"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"per_anchor": 0}, "per_anchor must be at least 1"),
        ({"num_proxies": 1}, "num_proxies must be at least 2"),
        ({"tau": 0.0}, "tau must be positive"),
        ({"c": -1.0}, "curvature c must be positive"),
    ],
)
def test_refuses_settings(options, message):
    with pytest.raises(ValueError, match=message):
        HIER(**{"embedding_size": 8, "num_proxies": 20, **options})


def test_features_given_as_points_are_recognised():
    hier = small()
    for _ in range(2):  # again and again, not only the first time
        with pytest.raises(ValueError, match=r"outside the ball of radius 3\.162 .* embeddings='tangent'"):
            hier(torch.randn(24, 8) * 10, torch.arange(24))
    at_the_margin = ToPoincare(1.0, None)(torch.randn(24, 8, dtype=torch.float64) * 100)
    assert small(c=1.0)(at_the_margin, torch.arange(24)).isfinite()


def test_refuses_input_of_another_shape():
    points, labels = batch()
    with pytest.raises(ValueError, match=r"expected \(N, 8\) embeddings, got \(24, 7\)"):
        small()(points[:, :7], labels)
    with pytest.raises(ValueError, match="expected 24 labels"):
        small()(points, labels[:3])


@pytest.mark.gpu
def test_gpu():
    points, labels = batch()
    hier = small().cuda()
    assert hier.manual_seed(0)(points.detach().cuda(), labels.cuda()).isfinite()
