"""`EmbeddingModel`: images to points of the Poincaré ball, saved as safetensors and a readable configuration."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.models.backbone import create_backbone, feature_width
from hyperdml.models.head import EmbeddingHead, HeadConfig


@dataclass(frozen=True)
class ModelConfig:
    """Settings of `EmbeddingModel`.

    Attributes:
        backbone: timm model name.
        weights: "packaged", "hub", "none", or the path of a state dict (`create_backbone`).
        head: settings of the head.
    """

    backbone: str = "tf_efficientnet_lite0"
    weights: str = "packaged"
    head: HeadConfig = field(default_factory=HeadConfig)


class EmbeddingModel(nn.Module):
    """A timm backbone and an `EmbeddingHead`.

    Args:
        config: settings.

    Attributes:
        mean, std: pixel statistics that the backbone expects of RGB values in [0, 1], from timm.
        fixed_size: the only side in pixels that the backbone takes, or None if it takes any.
        image_size: side in pixels of the images that the model was trained on; None before it is set, by the training
            loop or by hand. Stored with the weights.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        # the memory layout in which convolutions are fastest, on CPUs and GPUs alike
        self.backbone = create_backbone(config.backbone, config.weights).to(memory_format=torch.channels_last)
        self.head = EmbeddingHead(feature_width(self.backbone), config.head)
        expected = cast("dict[str, Any]", self.backbone.pretrained_cfg)
        self.mean: tuple[float, ...] = tuple(expected["mean"])
        self.std: tuple[float, ...] = tuple(expected["std"])
        self.fixed_size: int | None = expected["input_size"][-1] if expected.get("fixed_input_size") else None
        self.image_size: int | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) normalised images to (N, d) points of the ball, in float32."""
        points: Tensor = self.head(self.backbone(images))
        return points

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `model.safetensors` and `config.json` (with the curvature) into a folder.

        Args:
            folder: created if missing.
        """
        from safetensors.torch import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}
        write_atomic(folder / "model.safetensors", save(tensors))
        config = {
            "format": "hyperdml.EmbeddingModel/1",
            "model": asdict(self.config),
            "image_size": self.image_size,
        }
        write_atomic(folder / "config.json", json.dumps(config, indent=2).encode() + b"\n")

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> EmbeddingModel:
        """Read a model that `save_pretrained` wrote.

        Args:
            folder: folder with `model.safetensors` and `config.json`.

        Returns:
            The model, in evaluation mode.

        Raises:
            DataError: a file is missing, damaged, or does not belong to the configuration.
        """
        from safetensors.torch import load_file

        folder = Path(folder)
        try:
            record = json.loads((folder / "config.json").read_text())
            stored, image_size = record["model"], record["image_size"]
            config = ModelConfig(**{**stored, "head": HeadConfig(**stored["head"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read the model configuration {folder / 'config.json'}: {error}") from error
        model = cls(replace(config, weights="none"))
        model.config, model.image_size = config, image_size
        try:
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except Exception as error:  # safetensors and torch raise their own types for damaged and foreign files
            raise DataError(f"cannot read the weights {folder / 'model.safetensors'}: {error}") from error
        return model.eval()
