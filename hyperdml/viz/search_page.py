"""Results of a search as one self-contained HTML page: no script, no network, nothing that a name can break."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from html import escape
from pathlib import Path

from hyperdml.data.image_files import UnreadableImage, printable, read_image

_QUALITY = 82  # of WebP; 192 pixels take about 5 KB

# Okabe and Ito's bluish green and vermilion, which colour-blind readers tell apart; words and line style say it too
_STYLE = """
:root { color-scheme: light dark; --page: #f6f6f4; --card: #fff; --text: #1c1c1a; --soft: #63635d; --line: #dcdcd6;
  --same: #00795a; --other: #c04a00; --query: #3a5fcd; }
@media (prefers-color-scheme: dark) { :root { --page: #161615; --card: #222220; --text: #ecece6; --soft: #a4a49c;
  --line: #3a3a36; --same: #2fc297; --other: #ff8c47; --query: #8aa6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 90rem; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
header p { margin: .15rem 0; color: var(--soft); }
section { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 1.25rem; padding: 1.25rem 0;
  border-top: 1px solid var(--line); margin-top: 1.25rem; }
h2 { font-size: .95rem; margin: .5rem 0 0; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); align-content: start; }
figure { margin: 0; padding: .5rem; background: var(--card); border: 3px solid var(--line); border-radius: .5rem;
  height: 100%; }
figure.query { border-color: var(--query); height: auto; }
figure.same { border-color: var(--same); }
figure.other { border-color: var(--other); border-style: dashed; }
img, .missing { display: block; width: 100%; aspect-ratio: 1; border-radius: .25rem; background: #fff; }
.missing { display: grid; place-content: center; padding: .5rem; font-size: .75rem; text-align: center;
  background: var(--page); color: var(--soft); border: 1px dashed var(--soft); overflow: hidden; }
figcaption { margin-top: .4rem; font-size: .82rem; }
figcaption p { margin: 0; }
.head { display: flex; justify-content: space-between; gap: .5rem; }
.rank, .id, dl { color: var(--soft); }
.distance { font-weight: 600; font-variant-numeric: tabular-nums; }
.same .mark { color: var(--same); font-weight: 600; }
.other .mark { color: var(--other); font-weight: 600; }
dl { margin: .2rem 0 0; }
dl div { display: flex; gap: .35rem; }
dd { margin: 0; }
dt { flex: none; max-width: 60%; }
dt::after { content: ":"; }
@media (max-width: 40rem) { section { grid-template-columns: 1fr; } figure.query { max-width: 12rem; } }
@media print { section { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class ShownItem:
    """A query or a result as the page shows it.

    Attributes:
        id: its name.
        image: file of its picture; None or a file that cannot be read leaves a placeholder that says so.
        label: its class, or None if it is not known.
        metadata: more about it, by name.
    """

    id: str
    image: Path | None = None
    label: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)


def search_page(
    title: str,
    queries: Sequence[ShownItem],
    hits: Sequence[Sequence[tuple[ShownItem, float]]],
    *,
    c: float,
    metric: str,
    count: int,
    thumbnail: int = 192,
) -> str:
    """A page with every query and its results in the order of their distances.

    The pictures are the middle squares that a model sees, inside the page as WebP. A Content-Security-Policy forbids
    scripts, network and every style but the page's own. Where the classes of a query and a result are known, a frame
    and words tell whether they agree.

    Args:
        title: heading of the page.
        queries: Q queries.
        hits: for each query its results and their distances, nearest first.
        c: curvature magnitude of the ball.
        metric: name of the distance, as "hyperbolic".
        count: number of items in the index.
        thumbnail: side of the pictures in pixels; the page takes about 5 KB a picture at 192.

    Returns:
        The HTML document, to be written in UTF-8.

    Raises:
        ValueError: as many lists of hits as queries are needed; `thumbnail` is not positive.
    """
    if len(queries) != len(hits):
        raise ValueError(f"expected one list of hits per query, got {len(hits)} for {len(queries)} queries")
    picture = cache(partial(_data_uri, side=thumbnail))  # many queries find the same item
    judged = any(_agree(query, hit) is not None for query, found in zip(queries, hits, strict=True) for hit, _ in found)
    sections = [_section(query, found, picture) for query, found in zip(queries, hits, strict=True)]
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    many = "1 query" if len(queries) == 1 else f"{len(queries):,} queries"
    legend = "<p>✓ solid frame: same class as the query; ✗ dashed frame: another class</p>\n" if judged else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{_text(title)}</h1>\n"
        f"<p>{many} against an index of {count:,} items; {_text(metric)} distance, c = {c:g} (curvature {-c:g})</p>\n"
        f"{legend}</header>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _section(
    query: ShownItem, found: Sequence[tuple[ShownItem, float]], picture: Callable[[Path], str | UnreadableImage]
) -> str:
    results = []
    for rank, (hit, distance) in enumerate(found, 1):
        agree = _agree(query, hit)
        kind = {None: "", True: "same", False: "other"}[agree]
        mark = {None: "", True: "✓ same class", False: "✗ other class"}[agree]
        results.append(
            f'<li><figure class="{kind}">{_image(hit, f"Result {rank}", picture)}<figcaption>'
            f'<p class="head"><span class="rank">{rank}</span><span class="distance">{_digits(distance)}</span></p>'
            + (f'<p class="mark">{mark}</p>' if mark else "")
            + f'{_about(hit)}<p class="id">{_text(hit.id)}</p></figcaption></figure></li>\n'
        )
    return (
        f'<section>\n<div><figure class="query">{_image(query, "Query", picture)}<figcaption>{_about(query)}'
        f"</figcaption></figure><h2>{_text(query.id)}</h2></div>\n<ol>\n{''.join(results)}</ol>\n</section>\n"
    )


def _agree(query: ShownItem, hit: ShownItem) -> bool | None:
    return None if query.label is None or hit.label is None else query.label == hit.label


def _image(item: ShownItem, role: str, picture: Callable[[Path], str | UnreadableImage]) -> str:
    name = f"{role}: {_text(item.id)}"
    if item.image is None:
        return f'<div class="missing" role="img" aria-label="{name}">no picture</div>'
    found = picture(item.image)
    if isinstance(found, UnreadableImage):
        return f'<div class="missing" role="img" aria-label="{name}">{_text(str(found))}</div>'
    return f'<img src="{found}" alt="{name}">'


def _about(item: ShownItem) -> str:
    label = "" if item.label is None else f'<p class="label">{_text(item.label)}</p>'
    rows = "".join(f"<div><dt>{_text(key)}</dt><dd>{_text(value)}</dd></div>" for key, value in item.metadata.items())
    return label + (f"<dl>{rows}</dl>" if rows else "")


def _data_uri(path: Path, side: int) -> str | UnreadableImage:
    from PIL import Image

    try:
        pixels = read_image(path, side)
    except UnreadableImage as error:
        return error
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _digits(distance: float) -> str:
    """Four significant digits, trailing zeros included."""
    return f"{distance:#.4g}".rstrip(".")


def _text(value: object) -> str:
    return escape(printable(str(value)))
