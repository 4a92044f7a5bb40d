"""`hyperdml embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.cli.sources import Reading, check_out, embed
from hyperdml.errors import ConfigError


def embed_images(
    model: Path,
    images: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    reading: Reading = Reading(),  # noqa: B008 - frozen
    json: Json = False,
) -> None:
    """Embed all images of a folder into one file, which eval, index and search read.

    Images in FOLDER/CLASS/IMAGE get the class as their label. What is done is kept beside the file until it is
    complete: the same command goes on after an interruption, to the same points. Of an image the model sees what it saw
    when its training was scored.

    hyperdml embed runs/quickstart PHOTOS -o photos.safetensors

    Args:
        model: run folder or model folder, or user/name on the Hugging Face hub.
        images: folder of images, searched with all its sub-folders.
        out: file to write, ending in .safetensors.
        reading: how images are read.
        json: print one JSON object.
    """
    from hyperdml.models.embed_shards import discard

    if out.suffix != ".safetensors":
        raise ConfigError(f"--out must end in .safetensors, got {out}")
    check_out(out)
    if out.exists():
        raise ConfigError(f"--out: {out} exists; choose another file, or remove it")
    if not out.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {out.parent}")
    parts = out.with_name(f"{out.name}.parts")
    found = embed(model, images, reading, parts)
    found.set.save(out)
    discard(parts)
    classes = len(found.set.class_names) or None
    if json:
        print_json(
            {
                "embeddings": str(out),
                "images": len(found.set),
                "dimension": found.set.points.shape[1],
                "c": found.set.c,
                "classes": classes,
                "model": found.set.model,
                "broken": [{"image": str(path), "reason": reason} for path, reason in found.broken],
            }
        )
        return
    of = f" of {classes} classes" if classes else ""
    print(
        f"{len(found.set)} images{of} embedded into {out}: {found.set.points.shape[1]} dimensions, c = {found.set.c:g}"
    )
