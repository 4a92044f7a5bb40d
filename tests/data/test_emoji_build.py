"""The builder of emoji sets, on small made-up packages and without a network."""

import base64
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from hyperdml.data.emoji import atlas, load_emoji, packages
from hyperdml.data.emoji.build import build_emoji, cache_folder, default_folder
from hyperdml.data.emoji.drawing import draw
from hyperdml.data.emoji.matching import candidate_names, match_icons
from hyperdml.data.emoji.packages import Package, fetch, read_members
from hyperdml.data.emoji.recipes import RECIPES
from hyperdml.data.emoji.render import render_svg
from hyperdml.data.emoji.sources import Emoji, IconSet, code_point_key, read_emoji, read_openmoji, slug
from hyperdml.data.emoji.writing import tiny_classes, write_set
from hyperdml.errors import DataError, EnvironmentProblem

CAT_FACE = Emoji("1F431", "cat face", "CAT FACE", "Animals & Nature", "animal-mammal", 0.6)
CAT = Emoji("1F408", "cat", "CAT", "Animals & Nature", "animal-mammal", 0.7)
CRICKET = Emoji("1F997", "cricket", "CRICKET", "Animals & Nature", "animal-bug", 5.0)
CRICKET_GAME = Emoji("1F3CF", "cricket game", "CRICKET BAT AND BALL", "Activities", "sport", 1.0)

UNICODE = [  # code points, CLDR name, Unicode name, group, subgroup
    ("1F431", "cat face", "CAT FACE", "Animals & Nature", "animal-mammal"),
    ("1F408", "cat", "CAT", "Animals & Nature", "animal-mammal"),
    ("1F34E", "red apple", "RED APPLE", "Food & Drink", "food-fruit"),
    ("1F1E6-1F1E8", "flag: Ascension", "", "Flags", "country-flag"),
    ("1F46A", "family", "FAMILY", "People & Body", "family"),
    ("1F9D9-200D-2642-FE0F", "man mage", "", "People & Body", "person-fantasy"),
]
PICTURES = {"cat-face": 3, "cat": 5, "red-apple": 7}


def no_progress(stage: str, done: int, total: int) -> None:
    pass


def icons(shift: int = 0, **changes: int) -> bytes:
    sizes = PICTURES | {name.replace("_", "-"): size for name, size in changes.items()}
    bodies = {
        name: {"body": f'<circle cx="8" cy="8" r="{size}" fill="#{shift}{size}{size}"/>'}
        for name, size in sizes.items()
    }
    return json.dumps({"icons": bodies, "width": 16, "height": 16}).encode()


def made_up_packages(**twemoji_changes: int) -> dict[str, dict[str, bytes]]:
    taxonomy = [
        {
            "unified": code,
            "name": name,
            "category": group,
            "subcategory": subgroup,
            "sort_order": order,
            "added_in": "0.6",
        }
        for order, (code, _, name, group, subgroup) in enumerate(UNICODE)
    ]
    names = [{"hexcode": code, "label": label} for code, label, *_ in UNICODE]
    chars = json.dumps({"1f431": "cat-face", "1f408": "cat", "1f34e": "red-apple"}).encode()
    files = {
        "emoji-datasource": {"emoji.json": json.dumps(taxonomy).encode()},
        "emojibase-data": {"en/data.json": json.dumps(names).encode()},
        "@iconify-json/fluent-emoji-flat": {"icons.json": icons(0), "chars.json": chars},
    }
    for shift, vendor in enumerate(RECIPES["bundled"].vendors):
        listed = chars if vendor.name in ("noto", "twemoji") else b"{}"
        files[vendor.package] = {"icons.json": icons(shift), "chars.json": listed}
    files["@iconify-json/twemoji"]["icons.json"] = icons(2, **twemoji_changes)
    return files


