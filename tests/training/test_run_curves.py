"""Curves of finished runs: seeds are averaged, other settings told apart, everything missing named."""

import math
from dataclasses import replace

import pytest
from training.classify_case import config as classification
from training.run_curves_case import MAIN, METRIC, SIZE, TRIPLET, finished

from hyperdml.errors import ConfigError, DataError
from hyperdml.training.classify.arms import class_arms
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.folder import create_run
from hyperdml.training.records import Row, write_record
from hyperdml.training.run_curves import run_curves
from hyperdml.viz.curves import Curve


def by_title(panel):
    return {curve.title: curve for curve in panel.curves}


def test_means_and_deviations_over_seeds(tmp_path):
    runs = [
        finished(tmp_path / f"{size}-{seed}", f"{SIZE}={size}", f"seed={seed}", **{MAIN: size / 1000, METRIC: 0.3})
        for size in (64, 32)
        for seed in (0, 2)
    ]
    (panel,), caption = run_curves(runs, [SIZE], ["R@1"])
    assert panel.across == SIZE
    assert panel.up == "R@1, % (higher is better)"
    curves = by_title(panel)
    assert set(curves) == {MAIN, METRIC, TRIPLET}
    assert curves[MAIN].x == [32, 64]
    assert curves[MAIN].y == pytest.approx([4.2, 7.4])
    assert curves[MAIN].spread == pytest.approx([math.sqrt(2)] * 2)
    assert curves[METRIC].y == pytest.approx([31, 31])
    assert caption == "4 runs; mean over 2 seeds a point; bars are standard deviations over them."


def test_one_seed_has_no_spread(tmp_path):
    runs = [finished(tmp_path / str(size), f"{SIZE}={size}") for size in (32, 64)]
    (panel,), caption = run_curves(runs, [SIZE], ["R@1"])
    assert all(math.isnan(value) for value in by_title(panel)[MAIN].spread)
    assert "no spread is known" in caption


def test_an_arm_stands_at_its_own_value_and_seeds_count_once(tmp_path):
    runs = [
        finished(tmp_path / f"{weight}-{seed}", f"hier.weight={weight}", f"seed={seed}", **{METRIC: weight})
        for weight in (0.1, 0.3)
        for seed in (0, 2)
    ]
    (panel,), _ = run_curves(runs, ["hier.weight"], ["R@1"])
    curves = by_title(panel)
    assert curves[MAIN].x == [0.1, 0.3]
    assert curves[METRIC].x == [0]  # the control without the term, the same in every run: mean within the seed first
    assert curves[METRIC].y == pytest.approx([21])
    assert curves[METRIC].spread == pytest.approx([math.sqrt(2)])


def test_other_settings_make_other_curves(tmp_path):
    runs = [
        finished(tmp_path / f"{size}-{clip}", f"{SIZE}={size}", f"model.head.clip_r={clip}")
        for size in (32, 64)
        for clip in (1.0, 2.3)
    ]
    (panel,), caption = run_curves(runs, [SIZE], ["R@1"])
    assert {f"{MAIN}, model.head.clip_r=1.0", f"{MAIN}, model.head.clip_r=2.3"} <= set(by_title(panel))
    assert len(panel.curves) == 6
    assert "Left out" not in caption
    # settings that cannot change a figure do not
    runs = [
        finished(tmp_path / f"same-{size}", f"{SIZE}={size}", f"device={device}", f"evaluation.draws={draws}")
        for size, device, draws in ((32, "cpu", 5), (64, "auto", 10))
    ]
    (panel,), _ = run_curves(runs, [SIZE], ["R@1"])
    assert set(by_title(panel)) == {MAIN, METRIC, TRIPLET}


def test_one_setting_varied_at_a_time_gives_a_panel_each(tmp_path):
    runs = [finished(tmp_path / f"size{size}", f"{SIZE}={size}") for size in (32, 64, 128)]
    runs += [finished(tmp_path / f"weight{weight}", f"hier.weight={weight}") for weight in (0.1, 2)]
    panels, caption = run_curves(runs, [SIZE, "hier.weight"], ["R@1", "MAP@R"])
    assert [(panel.across, panel.up.split(",")[0]) for panel in panels] == [
        (SIZE, "R@1"),
        (SIZE, "MAP@R"),
        ("hier.weight", "R@1"),
        ("hier.weight", "MAP@R"),
    ]
    size, _, weight, _ = map(by_title, panels)
    assert set(size) == set(weight) == {MAIN, METRIC, TRIPLET}
    assert size[MAIN].x == [32, 64, 128]
    assert weight[MAIN].x == [0.1, 0.5, 2]  # the run of 128 numbers has the weight 0.5
    assert weight[METRIC].x == [0]
    assert "Left out: " in caption


def test_runs_of_classification(tmp_path):
    for dilution in (0.1, 0.4):
        base = classification()
        config = replace(base, loss=replace(base.loss, name="hace", dilution=dilution))
        folder = tmp_path / str(dilution)
        create_run(config, folder)
        rows = tuple(Row(arm.title, {"top1": 0.5, "mistake_severity": 2.5}, 1.0) for arm in class_arms(config, folder))
        write_record(folder / "results.json", ClassifyResult(rows, 10, 4, 7, "test"))
    runs = [tmp_path / "0.1", tmp_path / "0.4"]
    (panel,), _ = run_curves(runs, ["loss.dilution"], ["mistake_severity"])
    assert panel.up == "mistake_severity (lower is better)"
    (curve,) = panel.curves  # cross-entropy has no dilution
    assert curve == Curve("HACE", [0.1, 0.4], [2.5, 2.5], curve.spread)


@pytest.mark.parametrize(
    ("keys", "metrics", "message"),
    [
        (["model.head.embeding_size"], ["R@1"], "no setting model.head.embeding_size; did you mean model.head.embed"),
        (["model"], ["R@1"], "has no setting model"),
        (["data.name"], ["R@1"], "data.name must be a number to be drawn against, .* has 'emoji'"),
        (["model.head.soft_clip"], ["R@1"], "must be a number"),
        (["workers"], ["R@1"], "workers must be a number"),
        ([SIZE], ["R@9"], "no figure 'R@9'; it has: R@1, MAP@R"),
        ([], ["R@1"], "curves need keys for --x"),
        ([SIZE], [], "curves need figures for --metric"),
        ([SIZE, SIZE], ["R@1"], f"{SIZE} is given twice"),
    ],
)
def test_messages(tmp_path, keys, metrics, message):
    run = finished(tmp_path / "run")
    with pytest.raises(ConfigError, match=message):
        run_curves([run], keys, metrics)


def test_runs_that_are_none(tmp_path):
    run = finished(tmp_path / "run")
    with pytest.raises(ConfigError, match="run is given twice"):
        run_curves([run, run], [SIZE], ["R@1"])
    with pytest.raises(ConfigError, match="curves need runs"):
        run_curves([], [SIZE], ["R@1"])
    (run / "results.json").unlink()
    with pytest.raises(DataError, match=r"run is not finished: there is no .*results\.json"):
        run_curves([run], [SIZE], ["R@1"])
    with pytest.raises(DataError, match="not a run folder"):
        run_curves([tmp_path], [SIZE], ["R@1"])
