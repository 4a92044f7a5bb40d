"""Our cells and the published ones in the layout of the HACE paper's tables, and its figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from hace_arms import BEST_OF, Model, Setting, at_dilution, candidates, columns, figure_models, rows
from hace_paper import FIGURES, TABLES, Column
from hace_runs import class_figure
from hace_statements import Value, class_statements, follows, published_cells, shown, statements

from hyperdml.training.compare import Comparison
from hyperdml.training.tables import markdown_table

Floats = npt.NDArray[np.float64]

_HIGHER, _LOWER = "#0072B2", "#D55E00"  # told apart under every kind of colour blindness


@dataclass(frozen=True)
class Cell:
    """What stands in a cell of ours.

    Attributes:
        model: name of the model; None where none was trained.
        mean, sd: its figure over seeds in per cent; NaN where there is none.
        tried: models that it is the best of.
        diverged: how many of these have no figure in some seed.
    """

    model: str | None
    mean: float
    sd: float
    tried: int
    diverged: int

    def __str__(self) -> str:
        """The figure, with its standard deviation over several seeds."""
        if math.isnan(self.mean):
            return "diverged" if self.diverged else "-"
        return f"{self.mean:.2f}" + ("" if math.isnan(self.sd) else f" ± {self.sd:.2f}")


def best(found: Comparison, models: Iterable[Model], metric: str) -> Cell:
    """The best of some models: that of the highest mean over seeds, of those with a figure in every seed.

    Args:
        found: all runs.
        models: those that may be in it.
        metric: the figure that they are judged by.
    """
    names = [model.name for model in models if model.name in found.arms]
    values = found.values(metric) if metric in found.figure_names else np.full((len(found.arms), 1, 1), np.nan)
    scores = {name: 100 * values[found.arms.index(name), :, 0] for name in names}
    finite = {name: score for name, score in scores.items() if np.isfinite(score).all()}
    diverged = len(names) - len(finite)
    if not finite:
        return Cell(None, math.nan, math.nan, len(names), diverged)
    name = max(finite, key=lambda name: float(finite[name].mean()))
    spread = float(finite[name].std(ddof=1)) if len(finite[name]) > 1 else math.nan
    return Cell(name, float(finite[name].mean()), spread, len(names), diverged)


def our_cells(
    number: int, found: Comparison, setting: Setting, dilutions: Sequence[float]
) -> dict[str, dict[Column, Cell]]:
    """Our cells of a table; of a best-of table two rows more for each, at the middle dilution without a choice."""
    metric, result = TABLES[number].metric, {}
    for row in rows(number, setting):
        heads = columns(number, setting, dilutions)
        choice = {column: candidates(number, row, column, setting, dilutions) for column in heads}
        result[row] = {column: best(found, models, metric) for column, models in choice.items()}
        if number in BEST_OF:
            middle = sorted(dilutions)[len(dilutions) // 2]
            for pairing in ("standard", "adj"):
                result[f"{row}, dilution {middle:g}, {pairing}"] = {
                    column: best(found, at_dilution(models, middle, pairing), metric)
                    for column, models in choice.items()
                }
    return {title: cells for title, cells in result.items() if any(cell.tried for cell in cells.values())}


def table_section(number: int, found: Comparison, setting: Setting, dilutions: Sequence[float]) -> str:
    """Markdown of a table: our rows and the published ones, then what the paper says of it."""
    table = TABLES[number]
    ours, theirs = our_cells(number, found, setting, dilutions), published_cells(table)
    heads = list(dict.fromkeys([*columns(number, setting, dilutions), *table.columns]))
    lines = []
    for title in dict.fromkeys([*ours, *theirs]):
        if title in ours:
            lines.append([title, *(str(ours[title].get(head, "-")) for head in heads)])
        if title in theirs:
            cells = [theirs[title].get(head) for head in heads]
            lines.append([f"{title}, published", *("-" if cell is None else f"{cell:.2f}" for cell in cells)])
    titles = [_head(number, head, ours, dilutions) for head in heads]
    means = {row: {head: cell.mean for head, cell in ours[row].items()} for row in rows(number, setting) if row in ours}
    said = said_table(table.prose, statements(number, theirs), statements(number, means))
    parts = [
        f"## Table {number}. {table.title}",
        markdown_table([f"{'top-1' if table.metric == 'top1' else 'top-5'}, %", *titles], lines),
        said,
        table.remark,
        _choices(number, ours, setting),
    ]
    return "\n\n".join(part for part in parts if part)


def said_table(prose: Mapping[str, str], derived: Mapping[str, Value], ours: Mapping[str, Value]) -> str:
    """Markdown: what is said of a table, what its printed cells give, and ours."""
    lines = []
    for name in dict.fromkeys([*prose, *derived, *ours]):
        told, value = prose.get(name), derived.get(name)
        differs = told is not None and value is not None and not follows(told, value)
        printed = _shown(value) + (" (the text does not follow)" if differs else "")
        lines.append([name, told or "-", printed, _shown(ours.get(name))])
    return markdown_table(["", "the paper's text", "its printed cells", "ours"], lines)


def class_gains(
    number: int, found: Comparison, setting: Setting, dilutions: Sequence[float]
) -> tuple[str, dict[str, float]]:
    """The two best models, and the accuracy of HACE minus that of SCE by class in points, mean over seeds.

    Args:
        number: the figure.
        found: all runs.
        setting: data and nets.
        dilutions: values of the dilution.

    Returns:
        Names of the models in words, and the gains; empty if one has no figures. Classes without images are left out.
    """
    prefix = class_figure(FIGURES[number].above, "")
    chosen = [best(found, models, "top1").model for models in figure_models(setting, dilutions).values()]
    if None in chosen:
        return "", {}
    hace, sce = (found.arms.index(str(name)) for name in chosen)
    names = [name for name in found.figure_names if name.startswith(prefix)]
    means = {name.removeprefix(prefix): 100 * found.values(name)[:, :, 0].mean(1) for name in names}
    gains = {name: float(mean[hace] - mean[sce]) for name, mean in means.items()}
    return f"{chosen[0]} minus {chosen[1]}", {name: gain for name, gain in gains.items() if not math.isnan(gain)}


def figure_section(number: int, models: str, gains: dict[str, float], picture: str) -> str:
    """Markdown of a figure: what the paper says of it, what ours gives, and the picture."""
    ours = class_statements(np.array(list(gains.values()))) if gains else {}
    parts = [
        f"## Figure {number}. Accuracy by class, {FIGURES[number].above} above the leaves: HACE minus SCE",
        said_table(FIGURES[number].prose, {}, ours),
    ]
    if gains:
        parts += [f"{models}, classes in the order of the gain, in points:", f"![Gain of every class]({picture})"]
    else:
        parts.append("None of our models has its accuracy by class in the ledger.")
    return "\n\n".join(parts)


def draw_gains(gains: dict[str, float], title: str, path: Path) -> None:
    """Bars of the gains, largest first, as a PNG; classes are named where there is room."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    ranked = sorted(gains, key=lambda name: -gains[name])
    values = [gains[name] for name in ranked]
    figure, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    axes.bar(range(len(values)), values, color=[_HIGHER if v >= 0 else _LOWER for v in values])
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("accuracy, HACE minus SCE, points")
    axes.set_title(title, fontsize=9)
    if len(values) <= 40:
        axes.set_xticks(range(len(values)), ranked, rotation=90, fontsize=7)
    else:
        axes.set_xlabel(f"{len(values)} classes")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _head(number: int, head: Column, ours: dict[str, dict[Column, Cell]], dilutions: Sequence[float]) -> str:
    """Title of a column; of a best-of table with the number of models that ours are chosen from."""
    if number in (3, 6):
        place = int(head[0]) - 1
        value = f" (ours {dilutions[place]:g})" if place < len(dilutions) else ""
        return " ".join([f"dilution {head[0]}{value}", *head[1:]])
    tried = max((cells[head].tried for cells in ours.values() if head in cells), default=0)
    return " ".join(head) + (f" (best of {tried})" if tried > 1 else "")


def _choices(number: int, ours: dict[str, dict[Column, Cell]], setting: Setting) -> str:
    """Which models the best are, and what diverged."""
    lines = []
    for row, cells in ours.items():
        if number in BEST_OF and row in rows(number, setting):
            chosen = [f"{' '.join(head)}: {cell.model}" for head, cell in cells.items() if cell.model is not None]
            lines.append(f"- best for {row}: {'; '.join(chosen)}")
        lost = [f"{' '.join(head)} {cell.diverged} of {cell.tried}" for head, cell in cells.items() if cell.diverged]
        if lost:
            lines.append(f"- diverged, {row}: {', '.join(lost)}")
    return "\n".join(lines)


def _shown(value: Value | None) -> str:
    return "-" if value is None else shown(value)
