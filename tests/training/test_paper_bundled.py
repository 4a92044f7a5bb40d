"""The HIER study on the bundled data: its arms, what is chosen and how, what the page says, a small run."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import paper_bundled
import paper_bundled_page
import paper_choice
import paper_runs
import paper_tables
from paper_arms import (
    DEFAULT,
    FINE_TUNED,
    FINE_TUNED_PAIRS,
    HYP,
    METHODS,
    MS,
    OFFICIAL,
    PA,
    PAIRS,
    RATE,
    SPHERE,
    Choice,
    fine_tuned_arm,
    matched,
    method_arm,
)
from paper_bundled_page import FIGURES, Study, choices_table, corrected, means_table, page, sentences

from hyperdml.errors import DataError, DivergedError
from hyperdml.geometry import ToPoincare, pairwise_distance
from hyperdml.training.compare import compare
from hyperdml.training.compare.arms import digest
from hyperdml.training.compare.paired import holm, paired_difference


class Quiet:
    def message(self, text): ...
    def start(self, title, total): ...
    def advance(self, count, figures): ...
    def end(self): ...


CHOICES = {title: Choice(method.tries()[1], {}) for title, method in METHODS.items() if method.control_of is None}
CHOICES |= {
    title: Choice(method.carried(CHOICES[method.control_of].settings))
    for title, method in METHODS.items()
    if method.control_of is not None
}


def arm_of(title, choices=CHOICES):
    return method_arm(title, choices, choices[title].settings, [])


def test_every_method_has_as_many_tries_and_no_two_are_the_same():
    assert {len(set(method.tries())) for method in METHODS.values() if method.control_of is None} == {4}
    assert len({digest(arm_of(title).config) for title in METHODS}) == len(METHODS)
    for title in (PA, DEFAULT, HYP):
        tries = [method_arm(title, CHOICES, settings, []).config for settings in METHODS[title].tries()]
        assert len({digest(config) for config in tries}) == 4


def test_controls_take_everything_from_what_they_are_controls_of():
    controls = {title: method for title, method in METHODS.items() if method.control_of is not None}
    assert len(controls) == 5
    for title, method in controls.items():
        ours, theirs = arm_of(title).config, arm_of(method.control_of).config
        assert (ours.optim.head_lr_mult, ours.metric_loss) == (theirs.optim.head_lr_mult, theirs.metric_loss)
        spaces = (ours.hier.geometry, theirs.hier.geometry)
        assert (ours.hier.weight == theirs.hier.weight) == (spaces[0] == spaces[1] or "official" in title)
    with pytest.raises(ValueError, match="not in list"):
        METHODS[next(iter(controls))].carried((f"{RATE}=10", "hier.weight=7"))


def test_regularised_methods_take_their_metric_loss_as_it_was_chosen():
    for title, method in METHODS.items():
        config = arm_of(title).config
        if method.base is None:
            assert config.hier.weight == 0
            continue
        base = arm_of(method.base).config
        assert config.metric_loss == base.metric_loss
        assert config.hier.weight > 0
        assert (config.batch, config.data, config.crop, config.optim.steps) == (
            base.batch,
            base.data,
            base.crop,
            base.optim.steps,
        )
    assert arm_of(PA).config.metric_loss.options == {"margin": 0.1, "alpha": 32}
    frozen = arm_of(f"{PA} + HIER (official, frozen random proxies)").config
    assert (frozen.optim.hier_proxy_lr_mult, frozen.hier.mode) == (0, "official")
    assert arm_of(f"{PA} + triplets of HIER (default)").config.hier.sample_loss == "triplet"
    assert arm_of(f"{PA} + HIER in flat space (default)").config.hier.geometry == "euclidean"
    for mode in ("official", "default"):
        hier = arm_of(f"{PA} + HIER_sph ({mode})").config.hier
        assert (hier.geometry, hier.mode) == ("spherical", mode)


def test_every_pair_is_of_two_arms_and_every_arm_is_in_one():
    for pairs, titles in ((PAIRS, METHODS), (FINE_TUNED_PAIRS, FINE_TUNED)):
        assert len(set(pairs)) == len(pairs)
        assert {title for pair in pairs for title in pair} == set(titles)
        assert all(arm != baseline for arm, baseline in pairs)
    assert {(DEFAULT, PA), (OFFICIAL, PA), (f"{MS} + HIER (default)", MS), (HYP, SPHERE)} <= set(PAIRS)


def test_the_matched_temperature_gives_equal_slopes_at_a_right_angle():
    angle = torch.tensor([-1e-4, 1e-4], dtype=torch.float64) + torch.pi / 2
    rows = torch.stack([angle.cos(), angle.sin()], 1)
    ball = ToPoincare(c=0.1, clip_r=2.3)
    points = ball(100 * torch.cat([torch.tensor([[1.0, 0.0]], dtype=torch.float64), rows]))
    distances = pairwise_distance(points[:1], points[1:], c=0.1)[0]
    slope = (distances[0] - distances[1]) / 0.2 / (rows[0, 0] - rows[1, 0])
    assert -1 / slope.item() == pytest.approx(matched(0.2), rel=1e-4)
    assert matched(0.4) == pytest.approx(2 * matched(0.2))
    kinds = {title: arm_of(title).config.metric_loss for title in (HYP, SPHERE)}
    assert (kinds[HYP].distance, kinds[SPHERE].distance) == ("poincare", "cosine")
    assert kinds[SPHERE].options["temperature"] == pytest.approx(matched(kinds[HYP].options["temperature"]), rel=1e-3)


def test_the_fine_tuned_arms_train_the_backbone_and_differ_in_hier_alone():
    configs = {title: fine_tuned_arm(title, []).config for title in FINE_TUNED}
    assert not any(config.optim.freeze_backbone for config in configs.values())
    assert {title: (config.hier.weight, config.hier.mode) for title, config in configs.items() if title != PA} == {
        OFFICIAL: (0.5, "official"),
        DEFAULT: (0.5, "default"),
    }
    assert configs[PA].hier.weight == 0
    assert len({(config.optim, config.batch, config.data) for config in configs.values()}) == 1


def made_up(config):
    """Validation figures: the higher rate is best, and for Proxy Anchor alpha 32, for the others the larger option."""
    rate = {10: 0.0, 30: 0.2}[config.optim.head_lr_mult]
    if config.hier.weight > 0:
        if config.hier.weight == 1:
            raise DivergedError("made up")
        return {"R@1": 0.5, "MAP@R": 0.3 + rate}
    return {"R@1": 0.9 - rate, "MAP@R": rate + config.metric_loss.options["alpha"] / 1000 + 0.001 * config.seed}


def test_the_best_mean_is_chosen_and_the_metric_losses_come_first(tmp_path, monkeypatch):
    def train(arms, seeds, ledger, read, progress):
        assert read is paper_choice.validation_figures
        for arm in arms:
            assert arm.config.evaluation.every == arm.config.optim.steps
            assert arm.config.evaluation.on == "validation"
        return compare(arms, seeds, ledger, made_up, progress)

    monkeypatch.setattr(paper_choice, "train_arms", train)
    found = paper_choice.choose([DEFAULT], tmp_path / "l.jsonl", [], Quiet())
    assert list(found) == [PA, DEFAULT]
    assert found[PA].settings == (f"{RATE}=30", METHODS[PA].own(32))
    best = " ".join(found[PA].settings)
    assert found[PA].tries[best] == {"R@1": pytest.approx(0.7), "MAP@R": pytest.approx(0.2 + 0.032 + 0.1)}
    # the tries that diverged are shown as such and are not taken
    assert found[DEFAULT].settings == (f"{RATE}=30", "hier.weight=0.5")
    assert found[DEFAULT].tries[f"{RATE}=30 hier.weight=1"] == {}
    records = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    tried = [one["config"] for one in records if one["arm"].startswith(DEFAULT)]
    assert all(config["metric_loss"]["options"]["alpha"] == 32 for config in tried)
    assert len(tried) == 4 * len(paper_choice.SEEDS)


def test_nothing_is_chosen_where_every_try_diverged(tmp_path, monkeypatch):
    def diverge(config):
        raise DivergedError("made up")

    monkeypatch.setattr(
        paper_choice,
        "train_arms",
        lambda arms, seeds, ledger, read, progress: compare(arms, seeds, ledger, diverge, progress),
    )
    with pytest.raises(DataError, match="every try of 'MS' diverged"):
        paper_choice.choose([MS], tmp_path / "l.jsonl", [], Quiet())


def test_choices_come_back_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "choice.json"
    with pytest.raises(DataError, match=r"is missing: python .* --choose makes it"):
        paper_choice.load_choices(path)
    paper_choice.save_choices(CHOICES, path)
    assert paper_choice.load_choices(path) == CHOICES
    record = json.loads(path.read_text())
    record["methods"][MS]["settings"][0] = f"{RATE}=7"
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match="no choice for 'MS' among its tries"):
        paper_choice.load_choices(path)
    path.write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        paper_choice.load_choices(path)


def study(tmp_path, gains, seeds=range(5)):
    """Three arms over some seeds; `gains` are those of the second and third over the first, by figure."""
    arms = [arm_of(title) for title in (PA, OFFICIAL, DEFAULT)]

    def run(config):
        place = 0 if config.hier.weight == 0 else 1 if config.hier.mode == "official" else 2
        noise = 0.001 * math.sin(7 * config.seed + 3 * place)
        return {name: 0.5 + noise + (gains[place - 1].get(name, 0) if place else 0) for name in FIGURES}

    return Study(compare(arms, list(seeds), tmp_path / "s.jsonl", run, Quiet()), ((OFFICIAL, PA), (DEFAULT, PA)))


def test_differences_are_paired_and_corrected_together(tmp_path):
    found = corrected(made := study(tmp_path, ({}, {"MAP@R": 0.05, "R@8": -0.05})))
    assert [(one.arm, one.figure) for one in found] == [(a, f) for a in (OFFICIAL, DEFAULT) for f in FIGURES]
    values = {arm: 100 * made.found.values("MAP@R")[i, :, 0] for i, arm in enumerate(made.found.arms)}
    (one,) = [one for one in found if (one.arm, one.figure) == (DEFAULT, "MAP@R")]
    assert one.difference == paired_difference(values[DEFAULT], values[PA])
    assert [one.adjusted_p for one in found] == holm([one.difference.p for one in found])
    assert {(one.arm, one.figure) for one in found if one.holds} == {(DEFAULT, "MAP@R"), (DEFAULT, "R@8")}
    text = sentences(found)
    assert f"- {DEFAULT} against {PA}: above in MAP@R (+5.0" in text
    assert "below in R@8 (-" in text
    assert f"- {OFFICIAL} against {PA}." in text[text.index("No difference") :]


def test_nothing_is_claimed_where_nothing_holds_or_of_one_seed(tmp_path):
    assert "- nothing." in sentences(corrected(study(tmp_path, ({}, {}))))
    one = study(tmp_path / "one", ({}, {"MAP@R": 0.05}), [0])
    text = page({"heads": one}, CHOICES)
    assert "One seed: no interval can be given" in text
    assert "What holds" not in text


def test_means_stand_with_their_t_interval_and_what_is_missing_is_a_dash(tmp_path):
    made = study(tmp_path, ({}, {}))
    text = means_table(made.found)
    values = 100 * made.found.values("R@1")[0, :, 0]
    half = 2.776445 * values.std(ddof=1) / math.sqrt(5)
    assert f"| {PA} | {values.mean():.1f} ± {half:.1f} |" in text
    assert "| untrained head | - | - |" in text


def test_the_page_shows_what_was_tried_and_chosen():
    text = choices_table(CHOICES)
    assert f"| {PA} | alpha 12 or 32 | 32 | 10 |" in text
    assert f"| {DEFAULT} | weight 0.5 or 1 | 1 | 10 |" in text
    assert f"| {HYP} | temperature 0.2 or 0.4 | 0.4 | 10 |" in text


def test_seeds_of_the_choice_are_refused(tmp_path, capsys):
    words = ["--bundled", "--studies", "fine-tuned", "--seeds", "99,100", "--work", str(tmp_path)]
    with pytest.raises(SystemExit):
        paper_tables.main(words)
    assert "--seeds 100 was used to choose" in capsys.readouterr().err


def test_a_small_study_is_made_shared_and_not_made_twice(tmp_path, capsys, monkeypatch):
    few = {title: METHODS[title] for title in (PA, DEFAULT)}
    for module in (paper_bundled, paper_choice, paper_bundled_page):
        monkeypatch.setattr(module, "METHODS", few)
    monkeypatch.setattr(paper_bundled, "PAIRS", ((DEFAULT, PA),))
    choices = tmp_path / "choice.json"
    paper_choice.save_choices({title: CHOICES[title] for title in few}, choices)
    words = ["--bundled", "--studies", "heads", "--smoke", "--choices", str(choices), "--device", "cpu"]
    words += ["optim.steps=4", "hier.warmup=2", "hier.levels=[2, 8]"]
    for seed in ("0,", "1,"):
        paper_tables.main([*words, "--seeds", seed, "--work", str(tmp_path / seed)])
    assert "One seed: no interval" in capsys.readouterr().out
    joined = tmp_path / "joined"
    joined.mkdir()
    lines = [line for seed in ("0,", "1,") for line in (tmp_path / seed / "heads.jsonl").read_text().splitlines()]
    (joined / "heads.jsonl").write_text("".join(f"{line}\n" for line in sorted(lines)))

    def refuse(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(paper_runs.Trainer, "__call__", refuse)
    paper_tables.main([*words, "--seeds", "2", "--work", str(joined)])
    text = capsys.readouterr().out
    records = [json.loads(line) for line in lines]
    assert len(records) == 4
    means = {title: 100 * sum(one["figures"]["R@1"] for one in records if one["arm"] == title) / 2 for title in few}
    assert f"| {PA} | {means[PA]:.1f} ± " in text
    assert f"| {DEFAULT} minus {PA} | {means[DEFAULT] - means[PA]:+.2f}" in text
    assert not list(tmp_path.rglob("*.runs"))
