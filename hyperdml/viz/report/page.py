"""A report as one self-contained HTML page: no script, no network, nothing that a name can break."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from hyperdml.data.image_files import printable
from hyperdml.viz.report.blocks import (
    Block,
    Bullets,
    Charts,
    Code,
    Commands,
    Document,
    Fold,
    Paragraph,
    Picture,
    Section,
    Table,
    Tile,
    Tiles,
)
from hyperdml.viz.report.chart import COLOURS, chart_svg
from hyperdml.viz.report.style import STYLE


def report_page(document: Document) -> str:
    """The page of a report.

    A Content-Security-Policy forbids scripts, network and every style but the page's own. Pictures must be data URIs.

    Args:
        document: the report.

    Returns:
        The HTML document, to be written in UTF-8.

    Raises:
        ValueError: a picture is no data URI of an image.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = _text(document.title)
    links = "".join(f'<a href="#{_anchor(i)}">{_text(s.title)}</a>\n' for i, s in enumerate(document.sections))
    body = "".join(_section(number, section) for number, section in enumerate(document.sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
        f'{_blocks(document.lead)}<nav aria-label="Sections">\n{links}</nav>\n</header>\n<main>\n{body}</main>\n'
        "</body>\n</html>\n"
    )


def _section(number: int, section: Section) -> str:
    return f'<section id="{_anchor(number)}">\n<h2>{_text(section.title)}</h2>\n{_blocks(section.blocks)}</section>\n'


def _anchor(number: int) -> str:
    return f"part-{number + 1}"  # titles may hold anything


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(_block(block) + "\n" for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Paragraph(text, soft):
            return f'<p class="soft">{_text(text)}</p>' if soft else f"<p>{_text(text)}</p>"
        case Bullets(items):
            return "<ul>\n" + "".join(f"<li>{_text(item)}</li>\n" for item in items) + "</ul>"
        case Commands(items):
            lines = (f"<li><code>{_text(command)}</code>: {_text(why)}</li>\n" for command, why in items)
            return "<ul>\n" + "".join(lines) + "</ul>"
        case Code(text):
            lines = (_text(line) for line in text.split("\n"))
            return "<pre>" + "\n".join(lines) + "</pre>"
        case Table():
            return _table(block)
        case Picture(source, alt, caption):
            below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
            return f'<figure class="picture">{_image(source, alt)}{below}</figure>'
        case Charts():
            return _charts(block)
        case Tiles(rows):
            lists = ("<ol>\n" + "".join(map(_tile, row)) + "</ol>\n" for row in rows)
            return f'<div class="tiles">\n{"".join(lists)}</div>'
        case Fold(title, inner, opened):
            state = " open" if opened else ""
            return f"<details{state}>\n<summary>{_text(title)}</summary>\n{_blocks(inner)}</details>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.header)
    lines = []
    for number, (first, *cells) in enumerate(table.rows):
        marks = [word for word, rows in (("strong", table.strong), ("grey", table.grey)) if number in rows]
        mark = f' class="{" ".join(marks)}"' if marks else ""
        found = "".join(
            f'<td class="faint">{_text(cell)}</td>' if (number, column) in table.faint else f"<td>{_text(cell)}</td>"
            for column, cell in enumerate(cells, 1)
        )
        lines.append(f'<tr{mark}><th scope="row">{_text(first)}</th>{found}</tr>\n')
    kind = "numbers" if table.numbers else "words"
    return (  # a box that scrolls must be reached by the keyboard
        f'<div class="scroll" tabindex="0"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(lines)}</tbody>\n</table></div>"
    )


def _charts(group: Charts) -> str:
    names = list(dict.fromkeys(line.name for chart in group.charts for line in chart.lines))
    kinds = {name: number for number, name in enumerate(names)}
    legend = "".join(
        f'<li><svg viewBox="0 0 36 8" aria-hidden="true"><polyline class="line s{number % COLOURS}" '
        f'points="0,4 36,4"/></svg>{_text(name)}</li>\n'
        for name, number in kinds.items()
    )
    figures = "".join(
        f"<figure><figcaption>{_text(chart.title)}</figcaption>{chart_svg(chart, kinds)}</figure>\n"
        for chart in group.charts
    )
    return f'<ul class="legend">\n{legend}</ul>\n<div class="charts">\n{figures}</div>'


def _tile(tile: Tile) -> str:
    seen = (
        f'<div class="missing" role="img" aria-label="{_text(tile.alt)}">no picture</div>'
        if tile.source is None
        else _image(tile.source, tile.alt)
    )
    words = "".join(
        f'<p class="mark">{_text(line)}</p>' if first else f"<p>{_text(line)}</p>"
        for first, line in zip([True, *[False] * len(tile.lines)], tile.lines, strict=False)
    )
    return f'<li><figure class="{tile.kind or ""}">{seen}<figcaption>{words}</figcaption></figure></li>\n'


def _image(source: str, alt: str) -> str:
    if not source.startswith("data:image/"):
        raise ValueError(f"a picture of a report must be a data URI of an image, got {source[:40]!r}")
    return f'<img src="{escape(source)}" alt="{_text(alt)}">'


def _text(value: str) -> str:
    return escape(printable(value))
