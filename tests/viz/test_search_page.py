"""The page of a search: everything is shown, nothing can break out, nothing comes from outside."""

import base64
import hashlib
import importlib
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperdml.data.image_files import read_image
from hyperdml.viz import ShownItem, search_page

module = importlib.import_module("hyperdml.viz.search_page")  # the room exports its function under the same name

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</style><script>alert(1)</script>",
    "</title><h1>taken</h1>",
    "--><!--",
    "javascript:alert(1)",
    "&lt;script&gt; &amp; &#x3c;b&#x3e;",
    "a\u202egnp.exe\x00\x1b[31m\n\u2028",
    os.fsdecode(b"caf\xe9.png"),
]


class Page(HTMLParser):
    """Tags with their attributes, and the text under each tag that is open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.texts.append((self.open[-1], data))

    def said(self, tag):
        return [text for found, text in self.texts if found == tag]

    def attributes(self, tag, name):
        return [attrs.get(name) for found, attrs in self.tags if found == tag]


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(4):
        Image.fromarray(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8)).resize((60, 48)).save(tmp_path / f"{i}.png")
    return [tmp_path / f"{i}.png" for i in range(4)]


def page(queries, hits, **settings):
    return search_page("found", queries, hits, **{"c": 0.1, "metric": "hyperbolic", "count": 1234, **settings})


def test_every_result_with_distance_name_class_and_metadata(pictures):
    query = ShownItem("q.png", pictures[0], "cat")
    hits = [
        (ShownItem("a.png", pictures[1], "cat", {"vendor": "noto", "year": 2024}), 0.5),
        (ShownItem("b.png", pictures[2], "dog"), 1.23456),
        (ShownItem("c.png", pictures[3]), 12.0),
    ]
    found = Page(page([query], [hits]))
    assert not found.open
    assert found.attributes("html", "lang") == ["en"]
    assert found.said("title") == found.said("h1") == ["found"]
    assert found.said("h2") == ["q.png"]
    assert found.said("span") == ["1", "0.5000", "2", "1.235", "3", "12.00"]
    assert found.said("dt") == ["vendor", "year"]
    assert found.said("dd") == ["noto", "2024"]
    assert "1 query against an index of 1,234 items; hyperbolic distance, c = 0.1 (curvature -0.1)" in found.said("p")
    below = found.said("p")[2:]
    assert below == ["cat", "✓ same class", "cat", "a.png", "✗ other class", "dog", "b.png", "c.png"]
    assert found.attributes("figure", "class") == ["query", "same", "other", ""]
    assert found.attributes("img", "alt") == [
        "Query: q.png",
        "Result 1: a.png",
        "Result 2: b.png",
        "Result 3: c.png",
    ]


def test_without_classes_nothing_is_judged(pictures):
    hits = [(ShownItem("a.png", pictures[1], "cat"), 0.5)]
    found = Page(page([ShownItem("q.png", pictures[0])], [hits]))
    assert found.attributes("figure", "class") == ["query", ""]
    assert not any("✓" in text or "✗" in text for _, text in found.texts)


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (0.0, "0.000"),
        (1e-5, "1.000e-05"),
        (0.123449, "0.1234"),
        (123.456, "123.5"),
        (1234.4, "1234"),
        (9.99996, "10.00"),
    ],
)
def test_four_digits(distance, text):
    assert text in Page(page([ShownItem("q")], [[(ShownItem("a"), distance)]])).said("span")


def test_pictures_are_the_squares_that_a_model_sees(pictures):
    found = Page(page([ShownItem("q", pictures[0])], [[(ShownItem("a", pictures[1]), 1.0)]], thumbnail=40))
    for uri, path in zip(found.attributes("img", "src"), pictures, strict=False):
        kind, content = uri.split(",")
        assert kind == "data:image/webp;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.format == "WEBP"
            pixels = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(pixels - read_image(path, 40)).mean() < 8


def test_a_picture_is_read_once_for_all_queries(pictures, monkeypatch):
    seen = []

    def read(path, size):
        seen.append(path)
        return read_image(path, size)

    monkeypatch.setattr(module, "read_image", read)
    hits = [(ShownItem("a", pictures[1]), 1.0)]
    page([ShownItem("q", pictures[0]), ShownItem("r", pictures[2])], [hits, hits])
    assert sorted(seen) == pictures[:3]


def test_pictures_that_are_not_there(tmp_path, pictures):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    hits = [
        (ShownItem("lost", tmp_path / "a <b>.png"), 1.0),
        (ShownItem("broken", tmp_path / "broken.png"), 2.0),
        (ShownItem("none"), 3.0),
    ]
    found = Page(page([ShownItem("q", pictures[0])], [hits]))
    boxes = [text for text in found.said("div") if text.strip()]
    assert boxes[0] == f"{tmp_path}/a <b>.png: No such file or directory"
    assert boxes[1].startswith(f"{tmp_path}/broken.png: no image in a known format")
    assert boxes[2] == "no picture"
    assert len(found.attributes("img", "src")) == 1
    assert [label for label in found.attributes("div", "aria-label") if label] == [
        "Result 1: lost",
        "Result 2: broken",
        "Result 3: none",
    ]


def shape(text):
    """Tags and attributes without the values that carry names."""
    return [(tag, sorted(attrs), attrs.get("class")) for tag, attrs in Page(text).tags]


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_stay_text(attack):
    def with_name(name):
        item = ShownItem(name, Path(name.replace("\0", "")), name, {name: name})
        return search_page(name, [item], [[(item, 1.0)]], c=0.1, metric=name, count=1)

    text = with_name(attack)
    assert shape(text) == shape(with_name("tame"))
    text.encode("utf-8")
    shown = Page(text).said("h1")[0]
    assert shown == "".join(char if char.isprintable() else repr(char)[1:-1] for char in attack)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1))
def test_any_text_stays_text(name):
    item = ShownItem(name, None, name, {name: name})
    text = search_page(name, [item], [[(item, 1.0)]], c=0.1, metric=name, count=1)
    tame = ShownItem("x", None, "x", {"x": "x"})
    assert shape(text) == shape(search_page("x", [tame], [[(tame, 1.0)]], c=0.1, metric="x", count=1))


def test_the_policy_lets_nothing_in_but_the_page_itself(pictures):
    text = page([ShownItem("q", pictures[0])], [[(ShownItem("a", pictures[1]), 1.0)]])
    (policy,) = [attrs["content"] for tag, attrs in Page(text).tags if attrs.get("http-equiv")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    style = re.search("<style>(.*)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "url(" not in style
    assert "@import" not in style
    for tag, attrs in Page(text).tags:
        assert tag not in ("script", "link", "iframe", "object", "form", "a")
        assert "style" not in attrs  # the policy would drop it
        assert not any(name.startswith("on") for name in attrs)
        assert attrs.get("src", "data:").startswith("data:")


def test_light_and_dark_set_the_same_colours():
    light, dark = re.findall(r":root \{(.*?)\}", module._STYLE, re.S)
    named = [set(re.findall(r"--\w+(?=:)", part)) for part in (light, dark)]
    assert named[0] == named[1] == set(re.findall(r"var\((--\w+)\)", module._STYLE))


def test_queries_without_results_and_messages(pictures):
    found = Page(page([ShownItem("q"), ShownItem("r")], [[], []]))
    assert found.said("h2") == ["q", "r"]
    with pytest.raises(ValueError, match="expected one list of hits per query, got 1 for 2 queries"):
        page([ShownItem("q"), ShownItem("r")], [[]])
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        page([ShownItem("q", pictures[0])], [[]], thumbnail=0)
