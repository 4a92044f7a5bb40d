"""Who asks and who is searched: masks, the rows that they mean, and embeddings that carry them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from hyperdml.data import EmbeddingSet
from hyperdml.data.query_gallery import check_masks, search_rows
from hyperdml.errors import DataError


@given(st.lists(st.sampled_from(["ask", "searched", "neither"]), min_size=2, max_size=30))
def test_disjoint_masks_are_their_rows(roles):
    asks, searched = (np.array([role == one for role in roles]) for one in ("ask", "searched"))
    if not asks.any() or not searched.any():
        with pytest.raises(ValueError, match="holds no item"):
            search_rows(asks, searched)
        return
    found = search_rows(asks, searched)
    assert found.queries.tolist() == [row for row, role in enumerate(roles) if role == "ask"]
    assert found.gallery.tolist() == [row for row, role in enumerate(roles) if role == "searched"]
    assert not found.includes_queries


@given(st.lists(st.sampled_from(["both", "searched", "neither"]), min_size=1, max_size=30))
def test_queries_within_the_gallery_come_first(roles):
    asks = np.array([role == "both" for role in roles])
    searched = np.array([role != "neither" for role in roles])
    if not asks.any():
        return
    found = search_rows(asks, searched)
    assert found.includes_queries
    assert found.gallery[: len(found.queries)].tolist() == found.queries.tolist() == np.flatnonzero(asks).tolist()
    assert sorted(found.gallery.tolist()) == np.flatnonzero(searched).tolist()


@pytest.mark.parametrize(
    ("queries", "gallery", "message"),
    [
        ([True, False], None, "queries and gallery belong together: give both or none"),
        ([True], [True, True], r"queries must be \(2,\) bool, one an item, got \(1,\) bool"),
        ([True, False], [0, 1], r"gallery must be \(2,\) bool, one an item, got \(2,\) int64"),
        ([False, False], [True, True], "queries holds no item"),
        ([True, True], [False, False], "gallery holds no item"),
        ([True, True], [False, True], "all queries must be in the gallery, or none: row 1 is, row 0 is not"),
    ],
)
def test_masks_that_make_no_search(queries, gallery, message):
    with pytest.raises(ValueError, match=message):
        check_masks(queries, gallery, 2)


def shop():
    return EmbeddingSet(
        points=torch.arange(10.0).view(5, 2) / 100,
        c=1.0,
        labels=torch.tensor([0, 1, 0, 1, 1]),
        levels=torch.tensor([[0, 0], [0, 1], [0, 0], [0, 1], [0, 1]]),
        level_names=("all", "class"),
        class_names=("a", "b"),
        ids=("q0", "q1", "g0", "g1", "g2"),
        proxies=torch.zeros(1, 2),
        queries=torch.tensor([True, True, False, False, False]),
        gallery=torch.tensor([False, False, True, True, True]),
    )


def test_masks_are_stored(tmp_path):
    shop().save(tmp_path / "e.safetensors")
    found = EmbeddingSet.load(tmp_path / "e.safetensors")
    assert torch.equal(found.queries, shop().queries)
    assert torch.equal(found.gallery, shop().gallery)
    assert found.queries.dtype == torch.bool


def test_files_without_masks_hold_nothing_of_them(tmp_path):
    replace(shop(), queries=None, gallery=None).save(tmp_path / "e.safetensors")
    with safe_open(tmp_path / "e.safetensors", framework="pt") as stored:
        assert sorted(stored.keys()) == ["ids", "labels", "levels", "points", "proxies"]
    assert EmbeddingSet.load(tmp_path / "e.safetensors").search_sets() is None


def test_queries_and_gallery_of_a_set():
    queries, gallery, inside = shop().search_sets()
    assert (queries.ids, gallery.ids, inside) == (("q0", "q1"), ("g0", "g1", "g2"), False)
    assert queries.queries is None is gallery.gallery
    assert torch.equal(gallery.points, shop().points[2:])
    assert gallery.class_of_items() == ["a", "b", "b"]
    assert torch.equal(gallery.levels, shop().levels[2:])
    every = torch.ones(5, dtype=torch.bool)
    queries, gallery, inside = replace(shop(), gallery=every).search_sets()
    assert (queries.ids, gallery.ids, inside) == (("q0", "q1"), ("q0", "q1", "g0", "g1", "g2"), True)


def test_selected_items():
    found = shop().select(torch.tensor([3, 0]))
    assert (found.ids, found.labels.tolist(), found.c, len(found.proxies)) == (("g1", "q0"), [1, 0], 1.0, 1)
    assert found.points.tolist() == shop().points[[3, 0]].tolist()
    bare = EmbeddingSet(torch.zeros(3, 2), 1.0).select(torch.tensor([1]))
    assert (len(bare), bare.labels, bare.ids) == (1, None, None)


def test_masks_that_do_not_fit_a_set(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="queries and gallery belong together"):
        replace(shop(), gallery=None)
    with pytest.raises(ValueError, match=r"gallery must be \(5,\) bool"):
        replace(shop(), gallery=torch.ones(4, dtype=torch.bool))
    with monkeypatch.context() as patch:  # a file that somebody else wrote
        patch.setattr(EmbeddingSet, "__post_init__", lambda self: None)
        replace(shop(), queries=torch.zeros(5, dtype=torch.bool)).save(tmp_path / "e.safetensors")
    with pytest.raises(DataError, match=r"cannot read .*e\.safetensors: queries holds no item"):
        EmbeddingSet.load(tmp_path / "e.safetensors")
