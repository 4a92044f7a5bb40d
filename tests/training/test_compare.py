"""Comparisons: plans, the ledger, paired statistics against SciPy, tables; trained by a made-up runner."""

import json
import math
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_rel

from hyperdml.data.image_files import UnreadableImage
from hyperdml.errors import ConfigError, DataError, DivergedError, Interrupted
from hyperdml.training.compare import Arm, Trainer, compare, plan
from hyperdml.training.compare.paired import holm, paired_difference, spread
from hyperdml.training.compare.tables import json_report, markdown_report, text_report
from hyperdml.training.compare.words import read_arms, read_seeds, read_values, refuse_settings
from hyperdml.training.figures import choose, heading, higher_is_better
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.settings import load_config


class Silent:
    def __init__(self):
        self.lines = []

    def message(self, text):
        self.lines.append(text)

    def start(self, title, total):
        pass

    def advance(self, count, figures):
        pass

    def end(self):
        pass


class Fake:
    """A runner whose figures are made up from the configuration; it counts what it is asked for."""

    def __init__(self, fail=None):
        self.calls = []
        self.fail = fail

    def __call__(self, config):
        self.calls.append((config.hier.weight, config.seed, config.data.split_seed))
        assert config.evaluation.controls == ()
        if self.fail is not None:
            self.fail(config)
        noise = (7 * config.seed) % 5 / 100
        figures = {
            "top1": 0.5 + 0.1 * config.hier.weight + noise,
            "mistake_severity": 2 - config.hier.weight - noise**2,
        }
        figures["top1"] += 0.2 * config.data.split_seed
        return figures


def arm(name, weight):
    config = TrainConfig()
    return Arm(name, replace(config, hier=replace(config.hier, weight=weight)))


ARMS = [arm("plain", 0.0), arm("hier", 0.5)]


def run(ledger, seeds=(0, 1, 2), arms=ARMS, fake=None, **options):
    fake = Fake() if fake is None else fake
    return compare(arms, seeds, ledger, fake, Silent(), **options), fake


def test_all_pairs_are_run_seed_by_seed_and_written_down(tmp_path):
    found, fake = run(tmp_path / "a" / "l.jsonl")
    assert fake.calls == [(w, s, 0) for s in (0, 1, 2) for w in (0.0, 0.5)]
    lines = [json.loads(line) for line in (tmp_path / "a" / "l.jsonl").read_text().splitlines()]
    assert [(line["arm"], line["seed"], line["unit"]) for line in lines] == [
        (name, seed, {}) for seed in (0, 1, 2) for name in ("plain", "hier")
    ]
    for line in lines:
        assert line["config"]["seed"] == line["seed"]
        assert line["config"]["hier"]["weight"] == (0.0 if line["arm"] == "plain" else 0.5)
        assert (line["diverged"], line["version"], len(line["environment"])) == (None, "0.1.0", 12)
    np.testing.assert_allclose(found.values("top1")[1, :, 0] - found.values("top1")[0, :, 0], 0.05)
    assert found.baseline == "plain"


def test_only_missing_runs_are_made_and_the_result_is_that_of_one_sitting(tmp_path):
    run(tmp_path / "l.jsonl", seeds=(1,), arms=ARMS[:1])
    _, second = run(tmp_path / "l.jsonl")
    assert second.calls == [(0.0, 0, 0), (0.5, 0, 0), (0.5, 1, 0), (0.0, 2, 0), (0.5, 2, 0)]
    again, third = run(tmp_path / "l.jsonl")
    assert third.calls == []
    whole, _ = run(tmp_path / "other.jsonl")
    for metric in ("top1", "mistake_severity"):
        assert np.array_equal(again.values(metric), whole.values(metric))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Interrupted("saved", signal.SIGTERM), 143),
        (Interrupted("saved", signal.SIGINT), 130),
    ],
)
def test_an_interruption_keeps_what_is_finished(tmp_path, error, code):
    def fail(config):
        if (config.hier.weight, config.seed) == (0.5, 1):
            raise error

    message = r"interrupted in hier, seed 1; 3 of 6 runs are in .*l\.jsonl, and the same command goes on"
    with pytest.raises(Interrupted, match=message) as caught:
        run(tmp_path / "l.jsonl", fake=Fake(fail))
    assert caught.value.exit_code == code
    _, fake = run(tmp_path / "l.jsonl")
    assert fake.calls == [(0.5, 1, 0), (0.0, 2, 0), (0.5, 2, 0)]


