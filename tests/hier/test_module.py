"""`HIER`: modes, degenerate batches, determinism, gradients, copies, messages."""

import copy

import pytest
import torch

from hyperdml.geometry import ToPoincare, dist0, pairwise_distance, poincare_ball
from hyperdml.hier import HIER, fit_proxies
from hyperdml.hier.levels import level_triplets
from hyperdml.hier.objectives import relatedness


def batch(n=24, d=8, dtype=torch.float32):
    points = ToPoincare()(torch.randn(n, d, dtype=dtype) * 3).requires_grad_()
    return points, torch.arange(n) // 2


LEVELS = (2, 6, 20)


def small(mode="official", **options):
    """A small module of a mode; in mode "default" its warm-up is over."""
    if mode == "default":
        made = HIER(8, **{"mode": mode, "levels": LEVELS, "per_anchor": 6, **options})
        generator = torch.Generator().manual_seed(5)
        vectors = torch.randn(60, 8, generator=generator)
        return made.fit_proxies(vectors if made.embeddings == "tangent" else ToPoincare()(3 * vectors))
    return HIER(8, **{"mode": mode, "num_proxies": 20, "k": 6, "per_anchor": 5, **options})


MODES = ["default", "official", "paper"]
GEOMETRIES = ["hyperbolic", "spherical", "euclidean"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("sample_loss", ["lca", "triplet"])
def test_value_and_gradients_are_finite(mode, geometry, sample_loss):
    points, labels = batch()
    hier = small(mode=mode, geometry=geometry, sample_loss=sample_loss, margin=1.0)
    terms = hier.terms(points, labels)
    (terms.samples + terms.proxies).backward()
    assert terms.samples > 0
    control = sample_loss == "triplet" and mode != "default"
    assert (terms.proxies > 0) is not control  # plain triplets have no proxies; in "default" these follow the images
    for grad, moves in ((points.grad, True), (hier.proxies.grad, not control)):
        assert grad.isfinite().all()
        assert bool((grad != 0).any()) is moves


def test_labels_matter_except_in_paper_mode():
    points, labels = batch()
    shuffled = labels.flip(0) // 3
    for mode, matters in (("default", True), ("official", True), ("paper", False)):
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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("sample_loss", ["lca", "triplet"])
@pytest.mark.parametrize(
    "case", ["one point", "two points", "no points", "one class", "all different", "all equal", "k beyond the batch"]
)
def test_degenerate_batches(mode, geometry, sample_loss, case):
    points, labels = batch()
    points = points.detach()
    if case == "all equal":
        points = points[:1].expand(24, 8).clone()
    n = {"one point": 1, "two points": 2, "no points": 0}.get(case, 24)
    points, labels = points[:n].requires_grad_(), labels[:n]
    if case == "one class":
        labels = torch.zeros_like(labels)
    if case == "all different":
        labels = torch.arange(n)
    options = {"k": 500} if case == "k beyond the batch" and mode != "default" else {}
    hier = small(mode=mode, geometry=geometry, sample_loss=sample_loss, **options)
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
    hier = small(mode="official").manual_seed(3)
    hier(*batch())
    twin = copy.deepcopy(hier)
    assert torch.equal(twin.proxies, hier.proxies)
    assert list(hier.state_dict()) == ["proxies", "_extra_state"]
    assert "num_proxies=20" in repr(hier)
    assert "mode='official'" in repr(hier)


def test_start_of_the_proxies_is_the_released_one():
    proxies = HIER(128, 4000, mode="official").proxies.detach()
    assert float(proxies.norm(dim=1).mean()) == pytest.approx(0.9 * 2.3, rel=0.01)


def test_takes_geoopts_ball():
    assert HIER(4, c=poincare_ball(0.3)).c == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "tree"}, "mode must be one of 'default', 'official', 'paper', got 'tree'"),
        ({"embeddings": "sphere"}, "embeddings must be one of 'ball', 'tangent', got 'sphere'"),
        ({"geometry": "flat"}, "geometry must be one of 'hyperbolic', 'spherical', 'euclidean', got 'flat'"),
        ({"sample_loss": "hinge"}, "sample_loss must be one of"),
        ({"embedding_size": 0}, "embedding_size must be a whole number of at least 1, got 0"),
        ({"k": 2.5}, r"k must be at least 1, a whole number, got 2\.5"),
        ({"k": 0}, "k must be at least 1, a whole number, got 0"),
        ({"per_anchor": 0}, "per_anchor must be at least 1"),
        ({"num_proxies": 1}, "num_proxies must be at least 2"),
        ({"tau": 0.0}, "tau must be positive"),
        ({"margin": float("nan")}, "margin must be finite"),
        ({"lca": "argmax"}, "lca must be one of 'softmax', 'printed', got 'argmax'"),
        ({"reduction": "median"}, "reduction must be one of 'mean', 'sum', got 'median'"),
        ({"c": -1.0}, "curvature c must be positive"),
        ({"clip_r": 0.0}, "clip_r must be positive"),
        (
            {"levels": (4, 8)},
            r"mode='official' has no option 'levels', which belongs to mode 'default'; it takes num_proxies, k, ",
        ),
        ({"geometry": "spherical", "manifold_parameters": True}, "manifold_parameters need geometry='hyperbolic'"),
        (
            {"mode": "default", "num_proxies": 20},
            "has no option 'num_proxies', which belongs to mode 'official' or 'paper'; it",
        ),
        ({"mode": "default", "levels": (8, 8)}, r"increasing positive numbers of proxies, .* got \(8, 8\)"),
        ({"mode": "default", "levels": 8}, "increasing positive numbers of proxies, .* got 8"),
        ({"mode": "default", "levels": (2.0, 4.0)}, "increasing positive numbers of proxies"),
        ({"c": torch.tensor(0.1, requires_grad=True)}, "c is a tensor that requires a gradient"),
        ({"mode": "default", "warmup": -1}, "warmup must be at least 0, a whole number, got -1"),
        ({"mode": "default", "attraction": -1.0}, "attraction must not be negative"),
        ({"mode": "default", "balance": -1.0}, "balance must not be negative"),
        ({"mode": "default", "margin": 0.0}, "margin must be positive in mode='default'"),
    ],
)
def test_refuses_settings(options, message):
    with pytest.raises(ValueError, match=message):
        HIER(**{"embedding_size": 8, "mode": "official", **options})


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


