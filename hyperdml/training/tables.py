"""Tables in Markdown and in columns."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *cells])


def text_table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """The same in columns for a terminal, the first one to the left, the others to the right."""
    widths = [max(len(line[column]) for line in [header, *cells]) for column in range(len(header))]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in [header, *cells]
    ]
    return "\n".join(lines)