def test_an_error_names_the_run_and_keeps_its_kind(tmp_path):
    def fail(config):
        if config.seed == 1:
            raise DataError("no such folder")

    with pytest.raises(DataError, match="plain, seed 1: no such folder; 2 of 6 runs are in"):
        run(tmp_path / "l.jsonl", fake=Fake(fail))


def test_an_error_that_no_message_alone_makes_keeps_its_kind_too(tmp_path):
    def fail(config):
        raise UnreadableImage(Path("pictures/7.jpg"), "truncated")

    with pytest.raises(UnreadableImage, match=r"plain, seed 0: pictures/7\.jpg: truncated; 0 of 6 runs are in"):
        run(tmp_path / "l.jsonl", fake=Fake(fail))


def test_a_diverged_arm_is_recorded_once_shown_and_never_averaged(tmp_path):
    def fail(config):
        if (config.hier.weight, config.seed) == (0.5, 1):
            raise DivergedError("the loss is not finite at step 3")

    found, _ = run(tmp_path / "l.jsonl", fake=Fake(fail))
    _, second = run(tmp_path / "l.jsonl")
    assert second.calls == []
    (row,) = [one for one in found.summaries(["top1"])["top1"] if one.arm == "hier"]
    assert (row.spread.n, row.difference.n) == (2, 2)
    text = text_report(found, ["top1"])
    assert "hier DIVERGED in 1 of 3 runs (first: seed 1: the loss is not finite at step 3)" in text
    assert "2 of 3" in text
    assert json_report(found, ["top1"])["diverged"][0]["message"] == "the loss is not finite at step 3"


def test_when_everything_diverged_there_are_no_tables(tmp_path):
    def fail(config):
        raise DivergedError("bad")

    found, _ = run(tmp_path / "l.jsonl", fake=Fake(fail))
    assert choose(["top1"], found.figure_names) == []
    assert text_report(found, []).count("DIVERGED in 3 of 3 runs") == 2


def test_figures_that_are_not_finite_or_missing_are_left_out(tmp_path):
    class Holes(Fake):
        def __call__(self, config):
            figures = super().__call__(config)
            if config.hier.weight and config.seed == 0:
                figures["top1"] = float("nan")
            if config.hier.weight and config.seed == 1:
                del figures["mistake_severity"]
            return figures

    first, _ = run(tmp_path / "l.jsonl", fake=Holes())
    found, _ = run(tmp_path / "l.jsonl")
    assert '"top1": null' in (tmp_path / "l.jsonl").read_text()
    for comparison in (first, found):
        assert np.isnan(comparison.values("top1")[1, 0, 0])
        assert np.isnan(comparison.values("mistake_severity")[1, 1, 0])
        assert np.isnan(comparison.values("top1")).sum() == 1
    rows = found.summaries(["top1", "mistake_severity"])
    assert [rows[name][1].difference.n for name in rows] == [2, 2]
    assert "hier has no finite figure in some runs for: top1, mistake_severity" in text_report(found, list(rows))


def test_a_torn_last_line_is_dropped_with_a_message_and_its_run_made_again(tmp_path):
    ledger = tmp_path / "l.jsonl"
    run(ledger)
    whole = ledger.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, 40, len(lines[-1]) - 2):
        ledger.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
        progress, fake = Silent(), Fake()
        compare(ARMS, (0, 1, 2), ledger, fake, progress)
        assert fake.calls == [(0.5, 2, 0)]
        assert "was cut off" in progress.lines[0]
        assert len(ledger.read_bytes().splitlines()) == 6
    # only the end of the line is lost: the record is whole
    ledger.write_bytes(whole[:-1])
    _, fake = run(ledger)
    assert fake.calls == []
    assert ledger.read_bytes() == whole


