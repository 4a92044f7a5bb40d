"""`check_hierarchical_loss`: what is ours passes, and every law has a loss that breaks it."""

import pytest
import torch
from pytorch_metric_learning import losses
from torch import nn

from hyperdml.geometry import ToPoincare
from hyperdml.hier import HIER
from hyperdml.integrations import HierarchicalTripletLoss, HIERLoss, HypLoss, parametrize_on_ball, with_hier
from hyperdml.testing import ContractError, check_hierarchical_loss
from hyperdml.testing.loss_laws import LOSS_LAWS

SMALL = {
    "default": {"levels": (2, 6, 20), "per_anchor": 6},
    "official": {"num_proxies": 20, "k": 6, "per_anchor": 5},
    "paper": {"num_proxies": 20, "k": 6, "per_anchor": 5},
}


def fit(hier):
    vectors = torch.randn(60, 8, generator=torch.Generator().manual_seed(5))
    hier.fit_proxies(vectors if hier.embeddings == "tangent" else ToPoincare(hier.c)(3 * vectors))


def build_tree(loss):
    points = torch.randn(24, 8, generator=torch.Generator().manual_seed(5))
    loss.update_tree(points, torch.arange(24) // 3)


@pytest.mark.parametrize("geometry", ["hyperbolic", "spherical", "euclidean"])
@pytest.mark.parametrize("mode", list(SMALL))
@pytest.mark.parametrize(("embeddings", "c"), [("ball", 0.1), ("tangent", None)])
def test_hier_keeps_the_contract(mode, geometry, embeddings, c):
    check_hierarchical_loss(
        lambda: HIER(8, mode=mode, geometry=geometry, embeddings=embeddings, **SMALL[mode]),
        8,
        c=c,
        prepare=fit if mode == "default" else None,
    )


def test_so_does_hier_with_manifold_parameters_or_as_a_part_of_other_losses():
    def official(**options):
        return HIER(8, mode="official", **SMALL["official"], **options)

    check_hierarchical_loss(lambda: official(manifold_parameters=True, c=1.0), 8, c=1.0)
    check_hierarchical_loss(lambda: HIERLoss(8, mode="official", **SMALL["official"]), 8)
    check_hierarchical_loss(lambda: with_hier(HypLoss(), official()), 8)


def test_a_warm_up_is_no_loss_yet():
    found = violations(lambda: HIER(8, **SMALL["default"]))
    assert {"embedding gradient", "parameter gradient"} <= found.laws
    assert "proxies: the gradient is 0 everywhere" in str(found)


def test_hyp_loss_keeps_it_and_depends_on_the_order_as_its_documentation_says():
    check_hierarchical_loss(HypLoss, 8)
    assert violations(HypLoss, deterministic=True).laws == {"order"}


def test_losses_with_parameters_for_every_class_keep_all_but_the_relabelling():
    def on_ball():
        return parametrize_on_ball(losses.ProxyAnchorLoss(8, 8, margin=1.0, alpha=4))

    check_hierarchical_loss(on_ball, 8, deterministic=True, skip=["relabelling"])
    assert violations(on_ball).laws == {"relabelling"}
    # the library's Euclidean distance has no half precision on the CPU
    options = {"c": None, "prepare": build_tree, "deterministic": True, "skip": ["relabelling", "half precision"]}
    check_hierarchical_loss(lambda: HierarchicalTripletLoss(8), 8, **options)


def test_draws_inside_leave_the_state_of_torch_alone():
    torch.manual_seed(4)
    before = torch.get_rng_state()
    check_hierarchical_loss(Good, 8, deterministic=True)
    assert torch.equal(torch.get_rng_state(), before)


class Good(nn.Module):
    """Keeps every law: pulls the members of a class together, and all towards one learned point."""

    def __init__(self):
        super().__init__()
        self.centre = nn.Parameter(torch.randn(8))

    def distances(self, embeddings):
        return (embeddings[:, None] - embeddings[None]).float().square().sum(-1)

    def forward(self, embeddings, labels):
        if embeddings.dtype == torch.float64:
            d = (embeddings[:, None] - embeddings[None]).square().sum(-1)
        else:
            d = self.distances(embeddings)
        same = (labels[:, None] == labels[None]).to(d)
        to_centre = (embeddings.to(d) - self.centre).square().sum()
        return (d * same).sum() / same.sum().clamp_min(1) + to_centre / max(1, len(embeddings))


class PerSample(Good):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * torch.ones(len(labels))


class Detached(Good):
    def forward(self, embeddings, labels):
        return super().forward(embeddings.detach(), labels)


class IdleParameter(Good):
    def __init__(self):
        super().__init__()
        self.spare = nn.Parameter(torch.randn(3))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + 0 * self.scale


class NeedsFiveNeighbours(Good):
    def distances(self, embeddings):
        return super().distances(embeddings).topk(6).values.mean(1, keepdim=True).expand(-1, len(embeddings))


class NaNWithoutPairs(Good):
    def forward(self, embeddings, labels):
        pairs = (labels[:, None] == labels[None]).triu(1)
        return super().forward(embeddings, labels) + (embeddings @ embeddings.T)[pairs].mean()


class RootOfZero(Good):
    def distances(self, embeddings):
        return super().distances(embeddings).sqrt()


class Normalising(Good):
    def forward(self, embeddings, labels):
        with torch.no_grad():
            embeddings.div_(embeddings.norm(dim=1, keepdim=True).clamp_min(1e-12))
        return super().forward(embeddings, labels)


class CountingCalls(Good):
    calls = 0

    def forward(self, embeddings, labels):
        self.calls += 1
        return super().forward(embeddings, labels) / self.calls


class DeafToItsSeed(Good):
    def manual_seed(self, seed):
        return self

    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * torch.rand(())


class OrdinalLabels(Good):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels // 2)


class Random(Good):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * torch.rand(())


class Consecutive(Good):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + (embeddings[1:] - embeddings[:-1]).square().sum()


class HiddenState(Good):
    def __init__(self):
        super().__init__()
        self.direction = torch.randn(8)

    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + (embeddings @ self.direction.to(embeddings)).square().sum()


class SharedCopies(Good):
    def __deepcopy__(self, memo):
        return self


class PlainTensor(Good):
    def __init__(self):
        super().__init__()
        self.matrix = torch.eye(8)

    def forward(self, embeddings, labels):
        dtype = embeddings.dtype if embeddings.dtype == torch.float64 else torch.float32
        return super().forward(embeddings.to(dtype) @ self.matrix, labels)


class OverflowingInHalf(Good):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + (embeddings * 1e3).square().sum() * 1e-6


def violations(make_loss, **options):
    with pytest.raises(ContractError) as caught:
        check_hierarchical_loss(make_loss, 8, **options)
    return caught.value


def test_the_loss_that_the_broken_ones_derive_from_keeps_every_law():
    check_hierarchical_loss(Good, 8, deterministic=True)


BROKEN = [
    ("scalar", PerSample, "the value has shape (24,) and dtype torch.float32, expected one floating-point number"),
    ("embedding gradient", Detached, "embeddings: no gradient"),
    ("parameter gradient", IdleParameter, "spare: no gradient"),
    ("parameter gradient", IdleParameter, "scale: the gradient is 0 everywhere"),
    ("degenerate batches", NeedsFiveNeighbours, "four points: raised RuntimeError: selected index k out of range"),
    ("degenerate batches", NaNWithoutPairs, "all labels different: the value is nan"),
    ("degenerate batches", RootOfZero, "all points equal: gradient of embeddings[0, 0] is nan (192 of 192)"),
    ("inputs untouched", Normalising, "embedding["),
    ("seeds", CountingCalls, "the value of the same seed is"),
    ("seeds", DeafToItsSeed, "the value of the same manual_seed under another state of torch is"),
    ("relabelling", OrdinalLabels, "the value after relabelling is"),
    ("order", Random, "the value of another seed is"),
    ("order", Consecutive, "the value of the batch in another order is"),
    ("state", HiddenState, "the value of a new loss with this state is"),
    ("copies", SharedCopies, "the value after its copy was changed is"),
    ("float64", PlainTensor, "raised RuntimeError: expected m1 and m2 to have the same dtype"),
    ("half precision", OverflowingInHalf, "torch.float16: the value is inf"),
]


@pytest.mark.parametrize(("law", "broken", "message"), BROKEN, ids=lambda part: getattr(part, "__name__", None))
def test_every_law_can_be_broken(law, broken, message):
    found = violations(broken, deterministic=True)
    assert any(message in violation.message for violation in found.violations if violation.law == law), str(found)
    if broken is PerSample:
        assert found.laws == {"scalar"}  # nothing else was tried
    if broken is NeedsFiveNeighbours:
        assert isinstance(found.__cause__, RuntimeError)


def test_no_law_was_left_out_above():
    assert {law for law, _, _ in BROKEN} == set(LOSS_LAWS)


def test_laws_that_a_loss_breaks_alone():
    """Nothing else is said about a loss with one flaw."""
    alone = [IdleParameter, Normalising, OrdinalLabels, HiddenState, SharedCopies, PlainTensor, Consecutive]
    for broken in alone:
        expected = {law for law, other, _ in BROKEN if other is broken}
        assert violations(broken, deterministic=True).laws == expected


def test_random_losses_are_not_held_to_an_order():
    check_hierarchical_loss(Random, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 2}, "num_classes must be at least 3, got 2"),
        ({"skip": ["speed"]}, "skip names no law: 'speed'"),
        ({"c": 0.0}, "curvature c must be positive"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        check_hierarchical_loss(Good, 8, **options)


def test_the_documentation_names_every_law():
    lines = [line for line in check_hierarchical_loss.__doc__.splitlines() if line.lstrip().startswith("|")]
    names = [name.strip() for line in lines[2:] for name in line.split("|")[1].split(",")]
    assert sorted(names) == sorted(LOSS_LAWS)


@pytest.mark.gpu
@pytest.mark.parametrize("mode", list(SMALL))
def test_on_a_gpu(mode):
    def prepare(hier):
        vectors = torch.randn(60, 8, generator=torch.Generator().manual_seed(5))
        hier.fit_proxies(ToPoincare()(3 * vectors).cuda())

    check_hierarchical_loss(
        lambda: HIER(8, mode=mode, **SMALL[mode]), 8, device="cuda", prepare=prepare if mode == "default" else None
    )
