"""The explorer's page in a real browser: its geometry, what it shows, how it is used; nothing gets in or out."""

import math
import shutil
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import explorer_data as made
import numpy as np
import pytest

from hyperdml.viz.explorer.page import explorer_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = [
    "</script><img src=x onerror=window.taken=1>",
    "<b onmouseover=window.taken=1>bold</b>",
    "{{DATA}} \u2028 \x00 \u202egnp",
    "'\"`${window.taken=1}",
]


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Tab:
    """A page, and what went wrong on it."""

    page: object
    troubles: list

    def run(self, script, *arguments):
        return self.page.evaluate(script, *arguments)

    def settle(self):
        """Wait until nothing moves; the page's policy forbids Playwright's own way of waiting, which evaluates text."""
        end = time.monotonic() + 20
        while not self.run("!!window.hyperdml && hyperdml.idle()"):
            assert time.monotonic() < end, "the page does not come to rest"
            self.page.wait_for_timeout(15)

    def place(self, node):
        """Where a node is on the screen."""
        box = self.page.locator("#stage").bounding_box()
        x, y = self.run("n => [hyperdml.view.x[n], hyperdml.view.y[n]]", node)
        return box["x"] + x, box["y"] + y

    def middle(self):
        box = self.page.locator("#stage").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def state(self, name):
        return self.run(f"hyperdml.state.{name}")


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page over data; in the end it must have asked for nothing and complained of nothing."""
    tabs = []

    def build(data, size=(1000, 700), **settings):
        path = tmp_path / f"{len(tabs)}.html"
        path.write_text(explorer_page(data), encoding="utf-8")
        shape = {"width": size[0], "height": size[1]}
        page = browser.new_page(viewport=shape, **{"reduced_motion": "reduce", **settings})
        tab = Tab(page, [])
        page.on("console", lambda message: tab.troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: tab.troubles.append(str(error)))
        allowed = (path.as_uri(), "data:", "blob:")
        page.on("request", lambda asked: asked.url.startswith(allowed) or tab.troubles.append(asked.url))
        page.goto(path.as_uri())
        tabs.append(tab)
        tab.settle()
        return tab

    yield build
    for tab in tabs:
        tab.page.close()
        assert tab.troubles == []


def disk(rng, count, most=0.99):
    return most * np.sqrt(rng.random(count)) * np.exp(2j * np.pi * rng.random(count))


def pair(z):
    return [float(z.real), float(z.imag)]


def hyperbolic(u, v):
    return 2 * np.arctanh(np.abs((u - v) / (1 - np.conj(u) * v)))


def test_geometry_is_that_of_python(opened):
    rng = np.random.default_rng(0)
    u, v, w = disk(rng, 50), disk(rng, 50), disk(rng, 50)
    rows = [[pair(a), pair(b), pair(c)] for a, b, c in zip(u, v, w, strict=True)]
    found = opened(made.explorer_data(5)).run(
        """rows => { const g = hyperdml.geometry; return rows.map(([u, v, w]) => {
        const T = g.translation(...u), C = g.carrying(u, v), S = g.compose(T, g.compose(g.rotation(0.7), C)),
          arc = g.arc(...u, ...v);
        return { moved: g.apply(T, ...w), carried: g.apply(C, ...u), both: g.apply(S, ...w),
          back: g.apply(g.inverse(S), ...g.apply(S, ...w)), norm: S[0] ** 2 + S[1] ** 2 - S[2] ** 2 - S[3] ** 2,
          distance: g.distance(u, v), share: g.between(u, v, 0.3), end: g.between(u, v, 1),
          arc: [arc.x, arc.y, arc.r], sweep: arc.end - arc.start,
          half: [arc.x + arc.r * Math.cos((arc.start + arc.end) / 2),
            arc.y + arc.r * Math.sin((arc.start + arc.end) / 2)] };
        }); }""",
        rows,
    )

    def points(key):
        return np.array([complex(*row[key][:2]) for row in found])

    def moved(a, z):
        return (z + a) / (1 + np.conj(a) * z)

    p, q = np.abs(u) ** 2, np.abs(v) ** 2
    carrying = (v * (1 - p) - u * (1 - q)) / (1 - p * q)
    close = {"rtol": 0, "atol": 1e-9}
    np.testing.assert_allclose(points("moved"), moved(u, w), **close)
    np.testing.assert_allclose(points("carried"), v, **close)
    np.testing.assert_allclose(points("both"), moved(u, np.exp(0.7j) * moved(carrying, w)), **close)
    np.testing.assert_allclose(points("back"), w, **close)
    np.testing.assert_allclose([row["norm"] for row in found], 1, **close)
    np.testing.assert_allclose([row["distance"] for row in found], hyperbolic(u, v), **close)
    toward = moved(-u, v)
    share = np.tanh(0.3 * np.arctanh(np.abs(toward))) * toward / np.abs(toward)
    np.testing.assert_allclose(points("share"), moved(u, share), **close)
    np.testing.assert_allclose(points("end"), v, **close)
    centre, radius, half = points("arc"), np.array([row["arc"][2] for row in found]), points("half")
    assert np.abs(np.abs(centre) ** 2 / (1 + radius**2) - 1).max() < 1e-9  # at right angles to the rim
    for end in (u, v):
        np.testing.assert_allclose(np.abs(end - centre) / radius, 1, **close)
    np.testing.assert_allclose(hyperbolic(u, half) + hyperbolic(half, v), hyperbolic(u, v), rtol=1e-6)  # the short way
    assert max(abs(row["sweep"]) for row in found) < math.pi


def test_lines_through_the_middle_have_no_arc(opened):
    tab = opened(made.explorer_data(5))
    assert tab.run("hyperdml.geometry.arc(0.1, 0.2, -0.3, -0.6)") is None
    assert tab.run("hyperdml.geometry.between([0.3, 0.1], [0.3, 0.1], 0.5)") == [0.3, 0.1]


def test_panning_changes_no_distance_and_keeps_the_grabbed_point(opened):
    tab = opened(made.explorer_data(40, epochs=()))
    tab.page.select_option("#layout", "1")
    tab.settle()
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 40, (100, 2)).tolist()
    distances = """pairs => { const { apply, distance } = hyperdml.geometry, { base } = hyperdml.view;
        const at = i => apply(hyperdml.state.map, base[2 * i], base[2 * i + 1]);
        return pairs.map(([i, j]) => distance(at(i), at(j))); }"""
    before = tab.run(distances, pairs)
    x, y = tab.middle()
    for _ in range(50):
        sx, sy = (25 * rng.standard_normal(2)).tolist()
        tab.page.mouse.move(x - sx, y - sy)
        tab.page.mouse.down()
        tab.page.mouse.move(x + sx * 0.9, y + sy * 0.9)
        tab.page.mouse.up()
    tab.settle()
    assert np.abs(np.array(before) - tab.run(distances, pairs)).max() < 1e-9
    tab.page.keyboard.press("Home")
    tab.settle()
    node = 7
    x, y = tab.place(node)
    cx, cy = tab.middle()
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    for share in (0.3, 0.6, 1.0):
        to = x + share * (cx - 80 - x), y + share * (cy + 50 - y)
        tab.page.mouse.move(*to)
        tab.page.wait_for_timeout(60)
        assert math.dist(tab.place(node), to) < 1
    tab.page.mouse.up()


def test_zoom_keeps_the_place_under_the_pointer(opened):
    tab = opened(made.explorer_data(40))
    before = np.array(tab.place(3))
    pointer = np.round(before)  # events of the wheel come in whole pixels
    tab.page.mouse.move(*pointer)
    for _ in range(5):
        tab.page.mouse.wheel(0, -200)
    tab.page.wait_for_timeout(250)
    tab.settle()
    assert tab.state("zoom") > 3
    assert math.dist(tab.place(3), pointer + tab.state("zoom") * (before - pointer)) < 1
    tab.page.locator("#stage").focus()
    tab.page.keyboard.press("0")
    tab.settle()
    assert tab.state("zoom") == 1
    assert tab.state("map") == [1, 0, 0, 0]


def test_hover_and_click_find_the_node(opened):
    tab = opened(made.explorer_data(40, thumbnails=False))
    for node in (0, 13, 39, 78):
        tab.page.mouse.move(*tab.place(node))
        assert tab.state("hovered") == node
        assert tab.run("hyperdml.nodeName(hyperdml.state.hovered)") in tab.text("#tooltip")
    words = tab.text("#tooltip")
    assert all(part in words for part in ("Root", "images below", "40", "purity", "hyperbolic radius", "medoid"))
    tab.page.mouse.click(*tab.place(13))
    assert tab.state("selected") == 13
    names = tab.run("hyperdml.model.names")
    assert names[13] in tab.text("#details")
    tab.page.mouse.click(*tab.middle(), delay=10)  # the root is in the middle
    assert tab.state("selected") == 78
    tab.page.keyboard.press("Escape")
    assert tab.state("selected") == -1


def test_neighbours_are_judged(opened):
    data = made.explorer_data(40)
    tab = opened(data)
    labels, near = made.numbers(data["labels"]), made.numbers(data["neighbours"]["index"]).reshape(40, 4)
    leaf = next(i for i in range(40) if 0 < (labels[near[i]] == labels[i]).sum() < 4)
    tab.run("n => hyperdml.select(n)", leaf)
    tab.settle()
    rows = tab.page.locator(".neighbours li")
    kinds = [rows.nth(i).get_attribute("class") for i in range(4)]
    assert kinds == ["same" if same else "other" for same in labels[near[leaf]] == labels[leaf]]
    marks = tab.page.locator(".neighbours .mark").all_inner_texts()
    assert marks == ["✓ right" if kind == "same" else "✗ wrong" for kind in kinds]
    assert tab.page.locator(".neighbours .number").all_inner_texts() == ["0.125", "0.25", "0.375", "0.5"]
    tab.page.locator(".neighbours button").nth(1).click()
    assert tab.state("selected") == near[leaf, 1]


def test_path_leads_from_the_root(opened):
    data = made.explorer_data(40)
    tab = opened(data)
    parents, path = made.numbers(data["tree"]["parents"]), [21]
    while path[-1] >= 0:
        path.append(int(parents[path[-1]]))
    tab.run("hyperdml.select(21)")
    buttons = tab.page.locator("#steps button")
    assert tab.text("#levels").startswith(f"{len(path) - 2} steps from the root")
    assert buttons.first.inner_text() == "40"
    assert buttons.last.get_attribute("aria-current") == "true"
    assert tab.page.locator("#steps canvas").count() == buttons.count() <= len(path) - 1
    buttons.first.click()
    tab.settle()
    assert tab.state("selected") == 78
    assert math.dist(tab.place(78), tab.middle()) < 1


def test_search(opened):
    tab = opened(made.explorer_data(40))
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("PICTURE-0001")
    assert tab.page.locator("#hits li").count() == 10
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("ArrowDown")
    assert tab.page.locator("#search").get_attribute("aria-activedescendant") == "hit-1"
    tab.page.keyboard.press("Enter")
    tab.settle()
    assert tab.state("selected") == 11
    assert math.dist(tab.place(11), tab.middle()) < 1
    tab.page.fill("#search", "odd")
    tab.page.locator("#hits li").first.click()
    assert (tab.state("colour"), tab.run("[...hyperdml.state.lit]")) == (1, [1])
    tab.page.fill("#search", "no such thing")
    assert tab.text("#hits") == "nothing found"


def test_legend_counts_and_picks_out(opened):
    data = made.explorer_data(40)
    tab = opened(data)
    labels = made.numbers(data["labels"])
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    rows = tab.page.locator(".legend button")
    found = dict(row.split("\n") for row in rows.all_inner_texts())
    assert found == {f"class {label}": str(count) for label, count in counts.items()}
    tab.page.locator('.legend [data-id="2"]').click()
    assert tab.page.locator('.legend [data-id="2"]').get_attribute("aria-pressed") == "true"
    faint = tab.run("[...hyperdml.layer.faint.subarray(0, 40)]")
    assert faint == (labels != 2).astype(int).tolist()
    tab.page.select_option("#colour", "2")
    radii = made.numbers(data["colours"][2]["values"])
    low, high = tab.text("#legend .ends").split()
    assert (float(low), float(high)) == pytest.approx((radii.min(), radii.max()), rel=1e-3)
    assert tab.run("[...hyperdml.layer.faint].some(Boolean)") is False


def test_sizes_switches_and_layouts(opened):
    tab = opened(made.explorer_data(40))
    shown = "() => { let n = 0; for (let i = 0; i < hyperdml.model.total; i++) n += hyperdml.shown(i); return n; }"
    assert tab.run(shown) == 79 + 6
    assert tab.page.locator("#proxies-row").is_hidden()  # this layout has no places for them
    slider = tab.page.locator("#size")
    slider.fill("24")
    assert tab.state("threshold") == 8
    sizes = np.array(tab.run("[...hyperdml.model.sizes]"))
    assert tab.run(shown) == 40 + (sizes[40:] >= 8).sum()
    assert tab.text("#size-value") == "from 8 images"
    slider.fill("0")
    tab.page.uncheck("#show-edges")
    assert tab.run(shown) == 40 + 6
    tab.page.select_option("#layout", "1")
    tab.settle()
    assert tab.text("#note").startswith("Two directions of the learned space")
    tab.page.uncheck("#show-proxies")
    assert tab.run(shown) == 40
    tab.page.uncheck("#show-images")
    tab.settle()
    assert tab.run("hyperdml.thumbnails().length") == 0


def test_epochs_move_along_geodesics(opened):
    data = made.explorer_data(30)
    tab = opened(data, reduced_motion="no-preference")
    tab.page.select_option("#layout", "1")
    tab.settle()
    assert tab.text("#epoch-value") == "epoch 10"
    tab.page.locator("#epoch").fill("0")
    between = []
    while (frame := tab.state("frame")) > 0:
        between.append(frame)
        tab.page.wait_for_timeout(20)
    tab.settle()
    assert any(0 < frame < 2 for frame in between)
    assert tab.text("#epoch-value") == "epoch 1"
    places = made.numbers(data["layouts"][1]["frames"][0]["leaves"])
    assert tab.run("[...hyperdml.view.base.subarray(0, 60)]") == pytest.approx(places.tolist(), abs=1e-12)


def test_keyboard(opened):
    tab = opened(made.explorer_data(40))
    tab.page.locator("#stage").focus()
    for key in ("ArrowLeft", "ArrowUp", "+"):
        tab.page.keyboard.press(key)
    tab.page.wait_for_timeout(200)
    tab.settle()
    assert tab.state("zoom") == pytest.approx(1.25)
    re, im = tab.run("hyperdml.geometry.apply(hyperdml.state.map, 0, 0)")
    assert re > 0 > im  # one looks further to the left and upwards, so that the picture goes right and down
    tab.page.keyboard.press("Shift+ArrowDown")
    root = tab.state("selected")
    tab.page.keyboard.press("Shift+ArrowDown")
    child = tab.state("selected")
    assert (root, tab.run("n => hyperdml.model.relations.tree.parents[n]", child)) == (78, 78)
    tab.page.keyboard.press("Enter")
    tab.settle()
    assert math.dist(tab.place(child), tab.middle()) < 1
    tab.page.keyboard.press("Shift+ArrowUp")
    assert tab.state("selected") == 78
    tab.page.keyboard.press("?")
    assert tab.page.locator("#help").is_visible()
    tab.page.keyboard.press("Escape")
    assert tab.page.locator("#help").is_hidden()


def test_light_and_dark(opened):
    tab = opened(made.explorer_data(10), color_scheme="dark")

    def page_colour():
        return tab.run("getComputedStyle(document.body).backgroundColor")

    dark = page_colour()
    assert dark == "rgb(22, 22, 21)"
    tab.page.click("#theme")
    assert page_colour() == "rgb(246, 246, 244)"
    assert tab.text("#theme") == "Dark"
    tab.page.click("#theme")
    assert page_colour() == dark


def test_figures_within_chance_say_so(opened):
    tab = opened(made.explorer_data(10))
    rows = tab.page.locator(".figure")
    assert ["chance" in rows.nth(i).get_attribute("class") for i in range(3)] == [False, True, True]
    assert "not distinguishable from chance" in rows.nth(1).inner_text()
    rows.nth(0).locator("summary").click()
    words = rows.nth(0).inner_text()
    assert all(part in words for part in ("0.61", "labels shuffled", "0.110 ± 0.010", "z = 50.0", "control: cosine"))


def test_saved_svg_holds_the_view(opened, tmp_path):
    tab = opened(made.explorer_data(30))
    tab.run("hyperdml.select(4)")
    tab.settle()
    with tab.page.expect_download() as caught:
        tab.page.click("#save")
    assert caught.value.suggested_filename == "hierarchy.svg"
    caught.value.save_as(tmp_path / "view.svg")
    root = ElementTree.parse(tmp_path / "view.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    marks = {int(mark.get("data-node")): mark for mark in root.iter() if mark.get("data-node")}
    assert set(range(59)) <= set(marks)
    x, y = tab.run("[hyperdml.view.x[58], hyperdml.view.y[58]]")
    assert (float(marks[58].get("cx")), float(marks[58].get("cy"))) == pytest.approx((x, y), abs=1e-3)
    edges = "".join(path.get("d") for path in root.iter("{http://www.w3.org/2000/svg}path") if "A" in path.get("d"))
    assert edges.count("A") > 10
    words = " ".join(text.text for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert all(part in words for part in ("made-up run", "Radius: how small a subtree is.", "class 1"))


def test_hostile_names_are_text(opened):
    data = made.explorer_data(12, classes=4)
    data |= {"names": [HOSTILE[i % 4] for i in range(12)], "title": HOSTILE[0], "notes": HOSTILE}
    data["layouts"][0] |= {"name": HOSTILE[1], "note": HOSTILE[0]}
    data["colours"][0] |= {"name": HOSTILE[1], "names": HOSTILE}
    data["figures"][0]["rows"][0]["name"] = HOSTILE[0]
    tab = opened(data)
    tab.page.mouse.move(*tab.place(0))
    tab.run("hyperdml.select(1)")
    tab.page.fill("#search", "taken")
    tab.settle()
    assert tab.run("window.taken") is None
    assert tab.page.locator("img, b").count() == 0
    assert tab.text("h1") == HOSTILE[0]
    assert tab.text("#note") == HOSTILE[0]
    assert HOSTILE[1] in tab.text("#details")
    assert "{{DATA}} \\u2028 \\x00 \\u202egnp" in tab.text("#legend")
    ElementTree.fromstring(tab.run("hyperdml.svg()"))


def without(**left_out):
    return made.explorer_data(12) | left_out


@pytest.mark.parametrize(
    "data",
    [
        made.explorer_data(1, classes=1, proxies=0, thumbnails=False, neighbours=0, epochs=()),
        without(tree=None, layouts=made.explorer_data(12)["layouts"][1:]),
        without(proxies=None, thumbnails=None, labels=None, figures=[], colours=[]),
        without(layouts=[]),
        without(layouts=[made.explorer_data(12)["layouts"][0] | {"frames": []}]),
    ],
    ids=["one leaf", "no tree", "bare", "no layout", "no frames"],
)
def test_what_is_not_there_is_left_out(opened, data):
    tab = opened(data)
    tab.run("hyperdml.select(0)")
    tab.page.mouse.move(*tab.middle())
    tab.page.mouse.wheel(0, -100)
    tab.page.wait_for_timeout(200)
    tab.settle()
    assert data["names"][0] in tab.text("#details")
    ElementTree.fromstring(tab.run("hyperdml.svg()"))


def test_points_without_a_place_or_a_value(opened):
    data = made.explorer_data(12)
    places = made.numbers(data["layouts"][0]["frames"][0]["leaves"]).copy()
    places[:2] = np.nan
    data["layouts"][0]["frames"][0]["leaves"] = made.array(places, "f8")
    radii = made.numbers(data["colours"][2]["values"]).copy()
    radii[3] = np.nan
    data["colours"][2]["values"] = made.array(radii, "f4")
    data["figures"][0]["rows"][0]["value"] = math.nan
    tab = opened(data)
    tab.page.select_option("#colour", "2")
    assert "not known for 1 image" in tab.text("#legend")
    tab.run("hyperdml.select(0); hyperdml.centre(0)")
    tab.settle()
    assert tab.state("map") == [1, 0, 0, 0]
    assert "not known" in tab.text("#quality")
    assert 'data-node="0"' not in tab.run("hyperdml.svg()")


def test_narrow_page_fits_and_large_pixels_are_used(opened):
    tab = opened(made.explorer_data(30), size=(400, 800), device_scale_factor=2)
    assert tab.run("document.documentElement.scrollWidth") <= 400
    width, shown = tab.run("[document.getElementById('points').width, hyperdml.view.width]")
    assert width == 2 * shown
    tab.page.set_viewport_size({"width": 900, "height": 700})
    tab.page.wait_for_timeout(50)
    tab.settle()
    assert tab.run("hyperdml.view.width") > shown
    assert math.dist(tab.place(58), tab.middle()) < 1  # the root stays in the middle


def test_a_deep_chain(opened):
    count = 5000
    data = made.explorer_data(count, thumbnails=False)
    parents = np.concatenate(([count], np.arange(count, 2 * count - 1), np.arange(count + 1, 2 * count - 1), [-1]))
    data["tree"] |= {
        "parents": made.array(parents, "i4"),
        "sizes": made.array(np.r_[np.ones(count), 2 : count + 1], "i4"),
    }
    tab = opened(data)
    tab.run("hyperdml.select(0)")
    assert tab.text("#levels").startswith("4,999 steps from the root")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other/2"}, "expected data of the format 'hyperdml.explorer/1', got 'other/2'"),
        ({"names": ["a"]}, "got 1 names, 12 leaves"),
        ({"leaves": 0, "names": []}, "got 0 names, 0 leaves"),
    ],
)
def test_data_that_cannot_be_shown(change, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        explorer_page(without(**change))


def test_the_policy_names_the_script_and_the_style():
    page = explorer_page(made.explorer_data(3))
    policy = page.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert not any(word in policy for word in ("unsafe", "http"))
    assert page.count("</script>") == 2
