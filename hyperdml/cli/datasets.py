"""`hyperdml datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def list_datasets() -> None:
    """Data sets that recipes can name, and what they hold."""
    from hyperdml.data.emoji import load_emoji

    emoji = load_emoji()
    print(
        f"emoji    bundled: {len(emoji.labels)} drawings of {len(emoji.class_names)} emoji by "
        f"{len(emoji.vendor_names)} vendors, {len(set(emoji.groups))} groups, {len(set(emoji.subgroups))} subgroups"
    )
    print("folder   data.root=FOLDER with images as FOLDER/CLASS/IMAGE")
    print()
    print("for task=classification, with a taxonomy:")
    print("emoji    bundled: one vendor held out (data.held_out), classes shared")
    print(
        "cifar100 data.root=FOLDER of cifar-100-binary or cifar-100-python: 60000 images, 20 superclasses, 100 classes"
    )
    print("aircraft data.root=FOLDER of fgvc-aircraft-2013b: 10000 images, 30 manufacturers, 70 families, 100 variants")
    print("nabirds  data.root=FOLDER of nabirds: 48562 images, 1011 nodes, 555 of them classes")
    print("folder   data.root=FOLDER with images as FOLDER/train/CLASS/IMAGE and FOLDER/test/CLASS/IMAGE,")
    print("         data.taxonomy=FILE for what stands above the classes")


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
