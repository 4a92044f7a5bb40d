"""The arms of a run: order, titles, settings of the controls."""

from pathlib import Path

import pytest

from hyperdml.errors import ConfigError
from hyperdml.training.retrieval.arms import arms_of
from hyperdml.training.settings import load_config

RUN = Path("runs/x")


def arms(*overrides):
    return arms_of(load_config("quickstart", overrides), RUN)


def test_controls_come_first_and_have_folders_of_their_own():
    found = arms("evaluation.controls=[official,metric,triplet]")
    assert [arm.title for arm in found] == [
        "Proxy Anchor + HIER (official)",
        "Proxy Anchor",
        "Proxy Anchor + triplets of HIER (default)",
        "Proxy Anchor + HIER (default)",
    ]
    assert [arm.folder for arm in found] == [*(RUN / "controls" / n for n in ("official", "metric", "triplet")), RUN]


def test_controls_differ_from_the_run_in_the_regulariser_alone():
    overrides = ["hier.weight=1", "evaluation.controls=[metric,triplet,spherical,euclidean,official,paper]", "seed=3"]
    *controls, main = arms(*overrides)
    for arm in controls:
        assert arm.config.optim == main.config.optim
        assert arm.config.seed == 3
    metric, triplet, spherical, euclidean, official, paper = (arm.config.hier for arm in controls)
    assert metric.weight == 0
    assert (triplet.sample_loss, triplet.weight, triplet.mode) == ("triplet", 1, "default")
    # distances shrink by the factor of the margins, 1 to 0.25 and 0.4
    assert (spherical.geometry, spherical.weight) == ("spherical", 4)
    assert (euclidean.geometry, euclidean.weight) == ("euclidean", 2.5)
    assert (official.mode, official.weight) == ("official", 0.5)
    assert (paper.mode, paper.weight) == ("paper", 1)


def test_a_control_that_is_the_run_is_left_out():
    assert [arm.title for arm in arms("hier.mode=official", "evaluation.controls=[metric,official]")] == [
        "Proxy Anchor",
        "Proxy Anchor + HIER (official)",
    ]
    (alone,) = arms("hier.weight=0", "evaluation.controls=[metric,triplet]")
    assert (alone.title, alone.folder) == ("Proxy Anchor", RUN)


def test_titles_tell_a_control_from_a_run_in_the_same_mode():
    titles = [arm.title for arm in arms("hier.mode=official", "hier.weight=1", "evaluation.controls=[metric,official]")]
    assert titles == [
        "Proxy Anchor",
        "Proxy Anchor + HIER (official), control official",
        "Proxy Anchor + HIER (official)",
    ]


def test_a_control_listed_twice_is_an_error():
    with pytest.raises(ConfigError, match=r"evaluation\.controls lists a control twice: metric, metric"):
        arms("evaluation.controls=[metric,metric]")
    with pytest.raises(ConfigError, match=r"evaluation\.controls"):
        arms("evaluation.controls=[none]")
