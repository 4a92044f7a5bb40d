"""datasets list, check, scan, prepare and make, in one process."""

import io
import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from cyclopts import App

from hyperdml.cli.dataset_folders import check_dataset, prepare_dataset, scan_dataset
from hyperdml.cli.datasets import list_datasets, make_miniature
from hyperdml.data import miniatures
from hyperdml.data.prepare.known import KNOWN, recognise
from hyperdml.errors import ConfigError, DataError

COMMANDS = {
    "list": list_datasets,
    "check": check_dataset,
    "scan": scan_dataset,
    "prepare": prepare_dataset,
    "make": make_miniature,
}
MAKERS = {
    "cub": miniatures.make_cub,
    "cars": miniatures.make_cars,
    "sop": miniatures.make_sop,
    "in_shop": miniatures.make_in_shop,
    "cifar100": miniatures.make_cifar100,
    "aircraft": miniatures.make_aircraft,
    "nabirds": miniatures.make_nabirds,
}


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """A miniature of every release, in a folder of its own; not to be changed."""
    root = tmp_path_factory.mktemp("releases")
    return {name: make(root / name) for name, make in MAKERS.items()}


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs words in a temporary folder, and returns what was printed."""
    monkeypatch.chdir(tmp_path)
    app = App(name="datasets", result_action="return_none")
    for name, function in COMMANDS.items():
        app.command(function, name=name)

    def call(*words, raises=None, match=None):
        if raises is None:
            app([str(word) for word in words], exit_on_error=False, print_error=False)
        else:
            with pytest.raises(raises, match=match):
                app([str(word) for word in words], exit_on_error=False, print_error=False)
        return capsys.readouterr()

    return call


def counts(record):
    return {part: (found["images"], found["classes"]) for part, found in record["parts"].items()}


def test_list(command):
    out = command("list").out
    for name, known in KNOWN.items():
        assert re.search(rf"^  {name} +{re.escape(known.title)}: ", out, re.MULTILINE)
        assert known.counts in out
    record = json.loads(command("list", "--json").out)
    assert list(record) == ["emoji", *KNOWN]
    assert record["sop"]["counts"].startswith("59,551 training")


@pytest.mark.parametrize("name", MAKERS)
def test_every_release_is_recognised_and_checked(command, releases, name):
    release = releases[name]
    assert recognise(release) == recognise(release.parent) == name
    record = json.loads(command("check", release.parent, "--partial", "--json").out)
    assert record["name"] == name
    assert record["parts"]["train"]["images"] > 0
    assert counts(json.loads(command("check", release, "--name", name, "--partial", "--json").out)) == counts(record)
    text = command("check", release, "--partial").out.splitlines()
    images, classes = counts(record)["test"]
    assert text[0].endswith(f": {KNOWN[name].title} (data.name={name})")
    assert re.match(rf"test +{images} images +{classes} classes", text[2])
    assert text[3].startswith("levels")
    command("check", release, raises=DataError, match="found|holds")  # it is not the whole release


@pytest.mark.parametrize("layout", ["devkit", "folders"])
def test_other_layouts_are_recognised(tmp_path, layout):
    assert recognise(miniatures.make_cars(tmp_path, layout=layout)) == "cars"
    assert recognise(miniatures.make_in_shop(tmp_path / "flat", nested=False)) == "in_shop"


def test_what_differs_is_said(command, releases):
    command("check", releases["cub"], raises=DataError, match="5,864 training images, found 24")
    found = counts(json.loads(command("check", releases["in_shop"], "--partial", "--json").out))
    assert found == {"train": (24, 4), "test": (24, 4)}
    assert "12 queries, 12 in the gallery" in command("check", releases["in_shop"], "--partial").out


def test_folders_and_tables(command, releases, tmp_path):
    images = sorted((releases["cub"] / "images").glob("[0-9]*/[!.]*.jpg"))
    shutil.copytree(releases["cub"] / "images", tmp_path / "photos", ignore=shutil.ignore_patterns("._*"))
    command(
        "check",
        "photos",
        raises=ConfigError,
        match="no data set is recognised in photos or in its folders; give",
    )
    found = json.loads(command("check", "photos", "--name", "folder", "--json").out)
    assert sum(part["images"] for part in found["parts"].values()) == len(images)
    lines = [f"{path},{path.parent.name},{'train' if k % 12 < 6 else 'test'}" for k, path in enumerate(images)]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,split", *lines]))
    assert set(json.loads(command("check", "table.csv", "--json").out)["parts"]) == {"train", "test"}
    command("check", "nowhere", raises=DataError, match="no such file or folder: nowhere")
    command("check", "photos", "--name", "cubs", raises=ConfigError, match="--name must be one of .*, got 'cubs'")
    for name in ("cub", "sop"):
        (tmp_path / "both").mkdir(exist_ok=True)
        shutil.copytree(releases[name], tmp_path / "both" / name)
    command("check", "both", raises=ConfigError, match=r"both holds several data sets \(cub, sop\); give --name")


def test_scan(command, releases, tmp_path):
    release = shutil.copytree(releases["cub"], tmp_path / "birds")
    assert command("scan", "birds").out.splitlines()[-2:] == ["birds: 48 images (24 train, 24 test)", "nothing found"]
    images = sorted((release / "images").glob("[0-9]*/[!.]*.jpg"))
    shutil.copy(images[0], images[-1])
    images[1].write_bytes(images[1].read_bytes()[:300])
    images[2].write_bytes(b"")
    found = command("scan", "birds", "--json", raises=DataError, match="2 of 48 images cannot be read")
    record = json.loads(found.out)
    assert [finding["path"] for finding in record["broken"]] == [str(path.relative_to(release)) for path in images[1:3]]
    assert sum(record["broken_by_kind"].values()) == 2
    assert record["warnings_by_kind"] == {"same content in train and test": 1}
    out = command("scan", "birds", "--name", "cub", "--workers", 0, raises=DataError, match="2 of 48").out
    assert f"broken: {images[2].relative_to(release)}: no image in a known format" in out
    assert re.search(r"unusual: +1 same content in train and test, as images/10", out)
    command("scan", "birds", "--workers", -1, raises=ConfigError, match="--workers must be 0 or more, got -1")


def test_scan_of_any_folder(command, releases, tmp_path):
    (image,) = list((releases["cub"] / "images").glob("001*/[!.]*.jpg"))[:1]
    for k in range(25):
        for part in ("train", "test", "more"):
            (tmp_path / "any" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "any" / part / f"{k}.jpg").write_bytes(b"broken" if part == "more" else image.read_bytes())
    out = command("scan", "any", raises=DataError, match="25 of 75 images cannot be read").out
    assert "any: 75 images (25 all, 25 test, 25 train)" in out
    assert out.count("broken: more/") == 20
    assert "broken: and 5 more; --json lists all" in out
    assert re.search(r"unusual: +25 same content in test and train", out)
    command("scan", releases["cifar100"], raises=DataError, match="in arrays, not in files")
    command("scan", "nowhere", raises=DataError, match="no such folder or image: nowhere")


def pack(folder, archive, above="", extra=()):
    """A folder as an archive, below another folder or none."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    name = f"{above}{folder.name}"
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as package:
            for path in sorted(folder.rglob("*")):
                package.write(path, f"{name}/{path.relative_to(folder)}")
        return
    with tarfile.open(archive, "w:gz") as package:
        package.add(folder, name)
        for beside in extra:
            info = tarfile.TarInfo(beside)
            package.addfile(info, io.BytesIO())


