"""`EmbeddingModel`: images to points of the Poincaré ball, saved as safetensors, a configuration and a model card."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from hyperdml.data.views import CropConfig
from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.models.backbone import feature_width, pixel_statistics
from hyperdml.models.freezing import freeze, frozen_modules
from hyperdml.models.head import EmbeddingHead, HeadConfig
from hyperdml.models.hub import hub_model, push_folder
from hyperdml.models.model_card import model_card
from hyperdml.models.model_config import ModelConfig, embedding_backbone
from hyperdml.models.presets import timm_name
from hyperdml.models.weights import SOURCES, check_digest, load_own, read_tensors, write_own

_FORMAT = "hyperdml.EmbeddingModel/1"
_CONFIG, _WEIGHTS, _CARD = "config.json", "model.safetensors", "README.md"
_SETTINGS = "config_sha256"
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


class EmbeddingModel(nn.Module):
    """A timm backbone and an `EmbeddingHead`.

    What the settings freeze requires no gradient from the start, and stays in evaluation mode while the rest is
    trained.

    Args:
        config: settings.
        image_size: side of the images in pixels; transformers are made for it. None: the size of the backbone's
            published weights.

    Attributes:
        config: the settings; a preset's name is replaced by timm's.
        backbone: images to pooled features (N, F).
        mean, std: pixel statistics that the backbone expects of RGB values in [0, 1], from timm.
        fixed_size: the only side in pixels that the backbone takes, or None if it takes any.
        image_size: side in pixels of the images that the model is trained on, or None. Stored with the weights.
        crop: what it is to see of an image: `kept` and `interpolation` of the evaluation that scored it, which are
            stored with the weights. The whole middle square, bicubic, unless training or somebody else says otherwise.

    Raises:
        ConfigError: see `embedding_backbone` and `freeze`.
    """

    def __init__(self, config: ModelConfig, image_size: int | None = None) -> None:
        super().__init__()
        self.config = replace(config, backbone=timm_name(config.backbone))
        self.backbone = embedding_backbone(self.config, image_size)
        self.head = EmbeddingHead(feature_width(self.backbone), config.head)
        self.mean, self.std = pixel_statistics(self.backbone)
        published = cast("dict[str, Any]", self.backbone.pretrained_cfg)
        size = published["input_size"][-1] if image_size is None else image_size
        self.fixed_size: int | None = size if published.get("fixed_input_size") else None
        self.image_size = image_size
        self.crop = CropConfig("none")
        freeze(self.backbone, self.config.backbone, config.freeze, config.freeze_bn)
        self.train()

    def train(self, mode: bool = True) -> EmbeddingModel:
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in frozen_modules(self.backbone, self.config.freeze, self.config.freeze_bn):
            module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) normalised images to (N, d) points of the ball, in float32."""
        points: Tensor = self.head(self.backbone(images))
        return points

    def save_pretrained(self, folder: Path | str, card: str | None = None) -> None:
        """Write weights, settings and model card into a folder: `model.safetensors`, `config.json` and `README.md`.

        The settings hold the curvature, what is seen of an image, and the SHA-256 of the weights; the weights hold the
        SHA-256 of the settings.

        Args:
            folder: created if missing.
            card: text of the card, from `model_card`; None: what the model itself knows.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        crop = {"centre": self.crop.kept, "interpolation": self.crop.interpolation}
        model = asdict(self.config)
        if model["weights"] not in SOURCES:  # a path says nothing to others, and something about whom it belongs to
            model["weights"] = Path(model["weights"]).name
        config = {"format": _FORMAT, "model": model, "image_size": self.image_size, "crop": crop}
        config["sha256"] = write_own(self, folder / _WEIGHTS, {_SETTINGS: _digest(config)})
        write_atomic(folder / _CONFIG, json.dumps(config, indent=2).encode() + b"\n")
        write_atomic(folder / _CARD, (card or model_card(self)).encode())

    def push_to_hub(self, repo: str, *, card: str | None = None, private: bool = True, token: str | None = None) -> str:
        """Upload the model to the Hugging Face hub (`push_folder`).

        Args:
            repo: "user/name"; made if there is none.
            card: as in `save_pretrained`.
            private: whether nobody else may see it.
            token: of the hub; None: that of ``hf auth login`` or of the variable HF_TOKEN.

        Returns:
            The address of the commit.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, card)
            return push_folder(Path(folder), repo, private=private, token=token)

    @classmethod
    def from_pretrained(cls, source: Path | str, revision: str | None = None) -> EmbeddingModel:
        """Read a model that `save_pretrained` wrote.

        Args:
            source: folder with `model.safetensors` and `config.json`; or, as text, "user/name" on the Hugging Face hub
                if there is no such folder. Without the net, the hub's model is the one in the local cache.
            revision: on the hub: branch, tag or commit.

        Returns:
            The model, in evaluation mode.

        Raises:
            DataError: a file is missing, damaged or changed, or does not belong to the configuration; or the hub has no
                such model.
            EnvironmentProblem: the hub cannot be reached.
        """
        folder = source if isinstance(source, Path) else pretrained_folder(source, revision)
        try:
            record = json.loads((folder / _CONFIG).read_text())
            stored, image_size = record["model"], record["image_size"]
            stored = {**stored, "head": HeadConfig(**stored["head"]), "freeze": tuple(stored.get("freeze", ()))}
            config = ModelConfig(**stored)
            crop = CropConfig("none", **record.get("crop", {}))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read the model configuration {folder / _CONFIG}: {error}") from error
        tensors, metadata = read_tensors(folder / _WEIGHTS)
        check_digest(folder / _WEIGHTS, record.get("sha256"))
        try:
            model = cls(replace(config, weights="none"), image_size)
        except Exception as error:  # values of a type or size that timm does not expect raise nearly anything
            raise DataError(f"{folder / _CONFIG} describes no model: {error}") from error
        model.config, model.crop = replace(model.config, weights=config.weights), crop
        load_own(model, tensors, folder / _WEIGHTS)
        if metadata.get(_SETTINGS) not in (None, _digest(record)):  # None: saved before it was kept
            raise DataError(
                f"{folder / _CONFIG} was damaged or changed after it was written: its SHA-256 is not that in {_WEIGHTS}"
            )
        return model.eval()


def pretrained_folder(source: str, revision: str | None = None) -> Path:
    """Where a model is: the folder `source`; or, if it is "user/name" and nothing here, that of the hub's model.

    Args:
        source: a path, or a name on the Hugging Face hub.
        revision: on the hub: branch, tag or commit.

    Raises:
        DataError, EnvironmentProblem: see `hub_model`.
    """
    folder = Path(source)
    return hub_model(source, revision) if not folder.exists() and _HUB_NAME.fullmatch(source) else folder


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of what `config.json` says, that of the weights left out."""
    settings = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
