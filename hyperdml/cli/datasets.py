"""`hyperdml datasets`: what there is, and data sets that are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Literal

from hyperdml.cli.output import Json, print_json
from hyperdml.errors import ConfigError


def list_datasets(*, json: Json = False) -> None:
    """Data sets that recipes can name: what data.root holds, how much it is, and where a release comes from.

    Args:
        json: print one JSON object.
    """
    from hyperdml.data.emoji import load_emoji
    from hyperdml.data.prepare.known import KNOWN

    emoji = load_emoji()
    counts = f"{len(emoji.labels):,} drawings of {len(emoji.class_names):,} emoji by {len(emoji.vendor_names)} vendors"
    levels = f"{len(set(emoji.groups))} groups, {len(set(emoji.subgroups))} subgroups"
    if json:
        record = {
            name: {key: value for key, value in asdict(known).items() if key != "marks"}
            for name, known in KNOWN.items()
        }
        print_json({"emoji": {"title": "emoji", "counts": f"{counts}, {levels}"}, **record})
        return
    for task in ("retrieval", "classification"):
        print(f"for {task}: data.name and what data.root holds")
        shared = "test classes unseen in training" if task == "retrieval" else "classes shared, one vendor held out"
        print(f"  emoji     bundled, no root: {shared}\n            {counts}, {levels}")
        for name, known in KNOWN.items():
            if known.task == task:
                lines = [f"{known.title}: {known.root}", known.counts, known.source and f"from {known.source}"]
                print(f"  {name:<9} " + "\n            ".join(line for line in lines if line))
        if task == "classification":
            print("  folder    a folder of images: train/CLASS/IMAGE and test/CLASS/IMAGE, its tree in data.taxonomy")
        print()
    print("Downloaded a release? hyperdml datasets prepare FOLDER unpacks its archives and checks what is there.")


def make_miniature(name: str, folder: Path, /) -> None:
    """Write a small stand-in for a release, of made-up pictures in its true layout, for trying things out.

    hyperdml datasets make cub releases

    Args:
        name: aircraft, cars, cifar100, cub, in_shop, nabirds or sop.
        folder: where the release goes; made if it is not there.
    """
    from hyperdml.data.prepare.contents import load_contents
    from hyperdml.data.prepare.known import KNOWN

    makers = _makers()
    if name not in makers:
        raise ConfigError(f"there is no miniature of {name!r}; there are those of {', '.join(sorted(makers))}")
    release = makers[name](folder)
    contents = load_contents(name, release, complete=False)
    images = sum(part.images for part in contents.parts.values())
    print(f"{images} images in the layout of {KNOWN[name].title} written to {release}")
    values = f"{quote(f'data.root={release}')} data.complete=false"
    if KNOWN[name].task == "classification":
        print(f"use them with: hyperdml probe {name}-lite0-hace {values}")
    else:
        size = 2 * contents.parts["train"].classes
        print(
            f"use them with: hyperdml train quickstart data.name={name} {values} batch.size={size} evaluation.every=0"
        )


def _makers() -> Mapping[str, Callable[[Path], Path]]:
    from hyperdml.data import miniatures

    return {
        "aircraft": miniatures.make_aircraft,
        "cars": miniatures.make_cars,
        "cifar100": miniatures.make_cifar100,
        "cub": miniatures.make_cub,
        "in_shop": miniatures.make_in_shop,
        "nabirds": miniatures.make_nabirds,
        "sop": miniatures.make_sop,
    }


def build_emoji_set(*, variant: Literal["bundled", "large"] = "large", out: Path | None = None, size: int = 64) -> None:
    """Draw the emoji set anew from the published npm packages (needs npm and the network).

    Train on the result with data.root=FOLDER.

    Args:
        variant: bundled: the five vendors that ship with the package; large: seven design families, two of them under
            a share-alike licence, which is why it is not shipped.
        out: folder to write; by default a folder in the user's cache.
        size: side of an image in pixels.
    """
    from rich.console import Console

    from hyperdml.cli.progress import RunProgress
    from hyperdml.data.emoji.build import build_emoji, default_folder
    from hyperdml.training.settings import settings_errors

    progress = RunProgress(Console(soft_wrap=True))
    running: dict[str, int] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in running:
            progress.close()
            progress.start(stage, total)
        progress.advance(done - running.get(stage, 0), {})
        running[stage] = done

    folder = default_folder(variant) if out is None else out
    try:
        with settings_errors("build-emoji"):
            result = build_emoji(folder, variant, size, progress=report)
    finally:
        progress.close()
    print(
        f"{result.images} images of {result.classes} emoji in {result.subgroups} subgroups written to {result.path}\n"
        f"use them with: hyperdml train quickstart data.root={folder}"
    )
