"""The page of the study on the bundled data: tables, and what holds after correction in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from paper_arms import FINE_TUNED_SETTINGS, METHODS, PA, RATE, RATES, Choice
from paper_choice import CHOSEN_BY, SEEDS
from paper_runs import UNTRAINED
from scipy import stats

from hyperdml.training.compare import Comparison
from hyperdml.training.compare.paired import PairedDifference, holm, paired_difference
from hyperdml.training.environment import environment
from hyperdml.training.tables import markdown_table

FIGURES = ("R@1", "R@8", "MAP@R", "subgroup MAP@R", "group MAP@R", "H-AP")
HELD = 0.05  # Holm's p-value that a difference must stay below to be called one


@dataclass(frozen=True)
class Study:
    """Runs and the pairs whose difference is tested.

    Attributes:
        found: the runs.
        pairs: arm and baseline.
    """

    found: Comparison
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Difference:
    """A difference with Holm's p-value over all differences of its study; in points."""

    arm: str
    baseline: str
    figure: str
    difference: PairedDifference
    adjusted_p: float

    @property
    def holds(self) -> bool:
        """Whether it is still there after the correction."""
        return self.adjusted_p < HELD


def corrected(study: Study) -> list[Difference]:
    """The differences of all pairs in all figures, paired by seed, corrected together (Holm)."""
    found = study.found
    gaps = [
        (arm, baseline, figure, paired_difference(*(100 * _values(found, one, figure) for one in (arm, baseline))))
        for arm, baseline in study.pairs
        for figure in FIGURES
    ]
    adjusted = holm([gap.p for *_, gap in gaps])
    return [Difference(*gap, p) for gap, p in zip(gaps, adjusted, strict=True)]


def page(studies: Mapping[str, Study], choices: Mapping[str, Choice]) -> str:
    """Markdown of all studies.

    Args:
        studies: by name, "heads" and "fine-tuned".
        choices: what was chosen for every method.
    """
    packages = environment()["packages"]
    parts = [f"{INTRODUCTION} (torch {packages['torch']})"]
    for name, study in studies.items():
        heads = name == "heads"
        parts += [
            f"## {TITLES[name]}",
            _runs(study.found),
            HEADS if heads else FINE_TUNED_TEXT,
            means_table(study.found),
        ]
        if len(study.found.seeds) > 1:
            differences = corrected(study)
            parts += [differences_table(differences), sentences(differences)]
        else:
            parts.append("One seed: no interval can be given, and nothing is said about differences.")
        lost = [f"- {record.arm}, seed {record.seed}: diverged, {record.diverged}" for record in study.found.diverged]
        parts += ["\n".join(lost)] if lost else []
        if heads:
            parts += ["### What was chosen", choices_table(choices)]
    return "\n\n".join(parts)


def means_table(found: Comparison) -> str:
    """Markdown: every arm's mean over seeds, with the half width of its 95 % t interval, after the untrained head's."""
    untrained = [UNTRAINED + figure for figure in FIGURES]
    lines = [["untrained head", *(_mean(_values(found, found.arms[0], figure)) for figure in untrained)]]
    lines += [[arm, *(_mean(_values(found, arm, figure)) for figure in FIGURES)] for arm in found.arms]
    return markdown_table(["unseen classes, %, mean ± 95 % interval", *FIGURES], lines)


def differences_table(differences: Sequence[Difference]) -> str:
    """Markdown: one row a pair, its mean difference with the 95 % t interval, * where it holds after correction."""
    cells: dict[tuple[str, str], list[str]] = {}
    for one in differences:
        gap = one.difference
        text = f"{gap.mean:+.2f}" + ("" if math.isnan(gap.low) else f" [{gap.low:+.2f}, {gap.high:+.2f}]")
        cells.setdefault((one.arm, one.baseline), []).append(text + (" *" if one.holds else ""))
    lines = [[f"{arm} minus {baseline}", *texts] for (arm, baseline), texts in cells.items()]
    count = sum(not math.isnan(one.adjusted_p) for one in differences)
    return (
        markdown_table(["paired by seed, points, mean [95 % interval]", *FIGURES], lines)
        + f"\n\nEach interval stands by itself; * marks differences that hold after Holm's correction for all {count} "
        f"(p < {HELD})."
    )


