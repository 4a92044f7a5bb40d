"""Samplers: what a batch holds, what an epoch covers, and that both depend on (seed, step) alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.data.sampling import SAMPLERS, create_sampler
from hyperdml.data.sampling.hierarchical import HierarchicalSampler
from hyperdml.data.sampling.members import Members
from hyperdml.errors import ConfigError, DataError
from hyperdml.seeds import derive_seed

BY_CLASS = ("m_per_class", "unique_class", "hierarchical")


def mixed_labels(counts, seed=0):
    """Labels in random order, with gaps between their numbers."""
    return np.random.default_rng(seed).permutation(np.repeat(3 * np.arange(len(counts)) + 2, counts))


def made(name, labels, **options):
    levels = np.stack([labels % 2, labels], 1)
    return create_sampler(name, labels, **{"size": 8, "per_class": 2, "seed": 5, "levels": levels, **options})


class_counts = st.lists(st.integers(1, 6), min_size=4, max_size=12)


# what all of them hold to


@settings(deadline=None, max_examples=100)
@given(class_counts, st.sampled_from(SAMPLERS), st.integers(0, 10**6), st.integers(0, 2**40))
def test_batches_are_positions_and_depend_on_seed_and_step_alone(counts, name, step, seed):
    labels = mixed_labels(counts)
    size = 4 if name == "shuffle" else 8
    sampler = made(name, labels, size=size, seed=seed)
    assert len(sampler) >= 1
    steps = [step, step + 1, 0, step + len(sampler)]
    found = {s: sampler.batch(s) for s in steps}
    for batch in found.values():
        assert batch.shape == (size,)
        assert batch.dtype == np.int64
        assert batch.min() >= 0
        assert batch.max() < len(labels)
    again = made(name, labels, size=size, seed=seed)
    for s in reversed(steps):
        np.testing.assert_array_equal(again.batch(s), found[s])


@pytest.mark.parametrize("name", SAMPLERS)
def test_steps_and_seeds_differ(name):
    labels = mixed_labels([20] * 10)
    batches = [made(name, labels, seed=seed).batch(step) for seed in (0, 1) for step in range(4)]
    assert all((a != b).any() for a, b in itertools.combinations(batches, 2))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_batch_belongs_to_its_caller(name):
    sampler = made(name, mixed_labels([5] * 8))
    before = sampler.batch(1).copy()
    sampler.batch(1)[:] = 0
    np.testing.assert_array_equal(sampler.batch(1), before)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_image_comes_up(name):
    labels = mixed_labels([5] * 10)
    sampler = made(name, labels, size=10)
    seen = np.bincount(np.concatenate([sampler.batch(s) for s in range(300)]), minlength=50)
    assert seen.min() > 30
    assert seen.max() < 100


@settings(deadline=None, max_examples=100)
@given(
    class_counts, st.sampled_from(BY_CLASS), st.integers(1, 4), st.integers(2, 4), st.integers(0, 1000), st.booleans()
)
def test_batches_hold_m_images_of_each_class(counts, name, per_class, classes, step, replace):
    labels = mixed_labels(counts)
    batch = made(name, labels, size=per_class * classes, per_class=per_class, replace=replace).batch(step)
    groups = labels[batch].reshape(classes, per_class)
    assert (groups == groups[:, :1]).all()
    assert len(set(groups[:, 0])) == classes
    for label, rows in zip(groups[:, 0], batch.reshape(classes, per_class), strict=True):
        if not replace and (labels == label).sum() >= per_class:
            assert len(set(rows)) == per_class


# draws


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(1, 15), min_size=1, max_size=12), st.integers(1, 8), st.booleans(), st.integers(0, 2**40))
def test_draws_are_those_of_one_call_a_class(counts, count, replace, seed):
    members = Members(mixed_labels(counts))
    classes = np.arange(len(counts))[::-1]
    one, other = np.random.default_rng(seed), np.random.default_rng(seed)
    images = [members.order[members.starts[k] : members.starts[k] + counts[k]] for k in classes]
    expected = [one.choice(rows, count, replace=replace or len(rows) < count) for rows in images]
    np.testing.assert_array_equal(members.draw(other, classes, count, replace), np.concatenate(expected))
    assert one.integers(2**62) == other.integers(2**62)


def test_every_ordered_pair_is_as_likely():
    members = Members(np.zeros(4, np.int64))
    pairs = members.draw(np.random.default_rng(0), np.zeros(12_000, np.int64), 2, replace=False).reshape(-1, 2)
    counts = np.bincount(pairs @ [4, 1], minlength=16).reshape(4, 4)
    assert np.diag(counts).sum() == 0
    wanted = counts[~np.eye(4, dtype=bool)]
    assert ((wanted - 1000) ** 2 / 1000).sum() < 35  # 11 degrees of freedom
    assert Members(np.array([7, 7])).draw(np.random.default_rng(0), np.zeros(1, np.int64), 2, replace=False).sum() == 1


def test_with_replacement_an_image_can_come_twice():
    labels = mixed_labels([3] * 6)
    for name in BY_CLASS:
        twice = [np.diff(made(name, labels, replace=True).batch(s).reshape(4, 2)) == 0 for s in range(300)]
        assert 0.28 < np.mean(twice) < 0.39  # one in three


# m_per_class


@settings(deadline=None, max_examples=50)
@given(class_counts, st.integers(1, 4), st.integers(0, 1000))
def test_m_per_class_draws_classes_then_images(counts, per_class, step):
    """The batches of published runs: a plain transcription."""
    labels = mixed_labels(counts)
    rng = np.random.default_rng(derive_seed(5, "batch", step))
    classes = np.unique(labels)[rng.choice(len(counts), 3, replace=False)]
    members = [np.flatnonzero(labels == label) for label in classes]
    expected = [rng.choice(rows, per_class, replace=len(rows) < per_class) for rows in members]
    sampler = made("m_per_class", labels, size=3 * per_class, per_class=per_class)
    np.testing.assert_array_equal(sampler.batch(step), np.concatenate(expected))


def test_epochs_of_m_per_class_count_images():
    assert len(made("m_per_class", mixed_labels([58] * 100), size=180)) == 5800 // 180
    assert len(made("m_per_class", mixed_labels([1] * 4))) == 1


# unique_class


@settings(deadline=None, max_examples=60)
@given(class_counts, st.integers(1, 3), st.integers(0, 50))
def test_unique_class_shows_every_class_once_an_epoch(counts, classes, epoch):
    labels = mixed_labels(counts)
    sampler = made("unique_class", labels, size=2 * classes)
    assert len(sampler) == len(counts) // classes
    batches = [sampler.batch(epoch * len(sampler) + i) for i in range(len(sampler))]
    shown = np.concatenate([labels[batch[::2]] for batch in batches])
    assert len(set(shown)) == len(shown) == len(counts) // classes * classes


def test_unique_class_leaves_other_classes_out_every_epoch():
    sampler = made("unique_class", mixed_labels([2] * 7), size=6)
    labels = mixed_labels([2] * 7)
    missing = {
        tuple(set(labels) - set(labels[np.concatenate([sampler.batch(2 * e), sampler.batch(2 * e + 1)])]))
        for e in range(40)
    }
    assert len(missing) == 7


def test_hyp_vit_on_cub_takes_a_step_an_epoch():
    sampler = made("unique_class", mixed_labels([58] * 100), size=900, per_class=9)
    assert len(sampler) == 1
    assert len(set(sampler.batch(3))) == 900


# class_balanced and shuffle


def test_class_balanced_draws_classes_alike_whatever_their_size():
    labels = mixed_labels([1, 200, 10, 50])
    sampler = made("class_balanced", labels, size=100)
    assert len(sampler) == 2
    drawn = np.concatenate([sampler.batch(step) for step in range(80)])
    counts = np.unique(labels[drawn], return_counts=True)[1]
    assert ((counts - 2000) ** 2 / 2000).sum() < 20  # 3 degrees of freedom
    large = np.unique(drawn[labels[drawn] == 5], return_counts=True)[1]
    assert len(large) == 200
    assert ((large - 10) ** 2 / 10).sum() < 290  # 199 degrees of freedom


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 50))
def test_shuffle_shows_every_image_once_an_epoch(count, size, epoch):
    size = min(size, count)
    sampler = made("shuffle", np.zeros(count, np.int64), size=size)
    assert len(sampler) == count // size
    rows = np.concatenate([sampler.batch(epoch * len(sampler) + i) for i in range(len(sampler))])
    assert len(set(rows)) == len(rows) == count // size * size


# hierarchical


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 8), st.integers(0, 1000))
def test_hierarchical_takes_few_super_classes(sizes, super_classes, classes, step):
    super_classes, classes = min(super_classes, len(sizes)), min(classes, sum(sizes))
    super_classes = min(super_classes, classes)
    coarse_of = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    labels = mixed_labels([3] * sum(sizes))
    coarse = coarse_of[(labels - 2) // 3]
    batch = HierarchicalSampler(labels, coarse, 2 * classes, 2, super_classes, seed=0).batch(step)
    shown = labels[batch[::2]]
    assert len(set(shown)) == classes
    found, counts = np.unique(coarse[batch[::2]], return_counts=True)
    there = np.array(sizes)[found]
    if len(found) > super_classes:
        # only the last one drawn can be in need of nothing further
        assert sorted(there - counts)[-2] == 0
    share = classes // super_classes
    if (np.array(sizes) >= share + (classes % super_classes > 0)).all():
        assert len(found) == super_classes
        assert sorted(counts) == sorted(share + (i < classes % super_classes) for i in range(super_classes))


def test_a_small_super_class_gives_all_and_others_fill_up():
    labels = np.repeat(np.arange(11), 2)
    coarse = np.repeat([0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2], 2)
    sampler = HierarchicalSampler(labels, coarse, 8, 2, 2, seed=0)
    seen = {tuple(np.bincount(coarse[sampler.batch(step)[::2]], minlength=3)) for step in range(60)}
    assert seen == {(1, 3, 0), (1, 0, 3), (0, 2, 2)}


def test_where_the_super_classes_hold_too_few_further_ones_are_taken():
    labels = np.repeat(np.arange(6), 2)
    sampler = HierarchicalSampler(labels, labels // 2, 10, 2, 1, seed=0)
    for step in range(20):
        assert sorted(np.bincount(labels[sampler.batch(step)[::2]] // 2, minlength=3)) == [1, 2, 2]


# what is refused


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("random", {}, r"batch.sampler must be one of m_per_class, .*, got 'random'"),
        ("m_per_class", {"size": 5}, "batch.size must be a multiple of batch.per_class, got 5 and 2"),
        ("unique_class", {"size": 0}, "batch.size must be a multiple of batch.per_class, got 0 and 2"),
        ("m_per_class", {"per_class": 0}, "batch.size must be a multiple of batch.per_class, got 8 and 0"),
        ("m_per_class", {"size": 10}, "batch.size 10 with batch.per_class 2 needs 5 classes; the training part has 4"),
        ("unique_class", {"size": 10}, "needs 5 classes; the training part has 4"),
        ("hierarchical", {"size": 10}, "needs 5 classes; the training part has 4"),
        ("hierarchical", {"levels": None}, "batch.sampler hierarchical needs data with a level above the class"),
        ("hierarchical", {"levels": np.zeros((12, 1), np.int64)}, "hierarchical needs data with a level above"),
        ("hierarchical", {"super_classes": 3}, r"batch.super_classes must be from 1 to 2 \(the training part has 2"),
        ("hierarchical", {"super_classes": 0}, r"from 1 to 2 .* a batch 4 classes\), got 0"),
        ("hierarchical", {"size": 2}, r"batch.super_classes must be from 1 to 1 .*, got 2"),
        ("class_balanced", {"size": 0}, "batch.size must be at least 1, got 0"),
        ("class_balanced", {"replace": True}, "batch.replace is about .* with sampler class_balanced"),
        ("shuffle", {"replace": True}, "batch.replace is about .* with sampler shuffle"),
        ("shuffle", {"size": 13}, "batch.size must be from 1 to 12, the images of the training part, got 13"),
    ],
)
def test_refuses(name, options, message):
    with pytest.raises(ConfigError, match=message):
        made(name, mixed_labels([3] * 4), **options)


def test_refuses_no_images_and_classes_in_two_places():
    with pytest.raises(ConfigError, match="needs images; the training part has none"):
        made("class_balanced", np.zeros(0, np.int64))
    labels = np.repeat(np.arange(4), 3)
    levels = np.stack([labels % 2, labels], 1)
    levels[5, 0] = 0
    with pytest.raises(DataError, match="images of class 1 belong to several classes of the coarsest level"):
        made("hierarchical", labels, levels=levels)


# seeds


def test_derived_seeds_differ_by_path_and_stay_what_they_are():
    paths = [("batch", 0), ("batch", 1), ("augment", 0), (), ("batch",)]
    assert len({derive_seed(0, *path) for path in paths}) == len(paths)
    assert derive_seed(0, "batch", 1) != derive_seed(1, "batch", 1)
    # part of the meaning of a recipe: another value would silently change every published figure
    assert derive_seed(0, "batch", 0) == 6131691253768263644
    assert all(0 <= derive_seed(s, "x") < 2**63 for s in range(50))
