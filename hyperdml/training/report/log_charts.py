"""The curves of a run, from its log of steps."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hyperdml.training.figures import HEADLINES, scale
from hyperdml.viz.report import Block, Chart, Charts, Line, Paragraph

_POINTS = 100  # of a line: more cannot be told apart in a small chart
_PARTS = {
    "loss": "loss, whole",
    "metric": "metric loss",
    "hier_samples": "HIER, what moves the images",
    "hier_proxies": "HIER, what moves the proxies",
    "hace": "HACE",
}

Points = list[tuple[int, float]]


@dataclass
class Log:
    """What `metrics.jsonl` holds.

    Attributes:
        losses: part of the loss to title of the arm to (step, value).
        looks: the same of the figures of each evaluation along the way.
        part: what these evaluations looked at, "validation" or "test"; empty without any.
    """

    losses: dict[str, dict[str, Points]] = field(default_factory=dict)
    looks: dict[str, dict[str, Points]] = field(default_factory=dict)
    part: str = ""


def read_log(path: Path) -> Log:
    """Read a log; lines that a crash cut off are passed over, as is a missing file."""
    log = Log()
    for record in _records(path):
        arm, step = str(record.pop("arm", "")), record.pop("step", None)
        if not isinstance(step, int):
            continue
        part = next((name for name in ("validation", "test") if isinstance(record.get(name), dict)), "")
        into, figures = (log.looks, record[part]) if part else (log.losses, record)
        log.part = part or log.part
        for name, value in figures.items():
            if value is None or isinstance(value, int | float):  # null: it was not finite
                into.setdefault(name, defaultdict(list))[arm].append((step, math.nan if value is None else value))
    return log


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield record


def log_blocks(log: Log) -> list[Block]:
    """Charts of the losses and of the evaluations along the way, all arms in each, with words about them."""
    if not log.losses:
        return [Paragraph("metrics.jsonl is not there, so there are no curves.")]
    parts = {name: log.losses[name] for name in sorted(log.losses, key=lambda name: name != "loss")}
    found: list[Block] = [_charts(parts, {name: _PARTS.get(name, name) for name in parts}, {})]
    steps = max(len(points) for arms in log.losses.values() for points in arms.values())
    if steps > _POINTS:
        found.append(Paragraph(f"Each point is the mean over {math.ceil(steps / _POINTS)} steps.", soft=True))
    shown = [name for name in HEADLINES if name in log.looks] or list(log.looks)[:3]
    if not shown:
        found.append(Paragraph("Nothing was evaluated along the way (evaluation.every is 0).", soft=True))
        return found
    units = {name: scale(name) for name in shown}
    titles = {name: f"{name}, %" if units[name] == 100 else name for name in shown}
    found.append(_charts({name: log.looks[name] for name in shown}, titles, units))
    found.append(Paragraph(f"On the {log.part} part, along the way.", soft=True))
    return found


def _charts(
    figures: Mapping[str, Mapping[str, Points]], titles: Mapping[str, str], units: Mapping[str, float]
) -> Charts:
    return Charts(
        [
            Chart(titles[name], "step", [_line(arm, points, units.get(name, 1.0)) for arm, points in arms.items()])
            for name, arms in figures.items()
        ]
    )


def _line(arm: str, points: Sequence[tuple[int, float]], unit: float) -> Line:
    """Means over equal stretches; those of a stretch without a finite value are gaps."""
    table = np.array(points, dtype=np.float64)
    width = math.ceil(len(table) / _POINTS)
    first = np.arange(0, len(table), width)
    finite = np.isfinite(table[:, 1])
    count = np.add.reduceat(finite.astype(float), first)
    total = np.add.reduceat(np.where(finite, table[:, 1], 0.0), first)
    means = np.divide(total, count, out=np.full(len(first), np.nan), where=count > 0)
    at = np.add.reduceat(table[:, 0], first) / np.diff([*first, len(table)])
    return Line(arm, at.tolist(), (unit * means).tolist())
