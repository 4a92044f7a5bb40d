"""What the text of the HIER paper says of its tables and figures, counted from cells: the published ones, or ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from hace_statements import Count, Value
from paper_published import DATA, PROXIES, TABLE_1, TRAINING, Column, Row

Cells = Mapping[str, Mapping[Column, float]]
"""Title of a row to column to per cent; what is not there is left out."""


def row_cells(rows: Iterable[Row], columns: Iterable[Column]) -> dict[str, dict[Column, float]]:
    """Published rows by title, without their dashes."""
    heads = tuple(columns)
    return {
        row.title: {head: cell for head, cell in zip(heads, row.cells, strict=True) if cell is not None} for row in rows
    }


def statements(name: str, cells: Cells) -> dict[str, Value]:
    """What is said of a table or a figure.

    Args:
        name: "1-others", "2", "4" or "figure 6"; others have nothing to count.
        cells: rows by title; those of Table 1 with all of its methods, of a figure curves with the places as columns.

    Returns:
        Value by what is counted; what lacks a cell is left out.
    """
    return _OF[name](cells) if name in _OF else {}


def _gain(cells: Cells, over: str, base: str, column: Column) -> float | None:
    above, below = cells.get(over, {}).get(column), cells.get(base, {}).get(column)
    return None if above is None or below is None else above - below


def _count(gains: Iterable[float | None]) -> Count | None:
    found = [gain for gain in gains if gain is not None]
    return Count(sum(gain > 1e-9 for gain in found), len(found)) if found else None


def _known(found: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in found.items() if value is not None}


def _table_1(cells: Cells) -> dict[str, Value]:
    first = [(data, "R@1") for data in DATA.values()]
    group = {row.title: (row.net, row.dim) for row in TABLE_1}
    others = [title for title in cells if title in group and not title.startswith("HIER")]
    cnn = [title for title in others if group[title][0] in "RB"]

    def over_best(title: str, rivals: list[str], column: Column) -> float | None:
        known = [gain for rival in rivals if (gain := _gain(cells, title, rival, column)) is not None]
        return min(known) if known else None

    settings = [key for key in dict.fromkeys(group.values()) if key[0] not in "RB"]
    almost_all = [
        over_best(f"HIER, {net}-{dim}", [title for title in others if group[title] == (net, dim)], column)
        for net, dim in settings
        for column in first
    ]
    wide = [title for title in cnn if group[title][1] == 512]
    return _known(
        {
            "ResNet-50: HIER's R@1 above all CNN rows": _count(over_best("HIER, R-512", cnn, c) for c in first),
            **{
                f"ResNet-50: HIER over ProxyNCA++, {data}": _gain(
                    cells, "HIER, R-512", "ProxyNCA++, R-512", (data, "R@1")
                )
                for data in ("Cars", "In-Shop")
            },
            **{
                f"Cars, 128 dimensions: HIER over Hyp, {net}": _gain(
                    cells, f"HIER, {net}-128", f"Hyp, {net}-128", ("Cars", "R@1")
                )
                for net in ("V", "DN", "De")
            },
            "Cars: HIER's 128 dimensions above every CNN's 512 of others": _count(
                over_best(f"HIER, {net}-128", wide, ("Cars", "R@1")) for net in ("V", "DN", "De")
            ),
            "ViT: HIER's R@1 above all others of its net and dimension": _count(almost_all),
        }
    )


def _table_2(cells: Cells) -> dict[str, Value]:
    columns = [(data, "R@1") for data in DATA.values()]
    found: dict[str, Value | None] = {}
    for name, over, base in (
        ("HIER above the metric loss", "{} + HIER", "{}"),
        ("HIER above HIER_sph", "{} + HIER", "{} + HIER_sph"),
        ("HIER_sph above the metric loss", "{} + HIER_sph", "{}"),
    ):
        gains = {
            loss: [
                _gain(cells, f"{over.format(loss)}, De-128", f"{base.format(loss)}, De-128", column)
                for column in columns
            ]
            for loss in ("PA", "MS")
        }
        found[name] = _count(gain for part in gains.values() for gain in part)
        if name == "HIER above the metric loss":
            for loss, part in gains.items():
                known = [gain for gain in part if gain is not None]
                found[f"mean gain of HIER over {loss}"] = sum(known) / len(known) if known else None
    return _known(found)


def _table_4(cells: Cells) -> dict[str, Value]:
    columns = [(data, "R@1") for data in DATA.values()]
    found: dict[str, Value | None] = {
        "HIER of Table 1 above SoftTriple": _count(
            _gain(cells, "HIER, De-128", "SoftTriple, De-128", column) for column in columns
        )
    }
    ratios = {PROXIES[data] / TRAINING[data][1] for data in DATA.values()}
    if len(ratios) == 1:
        found["proxies of SoftTriple to a class"] = ratios.pop()
    return _known(found)


def _figure_6(cells: Cells) -> dict[str, Value]:
    hier, hyp = ({int(head[0]): value for head, value in cells.get(name, {}).items()} for name in ("HIER", "Hyp"))

    def steps(curve: Mapping[int, float], start: int = 0) -> list[float]:
        places = [place for place in sorted(curve) if place >= start]
        return [curve[b] - curve[a] for a, b in pairwise(places)]

    return _known(
        {
            "HIER above Hyp": _count(hier[d] - hyp[d] for d in hier if d in hyp),
            "HIER rises from one dimension to the next": _count(steps(hier)),
            "Hyp falls from one dimension to the next above 128": _count(-step for step in steps(hyp, 128)),
        }
    )


_OF: dict[str, Callable[[Cells], dict[str, Value]]] = {
    "1-others": _table_1,
    "2": _table_2,
    "4": _table_4,
    "figure 6": _figure_6,
}