def write_tarball(path: Path, files: dict[str, bytes], extra: tarfile.TarInfo | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if extra is not None:
            archive.addfile(extra)
    return path


@pytest.fixture
def offline(tmp_path, monkeypatch) -> Path:
    """A cache that already holds made-up packages, pinned to their own digests."""
    cache = tmp_path / "cache"
    cache.mkdir()
    pinned = {}
    for name, files in made_up_packages().items():
        draft = Package(name, "1.0.0", "")
        path = write_tarball(cache / draft.tarball, files)
        pinned[name] = Package(name, "1.0.0", packages.sha512(path))
    monkeypatch.setattr("hyperdml.data.emoji.build.PACKAGES", pinned)
    monkeypatch.setattr("hyperdml.data.emoji.writing.PACKAGES", pinned)
    monkeypatch.setattr("shutil.which", lambda name: pytest.fail("npm must not be looked for"))
    return cache


def test_build_is_deterministic_and_loads(tmp_path, offline):
    stages = []
    first = build_emoji(
        tmp_path / "one", size=16, cache=offline, progress=lambda stage, done, total: stages.append(stage)
    )
    second = build_emoji(tmp_path / "two", size=16, cache=offline)
    assert first.sha256 == second.sha256
    assert (tmp_path / "one" / "emoji.json").read_bytes() == (tmp_path / "two" / "emoji.json").read_bytes()
    assert (first.classes, first.images, first.groups, first.subgroups) == (3, 15, 2, 2)
    assert first.per_vendor == dict.fromkeys(("noto", "noto-v1", "twemoji", "fluent", "emojione-v2"), 3)
    assert list(dict.fromkeys(stages)) == ["fetch", "draw", "write"]
    assert sorted(path.name for path in first.path.iterdir()) == ["emoji.json", "emoji.webp"]
    content = (first.path / "emoji.webp").read_bytes()
    assert hashlib.sha256(content).hexdigest() == first.sha256
    loaded = load_emoji(folder=first.path)
    assert loaded.class_names == ("cat face", "cat", "red apple")
    assert loaded.images.shape == (15, 16, 16, 3)
    assert load_emoji("tiny", folder=first.path).class_names == loaded.class_names


def test_build_replaces_an_older_set(tmp_path, offline):
    build_emoji(tmp_path / "set", size=16, cache=offline)
    report = build_emoji(tmp_path / "set", size=24, cache=offline)
    assert load_emoji(folder=report.path).images.shape[1] == 24


def test_unwritable_folder(tmp_path, offline):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="file cannot be written"):
        build_emoji(tmp_path / "file", size=16, cache=offline)


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="'huge'"):
        build_emoji(tmp_path, variant="huge")
    with pytest.raises(ValueError, match="got 4"):
        build_emoji(tmp_path, size=4)