def test_damaged_and_repeated_lines_are_named(tmp_path):
    ledger = tmp_path / "l.jsonl"
    run(ledger)
    lines = ledger.read_bytes().splitlines(keepends=True)
    for number, line in ((2, b"{}\n"), (3, b"no\n"), (1, lines[0].replace(b'"seed": 0,', b'"seed": "x",', 1))):
        ledger.write_bytes(b"".join([*lines[: number - 1], line, *lines[number:]]))
        with pytest.raises(DataError, match=rf"l\.jsonl, line {number} is not a record of a run"):
            run(ledger)
    ledger.write_bytes(b"".join([*lines, lines[2]]))
    with pytest.raises(DataError, match="line 7 repeats the run of line 3: plain, seed 1"):
        run(ledger)


def test_an_arm_under_other_settings_is_refused_with_the_keys(tmp_path):
    ledger = tmp_path / "l.jsonl"
    run(ledger)
    before = ledger.read_bytes()
    other = replace(ARMS[1].config, optim=replace(ARMS[1].config.optim, lr=1e-3))
    fake = Fake()
    with pytest.raises(ConfigError, match=r"has runs of 'hier' under other settings: optim\.lr; give another"):
        run(ledger, arms=[ARMS[0], Arm("hier", other)], fake=fake)
    assert fake.calls == []
    assert ledger.read_bytes() == before
    run(ledger, arms=[ARMS[0], Arm("faster", other)], fake=fake)
    assert len(fake.calls) == 3


def test_two_writers(tmp_path):
    with FileLock(tmp_path / ".l.jsonl.lock"), pytest.raises(ConfigError, match="another process is working on"):
        run(tmp_path / "l.jsonl")
    run(tmp_path / "l.jsonl")


def test_units_are_averaged_within_a_seed_and_shown_apart(tmp_path):
    pair = {"data.split_seed": [0, 3]}
    found, fake = run(tmp_path / "l.jsonl", pair=pair)
    assert len(fake.calls) == 12
    assert [dict(unit) for unit in found.units] == [{"data.split_seed": 0}, {"data.split_seed": 3}]
    cube = found.values("top1")
    assert cube.shape == (2, 3, 2)
    base, row = found.summaries(["top1"])["top1"]
    assert row.spread.n == row.difference.n == 3  # seeds, not seeds times units
    assert row.spread.mean == pytest.approx(cube[1].mean())
    assert row.unit_means == pytest.approx(cube[1].mean(0))
    assert row.unit_differences == pytest.approx((cube[1] - cube[0]).mean(0))
    assert base.unit_differences == (0.0, 0.0)
    text = text_report(found, ["top1"])
    assert "top1 by data.split_seed: mean, difference" in text
    assert "2 of 2" in text
    # the default split was run under pairing: it serves a comparison without
    _, alone = run(tmp_path / "l.jsonl")
    assert alone.calls == []
    _, more = run(tmp_path / "l.jsonl", pair={"data.split_seed": [0, 3, 4]})
    assert {call[2] for call in more.calls} == {4}


def test_a_seed_with_a_missing_unit_is_left_out(tmp_path):
    def fail(config):
        if (config.hier.weight, config.seed, config.data.split_seed) == (0.5, 0, 1):
            raise DivergedError("bad")

    found, _ = run(tmp_path / "l.jsonl", pair={"data.split_seed": [0, 1]}, fake=Fake(fail))
    row = found.summaries(["top1"])["top1"][1]
    assert (row.spread.n, row.difference.n) == (2, 2)
    assert row.unit_means[0] == pytest.approx(found.values("top1")[1, :, 0].mean())
    assert "5 of 6" in text_report(found, ["top1"])


