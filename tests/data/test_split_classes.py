"""Class-disjoint splits, one by one and in bundles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.data.emoji import load_emoji
from hyperdml.data.split_classes import split_classes


@pytest.fixture(scope="module")
def subgroups():
    emoji = load_emoji()
    return emoji.levels[:: len(emoji.vendor_names), 1]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), together=st.booleans())
def test_is_a_partition_near_the_fractions(subgroups, seed, together):
    bundles = subgroups if together else None
    split = split_classes(1068, seed, bundles=bundles)
    parts = (split.train, split.validation, split.test)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1068))
    for part, share in zip(parts, (0.5, 0.15, 0.35), strict=True):
        assert (np.diff(part) > 0).all()
        assert abs(len(part) - share * 1068) <= 3
        assert not part.flags.writeable
    again = split_classes(1068, seed, bundles=bundles)
    np.testing.assert_array_equal(split.train, again.train)
    np.testing.assert_array_equal(split.test, again.test)
    if together:
        ids = [set(subgroups[part]) for part in parts]
        assert ids[0].isdisjoint(ids[1] | ids[2])
        assert ids[1].isdisjoint(ids[2])


def test_the_seed_decides():
    assert not np.array_equal(split_classes(120).train, split_classes(120, seed=1).train)


def test_a_part_may_be_left_out():
    split = split_classes(120, fractions=(0.5, 0.0, 0.5))
    assert [len(split.train), len(split.validation), len(split.test)] == [60, 0, 60]


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.5, 0.5, 0.5), (1.5, -0.5, 0.0), (float("nan"), 0.5, 0.5)])
def test_refuses_fractions(fractions):
    with pytest.raises(ValueError, match="fractions must be three numbers"):
        split_classes(120, fractions=fractions)


def test_refuses_bundles_and_counts_that_do_not_fit():
    with pytest.raises(ValueError, match="bundles must hold one id for each of 4 classes"):
        split_classes(4, bundles=np.zeros(3))
    with pytest.raises(ValueError, match="2 classes are too few"):
        split_classes(2)
    with pytest.raises(ValueError, match="40 classes in 2 bundles are too few"):
        split_classes(40, bundles=np.arange(40) % 2)