def warming(**options):
    return HIER(8, levels=LEVELS, **{"warmup": 3, "per_anchor": 6, **options}).manual_seed(0)


def test_warm_up_is_worth_nothing_then_the_proxies_start_from_what_it_saw():
    hier = warming()
    before = hier.proxies.detach().clone()
    seen = []
    for _ in range(3):
        points, labels = batch()
        seen.append(points.detach())
        value = hier(points, labels)
        value.backward()
        assert value == 0
        assert (points.grad == 0).all()
    expected = fit_proxies(torch.cat(seen), LEVELS, c=0.1, seed=0)
    torch.testing.assert_close(hier.proxies_on_ball(), expected)
    assert not torch.equal(hier.proxies, before)
    assert len(hier.start.rows) == 0  # the memory is let go
    assert hier(*batch()) > 0


def test_warm_up_counts_training_steps_alone_and_waits_for_enough_points():
    hier = warming()
    for _ in range(5):
        hier.eval()(*batch())
        with torch.no_grad():
            hier.train()(*batch())
    assert hier.start.seen_steps == 0
    for _ in range(6):
        assert hier(*batch(n=3)) == 0
    assert hier.start.seen_points == 18  # of 20, which the finest level needs
    hier(*batch(n=3))
    assert hier.start.done


def test_the_memory_keeps_the_newest():
    hier = warming(warmup=50)
    batches = [batch(n=50)[0].detach() for _ in range(9)]
    for points in batches:
        hier(points)
    kept = {tuple(row) for row in hier.start.newest().tolist()}
    assert kept == {tuple(row) for row in torch.cat(batches)[-320:].tolist()}  # 16 for each of 20 proxies


def test_resuming_a_warm_up_ends_in_the_same_proxies():
    batches = [batch() for _ in range(4)]
    whole = warming()
    for points, labels in batches:
        whole(points, labels)
    for stop in (1, 2, 3):
        first = warming()
        for points, labels in batches[:stop]:
            first(points, labels)
        second = warming()
        second.load_state_dict(first.state_dict())
        for points, labels in batches[stop:]:
            second(points, labels)
        assert torch.equal(second.proxies, whole.proxies)
        assert second.start.done


