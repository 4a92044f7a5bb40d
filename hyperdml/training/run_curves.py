"""Figures of finished runs against a setting in which they differ, as curves."""

from __future__ import annotations

import difflib
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from hyperdml.errors import ConfigError, DataError
from hyperdml.training.classify.arms import class_arms
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.figures import heading, scale
from hyperdml.training.folder import read_run
from hyperdml.training.records import read_record
from hyperdml.training.retrieval.arms import arms_of
from hyperdml.training.retrieval.result import load_result
from hyperdml.training.settings import config_to_dict
from hyperdml.viz.curves import Curve, Panel

# settings that leave the figures of an arm as they are, or change them by chance only
_NEUTRAL = (
    *("seed", "device", "workers", "checkpoint_every", "bad_steps", "snapshot_epochs", "logging", "data.root"),
    *("evaluation.controls", "evaluation.draws", "evaluation.batch_size"),
)


@dataclass(frozen=True)
class _Point:
    """One trained arm: its title, seed, position, the settings that tell curves apart, and its figure."""

    title: str
    seed: int
    x: float
    settings: Mapping[str, Any]
    y: float


def run_curves(runs: Sequence[Path], keys: Sequence[str], metrics: Sequence[str]) -> tuple[list[Panel], str]:
    """A panel for every key and every figure, with a curve for every arm of the runs.

    The position of an arm is its own value of the key, so that the control without a term stands where its weight is
    0. Values are means over seeds, spreads their standard deviations (n - 1). Arms of one title that differ in other
    settings too make a curve each; of these, those with a single position are left out where another has several. So
    are controls that lack the setting.

    Args:
        runs: finished run folders.
        keys: dotted keys of the configuration, as "model.head.embedding_size".
        metrics: names of figures, as "R@1".

    Returns:
        The panels, key by key, and a caption.

    Raises:
        ConfigError: no runs, keys or metrics, or one of them twice; a run without the key, with a value that is no
            number, or without the figure.
        DataError: a folder is no run, or its run is not finished.
    """
    for what, given in (("runs", runs), ("keys for --x", keys), ("figures for --metric", metrics)):
        if not given:
            raise ConfigError(f"curves need {what}")
        twice = [name for name in given if list(given).count(name) > 1]
        if twice:
            raise ConfigError(f"{twice[0]} is given twice")
    arms = [arm for run in runs for arm in _arms(run)]
    panels, dropped, seeds = [], 0, set()
    for key in keys:
        for metric in metrics:
            curves, left_out, counts = _curves([_point(*arm, key, metric) for arm in arms if _has_place(*arm[:4], key)])
            panels.append(Panel(key, heading(metric), curves))
            dropped = max(dropped, left_out)
            seeds |= counts
    return panels, _caption(len(runs), seeds, dropped)


def _arms(run: Path) -> list[tuple[Path, bool, str, Mapping[str, Any], Mapping[str, float]]]:
    """Of every arm that was trained: the run, whether it is the main one, title, flat settings and figures."""
    config = read_run(run)
    if isinstance(config, ClassifyConfig):
        found: Any = read_record(run / "results.json", ClassifyResult)
        arms: Any = class_arms(config, run)
    else:
        found, arms = load_result(run), arms_of(config, run)
    if found is None:
        raise DataError(f"{run} is not finished: there is no {run / 'results.json'}")
    rows = {row.title: row.figures for row in found.rows}
    return [
        (run, arm is arms[-1], arm.title, _flat(config_to_dict(arm.config)), rows[arm.title])
        for arm in arms
        if arm.title in rows
    ]


