"""A comparison in tables and words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hyperdml.training.compare.arms import unit_label
from hyperdml.training.compare.comparison import ArmSummary, Comparison
from hyperdml.training.figures import heading, higher_is_better, shown_as
from hyperdml.training.tables import markdown_table, text_table

_LEVEL = 0.05  # what Holm's p-value is held against


def text_report(comparison: Comparison, metrics: Sequence[str]) -> str:
    """Aligned tables, one a figure, and the notes under them.

    Args:
        comparison: all runs.
        metrics: the figures to show.
    """
    parts = [f"{title}\n{text_table(*cells)}" for title, cells in _tables(comparison, metrics)]
    return "\n\n".join([*parts, "\n".join(notes(comparison, metrics))])


def markdown_report(comparison: Comparison, metrics: Sequence[str]) -> str:
    """The same in Markdown."""
    parts = [f"### {title}\n\n{markdown_table(*cells)}" for title, cells in _tables(comparison, metrics)]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes(comparison, metrics))]) + "\n"


def json_report(comparison: Comparison, metrics: Sequence[str]) -> dict[str, Any]:
    """The same as plain containers; figures as they are, not in per cent."""
    summaries = comparison.summaries(metrics)
    return {
        "arms": [
            {"name": arm, "runs": _runs(comparison, arm), "seconds": comparison.seconds(arm)} for arm in comparison.arms
        ],
        "baseline": comparison.baseline,
        "seeds": list(comparison.seeds),
        "units": [dict(unit) for unit in comparison.units],
        "figures": {
            metric: {"higher_is_better": higher_is_better(metric), "arms": [asdict(one) for one in summaries[metric]]}
            for metric in metrics
        },
        "diverged": [
            {"arm": record.arm, "seed": record.seed, "unit": dict(record.unit), "message": record.diverged}
            for record in comparison.diverged
        ],
        "notes": notes(comparison, metrics),
    }


def notes(comparison: Comparison, metrics: Sequence[str]) -> list[str]:
    """What the tables mean, what they do not, and what is missing in them."""
    seeds, units = len(comparison.seeds), len(comparison.units)
    found = []
    if seeds > 1:
        found.append(
            f"mean and sd over {seeds} seeds; difference to {comparison.baseline} over the same seeds, with its 95 % t "
            "interval: what other seeds would give on these test images, not what other images would"
        )
    else:
        found.append("one seed: no spread and no interval can be given; --seeds 5 gives them")
    if units > 1:
        found.append(
            f"each seed's figure is the mean over the {units} values of {_pairing(comparison)}, so the interval holds "
            "for these values; the tables by value show whether they agree"
        )
    summaries = comparison.summaries(metrics)
    tests = sum(not math.isnan(one.adjusted_p) for rows in summaries.values() for one in rows)
    if tests:
        found.append(
            f"{tests} differences tested; each interval stands by itself, * marks those that hold after Holm's "
            f"correction for all {tests} (p < {_LEVEL})"
        )
    found += _gaps(comparison, summaries)
    mixed = {(record.version, record.environment) for record in comparison.records}
    if len(mixed) > 1:
        found.append(f"the runs come from {len(mixed)} versions or environments: their figures may differ for that")
    return found


def _gaps(comparison: Comparison, summaries: dict[str, list[ArmSummary]]) -> list[str]:
    """Runs that diverged, seeds that are incomplete, and differences that give no interval."""
    found = []
    for arm in comparison.arms:
        lost = [record for record in comparison.diverged if record.arm == arm]
        if lost:
            total = len(comparison.seeds) * len(comparison.units)
            first = lost[0]
            where = ", ".join([*([unit_label(first.unit)] if first.unit else []), f"seed {first.seed}"])
            found.append(
                f"{arm} DIVERGED in {len(lost)} of {total} runs (first: {where}: {first.diverged}); its figures are "
                "those of the seeds in which it did not, and flatter it"
            )
        short = [
            m
            for m, rows in summaries.items()
            for one in rows
            if one.arm == arm and one.spread.n < len(comparison.seeds)
        ]
        if short and not lost:
            found.append(f"{arm} has no finite figure in some runs for: {', '.join(short)}; those seeds are left out")
        equal = [m for m, rows in summaries.items() for one in rows if one.arm == arm and _no_spread(one)]
        if equal:
            found.append(
                f"{arm} has the same difference in every seed for: {', '.join(equal)}; no spread is no certainty, and "
                "there is no interval"
            )
    return found


def _no_spread(one: ArmSummary) -> bool:
    """Whether an arm has several pairs, all with one difference other than 0."""
    change = one.difference
    return change is not None and change.n > 1 and math.isnan(change.low) and change.mean != 0


def _tables(comparison: Comparison, metrics: Sequence[str]) -> list[tuple[str, tuple[list[str], list[list[str]]]]]:
    """Title, header and cells of every table."""
    found = []
    for metric, rows in comparison.summaries(metrics).items():
        found.append((heading(metric), _over_seeds(comparison, metric, rows)))
        if len(comparison.units) > 1:
            found.append((f"{metric} by {_pairing(comparison)}: mean, difference", _by_unit(comparison, metric, rows)))
    return found


def _over_seeds(comparison: Comparison, metric: str, rows: Sequence[ArmSummary]) -> tuple[list[str], list[list[str]]]:
    header = ["arm", "runs", "mean", "sd", "difference", "95 % interval", "better in", "s/run"]
    cells = []
    for row in rows:
        own = [row.arm, _runs(comparison, row.arm), shown_as(metric, row.spread.mean), shown_as(metric, row.spread.sd)]
        change = row.difference
        if change is None:
            rest = ["", "baseline", ""]
        else:
            interval = "-"
            if not math.isnan(change.low):
                star = " *" if row.adjusted_p < _LEVEL else ""
                interval = f"{shown_as(metric, change.low, '+')} to {shown_as(metric, change.high, '+')}{star}"
            equal = change.n - change.better - change.worse
            share = f"{change.better} of {change.n}" + (f" ({equal} equal)" if equal else "")
            rest = [shown_as(metric, change.mean, "+"), interval, share]
        cells.append([*own, *rest, f"{comparison.seconds(row.arm):.0f}"])
    return header, cells


def _by_unit(comparison: Comparison, metric: str, rows: Sequence[ArmSummary]) -> tuple[list[str], list[list[str]]]:
    cells = []
    for row in rows:
        pairs = zip(row.unit_means, row.unit_differences, strict=True)
        if row.difference is None:
            cells.append([row.arm, *(shown_as(metric, mean) for mean in row.unit_means), ""])
            continue
        sign = 1 if higher_is_better(metric) else -1
        better = sum(sign * change > 0 for change in row.unit_differences)
        texts = [f"{shown_as(metric, mean)} ({shown_as(metric, change, '+')})" for mean, change in pairs]
        cells.append([row.arm, *texts, f"{better} of {len(texts)}"])
    return ["arm", *(unit_label(unit) for unit in comparison.units), "better in"], cells


def _runs(comparison: Comparison, arm: str) -> str:
    """Number of runs with figures; "2 of 3" if some diverged."""
    total = len(comparison.seeds) * len(comparison.units)
    lost = sum(record.arm == arm for record in comparison.diverged)
    return f"{total - lost} of {total}" if lost else str(total)


def _pairing(comparison: Comparison) -> str:
    return ", ".join(comparison.units[0])
