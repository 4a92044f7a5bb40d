"""Our figures and the published ones in the layout of the HIER paper's tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hace_layout import said_table
from paper_cells import Run
from paper_published import DATA, FIGURES, NETS, RECALLS, TABLE_1, TABLES, Column
from paper_statements import Cells, row_cells, statements

from hyperdml.training.compare import Record
from hyperdml.training.compare.paired import Spread, spread
from hyperdml.training.tables import markdown_table

Rows = Mapping[str, Mapping[str, Run]]
"""Runs by title of the row and data set, or by curve and place."""

_EPOCHS = {"last epoch": "", "best epoch": ", best epoch"}
"""What is added to the name of a figure; runs whose best epoch was the last one have it once."""


class Ours:
    """What our runs found, in per cent.

    Args:
        records: of all runs.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records: dict[str, list[Record]] = {}
        for record in records:
            self._records.setdefault(record.arm, []).append(record)

    def spread(self, run: Run | None, figure: str, epoch: str = "") -> Spread:
        """A figure of a run over its seeds, n = 0 where there is none; of the last epoch, or as `_EPOCHS` names it."""
        records = self._records.get(run.name, []) if run is not None else []
        values = [record.figures.get(figure + epoch, record.figures.get(figure)) for record in records]
        return spread([100 * value for value in values if value is not None])

    def has(self, run: Run | None, figure: str) -> bool:
        """Whether a seed of a run has a figure."""
        return run is not None and any(figure in record.figures for record in self._records.get(run.name, []))

    def diverged(self, run: Run) -> int:
        """How many seeds of a run diverged."""
        return sum(record.diverged is not None for record in self._records.get(run.name, []))

    def means(self, rows: Rows, columns: Sequence[Column]) -> dict[str, dict[Column, float]]:
        """Means of the last epoch by row and column, without what is missing."""
        names = {title: data for data, title in DATA.items()}
        found: dict[str, dict[Column, float]] = {}
        for title, runs in rows.items():
            cells = {(where, figure): self.spread(runs.get(names[where]), figure) for where, figure in columns}
            found[title] = {column: one.mean for column, one in cells.items() if one.n}
        return found


def shown(one: Spread) -> str:
    """Mean, with its standard deviation over several seeds."""
    if not one.n:
        return "-"
    return f"{one.mean:.1f}" + (f" ± {one.sd:.1f}" if one.n > 1 else "")


def our_lines(title: str, cells: Sequence[tuple[Run | None, str]], ours: Ours) -> list[list[str]]:
    """Our lines of a row: of the last epoch, and of the best one unless it was the last everywhere."""
    found = []
    for epoch, suffix in _EPOCHS.items():
        if any(ours.has(run, figure + suffix) for run, figure in cells):
            texts = [shown(ours.spread(run, figure, suffix)) for run, figure in cells]
            found.append([f"{title}, ours, {epoch}", *texts])
    return found


def table_section(name: str, rows: Rows, all_rows: Mapping[str, Rows], ours: Ours) -> str:
    """Markdown of a table: published rows with ours under each, then what the paper says of it.

    Args:
        name: the table.
        rows: its runs.
        all_rows: runs of all tables; what is said of a table can need the rows of another.
        ours: what they found.
    """
    table = TABLES[name]
    names = {title: data for data, title in DATA.items()}
    published = {row.title: row for row in table.rows}
    lines, notes = [], []
    for title in dict.fromkeys([*published, *rows]):
        if title in published:
            row = published[title]
            lines.append([f"{title}, published", *("-" if cell is None else f"{cell:.1f}" for cell in row.cells)])
            if row.mark:
                notes.append(f"- {title}: {row.mark}")
        runs = rows.get(title, {})
        cells = [(runs.get(names[where]), figure) for where, figure in table.columns]
        lines += our_lines(title, cells, ours)
        notes += [
            f"- {run.name}: diverged with {lost} seed{'s' if lost > 1 else ''}"
            for run in runs.values()
            if (lost := ours.diverged(run))
        ]
    if any(row.net == "B" for row in table.rows):
        notes.append(f"- B: {NETS['B']}; our rows of it are trained with {NETS['R']}")
    heads = ["%", *(f"{where} {figure}" for where, figure in table.columns)]
    theirs, mine = _cells(name, all_rows, ours)
    said = statements(name, theirs), statements(name, mine)
    parts = [
        f"## Table {name.replace('-', ', ')}. {table.title}",
        markdown_table(heads, lines),
        "\n".join(notes),
        said_table(table.prose, *said) if table.prose else "",
        table.remark,
    ]
    return "\n\n".join(part for part in parts if part)


