"""The data of the explorer's page: arrays read back, nodes against brute force, thumbnails in their cells, odd sets."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from viz.figure_case import embeddings, subject

from hyperdml.data import ArrayImages
from hyperdml.errors import ConfigError
from hyperdml.geometry import dist0, pairwise_distance
from hyperdml.tree import hierarchy_of, nearest_ancestors
from hyperdml.viz.explorer import explorer_data, explorer_page
from hyperdml.viz.explorer.atlas import atlases, wanted
from hyperdml.viz.explorer.encode import decoded, encoded
from hyperdml.viz.layouts import tree_layout
from hyperdml.viz.subject import Subject, sampled


@pytest.fixture(scope="module")
def case():
    own = subject(72)
    return own, hierarchy_of(own.embeddings, draws=2)


@pytest.fixture(scope="module")
def data(case):
    return explorer_data(*case, side=16)


def places(field):
    return decoded(field) @ np.array([1, 1j]) if decoded(field).ndim == 2 else decoded(field).view(complex)


def test_what_is_written_is_read_back():
    for kind, values in (("f8", [0.1, -2.0]), ("f4", [0.5, np.nan]), ("i4", [-1, 7]), ("u1", [0, 255])):
        np.testing.assert_array_equal(decoded(encoded(values, kind)), values)


def test_the_tree_is_that_of_the_hierarchy(case, data):
    _, hierarchy = case
    tree, part = hierarchy.tree, data["tree"]
    np.testing.assert_array_equal(decoded(part["parents"]), tree.parents)
    np.testing.assert_array_equal(decoded(part["sizes"]), tree.sizes)
    np.testing.assert_allclose(decoded(part["heights"]), tree.heights, rtol=1e-6)
    frame = data["layouts"][0]["frames"][0]
    both = np.concatenate([places(frame["leaves"]), places(frame["inner"])])
    np.testing.assert_array_equal(both, tree_layout(tree))


def test_nodes_against_brute_force(case, data):
    own, hierarchy = case
    tree, part = hierarchy.tree, data["tree"]
    labels = own.embeddings.labels.numpy()
    medoid, purity, radius = (decoded(part[key]) for key in ("medoid", "purity", "radius"))
    inner = pairwise_distance(tree.points, own.embeddings.points.double(), own.embeddings.c).numpy()
    for node in range(tree.num_nodes):
        below = tree.leaves_under(node)
        counts = np.unique(labels[below], return_counts=True)[1]
        assert purity[node] == pytest.approx(counts.max() / len(below))
        assert medoid[node] in below
        if node >= tree.num_leaves:
            gaps = inner[node - tree.num_leaves]
            assert gaps[medoid[node]] == pytest.approx(gaps[below].min(), abs=1e-6)
    np.testing.assert_allclose(radius[:72], dist0(own.embeddings.points, own.embeddings.c), rtol=1e-5)
    np.testing.assert_allclose(radius[72:], dist0(tree.points, own.embeddings.c), rtol=1e-5)


def test_proxies_against_brute_force(case, data):
    own, part = case[0], data["proxies"]
    x, z, c = own.embeddings.points.double(), own.embeddings.proxies.double(), own.embeddings.c
    gaps = pairwise_distance(x, z, c).numpy()
    above = nearest_ancestors(z, z, c).numpy()
    np.testing.assert_array_equal(decoded(part["parents"]), above)
    np.testing.assert_array_equal(decoded(part["leaf_parents"]), gaps.argmin(1))
    np.testing.assert_array_equal(decoded(part["medoid"]), gaps.argmin(0))
    labels = own.embeddings.labels.numpy()
    for proxy in range(len(z)):
        below = []
        for leaf, at in enumerate(gaps.argmin(1)):
            while at >= 0 and at != proxy:
                at = above[at]
            if at == proxy:
                below.append(leaf)
        assert decoded(part["sizes"])[proxy] == len(below)
        share = np.unique(labels[below], return_counts=True)[1].max() / len(below) if below else np.nan
        np.testing.assert_allclose(decoded(part["purity"])[proxy], share, rtol=1e-6)


def test_neighbours_are_exact_and_leave_an_image_out_of_its_own(case, data):
    found = case[0].embeddings
    gaps = pairwise_distance(found.points.double(), found.points.double(), found.c).numpy()
    np.fill_diagonal(gaps, np.inf)
    k = data["neighbours"]["k"]
    index = decoded(data["neighbours"]["index"]).reshape(72, k)
    np.testing.assert_allclose(np.take_along_axis(gaps, index, 1), np.sort(gaps, 1)[:, :k], rtol=1e-6)
    correct = next(colour for colour in data["colours"] if colour["key"] == "correct")
    labels = found.labels.numpy()
    np.testing.assert_array_equal(decoded(correct["values"]), labels[index[:, 0]] == labels)


def test_queries_find_the_gallery_alone(case):
    own = case[0]
    gallery = torch.arange(72) % 3 == 0
    found = replace(own, embeddings=replace(own.embeddings, queries=~gallery, gallery=gallery))
    data = explorer_data(found, None, thumbnails=0, layouts=("tangent-pca",))
    index = decoded(data["neighbours"]["index"]).reshape(72, -1)
    assert gallery.numpy()[index].all()
    assert (index != np.arange(72)[:, None]).all()


def test_a_gallery_of_one_gives_no_neighbours(case):
    own = case[0]
    only = torch.arange(72) == 71
    found = replace(own, embeddings=replace(own.embeddings, queries=~only, gallery=only))
    data = explorer_data(found, None, thumbnails=0, layouts=("tangent-pca",))
    assert data["neighbours"]["k"] == 0
    assert "correct" not in [colour["key"] for colour in data["colours"]]


def test_thumbnails_stand_in_their_cells():
    tones = np.arange(100, dtype=np.uint8) * 2
    images = ArrayImages(np.broadcast_to(tones[:, None, None, None], (100, 8, 8, 3)).copy(), np.zeros(100, np.int64))
    rows = np.random.default_rng(0).permutation(100)[:70]
    part, done = atlases(images, rows, side=8)
    assert done == 70
    np.testing.assert_array_equal(decoded(part["cells"]), rows)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(part["atlases"][0].split(",")[1]))).convert("RGB"))
    for cell, row in enumerate(rows):
        y, x = divmod(cell, part["columns"])
        assert abs(int(sheet[y * 8 + 4, x * 8 + 4, 0]) - int(tones[row])) < 12
    assert atlases(images, rows, side=8, budget=10)[1] == 0


def test_which_images_get_a_thumbnail():
    labels = np.repeat([0, 1, 2], [50, 5, 5])
    found = wanted(60, np.array([7, 7, 59]), labels, 12, seed=0)
    assert found[:2].tolist() == [7, 59]
    assert len(set(found.tolist())) == 12
    assert np.unique(labels[found[2:]], return_counts=True)[1].min() >= 3  # classes take turns
    assert len(wanted(60, np.empty(0, np.int64), None, 100, seed=0)) == 60


def test_the_same_twice_and_all_of_it_json(case, data):
    again = explorer_data(*case, side=16)
    assert json.dumps(again) == json.dumps(data)
    page = explorer_page(data)
    assert page.count("<script") == 2


def test_bare_points_without_anything_else(tmp_path):
    bare = Subject("bare", embeddings(30, proxies=0, labels=None, levels=None, level_names=(), class_names=()))
    data = explorer_data(bare, None, layouts=("tree", "radius", "tangent-pca"))
    assert (data["tree"], data["proxies"], data["labels"], data["thumbnails"]) == (None, None, None, None)
    assert [layout["key"] for layout in data["layouts"]] == ["tangent-pca"]
    assert data["names"][3] == "image 3"
    assert explorer_page(data)
    with pytest.raises(ConfigError, match="no layout is left"):
        explorer_data(bare, None, layouts=("tree",))
    with pytest.raises(ConfigError, match="layout must be one of"):
        explorer_data(bare, None, layouts=("pca",))


def test_hostile_names_cannot_end_the_data(case):
    own, hierarchy = case
    nasty = "</script><img src=x onerror=alert(1)>\u2028"
    names = tuple(f"{nasty}{i}" for i in range(12))
    found = replace(own, title=nasty, embeddings=replace(own.embeddings, class_names=names))
    page = explorer_page(explorer_data(found, hierarchy, thumbnails=0))
    assert "<img src=x" not in page
    assert page.count("</script>") == 2


def test_epochs_become_frames_in_one_map(case):
    own, _ = case
    early = replace(own.arms["plain"], proxies=None)
    data = explorer_data(replace(own, epochs={1: early}), None, thumbnails=0, layouts=("tangent-pca",))
    frames = data["layouts"][0]["frames"]
    assert [frame["epoch"] for frame in frames] == [1, None]
    assert [frame["proxies"] is None for frame in frames] == [True, False]


def test_an_epoch_of_another_curvature_stands_where_it_stood(case):
    own, _ = case
    early = replace(own.arms["plain"], proxies=None)
    other = replace(early, points=2 * early.points, c=early.c / 4)
    first, second = (
        explorer_data(replace(own, epochs={1: found}), None, thumbnails=0, layouts=("tangent-pca",))["layouts"][0]
        for found in (early, other)
    )
    np.testing.assert_allclose(places(first["frames"][0]["leaves"]), places(second["frames"][0]["leaves"]), atol=1e-9)


def test_one_sphere_is_said_and_has_no_colour_by_radius():
    found = embeddings(36)
    on_sphere = replace(found, points=torch.nn.functional.normalize(found.points) * 2)
    data = explorer_data(Subject("x", on_sphere), None, layouts=("tangent-pca",))
    assert any("one sphere" in note for note in data["notes"])
    assert "radius" not in [colour["key"] for colour in data["colours"]]


def test_a_sample_is_said_in_the_title(case):
    found = sampled(case[0], 20, seed=0)
    assert len(found) == len(found.images) == len(found.arms["plain"]) == 20
    assert "a sample of 20 of 72 images" in found.title
    assert sampled(case[0], 72, seed=0) is case[0]