@pytest.mark.parametrize(
    ("arms", "seeds", "options", "message"),
    [
        ([], (0,), {}, "at least one arm"),
        (ARMS, (), {}, "one seed"),
        (ARMS, (0, 0), {}, "seed 0 is given twice"),
        ([ARMS[0], ARMS[0]], (0,), {}, "two arms are called 'plain'"),
        ([ARMS[0], Arm("copy", replace(ARMS[0].config, seed=9))], (0,), {}, "'plain' and 'copy' have the same"),
        (ARMS, (0,), {"baseline": "hire"}, "no arm is called 'hire'; the arms are: 'plain', 'hier'"),
        (ARMS, (0,), {"pair": {"data.split_sede": [1]}}, "arm 'plain': there is no setting data.split_sede"),
        (ARMS, (0,), {"pair": {"dat.x": [1]}}, "there is no setting dat.x"),
        (ARMS, (0,), {"pair": {"data.split_seed": ["x"]}}, "arm 'plain': data.split_seed"),
        (ARMS, (0,), {"pair": {"data.split_seed": [1, 1]}}, "none of them twice, got 1, 1"),
        (ARMS, (0,), {"pair": {"data.split_seed": []}}, "at least one value"),
        (ARMS, (-1,), {}, "arm 'plain': seed"),
        (
            [ARMS[0], Arm("copy", replace(ARMS[0].config, data=replace(ARMS[0].config.data, split_seed=3)))],
            (0,),
            {"pair": {"data.split_seed": [1, 2]}},
            "'plain' and 'copy' have the same configuration under 1",
        ),
    ],
)
def test_mistakes_are_met_before_anything_is_run(tmp_path, arms, seeds, options, message):
    fake = Fake()
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "l.jsonl", seeds, arms, fake, **options)
    assert fake.calls == []
    assert not list(tmp_path.iterdir())


def test_run_folders_are_readable_and_differ():
    folders = [job.folder for job in plan([*ARMS, Arm("a/b c=1", replace(TrainConfig(), device="cpu"))], (0, 1))]
    assert len(set(folders)) == 6
    assert folders[0].startswith("plain-seed-0-")
    assert folders[2].startswith("a-b-c=1-seed-0-")


# --- statistics -------------------------------------------------------------------------------------------------------

FIGURES = arrays(np.float64, st.integers(2, 9), elements=st.floats(-10, 10, width=32))


@given(st.data())
def test_interval_and_p_are_those_of_scipys_paired_t_test(data):
    a = data.draw(FIGURES)
    b = data.draw(arrays(np.float64, a.shape, elements=st.floats(-10, 10, width=32)))
    confidence = data.draw(st.sampled_from([0.5, 0.9, 0.95, 0.99]))
    found = paired_difference(a, b, confidence=confidence)
    assert found.n == len(a)
    assert found.mean == pytest.approx((a - b).mean(), abs=1e-9)
    if np.ptp(a - b) < 1e-3:
        return
    theirs = ttest_rel(a, b)
    interval = theirs.confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-8, abs=1e-8)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-7, abs=1e-12)


def test_difference_by_hand():
    # differences 1, 2, 3 of sd 1; with two degrees of freedom t_p = (2p - 1) sqrt(2 / (1 - (2p - 1)^2))
    found = paired_difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    half = 0.95 * math.sqrt(2 / (1 - 0.95**2)) / math.sqrt(3)
    assert (found.mean, found.better, found.worse) == (2.0, 3, 0)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-12)
    lower = paired_difference([2.0, 1.0, 3.0], [1.0, 2.0, 3.0], higher_is_better=False)
    assert (lower.better, lower.worse) == (1, 1)


@pytest.mark.parametrize(("a", "b", "n"), [([], [], 0), ([1.0], [2.0], 1), ([1.0, np.nan], [0.0, 0.0], 1)])
def test_one_pair_has_no_interval(a, b, n):
    found = paired_difference(a, b)
    assert found.n == n
    assert np.isnan([found.low, found.high, found.p]).all()
    assert np.isnan(found.mean) == (n == 0)