@pytest.mark.parametrize(
    ("name", "folder", "archive", "beside"),
    [
        ("cub", ".", "CUB_200_2011.tgz", ()),
        ("cars", "car_ims", "car_ims.tgz", ("cars_annos.mat",)),
        ("sop", ".", "Stanford_Online_Products.zip", ()),
        ("in_shop", "Img/img", "Inshop/Img/img.zip", ("Eval/list_eval_partition.txt",)),
        ("cifar100", ".", "cifar-100-binary.tar.gz", ()),
        ("aircraft", ".", "fgvc-aircraft-2013b.tar.gz", ()),
        ("nabirds", ".", "nabirds.tar.gz", ()),
    ],
)
def test_prepare_from_the_archives_as_they_are_published(command, releases, tmp_path, name, folder, archive, beside):
    downloads = tmp_path / "downloads"
    pack(releases[name] / folder, downloads / archive)
    for file in beside:
        place = (downloads / archive).parents[1 if name == "in_shop" else 0] / file
        place.parent.mkdir(exist_ok=True)
        shutil.copy(releases[name] / file, place)
    before = {path: path.read_bytes() for path in downloads.rglob("*") if path.is_file()}
    found = json.loads(command("prepare", "downloads", "--partial", "--json").out)
    assert counts(found) == counts(json.loads(command("check", releases[name], "--partial", "--json").out))
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not [path for path in downloads.rglob(".*") if path.suffix == ".part"]
    assert "nothing to unpack" in command("prepare", "downloads", "--partial").out