def sentences(differences: Sequence[Difference]) -> str:
    """What holds after correction, one sentence a pair, and the pairs without any."""
    lines, nothing = [], []
    for pair in dict.fromkeys((one.arm, one.baseline) for one in differences):
        own = [one for one in differences if (one.arm, one.baseline) == pair]
        held = [
            f"{word} in {', '.join(f'{one.figure} ({one.difference.mean:+.2f})' for one in part)}"
            for word, part in (
                ("above", [one for one in own if one.holds and one.difference.mean > 0]),
                ("below", [one for one in own if one.holds and one.difference.mean < 0]),
            )
            if part
        ]
        if held:
            lines.append(f"- {pair[0]} against {pair[1]}: {'; '.join(held)}.")
        else:
            nothing.append(f"{pair[0]} against {pair[1]}")
    found = ["What holds after correction:", "", *(lines or ["- nothing."])]
    if nothing:
        found += [
            "",
            "No difference that these seeds can show after correction:",
            "",
            *(f"- {one}." for one in nothing),
        ]
    return "\n".join(found)


def choices_table(choices: Mapping[str, Choice]) -> str:
    """Markdown: what was tried for every method, and what was chosen."""
    lines = []
    for title, method in METHODS.items():
        choice = choices[title]
        if method.control_of is not None:
            continue
        rate = choice.settings[0].removeprefix(f"{RATE}=")
        own = next(value for value in method.values if method.own(value) == choice.settings[1])
        figure = choice.tries.get(" ".join(choice.settings), {}).get(CHOSEN_BY, math.nan)
        key = method.option.partition("=")[0].partition(".")[2] if method.base else _option(method.option)
        values = " or ".join(f"{value:.3g}" for value in method.values)
        lines.append([title, f"{key} {values}", f"{own:.3g}", rate, f"{100 * figure:.1f}"])
    header = ["method", "own option", "chosen", f"head's rate, of {', '.join(map(str, RATES))}", f"{CHOSEN_BY}, %"]
    return markdown_table(header, lines)


def _option(text: str) -> str:
    """Name of the option of a metric loss that is tried: the one before the braces."""
    return text.partition("{}")[0].rpartition('"')[0].rpartition('"')[2]


def _values(found: Comparison, arm: str, figure: str) -> np.ndarray:
    if figure not in found.figure_names:
        return np.full(len(found.seeds), np.nan)
    return found.values(figure)[found.arms.index(arm), :, 0]


def _mean(values: np.ndarray) -> str:
    known = 100 * values[np.isfinite(values)]
    if not len(known):
        return "-"
    if len(known) == 1:
        return f"{known[0]:.1f}"
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / len(known) ** 0.5
    return f"{known.mean():.1f} ± {half:.1f}"


def _runs(found: Comparison) -> str:
    minutes = sum(record.seconds for record in found.records) / 60
    seconds = np.median([record.seconds for record in found.records])
    seeds = ", ".join(map(str, found.seeds))
    made = f"{len(found.records)} runs of {len(found.arms)} arms, seeds {seeds}"
    return f"{made}; {minutes:.0f} minutes, {seconds:.0f} s a run."


TITLES = {"heads": "Heads on a frozen backbone", "fine-tuned": "The backbone trained too"}

INTRODUCTION = """Retrieval of unseen emoji classes, leave-one-out, in hyperbolic distance. The classes are split
once: 534 to train, 160 to choose hyperparameters, 374 to test. A seed sets the start of head and proxies, the views,
the batches, the triplets and the noise, and is the same for all arms, so differences are paired by seed. Intervals are
t intervals over seeds: what other starts would give on these classes, not what other classes would."""

HEADS = f"""Backbone, features, batches, steps and views are those of the recipe quickstart for every arm. Every method
was tried in {len(RATES) * 2} ways: {len(RATES)} learning rates of the head, 2 values of an option of its own; the best
mean {CHOSEN_BY} on the validation classes was taken (seeds of the tries: {", ".join(map(str, SEEDS))}). A regularised
method takes the option of its metric loss from what was chosen for the loss alone. Controls (frozen proxies, the
sphere, flat space, triplets) take everything from the method that they differ from in one thing, the weight in other
geometries scaled as distances are. The two temperatures of spherical
Hyp are those at which its logits are as steep as the hyperbolic ones for embeddings at a right angle. All embeddings
lie at the clip radius, where the order of hyperbolic distances is that of cosines."""

FINE_TUNED_TEXT = f"""EfficientNet-Lite0 from its ImageNet weights, trained with the head:
{", ".join(f"`{word}`" for word in FINE_TUNED_SETTINGS)}, all else as in the recipe quickstart, lambda 0.5. Nothing was
chosen for these arms ({PA}'s alpha and the rates are the recipe's)."""