def test_default_mode_holds_the_proxies_in_the_hinge_and_the_samples_in_the_attraction():
    points, labels = batch()
    hier = small(mode="default")
    terms = hier.terms(points, labels)
    on_points, on_proxies = torch.autograd.grad(
        terms.samples, [points, hier.proxies], retain_graph=True, allow_unused=True
    )
    assert on_proxies is None
    assert (on_points != 0).any()
    on_points, on_proxies = torch.autograd.grad(terms.proxies, [points, hier.proxies], allow_unused=True)
    assert on_points is None
    assert (on_proxies != 0).any()


def test_control_uses_the_same_samples_as_the_hinge():
    """Plain triplets of the same seed: written out over the triplets that the module draws."""
    points, labels = batch()
    hier = small(mode="default", sample_loss="triplet").manual_seed(4)
    own = pairwise_distance(points, points, 0.1)
    similarity = torch.exp(-own.detach()) + (labels[:, None] == labels[None])
    i, j, k = level_triplets(similarity, LEVELS, 2, torch.Generator().manual_seed(4)).flatten(0, 2).T
    expected = (own[i, j] - own[i, k] + 1).clamp_min(0).mean()
    torch.testing.assert_close(hier.terms(points, labels).samples, expected)


def test_fit_proxies_belongs_to_default_mode():
    with pytest.raises(ValueError, match="mode='official' has no levels to fit"):
        small(mode="official").fit_proxies(batch()[0].detach())
    with pytest.raises(ValueError, match="fitting 20 proxies needs"):
        warming().fit_proxies(batch(n=10)[0].detach())


@pytest.mark.parametrize("mode", MODES)
def test_manifold_parameters(mode):
    """Proxies as points of the ball: the same values as tangent vectors, and Riemannian Adam keeps them inside."""
    import geoopt

    points, labels = batch()
    tangent = small(mode=mode)
    ball = small(mode=mode, manifold_parameters=True)
    assert isinstance(ball.proxies, geoopt.ManifoldParameter)
    assert ball.proxies.manifold.c.item() == pytest.approx(0.1)
    with torch.no_grad():
        ball.proxies.copy_(tangent.proxies_on_ball())
    values = [hier.manual_seed(1)(points, labels) for hier in (tangent, ball)]
    torch.testing.assert_close(*values)
    optimizer = geoopt.optim.RiemannianAdam(ball.parameters(), lr=0.5)
    before = ball.proxies.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        ball(points.detach(), labels).backward()
        optimizer.step()
    assert not torch.equal(before, ball.proxies)
    assert (ball.proxies.norm(dim=1) < 0.1**-0.5).all()