def test_prepare_from_elsewhere_and_what_lies_beside(command, releases, tmp_path):
    pack(releases["cub"], tmp_path / "elsewhere" / "birds (1).tgz", extra=["attributes.txt"])
    (tmp_path / "root").mkdir()
    words = ("prepare", "root", "--name", "cub", "--partial", "--archive", "elsewhere/birds (1).tgz")
    out = command(*words).out
    assert "birds (1).tgz unpacked to root/CUB_200_2011" in out
    assert sorted(path.name for path in Path("root").iterdir()) == ["CUB_200_2011", "attributes.txt"]
    shutil.rmtree("root/CUB_200_2011")
    command(*words, raises=DataError, match="root/attributes.txt is there already, and nothing is overwritten")
    assert [path.name for path in Path("root").iterdir()] == ["attributes.txt"]


def test_prepare_beside_other_releases(command, releases, tmp_path):
    for name in ("cub", "sop"):
        shutil.copytree(releases[name], tmp_path / "root" / releases[name].name)
    command("prepare", "root", raises=ConfigError, match=r"holds several data sets \(cub, sop\); give --name")
    assert "nothing to unpack" in command("prepare", "root", "--name", "sop", "--partial").out


def test_notes_of_macos_are_not_kept(command, releases, tmp_path):
    for name in ("sop", "cub"):
        archive = tmp_path / "root" / f"{releases[name].name}.zip"
        pack(releases[name], archive)
        with zipfile.ZipFile(archive, "a") as package:
            package.writestr(f"__MACOSX/{releases[name].name}/._x.jpg", b"note")
        command("prepare", "root", "--name", name, "--partial")
    assert sorted(path.name for path in (tmp_path / "root").iterdir() if path.is_dir()) == [
        "CUB_200_2011",
        "Stanford_Online_Products",
    ]


def test_prepare_says_what_it_looked_for(command, releases, tmp_path):
    (tmp_path / "root").mkdir()
    command("prepare", "root", raises=ConfigError, match="recognised in root or in its folders; give --name")
    reason = (
        r"root holds no archive Stanford_Online_Products \(.zip, .*\), up to 3 folders deep; Stanford Online .* from"
    )
    command("prepare", "root", "--name", "sop", raises=DataError, match=reason)
    pack(releases["cars"] / "car_ims", tmp_path / "root" / "car_ims.tgz")
    command("prepare", "root", raises=DataError, match="root holds no cars_annos.mat, up to 3 folders deep; Cars-196")
    command("prepare", "root", "--name", "folder", raises=DataError, match="a folder of images comes in no archive")
    missing = ("--archive", "x.zip")
    command("prepare", "root", "--name", "cub", *missing, raises=DataError, match="no such archive: x.zip")
    command("prepare", "root", "--name", "cub", *missing, *missing, raises=DataError, match="in 1 archives, got 2")
    pack(releases["cub"], tmp_path / "root" / "CUB_200_2011.tgz")
    command("prepare", "root", raises=ConfigError, match=r"archives of several data sets \(cub, cars\); give --name")


def test_prepare_leaves_nothing_of_an_archive_that_is_refused(command, releases, tmp_path):
    root = tmp_path / "root"
    pack(releases["cub"], root / "CUB_200_2011.tgz", above="other/")
    command("prepare", "root", raises=DataError, match="holds no folder CUB_200_2011, but other; nothing was kept")
    assert [path.name for path in root.iterdir()] == ["CUB_200_2011.tgz"]
    pack(releases["in_shop"] / "Img" / "img", tmp_path / "shop" / "img.zip")
    shutil.copy(releases["in_shop"] / "Eval" / "list_eval_partition.txt", tmp_path / "shop")
    content = bytearray((tmp_path / "shop" / "img.zip").read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "shop" / "img.zip").write_bytes(content)
    command("prepare", "shop", raises=DataError, match=r"img.zip is protected with a password")
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == ["img.zip", "list_eval_partition.txt"]


@pytest.mark.parametrize("name", MAKERS)
def test_make(command, name):
    out = command("make", name, "made here").out
    (release,) = Path("made here").iterdir()
    assert f"in the layout of {KNOWN[name].title} written to {release}" in out
    assert f"'data.root={release}' data.complete=false" in out
    assert recognise(release) == name


def test_make_refuses(command):
    command("make", "sop", "made")
    command("make", "sop", "made", raises=DataError, match="is there already")
    command("make", "birds", "made", raises=ConfigError, match="no miniature of 'birds'; there are those of aircraft, ")