def test_no_spread_gives_no_certainty():
    same = paired_difference([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert (same.mean, same.better, same.worse) == (0.0, 0, 0)
    shifted = paired_difference([0.1 + 0.2, 0.5], [0.2, 0.4])  # 0.1 twice, but for rounding
    assert (shifted.better, shifted.worse) == (2, 0)
    assert np.isnan([same.low, same.p, shifted.low, shifted.p]).all()
    rounded = paired_difference([0.1 + 0.2, 1.0], [0.3, 1.0])
    assert (rounded.better, rounded.mean) == (0, 0.0)


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([1.0], [1.0, 2.0], {}, "vectors of one length"),
        ([[1.0]], [[1.0]], {}, "vectors of one length"),
        ([1.0], [1.0], {"confidence": 95}, "confidence must be in"),
    ],
)
def test_bad_arguments_of_a_difference(a, b, options, message):
    with pytest.raises(ValueError, match=message):
        paired_difference(a, b, **options)


@given(FIGURES)
def test_spread_is_numpys(values):
    found = spread([*values, np.nan, np.inf])
    assert found.n == len(values)
    assert (found.mean, found.sd) == pytest.approx((values.mean(), values.std(ddof=1)))


def test_spread_of_few():
    assert (spread([]).n, spread([2.0]).mean) == (0, 2.0)
    assert np.isnan([spread([]).mean, spread([]).sd, spread([2.0]).sd]).all()


@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=8))
def test_holm_rejects_what_the_step_down_procedure_rejects(p):
    adjusted = holm(p)
    tested = sorted((value, i) for i, value in enumerate(p) if not np.isnan(value))
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, (value, i) in enumerate(tested):
            if value > alpha / (len(tested) - rank):
                break
            rejected.add(i)
        near = {i for i, value in enumerate(adjusted) if abs(value - alpha) < 1e-12}
        assert {i for i, value in enumerate(adjusted) if value <= alpha} - near == rejected - near
    assert [np.isnan(value) for value in adjusted] == [np.isnan(value) for value in p]


# --- words and tables -------------------------------------------------------------------------------------------------


