"""The page of a report: every block is shown, nothing can break out, nothing comes from outside."""

import base64
import hashlib
import io
import math
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperdml.viz.report import (
    Bullets,
    Chart,
    Charts,
    Code,
    Commands,
    Document,
    Fold,
    Line,
    Paragraph,
    Picture,
    Section,
    Table,
    Tile,
    Tiles,
    file_uri,
    pixels_uri,
    report_page,
)
from hyperdml.viz.report.style import STYLE

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "</title></svg></pre></details><h1>taken</h1>",
    "--><!--",
    "&lt;script&gt; &amp; &#x3c;b&#x3e;",
    "a\u202egnp.exe\x00\x1b[31m\n\u2028",
    os.fsdecode(b"caf\xe9.png"),
]
PIXEL = pixels_uri(np.zeros((2, 2, 3), np.uint8))
ALONE = ("meta", "img", "polyline", "polygon", "circle", "line")


class Page(HTMLParser):
    """Tags with their attributes, and the text under each tag that is open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.texts.append((self.open[-1], data))

    def said(self, tag):
        return [text for found, text in self.texts if found == tag]

    def attributes(self, tag, name):
        return [attrs[name] for found, attrs in self.tags if found == tag and name in attrs]


def page(*blocks, title="report"):
    return report_page(Document(title, [], [Section("part", blocks)]))


def everything(name):
    """A document with a text in every place that takes one."""
    lines = [Line(name, [0, 1, 2], [1.0, 2.0, 3.0]), Line(f"{name} 2", [0], [1.0])]
    blocks = [
        Paragraph(name),
        Paragraph(name, soft=True),
        Bullets([name]),
        Commands([(name, name)]),
        Code(name),
        Table([name, name], [[name, name]], strong=frozenset({0}), grey=frozenset({0}), faint=frozenset({(0, 1)})),
        Picture(PIXEL, name, name),
        Charts([Chart(name, name, lines), Chart(name, name, lines, filled=True), Chart(name, name, [])]),
        Tiles([[Tile(PIXEL, name, "query", [name]), Tile(None, name, "near", [name, name])]]),
        Fold(name, [Paragraph(name)]),
    ]
    return Document(name, [Paragraph(name)], [Section(name, blocks)])


def shape(text):
    """Tags and attributes without the values that carry names."""
    return [(tag, sorted(attrs), attrs.get("class"), attrs.get("id")) for tag, attrs in Page(text).tags]


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_stay_text(attack):
    text = report_page(everything(attack))
    text.encode("utf-8")
    found = Page(text)
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in attack)
    for tag in ("title", "h1", "h2", "a", "p", "li", "code", "th", "td", "figcaption", "summary"):
        assert shown in found.said(tag), tag
    if "\n" not in attack:  # where a code block has another line
        assert shape(text) == shape(report_page(everything("tame")))


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1))
def test_any_text_stays_text(name):
    assert shape(report_page(everything(name))) == shape(report_page(everything("x")))


def test_the_policy_lets_nothing_in_but_the_page_itself():
    text = report_page(everything("x"))
    (policy,) = [attrs["content"] for tag, attrs in Page(text).tags if attrs.get("http-equiv")]
    style = re.search("<style>(.*)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert dict(rule.strip().split(" ", 1) for rule in policy.split(";")) == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "url(" not in style
    assert "@import" not in style
    for tag, attrs in Page(text).tags:
        assert tag not in ("script", "link", "iframe", "object", "form", "style2")
        assert "style" not in attrs  # the policy would drop it
        assert not any(name.startswith("on") for name in attrs)
        assert attrs.get("src", "data:").startswith("data:")
        assert attrs.get("href", "#").startswith("#")


@pytest.mark.parametrize("source", ["https://example.org/x.png", "x.png", "javascript:alert(1)", "data:text/html,x"])
def test_pictures_from_elsewhere_are_refused(source):
    with pytest.raises(ValueError, match="must be a data URI of an image"):
        page(Picture(source, "x"))
    with pytest.raises(ValueError, match="must be a data URI of an image"):
        page(Tiles([[Tile(source, "x", None)]]))


def test_every_section_has_a_link():
    found = Page(report_page(Document("t", [], [Section("one", []), Section("two", [])])))
    assert found.said("a") == ["one", "two"]
    assert found.attributes("a", "href") == [f"#{name}" for name in found.attributes("section", "id")]


def test_tables_mark_rows_and_cells():
    rows = [["a", "1", "2"], ["b", "3", "4"], ["c", "5", "6"]]
    table = Table(["x", "y", "z"], rows, strong=frozenset({2}), grey=frozenset({0}), faint=frozenset({(1, 2)}))
    found = Page(page(table))
    assert found.said("th") == ["x", "y", "z", "a", "b", "c"]
    assert found.said("td") == ["1", "2", "3", "4", "5", "6"]
    assert found.attributes("tr", "class") == ["grey", "strong"]
    assert [attrs.get("class") for tag, attrs in found.tags if tag == "td"] == [None, None, None, "faint", None, None]
    assert found.attributes("table", "class") == ["numbers"]
    assert Page(page(replace(table, numbers=False))).attributes("table", "class") == ["words"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": [["a", "1"], ["b"]]}, "row 1 has 1 cells under 2 titles"),
        ({"rows": [["a", "1"]], "grey": frozenset({1})}, "row 1 is marked, but there are 1 rows"),
        ({"rows": [["a", "1"]], "strong": frozenset({-1})}, "row -1 is marked"),
        ({"rows": [["a", "1"]], "faint": frozenset({(0, 2)})}, "cell 2 of row 0 is marked, but there is none"),
    ],
)
def test_tables_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        Table(["x", "y"], **arguments)


def test_a_line_has_a_value_for_every_position():
    with pytest.raises(ValueError, match="line 'x' has 2 positions and 1 values"):
        Line("x", [0, 1], [1.0])


def drawn(*lines, **settings):
    """Text of the ticks, and the points of each element that is drawn."""
    found = Page(page(Charts([Chart("up", "right", lines, **settings)])))
    points = [
        [tuple(map(float, pair.split(","))) for pair in attrs["points"].split()]
        for tag, attrs in found.tags
        if tag in ("polyline", "polygon") and attrs["points"] != "0,4 36,4"
    ]
    return [text for text in found.said("text") if text != "right"], points, found


def test_a_chart_puts_points_where_its_ticks_say():
    ticks, (points,), found = drawn(Line("a", [0, 5, 10], [0.0, 50.0, 100.0]))
    assert ticks == ["0", "20", "40", "60", "80", "100", "0", "2", "4", "6", "8", "10"]
    texts = [attrs for tag, attrs in found.tags if tag == "text" and "up" not in attrs["class"]]
    across = {tick: float(attrs["x"]) for tick, attrs in zip(ticks[6:], texts, strict=False)}
    up = sorted({float(y) for y in found.attributes("line", "y1")}, reverse=True)
    np.testing.assert_allclose(points[0], (across["0"], up[0]))
    np.testing.assert_allclose(points[2], (across["10"], up[-1]))
    np.testing.assert_allclose(points[1], np.mean([points[0], points[2]], 0), atol=0.1)


def test_values_that_are_not_finite_leave_gaps():
    _, pieces, _ = drawn(Line("a", [0, 1, 2, 3, 4], [1.0, 2.0, math.nan, 3.0, math.inf]))
    assert [len(piece) for piece in pieces] == [2]  # the fourth stands alone, as a dot
    _, pieces, found = drawn(Line("a", [0, 1, 2], [math.nan, 2.0, math.nan]))
    assert pieces == []
    assert len(found.attributes("circle", "cx")) == 1
    ticks, pieces, _ = drawn(Line("a", [0], [math.nan]))
    assert (ticks, pieces) == (["nothing finite to draw"], [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=5, unique=True),
    st.floats(1e-9, 1e9),
    st.booleans(),
)
def test_whatever_is_drawn_stays_inside_between_round_ticks(values, width, filled):
    ys = sorted(values)
    ticks, pieces, found = drawn(Line("a", [width * i for i in range(len(ys))], ys), filled=filled)
    dots = zip(found.attributes("circle", "cx"), found.attributes("circle", "cy"), strict=True)
    everywhere = [point for piece in pieces for point in piece] + [(float(x), float(y)) for x, y in dots]
    assert everywhere
    for x, y in everywhere:
        assert 0 <= x <= 440
        assert 0 <= y <= 250
    assert 4 <= len(ticks) <= 20


def test_lines_of_one_name_look_alike_in_all_charts_of_a_group():
    one, two = Line("a", [0, 1], [0.0, 1.0]), Line("b", [0, 1], [1.0, 0.0])
    found = Page(page(Charts([Chart("x", "s", [one, two]), Chart("y", "s", [two])])))
    classes = found.attributes("polyline", "class")
    assert classes == ["line s0", "line s1", "line s0", "line s1", "line s1"]  # the legend first
    assert found.said("li") == ["a", "b"]


def test_a_histogram_stands_on_its_floor():
    _, (area, line), _ = drawn(Line("a", [2, 3, 3, 4], [5.0, 5.0, 1.0, 1.0]), filled=True)
    assert area[1:-1] == line
    assert area[0][1] == area[-1][1] > max(y for _, y in line)


def test_tiles_have_frames_marks_and_placeholders():
    row = [Tile(PIXEL, "q", "query", ["query", "cat"]), Tile(PIXEL, "r", "same", ["✓"]), Tile(None, "s", None)]
    found = Page(page(Tiles([row])))
    assert found.attributes("figure", "class") == ["query", "same", ""]
    assert found.said("p") == ["query", "cat", "✓"]
    assert found.attributes("p", "class") == ["mark", "mark"]
    assert found.said("div") == ["no picture"]
    assert found.attributes("img", "alt") == ["q", "r"]


def test_light_and_dark_set_the_same_colours():
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.S)
    named = [set(re.findall(r"--\w+(?=:)", part)) for part in (light, dark)]
    assert named[0] == named[1] == set(re.findall(r"var\((--\w+)\)", STYLE))


def test_pictures_become_smaller_and_stay_the_same(tmp_path):
    pixels = np.full((60, 120, 3), (200, 30, 90), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    for uri, size in (
        (pixels_uri(pixels), (120, 60)),
        (file_uri(tmp_path / "x.png", 50), (50, 25)),
        (file_uri(tmp_path / "x.png", 500), (120, 60)),
    ):
        kind, content = uri.split(",")
        assert kind == "data:image/webp;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.size == size
            assert np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels[0, 0]).max() < 12