@pytest.mark.parametrize("mode", MODES)
def test_learnable_curvature_is_shared_and_trained(mode):
    layer = ToPoincare(0.1, learn_curvature=True)
    hier = small(mode=mode, c=layer.manifold)
    assert hier.ball is layer.manifold
    u, labels = 0.5 * torch.randn(24, 8), torch.arange(24) // 2
    before = hier.c
    assert before == pytest.approx(0.1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    hier.manual_seed(2)(layer(u), labels).backward()
    assert layer.manifold.isp_c.grad.isfinite()
    optimizer.step()
    assert hier.c != before
    assert hier.c == pytest.approx(float(layer.c.detach()))
    assert copy.deepcopy(hier).c == hier.c


def test_a_learnable_curvature_moves_neither_the_attraction_nor_fixed_points():
    """Shrinking the curvature would shorten all squared distances at once: the attraction must not see it."""
    layer = ToPoincare(0.1, learn_curvature=True)
    hier = small(mode="default", c=layer.manifold)
    terms = hier.terms(layer(0.5 * torch.randn(24, 8)), torch.arange(24) // 2)
    raw = layer.manifold.isp_c
    (of_samples,) = torch.autograd.grad(terms.samples, raw, retain_graph=True)
    (of_proxies,) = torch.autograd.grad(terms.proxies, raw, allow_unused=True)
    assert of_samples != 0
    assert of_proxies is None or of_proxies == 0
    with pytest.raises(ValueError, match="manifold_parameters need a fixed curvature"):
        small(mode="default", c=layer.manifold, manifold_parameters=True)


def test_large_distances_keep_the_order_of_neighbours():
    """exp(-d) is 0 from d = 104 on in float32: the nearest point would be any point."""
    points = 100 * torch.arange(8.0)[:, None].expand(8, 8).contiguous()
    dist = torch.cdist(points, points)
    for labels in (None, torch.arange(8) // 2):
        order = relatedness(dist, labels).fill_diagonal_(torch.inf).argsort(1, descending=True)
        assert order[0, 1:].tolist() == list(range(1, 8))
    boosted = relatedness(dist, torch.tensor([0, 1, 1, 1, 1, 1, 1, 0]))
    assert boosted[0].argsort(descending=True).tolist() == [0, 7, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_mixed_precision(mode, geometry):
    points, labels = batch()
    for module, dtype in ((torch.float32, torch.float64), (torch.float64, torch.bfloat16)):
        hier = small(mode=mode, geometry=geometry).to(module)
        assert hier(points.detach().to(dtype), labels).isfinite()


@pytest.mark.parametrize("mode", MODES)
def test_spherical_gradient_of_points_at_the_origin_is_zero(mode):
    u = torch.zeros(24, 8, requires_grad=True)
    hier = small(mode=mode, geometry="spherical", embeddings="tangent")
    value = hier(u, torch.arange(24) // 2)
    value.backward()
    assert value.isfinite()
    assert (u.grad == 0).all()


def test_state_of_other_settings_is_refused():
    stored = small(mode="default").state_dict()
    for options, message in (
        ({"c": 1.0}, "the stored HIER has c=0.1, here 1.0"),
        ({"manifold_parameters": True}, "manifold_parameters=False, here True"),
        ({"levels": (3, 5, 20)}, r"levels=\[2, 6, 20\], here \[3, 5, 20\]"),
    ):
        with pytest.raises((ValueError, RuntimeError), match=message):
            HIER(8, **{"mode": "default", "levels": LEVELS, **options}).load_state_dict(stored)
    small(mode="default").load_state_dict(stored)


def test_clipped_start_of_manifold_parameters():
    hier = HIER(8, 512, mode="paper", manifold_parameters=True)
    assert float(dist0(hier.proxies.detach(), 0.1).max()) <= 2 * 2.3 + 1e-4


def test_plain_triplets_can_be_summed():
    points, labels = batch()
    mean, total = (
        small(mode="paper", sample_loss="triplet", margin=1.0, reduction=name).manual_seed(0)(points, labels)
        for name in ("mean", "sum")
    )
    triplets = (total / mean).item()
    assert triplets == pytest.approx(5 * round(triplets / 5), abs=1e-2)
    assert triplets >= 5


def test_fitting_to_embeddings_of_another_width():
    with pytest.raises(ValueError, match=r"expected \(N, 8\) embeddings, got \(60, 7\)"):
        warming().fit_proxies(torch.rand(60, 7))


def test_spherical_values_do_not_depend_on_norms():
    u, labels = torch.randn(24, 8), torch.arange(24) // 2
    hier = small(geometry="spherical", embeddings="tangent")
    stretched = u * torch.rand(24, 1).add(0.5)
    values = [hier.manual_seed(0)(x, labels) for x in (u, stretched, ToPoincare()(stretched))]
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(values[0], values[2])


def test_reduction_sum_and_printed_draws():
    points, labels = batch()
    values = {}
    for name, options in {"mean": {}, "sum": {"reduction": "sum"}, "printed": {"lca": "printed"}}.items():
        torch.manual_seed(0)
        values[name] = small(mode="paper", **options).manual_seed(0).terms(points, labels)
    triplets = (values["sum"].proxies / values["mean"].proxies).item()
    assert triplets == pytest.approx(5 * round(triplets / 5), abs=1e-2)  # five for every anchor that qualifies
    assert 5 <= triplets <= 100
    assert values["printed"].samples != values["mean"].samples


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
def test_gpu_without_waiting_for_the_device(mode):
    points, labels = batch()
    points, labels = points.detach().cuda().requires_grad_(), labels.cuda()
    hier = small(mode=mode).cuda().manual_seed(0)
    hier(points, labels).backward()  # looks at the first batch
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = hier(points, labels)
        value.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert value.isfinite()
    assert points.grad.isfinite().all()
