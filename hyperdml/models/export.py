"""A model as one ONNX or torch.export file, backbone, head and ball map, kept only if it agrees with the original."""

from __future__ import annotations

import copy
import importlib.util
import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from hyperdml.errors import ConfigError, EnvironmentProblem
from hyperdml.files import write_atomic
from hyperdml.geometry import distance
from hyperdml.models.embedding_model import EmbeddingModel

ExportFormat = Literal["onnx", "torch-export"]

BATCH_SIZES = (1, 2, 5)
"""On which an exported model is compared with the original; it was made from another one."""

_SUFFIXES: dict[ExportFormat, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
_TRACED = 3


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        path: the file.
        format: its format.
        error: largest distance in the ball between a point of the file and the model's own.
        tolerance: largest that was accepted.
        image_size: side of the images in pixels; the size of the batch is free.
        normalised: whether the file takes RGB in [0, 1], and not normalised images.
    """

    path: Path
    format: ExportFormat
    error: float
    tolerance: float
    image_size: int
    normalised: bool


def export_model(
    model: EmbeddingModel,
    path: Path,
    format: ExportFormat = "onnx",
    *,
    normalise: bool = False,
    tolerance: float = 1e-4,
) -> ExportReport:
    """Write a model, ball map included, for programs without hyperdml.

    The file has the input ``images``, (N, 3, S, S) float32 with any N, and the output ``points``, (N, d) float32. It
    also says what a reader of the points has to know, as JSON: the entry `hyperdml` of ONNX's metadata, the file
    `hyperdml.json` in torch.export's archive, with curvature, image size, what is looked at (`centre`, the share of the
    shorter side), how it is resized, mean and deviation of the pixels.

    Before it gets its name the file is read again, by onnxruntime or torch.export, and its points of random images are
    compared with those of the model on the CPU, in batches of `BATCH_SIZES` images.

    Args:
        model: the model; neither it nor its mode is changed.
        path: file to write, ending in .onnx or .pt2.
        format: "onnx" or "torch-export".
        normalise: put the normalisation of the pixels into the file, which then takes RGB values in [0, 1].
        tolerance: largest distance in the ball, in units of the ball of curvature -c, between both points of an image.

    Raises:
        ConfigError: the path has another ending, or the model does not know the size of its images.
        ValueError: an unknown format, or a tolerance that is not positive.
        EnvironmentProblem: a package is missing, torch cannot export the backbone, or the points differ by more.
        OSError: the disk does not take the file.
    """
    size = _check(model, path, format, tolerance)
    net: nn.Module = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    if normalise:
        net = _Normalised(net, model.mean, model.std).eval()
    about = {
        "c": model.config.head.c,
        "image_size": size,
        "centre": model.crop.kept,
        "interpolation": model.crop.interpolation,
        "pixels": "RGB in [0, 1]" if normalise else "normalised",
        "mean": model.mean,
        "std": model.std,
        "backbone": model.config.backbone,
    }
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand if normalise else torch.randn
    batches = [draw(n, 3, size, size, generator=generator) for n in (_TRACED, *BATCH_SIZES)]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporters warn of what concerns their own code
        file = Path(folder) / f"model{_SUFFIXES[format]}"
        write = _write_onnx if format == "onnx" else _write_torch
        try:
            read = write(net, batches[0], file, json.dumps(about))
            gaps = [_gap(net(images), read(images), model.config.head.c) for images in batches[1:]]
        except Exception as problem:  # the exporters raise nearly anything
            reason = str(problem).strip().split("\n")[0]
            raise EnvironmentProblem(f"{format}: torch cannot export {model.config.backbone!r}: {reason}") from problem
        error = float(torch.cat(gaps).max())  # NaN if one is
        if not error <= tolerance:
            raise EnvironmentProblem(
                f"{format}: exported points differ from the model's by up to {error:.3g} in the ball, more than "
                f"{tolerance:g}; {path} was not written"
            )
        if len(list(file.parent.iterdir())) > 1:
            raise EnvironmentProblem(f"{format}: the model does not fit one file of 2 GB")
        write_atomic(path, file.read_bytes())
    return ExportReport(path, format, error, tolerance, size, normalise)


def _check(model: EmbeddingModel, path: Path, format: ExportFormat, tolerance: float) -> int:
    if format not in get_args(ExportFormat):
        raise ValueError(f"format must be one of {', '.join(get_args(ExportFormat))}, got {format!r}")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive, got {tolerance}")
    if path.suffix != _SUFFIXES[format]:
        raise ConfigError(f"{format}: the file must end in {_SUFFIXES[format]}, got {path}")
    size = model.image_size if model.image_size is not None else model.fixed_size
    if size is None:
        raise ConfigError("the model does not say for which image size it was trained: set model.image_size")
    needed = ("onnx", "onnxscript", "onnxruntime") if format == "onnx" else ()
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise EnvironmentProblem(f"{format} needs {', '.join(missing)}: pip install 'hyperdml[export]'")
    return size


class _Normalised(nn.Module):
    """RGB values in [0, 1] to points."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        points: Tensor = self.model((images - self.mean) / self.std)
        return points


def _write_onnx(net: nn.Module, images: Tensor, file: Path, about: str) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    program: Any = torch.onnx.export(
        net,
        (images,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["images"],
        output_names=["points"],
        verbose=False,
    )
    program.model.metadata_props["hyperdml"] = about
    program.save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda batch: torch.from_numpy(session.run(["points"], {"images": batch.numpy()})[0])


def _write_torch(net: nn.Module, images: Tensor, file: Path, about: str) -> Callable[[Tensor], Tensor]:
    program = torch.export.export(net, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, file, extra_files={"hyperdml.json": about})
    again: Callable[[Tensor], Tensor] = torch.export.load(file).module()
    return again


def _gap(own: Tensor, other: Tensor, c: float) -> Tensor:
    if own.shape != other.shape:
        raise ValueError(f"the file gives points of shape {tuple(other.shape)}, the model {tuple(own.shape)}")
    return distance(own.double(), other.double(), c)