def test_default_folders_follow_xdg(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder("large") == tmp_path / "hyperdml" / "emoji-large"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "hyperdml"


def test_same_picture_in_two_classes_is_left_out():
    files = made_up_packages(cat=3)  # twemoji now draws cat as it draws cat face
    drawings = draw(RECIPES["bundled"], files, 16, no_progress)
    assert drawings.repeated == 2
    assert [one.name for one in drawings.emoji] == ["red apple"]
    large_files = files | {
        "openmoji": {},
        "@iconify-json/emojione-v1": files["@iconify-json/emojione"],
    }
    drawings = draw(RECIPES["large"], large_files, 16, no_progress)
    assert [one.name for one in drawings.emoji] == ["cat face", "cat", "red apple"]
    assert [len(views) for views in drawings.views] == [5, 5, 6]
    assert len(drawings.tiles) == 16


def test_packages_that_do_not_hold_what_they_should():
    files = made_up_packages()
    del files["@iconify-json/twemoji"]["icons.json"]
    with pytest.raises(DataError, match=r"icons\.json"):
        draw(RECIPES["bundled"], files, 16, no_progress)
    files = made_up_packages()
    files["@iconify-json/noto"]["icons.json"] = b'{"icons": {"cat": {"body": "<g"}}}'
    files["@iconify-json/noto"]["chars.json"] = b'{"1f408": "cat"}'
    with pytest.raises(DataError, match="noto, icon 'cat'"):
        draw(RECIPES["bundled"], files, 16, no_progress)
    files["@iconify-json/noto"]["icons.json"] = b'{"icons": {}}'
    with pytest.raises(DataError, match="no emoji has 5 drawings"):
        draw(RECIPES["bundled"], files, 16, no_progress)


def test_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(atlas, "MAX_SIDE", 48)  # nine tiles of 16 pixels on a page
    drawings = draw(RECIPES["bundled"], made_up_packages(), 16, no_progress)
    report = write_set(drawings, RECIPES["bundled"], tmp_path, no_progress)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emoji-0.webp", "emoji-1.webp", "emoji.json"]
    loaded = load_emoji(folder=tmp_path)
    assert len(loaded.images) == report.images == 15
    difference = np.abs(loaded.images.astype(int) - drawings.tiles)
    assert difference.mean() < 8


def test_atlas_round_trip():
    tiles = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    ((count, rows, columns),) = atlas.grid(7, 8)
    page = atlas.decode(atlas.encode(atlas.pack(tiles, rows, columns), quality=None))
    np.testing.assert_array_equal(atlas.unpack(page, count, 8), tiles)
    with pytest.raises(DataError, match="does not hold 10 tiles"):
        atlas.unpack(page, 10, 8)
    with pytest.raises(DataError, match="not a readable picture"):
        atlas.decode(b"RIFF")


def test_names_decide_where_no_code_points_are_listed():
    named = IconSet(svgs={"cat": "body", "cat-face": "face"}, aliases={}, chars={})
    assert match_icons([CAT_FACE, CAT], named, []) == {0: "cat-face", 1: "cat"}
    assert match_icons([CAT_FACE], IconSet({"cat": "body"}, {}, {}), []) == {}


def test_a_less_trusted_name_does_not_take_an_icon():
    renamed = Emoji("1F63A", "smiling cat", "CAT FACE", "Smileys & Emotion", "cat-face", 0.6)
    named = IconSet(svgs={"cat-face": "face"}, aliases={}, chars={})
    assert match_icons([renamed, CAT_FACE], named, []) == {1: "cat-face"}
    assert match_icons([renamed], named, []) == {0: "cat-face"}


def test_an_alias_comes_after_the_icons_own_names():
    named = IconSet(svgs={"cricket-game": "bat"}, aliases={"cricket": "cricket-game"}, chars={})
    assert match_icons([CRICKET, CRICKET_GAME], named, []) == {1: "cricket-game"}
    assert match_icons([CRICKET], named, []) == {0: "cricket-game"}


def test_a_set_knows_no_emoji_newer_than_itself():
    named = IconSet(svgs={"cricket": "old symbol"}, aliases={}, chars={}, newest=4.0)
    assert match_icons([CRICKET, CRICKET_GAME], named, []) == {}


def test_code_points_decide_where_they_are_listed():
    listed = IconSet(svgs={"cat": "face", "b": "body"}, aliases={"old": "b"}, chars={"1f431": "cat"})
    assert match_icons([CAT_FACE, CAT], listed, []) == {0: "cat"}
    assert candidate_names(CAT, [{"1f408": "feline"}, {"1f408": "cat"}]) == ("feline", "cat")
    assert listed.resolve("old") == "b"
    assert IconSet({}, {"a": "b", "b": "a"}, {}).resolve("a") is None


def test_sources():
    files = made_up_packages()
    emoji = read_emoji(files["emoji-datasource"], files["emojibase-data"])
    assert [one.name for one in emoji] == ["cat face", "cat", "red apple"]
    assert code_point_key("0023-FE0F-20E3") == "23-20e3"
    assert slug("Côte d’Ivoire & co") == "cote-divoire-and-co"
    openmoji = read_openmoji({"color/svg/1F408.svg": b"<svg/>", "README.md": b""})
    assert openmoji.chars == {"1f408": "1F408"}


def test_tiny_classes_are_seeded():
    emoji = [Emoji(str(i), str(i), "", "Objects", "ab"[i % 2], 1.0) for i in range(50)]
    chosen = tiny_classes(emoji)
    assert chosen == sorted(set(chosen)) == tiny_classes(emoji)
    assert sum(i % 2 for i in chosen) == 10
    assert chosen != tiny_classes(emoji, seed=1)


def test_render_centres_on_white():
    wide = '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="8"><path d="M0 0h16v8H0z"/></svg>'
    tile = render_svg(wide, 16)
    assert tile.shape == (16, 16, 3)
    assert (tile[:2] > 250).all()  # the filter rings a little beside an edge
    assert (tile[-2:] > 250).all()
    assert (tile[7:9] == 0).all()
    with pytest.raises(DataError, match="cannot be rendered"):
        render_svg("no drawing", 16)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("package/icons.json")
    member.type, member.linkname = kind, "elsewhere"
    tarball = write_tarball(tmp_path / "a.tgz", {}, member)
    with pytest.raises(DataError, match="neither a file nor a folder"):
        read_members(tarball, lambda path: True)


def test_paths_outside_are_refused(tmp_path):
    tarball = write_tarball(tmp_path / "a.tgz", {}, tarfile.TarInfo("../icons.json"))
    with pytest.raises(DataError, match="unsafe member"):
        read_members(tarball, lambda path: True)


def test_broken_tarball(tmp_path):
    (tmp_path / "a.tgz").write_bytes(b"not a tarball")
    with pytest.raises(DataError, match="cannot be read"):
        read_members(tmp_path / "a.tgz", lambda path: True)


def test_only_wanted_members_are_read(tmp_path):
    tarball = write_tarball(tmp_path / "a.tgz", {"icons.json": b"{}", "README.md": b"text"})
    assert read_members(tarball, lambda path: path == "icons.json") == {"icons.json": b"{}"}


PACKAGE = Package("@scope/cats", "1.0.0", base64.b64encode(hashlib.sha512(b"cats").digest()).decode())


@pytest.fixture
def npm(monkeypatch):
    """A stand-in for npm that writes the given bytes, or fails."""

    def install(content: bytes | None) -> list[list[str]]:
        calls = []

        def run(command, **options):
            calls.append(command)
            if content is None:
                return subprocess.CompletedProcess(command, 1, "", "E404 not found")
            (Path(command[-1]) / PACKAGE.tarball).write_bytes(content)
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr("shutil.which", lambda name: name)
        monkeypatch.setattr("subprocess.run", run)
        return calls

    return install


def test_fetch_verifies_and_caches(tmp_path, npm):
    calls = npm(b"cats")
    (tmp_path / PACKAGE.tarball).write_bytes(b"half a ca")  # a broken copy is fetched again
    assert fetch(PACKAGE, tmp_path) == tmp_path / "scope-cats-1.0.0.tgz"
    assert fetch(PACKAGE, tmp_path).read_bytes() == b"cats"
    assert len(calls) == 1
    assert calls[0][1:4] == ["pack", "@scope/cats@1.0.0", "--silent"]
    assert [path.name for path in tmp_path.iterdir()] == [PACKAGE.tarball]


def test_fetch_refuses_another_tarball(tmp_path, npm):
    npm(b"dogs")
    with pytest.raises(EnvironmentProblem, match=r"@scope/cats@1\.0\.0 has SHA-512"):
        fetch(PACKAGE, tmp_path)
    assert not list(tmp_path.iterdir())


def test_fetch_names_a_package_that_failed(tmp_path, npm):
    npm(None)
    with pytest.raises(EnvironmentProblem, match=r"npm pack @scope/cats@1\.0\.0 failed with status 1: E404"):
        fetch(PACKAGE, tmp_path)


def test_fetch_without_npm(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(EnvironmentProblem, match="npm is needed to fetch @scope/cats"):
        fetch(PACKAGE, tmp_path)


def test_fetch_that_hangs(tmp_path, monkeypatch):
    def run(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(EnvironmentProblem, match="took over 600 s"):
        fetch(PACKAGE, tmp_path)


def test_every_package_of_a_recipe_is_pinned():
    for recipe in RECIPES.values():
        for name in recipe.packages:
            assert len(base64.b64decode(packages.PACKAGES[name].sha512)) == 64
    assert not any("SA" in vendor.licence for vendor in RECIPES["bundled"].vendors)
