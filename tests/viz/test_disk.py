"""The disk as a picture: what stands where, what the lines lead to, what the caption says, the files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from viz.figure_case import embeddings, subject

from hyperdml.errors import ConfigError, DataError
from hyperdml.tree import ROOT, nearest_ancestors
from hyperdml.viz import draw_disk, draw_epochs
from hyperdml.viz.colouring import colouring
from hyperdml.viz.disk import outermost
from hyperdml.viz.scene import scene_of
from hyperdml.viz.subject import Subject


@pytest.fixture(scope="module")
def case():
    return subject(72)


@pytest.mark.parametrize("layout", ["radius", "tangent-pca", "horospherical"])
def test_lines_lead_to_parents_of_the_learned_space(case, layout):
    found = case.embeddings
    scene = scene_of(found, layout)
    for lower, edges, at in (
        (found.points, scene.tree_edges, scene.images),
        (found.proxies, scene.proxy_edges, scene.proxies),
    ):
        parents = nearest_ancestors(lower.double(), found.proxies.double(), found.c).numpy()
        np.testing.assert_array_equal(edges[:, 0], at)
        np.testing.assert_array_equal(edges[:, 1], np.where(parents == ROOT, scene.origin, scene.proxies[parents]))
    share = (parents == ROOT).mean()
    assert f"{share:.0%} of the proxies" in scene.words


def test_the_tree_has_an_edge_from_every_node_but_its_root(case):
    scene = scene_of(case.embeddings, "tree")
    assert len(scene.images) == 72
    assert len(scene.tree_edges) == 72 + len(scene.inner) - 1
    assert len(scene.proxies) == 0
    places = set(np.r_[scene.images, scene.inner].tolist())
    assert {*scene.tree_edges.ravel().tolist()} == places


def test_umap_says_what_its_radius_is_not_and_how_good_its_neighbours_are(case):
    words = scene_of(case.embeddings, "umap").words
    assert "radius is not depth" in words
    assert words.count("%") >= 2


def test_large_sets_are_sampled_and_said_so(case):
    scene = scene_of(case.embeddings, "tangent-pca", most=50, seed=1)
    assert len(scene.rows) == len(scene.images) == 50
    assert "sample of 50 of 72 images" in scene.words
    assert scene.rows.tolist() == sorted(set(scene.rows.tolist()))
    assert scene.rows.tolist() != scene_of(case.embeddings, "tangent-pca", most=50, seed=2).rows.tolist()


@pytest.mark.parametrize("layout", ["tree", "radius", "tangent-pca"])
def test_picture(tmp_path, case, layout):
    path = tmp_path / "disk.png"
    caption = draw_disk(path, case, layout=layout)
    assert caption
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 1000
    assert (pixels != 255).any(2).mean() > 0.02
    again = tmp_path / "again.png"
    draw_disk(again, case, layout=layout)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_vector_files(tmp_path, case, ending, start):
    path = tmp_path / f"disk.{ending}"
    draw_disk(path, case, colour="radius", thumbnails=False)
    assert path.read_bytes().startswith(start)


def test_without_labels_images_and_proxies(tmp_path):
    bare = embeddings(60, proxies=0, labels=None, levels=None, level_names=(), class_names=())
    caption = draw_disk(tmp_path / "x.png", _bare(bare), layout="radius")
    assert "parent" not in caption
    with pytest.raises(ConfigError, match="shows none"):
        draw_disk(tmp_path / "y.png", _bare(bare), layout="radius", control=True)
    with pytest.raises(DataError, match="no labels"):
        draw_disk(tmp_path / "y.png", _bare(bare), colour="class")
    assert not (tmp_path / "y.png").exists()


def _bare(found):
    return Subject("bare", found)


def test_a_control_has_proxies_in_other_directions_at_the_same_radii(tmp_path, case):
    caption = draw_disk(tmp_path / "x.png", case, layout="radius", control=True)
    assert "As learned" in caption
    assert "Proxies in random directions" in caption


def test_colours_follow_the_level_that_was_asked_for(case):
    assert colouring(case).title == "family"
    assert len(colouring(case, "class").groups.names) == 12
    family = colouring(case, "family")
    levels = case.embeddings.levels[:, 1].numpy()
    for name, _, _, rows in family.layers(np.arange(72)):
        assert len(np.unique(levels[rows])) == 1, name
    assert colouring(case, "radius").radii.shape == (72,)
    with pytest.raises(ConfigError, match="family, class, radius, got 'genus'"):
        colouring(case, "genus")


def test_mistakes_are_said_before_anything_is_written(tmp_path, case):
    path = tmp_path / "x.png"
    with pytest.raises(ConfigError, match="layout must be one of"):
        draw_disk(path, case, layout="pca")
    with pytest.raises(ConfigError, match=r"\.png, \.svg or \.pdf"):
        draw_disk(tmp_path / "x.gif", case)
    with pytest.raises(ConfigError, match="4 or more points"):
        draw_disk(path, _bare(replace(case.embeddings.select(torch.arange(3)), proxies=None)))
    assert not list(tmp_path.iterdir())


def test_images_around_the_disk_stand_at_the_angle_of_their_points():
    places = 0.9 * np.exp(2j * np.pi * np.array([0.1, 0.101, 0.3, 0.8]))
    sectors, rows = outermost(places, 10)
    assert len(sectors) == len(rows) == len(set(sectors.tolist()))
    turns = (np.angle(places[rows]) / (2 * np.pi)) % 1
    assert set(rows.tolist()) <= {0, 1, 2, 3}
    assert len(rows) == 3
    assert (np.diff(np.sort(turns)) > 0.05).all()
    sectors, rows = outermost(np.array([0.2, 0.7, 0.5, -0.1j]) * np.exp(0.01j), 8)
    assert (sectors.tolist(), rows.tolist()) == ([0, 6], [1, 3])


@pytest.mark.parametrize("layout", ["tangent-pca", "horospherical"])
def test_epochs_share_one_map(tmp_path, case, layout):
    early = replace(case.arms["plain"], proxies=None)
    several = replace(case, epochs={1: early, 3: case.embeddings})
    words = draw_epochs(tmp_path / "epochs.png", several, layout=layout)
    assert "that of the last epoch" in words
    assert "Only epoch 3 has proxies" in words
    both = replace(case, epochs={1: case.embeddings, 3: case.embeddings})
    assert "Only" not in draw_epochs(tmp_path / "both.png", both, layout=layout)
    with Image.open(tmp_path / "epochs.png") as image:
        assert image.size[0] > image.size[1] * 0.8


def test_epochs_that_were_not_kept_are_said(tmp_path, case):
    with pytest.raises(DataError, match="snapshot_epochs"):
        draw_epochs(tmp_path / "x.png", case)
    with pytest.raises(ConfigError, match="tangent-pca, horospherical or umap"):
        draw_epochs(tmp_path / "x.png", replace(case, epochs={1: case.embeddings}), layout="tree")