def test_words_make_arms(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("optim:\n  steps: 7\n")
    words = ["quickstart", "data.subset=tiny", "quickstart:hier.levels=[2, 6],hier.warmup=1", str(path)]
    arms = read_arms(words, {"optim.lr": [1e-3, 1e-05]})
    assert [one.name for one in arms] == [
        f"{name} optim.lr={lr}"
        for name in ("quickstart", "quickstart hier.levels=[2, 6] hier.warmup=1", "mine")
        for lr in ("0.001", "1e-05")
    ]
    expected = ["data.subset=tiny", "hier.levels=[2, 6]", "hier.warmup=1", "optim.lr=1e-5"]
    assert arms[3].config == load_config("quickstart", expected)
    assert (arms[4].config.optim.steps, arms[4].config.data.subset) == (7, "tiny")
    for folder in ("one", "two"):  # two runs are called after their folders
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.yaml").write_text("optim:\n  steps: 7\n")
    runs = read_arms([str(tmp_path / "one" / "config.yaml"), f"{tmp_path}/two/config.yaml:hier.k=3"])
    assert [one.name for one in runs] == ["one", "two hier.k=3"]


@pytest.mark.parametrize(
    ("words", "grid", "message"),
    [
        ([], {}, "name at least one recipe"),
        (["data.subset=tiny"], {}, "name at least one recipe"),
        (["quikstart"], {}, "arm 'quikstart': no recipe named 'quikstart'; did you mean 'quickstart'"),
        (["quickstart:hier.wieght=1"], {}, "arm 'quickstart hier.wieght=1': .*did you mean hier.weight"),
        (["quickstart:hier"], {}, "'hier' is not of the form key=value"),
        (["quickstart", "seed=3"], {}, "seeds are given by --seeds, not as seed=3"),
        (["quickstart:hier.k=3", "hier.k=4"], {}, "hier.k is given twice"),
        (["quickstart", "optim.lr=1"], {"optim.lr": [1, 2]}, "optim.lr is given twice"),
        (["quickstart"], {"optim.lr": [1, 1]}, "none of them twice"),
        (["quickstart"], {"optim.lr": ["x"]}, "arm 'quickstart optim.lr=x': .*optim.lr"),
    ],
)
def test_bad_words_name_the_arm(words, grid, message):
    with pytest.raises(ConfigError, match=message):
        read_arms(words, grid)


@pytest.mark.parametrize(("text", "seeds"), [("3", (0, 1, 2)), ("0,3,7", (0, 3, 7)), ("7,", (7,)), ("1, 2", (1, 2))])
def test_seeds(text, seeds):
    assert read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1,,2", ",", "1.5", "1,x"])
def test_bad_seeds(text):
    with pytest.raises(ConfigError, match="--seeds must be"):
        read_seeds(text)


def test_values_are_yaml():
    words = ["a.b=1,2.5,1e-4", "c=[1, 2],null,x y", "d=true"]
    assert read_values(words, "--grid") == {"a.b": [1, 2.5, 1e-4], "c": [[1, 2], None, "x y"], "d": [True]}
    for words, message in (
        (["a"], "not of the form"),
        (["=1"], "not of the form"),
        (["a="], "not of the form"),
        (["a=[1"], "--grid 'a=.1': not valid YAML"),
        (["a=1", "a=2"], "has a twice"),
        (["seed=1,2"], "seeds are given by --seeds"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_values(words, "--grid")


@pytest.mark.parametrize(
    ("words", "grid"),
    [(["data.split_seed=1"], {}), (["quickstart:hier.k=1,data.split_seed=1"], {}), ([], {"data.split_seed": [1]})],
)
def test_a_pairing_setting_may_not_be_set_for_arms_too(words, grid):
    with pytest.raises(ConfigError, match=r"data\.split_seed is given by --pair and for arms too"):
        refuse_settings(words, grid, {"data.split_seed": [1]})
    refuse_settings(["quickstart:xdata.split_seed=1"], {"split_seed": [1]}, {"data.split_seed": [1]})


def test_directions_and_choice_of_figures():
    assert higher_is_better("top1")
    assert not any(map(higher_is_better, ["mistake_severity", "hierarchical_distance@5", "AHC", "ece/leaf"]))
    assert heading("mistake_severity") == "mistake_severity (lower is better)"
    assert heading("top1") == "top1, % (higher is better)"
    assert heading("ece/leaf") == "ece/leaf, % (lower is better)"
    assert choose((), ["x", "MAP@R", "top1"]) == ["top1", "MAP@R"]
    assert choose((), ["x", "y"]) == ["x", "y"]
    assert choose(["y"], ["top1", "y"]) == ["y"]
    with pytest.raises(ConfigError, match="no run has a figure 'top2'; there are: top1, y"):
        choose(["top2"], ["top1", "y"])


def test_tables_say_what_they_mean(tmp_path):
    metrics = ["top1", "mistake_severity"]
    found, _ = run(tmp_path / "l.jsonl", seeds=(0, 1, 2, 3))
    rows = {metric: text_report(found, metrics).split(f"{heading(metric)}\n")[1].splitlines() for metric in metrics}
    # noise 0, 2, 4, 1 per cent in both arms, and 5 points between them
    assert rows["top1"][1].split() == ["plain", "4", "51.75", "1.71", "baseline", "0"]
    assert rows["top1"][2].split() == ["hier", "4", "56.75", "1.71", "+5.00", "-", "4", "of", "4", "0"]
    assert rows["mistake_severity"][2].split()[4:] == ["-0.500", "-", "4", "of", "4", "0"]
    text = text_report(found, metrics)
    assert "what other seeds would give on these test images, not what other images would" in text
    assert "differences tested" not in text
    assert "hier has the same difference in every seed for: top1, mistake_severity; no spread is no certainty" in text
    markdown = markdown_report(found, metrics)
    assert "| hier | 4 | 56.75 | 1.71 | +5.00 | - | 4 of 4 | 0 |" in markdown
    record = json_report(found, metrics)
    assert record["figures"]["mistake_severity"]["higher_is_better"] is False
    assert record["figures"]["top1"]["arms"][1]["difference"]["mean"] == pytest.approx(0.05)
    one, _ = run(tmp_path / "l.jsonl", seeds=(0,))
    assert "one seed: no spread and no interval" in text_report(one, metrics)


def test_stars_are_holms_over_the_whole_table(tmp_path):
    rng = np.random.default_rng(0)

    class Noisy(Fake):
        def __call__(self, config):
            shift = {0.0: 0.0, 0.5: 0.02, 0.7: 0.0}[config.hier.weight]
            return {"top1": 0.5 + shift + 0.004 * rng.normal(), "hF1": 0.5 + shift / 4 + 0.004 * rng.normal()}

    found, _ = run(tmp_path / "l.jsonl", range(5), [*ARMS, arm("other", 0.7)], Noisy())
    summaries = found.summaries(["top1", "hF1"])
    rows = [one for metric in summaries for one in summaries[metric] if one.difference is not None]
    assert [one.adjusted_p for one in rows] == holm([one.difference.p for one in rows])
    text = text_report(found, ["top1", "hF1"])
    assert "4 differences tested" in text
    stars = sum(one.adjusted_p < 0.05 for one in rows)
    assert 0 < stars < 4
    assert text.count(" *  ") == stars


def test_runs_of_several_environments_are_told(tmp_path):
    ledger = tmp_path / "l.jsonl"
    run(ledger)
    lines = ledger.read_text().splitlines()
    last = json.loads(lines[-1]) | {"environment": "elsewhere"}
    ledger.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    found, fake = run(ledger)
    assert fake.calls == []
    assert "the runs come from 2 versions or environments" in text_report(found, ["top1"])


# --- training ---------------------------------------------------------------------------------------------------------

SMALL = [
    "data.subset=tiny",
    "data.image_size=32",
    "model.backbone=test_efficientnet",
    "model.weights=none",
    "model.head.embedding_size=16",
    "batch.size=24",
    "hier.weight=0",
    "hier.levels=[2,6]",
    "evaluation.draws=2",
    "evaluation.every=0",
    "optim.views=1",
    "optim.steps=2",
]


def test_a_trainer_gives_the_figures_of_a_run_and_keeps_its_folder_on_request(tmp_path):
    arms = [Arm("small", load_config("quickstart", SMALL))]
    jobs = plan(arms, (0, 1))
    kept = Trainer(jobs, tmp_path / "kept", keep=True, progress=Silent())(jobs[0].config)
    assert 0 < kept["R@1"] < 1
    folder = tmp_path / "kept" / jobs[0].folder
    assert (folder / "model" / "model.safetensors").is_file()
    assert not (folder / "controls").exists()
    again = Trainer(jobs, tmp_path / "gone", keep=False, progress=Silent())(jobs[0].config)
    assert again == kept
    assert not (tmp_path / "gone").exists()


def test_a_trainer_leaves_nothing_of_runs_that_cannot_start_or_diverge(tmp_path):
    words = [*SMALL, "optim.lr=1e30", "optim.clip_value=null", "optim.steps=9"]
    for name, settings, error in (
        ("diverges", words, DivergedError),
        ("never starts", [*SMALL, "evaluation.ks=[500]"], ConfigError),
    ):
        jobs = plan([Arm(name, load_config("quickstart", settings))], (0,))
        with pytest.raises(error):
            Trainer(jobs, tmp_path / "runs", keep=False, progress=Silent())(jobs[0].config)
        assert not (tmp_path / "runs").exists()