def _has_place(run: Path, main: bool, title: str, settings: Mapping[str, Any], key: str) -> bool:
    """Whether an arm has a position: a control may lack the setting that is drawn against, the main arm may not."""
    if key not in settings:
        close = difflib.get_close_matches(key, settings, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"--x: {run} has no setting {key}{hint}")
    value = settings[key]
    if value is None and not main:
        return False
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"--x: {key} must be a number to be drawn against, {title!r} of {run} has {value!r}")
    return True


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _point(
    run: Path, main: bool, title: str, settings: Mapping[str, Any], figures: Mapping[str, float], key: str, metric: str
) -> _Point:
    if metric not in figures:
        raise ConfigError(f"--metric: {title!r} of {run} has no figure {metric!r}; it has: {', '.join(figures)}")
    kept = {
        name: found
        for name, found in settings.items()
        if name != key and not any(name == part or name.startswith(f"{part}.") for part in _NEUTRAL)
    }
    x = float(settings[key])
    # some titles say the setting, as "HACE 0.3": then it is the position and not another arm
    bare = re.sub(rf" {re.escape(f'{x:g}')}(?![\w.])", "", title, count=1)
    return _Point(bare, int(settings["seed"]), x, kept, scale(metric) * figures[metric])


def _curves(points: Sequence[_Point]) -> tuple[list[Curve], int, set[int]]:
    """The curves, how many others were left out, and how many seeds their points have."""
    groups = [
        group
        for title in dict.fromkeys(point.title for point in points)
        for group in _alike([point for point in points if point.title == title])
    ]
    several = [group for group in groups if len({point.x for point in group}) > 1]
    kept = [group for group in groups if _belongs(group, groups, several)]
    curves, seeds = [], set()
    for group in kept:
        # in words where arms of one title still differ
        same = [other[0].settings for other in kept if other[0].title == group[0].title]
        said = [f"{name}={group[0].settings.get(name)}" for name in _differing(same)]
        curve, counts = _curve(", ".join([group[0].title, *said]), group)
        curves.append(curve)
        seeds |= counts
    return curves, len(groups) - len(kept), seeds


def _alike(points: Sequence[_Point]) -> list[list[_Point]]:
    """Trainings of one arm by their settings but for the key and the seed."""
    differ = _differing([point.settings for point in points])
    groups: dict[str, list[_Point]] = defaultdict(list)
    for point in points:
        groups[repr([point.settings.get(name) for name in differ])].append(point)
    return list(groups.values())


def _belongs(group: list[_Point], groups: Sequence[list[_Point]], several: Sequence[list[_Point]]) -> bool:
    """Whether a curve is shown: it has several positions, or it is a single one under the settings of such a curve."""
    if not several or group in several:
        return True
    title = group[0].title
    if any(other[0].title == title for other in several):
        return False
    differ = _differing([other[0].settings for other in groups if other[0].title == title])
    return any(all(other[0].settings.get(n) == group[0].settings.get(n) for n in differ) for other in several)


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted({name for one in settings for name in one})
    return [name for name in names if any(one.get(name) != settings[0].get(name) for one in settings)]


def _curve(title: str, points: Sequence[_Point]) -> tuple[Curve, set[int]]:
    """Means and standard deviations over seeds; trainings of one seed, as one control of several runs, count once."""
    by_x: dict[float, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for point in points:
        by_x[point.x][point.seed].append(point.y)
    x = sorted(by_x)
    values = [[fmean(same) for same in by_x[at].values()] for at in x]
    spread = [stdev(found) if len(found) > 1 else math.nan for found in values]
    return Curve(title, x, [fmean(found) for found in values], spread), {len(found) for found in values}


def _caption(runs: int, seeds: set[int], dropped: int) -> str:
    least, most = min(seeds), max(seeds)
    if most == 1:
        said = "one seed a point, so that no spread is known and small differences mean nothing"
    else:
        count = f"{most}" if least == most else f"{least} to {most}"
        said = f"mean over {count} seeds a point; bars are standard deviations over them"
        said += ", where there are two or more" if least == 1 else ""
    parts = [f"{runs} run{'s' if runs > 1 else ''}; {said}."]
    if dropped:
        other = (
            "1 curve of a single position that differs"
            if dropped == 1
            else f"{dropped} curves of a single position that differ"
        )
        parts.append(f"Left out: {other} in other settings too.")
    return " ".join(parts)
