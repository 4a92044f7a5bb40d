"""Groups of images: classes, levels above them, and what is said where they are missing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from viz.figure_case import LEVELS, embeddings, subject

from hyperdml.errors import ConfigError, DataError
from hyperdml.viz.groups import class_groups, levels_above, super_groups
from hyperdml.viz.needs import arm_beside, needed_images, needed_proxies


def test_classes_are_numbered_from_0_with_their_names():
    own = embeddings(60)
    some = own.select(torch.tensor([9, 3, 3, 7]))
    found = class_groups(some)
    assert found.ids.tolist() == [2, 0, 0, 1]
    assert found.names == ("species 3", "species 7", "species 9")
    assert class_groups(replace(some, class_names=())).names == ("class 3", "class 7", "class 9")


def test_levels_above_are_those_that_join_classes():
    own = embeddings()
    assert levels_above(own) == ["order", "family"]
    assert levels_above(embeddings(60)) == ["family"]  # one order only
    assert levels_above(replace(own, levels=None, level_names=())) == []
    assert levels_above(replace(own, levels=own.levels[:, 2:], level_names=LEVELS[2:])) == []


def test_groups_of_a_level():
    own = embeddings()
    found = super_groups(own, coarse_names=("a", "b", "c", "d"))
    assert found.level == "order"
    assert found.names == ("a", "b", "c", "d")
    np.testing.assert_array_equal(found.ids, own.levels[:, 0])
    assert super_groups(own).names == tuple(f"order {i}" for i in range(4))
    assert super_groups(own, "family", ("a",)).names == tuple(f"family {i}" for i in range(10))
    assert super_groups(replace(own, levels=None, level_names=())) is None


def test_messages():
    own = embeddings()
    with pytest.raises(ConfigError, match="no level 'genus' above the classes; there are: order, family"):
        super_groups(own, "genus")
    with pytest.raises(ConfigError, match="no level 'species' above the classes"):
        super_groups(own, "species")
    with pytest.raises(ConfigError, match="no level 'x' above the classes; there are none"):
        super_groups(replace(own, levels=None, level_names=()), "x")
    with pytest.raises(DataError, match="no labels"):
        super_groups(replace(own, labels=None), "order")
    torn = own.levels.clone()
    torn[0, 1] = 9
    with pytest.raises(DataError, match="cannot be used: levels are not nested"):
        super_groups(replace(own, levels=torn))


def test_the_arm_beside():
    run = subject()
    assert arm_beside(run)[0] == "plain"
    assert arm_beside(run, "with proxies")[1] is run.arms["with proxies"]
    assert arm_beside(replace(run, arms={"with proxies": run.embeddings})) is None
    with pytest.raises(ConfigError, match="run has no other arm 'HIER'; it has: 'with proxies'; 'plain'"):
        arm_beside(run, "HIER")


def test_what_is_missing_is_said():
    with pytest.raises(DataError, match="shows images, and run has none: the folder is gone"):
        needed_images(subject(images=None, missing="the folder is gone"))
    with pytest.raises(DataError, match="shows hierarchical proxies, and run has none"):
        needed_proxies(replace(subject(), embeddings=embeddings(proxies=0)))