def _cells(name: str, all_rows: Mapping[str, Rows], ours: Ours) -> tuple[Cells, Cells]:
    """Published cells and ours that the statements on a table are counted from."""
    table = TABLES[name]
    theirs = row_cells(table.rows, table.columns)
    mine = ours.means(all_rows[name], table.columns)
    if name != "2":
        whole = {title: runs for part in ("1", "1-others") for title, runs in all_rows.get(part, {}).items()}
        theirs = {**row_cells(TABLE_1, RECALLS), **theirs}
        mine = {**ours.means(whole, RECALLS), **mine}
    return theirs, mine


def figure_section(name: str, rows: Rows, ours: Ours, picture: str) -> str:
    """Markdown of a figure: its curves, what is known of the published ones, and a link to the picture of ours.

    Args:
        name: the figure.
        rows: runs by curve and place.
        ours: what they found.
        picture: the link; empty for none.
    """
    figure = FIGURES[name]
    parts = [f"## Figure {name}. {figure.title}"]
    for curve, runs in rows.items():
        known = [figure.known.get((curve, place)) for place in runs]
        lines = []
        if any(value is not None for value in known):
            lines.append([f"{curve}, published", *("-" if value is None else f"{value:.1f}" for value in known)])
        lines += our_lines(curve, [(run, "R@1") for run in runs.values()], ours)
        if lines:
            parts.append(markdown_table(["R@1, %", *runs], lines))
    theirs: dict[str, dict[Column, float]] = {}
    for (curve, place), value in figure.known.items():
        theirs.setdefault(curve, {})[place, "R@1"] = value
    mine = {
        curve: {(place, "R@1"): one.mean for place, run in runs.items() if (one := ours.spread(run, "R@1")).n}
        for curve, runs in rows.items()
    }
    if figure.prose:
        # no verdict on the text: most of its points have no printed figure
        counts = [statements(f"figure {name}", cells) for cells in (theirs, mine)]
        lines = [[key, said, *(str(count.get(key, "-")) for count in counts)] for key, said in figure.prose.items()]
        parts.append(markdown_table(["", "the paper's text", "points that tables print", "ours"], lines))
    parts.append(figure.remark)
    if picture:
        parts.append(f"![R@1 along each curve]({picture})")
    return "\n\n".join(parts)


def draw_figure(name: str, rows: Rows, ours: Ours, path: Path) -> bool:
    """Curves of the last epoch with their standard deviations, one axis a key; False where there is nothing to draw."""
    curves = {
        curve: [(place, one) for place, run in runs.items() if (one := ours.spread(run, "R@1")).n]
        for curve, runs in rows.items()
    }
    curves = {curve: points for curve, points in curves.items() if points}
    if not curves:
        return False
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shared = name == "6"  # both of its curves are over the dimension
    count = 1 if shared else len(curves)
    drawn, axes = plt.subplots(
        1, count, figsize=(3.2 * count + 1.5, 3), layout="constrained", sharey=True, squeeze=False
    )
    for number, (curve, points) in enumerate(curves.items()):
        axis = axes[0, 0 if shared else number]
        bars = [one.sd if one.n > 1 else 0.0 for _, one in points]
        axis.errorbar([place for place, _ in points], [one.mean for _, one in points], bars, marker="o", label=curve)
        axis.set_xlabel("dimension" if shared else curve)
    axes[0, 0].set_ylabel("R@1, %")
    if shared:
        axes[0, 0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(drawn)
    return True
