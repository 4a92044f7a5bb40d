"""Parity with HIER's released implementation.

`hier_official.npz` holds inputs, triplets, Gumbel noise, LCA picks, both losses and the gradients of their sum,
computed by the released code in float64. Everything here starts from `tangent` and `proxies`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from hyperdml.geometry import clip_norm, expmap0, pairwise_distance
from hyperdml.hier import HIER, hier_triplet_loss, reciprocal_mask, released, sample_lca


@pytest.fixture(scope="module")
def official():
    with np.load(Path(__file__).with_name("hier_official.npz"), allow_pickle=False) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


@pytest.fixture(scope="module")
def settings(official):
    return {key: official[key].item() for key in ("c", "clip_r", "tau", "margin", "K")}


@pytest.fixture
def leaves(official):
    return official["tangent"].clone().requires_grad_(), official["proxies"].clone().requires_grad_()


@pytest.fixture
def distances(leaves, settings):
    x, p = (released.to_ball(leaf, settings["c"], settings["clip_r"]) for leaf in leaves)
    return {
        name: released.pairwise_distance(a, b, settings["c"])
        for name, (a, b) in {"xx": (x, x), "xp": (x, p), "pp": (p, p)}.items()
    }


def close(found, expected, bar=1e-6):
    torch.testing.assert_close(found, expected, rtol=0, atol=bar)


def test_points_of_the_ball(official, settings):
    for tangent, ball in (("tangent", "ball"), ("proxies", "proxies_ball")):
        close(released.to_ball(official[tangent], settings["c"], settings["clip_r"]), official[ball])


@pytest.mark.parametrize("name", ["xx", "xp", "pp"])
def test_distances(official, distances, name):
    close(distances[name].detach(), official[f"dist_{name}"])


def test_reciprocal_masks(official, distances, settings):
    similarity = torch.exp(-distances["xx"].detach())
    labels = official["labels"]
    same = labels[:, None] == labels[None]
    k = settings["K"]
    assert torch.equal(reciprocal_mask(similarity, k), official["reciprocal_unlabelled"])
    assert torch.equal(reciprocal_mask(similarity + same, k), official["reciprocal_labelled"])
    assert torch.equal(reciprocal_mask(torch.exp(-distances["pp"].detach()), k), official["reciprocal_proxies"])


@pytest.mark.parametrize(("term", "dist"), [("x", "xp"), ("p", "pp")])
def test_picks(official, distances, settings, term, dist):
    triplets = official[f"triplets_{term}"]
    for members, name in ((triplets[:, :2], "ij"), (triplets, "ijk")):
        picks = sample_lca(distances[dist], members, settings["tau"], official[f"gumbel_{term}_{name}"])
        assert torch.equal(picks, official[f"lca_{term}_{name}"])


def test_losses_and_gradients(official, leaves, distances, settings):
    losses = {}
    for term, dist in (("x", "xp"), ("p", "pp")):
        noise = (official[f"gumbel_{term}_ij"], official[f"gumbel_{term}_ijk"])
        triplets = official[f"triplets_{term}"]
        losses[term] = hier_triplet_loss(distances[dist], triplets, settings["tau"], settings["margin"], noise)
        close(losses[term].detach(), official[f"loss_{term}"])
    (losses["x"] + losses["p"]).backward()
    close(leaves[0].grad, official["grad_tangent"])
    close(leaves[1].grad, official["grad_proxies"])


def test_module_in_official_mode_uses_this_arithmetic(official, settings, monkeypatch):
    """`HIER` given the stored triplets and noise, through its public call, gives the stored losses and gradients."""
    count, size = official["proxies"].shape
    hier = HIER(
        size,
        count,
        c=settings["c"],
        clip_r=settings["clip_r"],
        k=settings["K"],
        per_anchor=official["t"].item(),
        mode="official",
        embeddings="tangent",
    ).double()
    with torch.no_grad():
        hier.proxies.copy_(official["proxies"])
    stored = iter(("x", "p"))
    expected_masks = iter((official["reciprocal_labelled"], official["reciprocal_proxies"]))

    def draw(mask, per_anchor, generator, *, anchor_as_negative):
        assert torch.equal(mask, next(expected_masks))
        assert anchor_as_negative
        term = next(stored)
        triplets = official[f"triplets_{term}"].reshape(-1, per_anchor, 3)
        draw.noise = (official[f"gumbel_{term}_ij"], official[f"gumbel_{term}_ijk"])
        return triplets, torch.ones(len(triplets), dtype=torch.bool)

    def loss(dist, triplets, tau, margin, **options):
        assert not options["exclude_pair_lca"]
        return hier_triplet_loss(dist, triplets, tau, margin, draw.noise, weight=options["weight"])

    monkeypatch.setattr("hyperdml.hier.objectives.draw_triplets", draw)
    monkeypatch.setattr("hyperdml.hier.objectives.hier_triplet_loss", loss)
    tangent = official["tangent"].clone().requires_grad_()
    terms = hier.terms(tangent, official["labels"])
    close(terms.samples.detach(), official["loss_x"])
    close(terms.proxies.detach(), official["loss_p"])
    (terms.samples + terms.proxies).backward()
    close(tangent.grad, official["grad_tangent"])
    close(hier.proxies.grad, official["grad_proxies"])


def test_exact_geometry_differs_by_the_released_epsilons_and_no_more(official, settings):
    x, p = (expmap0(clip_norm(official[k], settings["clip_r"]), settings["c"]) for k in ("tangent", "proxies"))
    close(x, official["ball"], 2e-5)
    close(pairwise_distance(x, p, settings["c"]), official["dist_xp"], 1e-3)
    assert (pairwise_distance(x, p, settings["c"]) - official["dist_xp"]).abs().max() > 1e-5
