"""`hyperdml export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.cli.sources import model_of
from hyperdml.errors import ConfigError


def export(
    model: Path,
    /,
    *,
    onnx: Path | None = None,
    torch_export: Path | None = None,
    normalise: Annotated[bool, Parameter(negative="")] = False,
    tolerance: float = 1e-4,
    json: Json = False,
) -> None:
    """Write a model, ball map included, as one file for programs without hyperdml.

    The file is read again and kept only if its points agree with the model's. It takes any number of images of the size
    that the model was trained on.

    hyperdml export runs/quickstart --onnx quickstart.onnx --normalise

    Args:
        model: run folder or model folder, or user/name on the Hugging Face hub.
        onnx: ONNX file to write, ending in .onnx.
        torch_export: file of torch.export to write, ending in .pt2.
        normalise: put the normalisation of the pixels into the file, which then takes RGB values in [0, 1].
        tolerance: largest distance in the ball between a point of the file and the model's own.
        json: print one JSON object.
    """
    from hyperdml.models.embedding_model import EmbeddingModel
    from hyperdml.models.export import export_model

    if (onnx is None) == (torch_export is None):
        raise ConfigError("give one of --onnx FILE and --torch-export FILE")
    out = onnx or torch_export or Path()
    if not out.parent.is_dir():
        raise ConfigError(f"there is no folder {out.parent} to write {out.name} into")
    if not tolerance > 0:
        raise ConfigError(f"--tolerance must be positive, got {tolerance:g}")
    loaded = EmbeddingModel.from_pretrained(model_of(model))
    report = export_model(
        loaded, out, "onnx" if torch_export is None else "torch-export", normalise=normalise, tolerance=tolerance
    )
    if json:
        print_json({**vars(report), "path": str(report.path), "c": loaded.config.head.c})
        return
    pixels = "RGB in [0, 1]" if report.normalised else "normalised images"
    print(
        f"{out} written: {pixels} of {report.image_size} x {report.image_size} pixels to "
        f"{loaded.config.head.embedding_size} dimensions, c = {loaded.config.head.c:g}; its points are within "
        f"{report.error:.2g} of the model's (accepted up to {report.tolerance:g})"
    )
