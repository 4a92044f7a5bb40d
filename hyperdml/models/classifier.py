"""`Classifier`: images to logits over a taxonomy, saved as safetensors beside the taxonomy that its outputs mean."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import write_atomic
from hyperdml.hace import TaxonomyHead
from hyperdml.hace.aggregation import Head
from hyperdml.models.backbone import feature_width, pixel_statistics
from hyperdml.models.classifier_backbone import ClassifierConfig, make_backbone, pooled
from hyperdml.models.weights import check_digest, load_own, read_tensors, write_own
from hyperdml.taxonomy import Taxonomy

_FORMAT = "hyperdml.Classifier/1"
_CONFIG, _WEIGHTS, _TAXONOMY = "config.json", "model.safetensors", "taxonomy.json"


class Classifier(nn.Module):
    """A timm backbone and a `TaxonomyHead`.

    Random weights are drawn in an order that makes models comparable: from one state of torch's generator, the backbone
    starts the same whatever the head, leaf outputs start the same with either head, and the generator is left the same.

    Args:
        config: settings.
        taxonomy: tree, forest or DAG of the classes.
        head: "all_nodes", or "leaves"; the losses take the same argument.
        image_size: side of the images in pixels; backbones of one size are made for it.

    Attributes:
        backbone: images to pooled features (N, F); of a vision transformer its class token behind the last norm, where
            timm's model pools so (ViT, DINOv2).
        head: the linear layer and the names of its outputs.
        mean, std: pixel statistics that the backbone expects of RGB values in [0, 1], from timm.

    Raises:
        ConfigError: see `make_backbone`; or drop_rate is out of range.
    """

    def __init__(
        self, config: ClassifierConfig, taxonomy: Taxonomy, head: Head = "all_nodes", image_size: int = 224
    ) -> None:
        super().__init__()
        if not 0 <= config.drop_rate < 1:
            raise ConfigError(f"model.drop_rate must be in [0, 1), got {config.drop_rate}")
        self.config, self.taxonomy, self.image_size = config, taxonomy, image_size
        self.backbone = make_backbone(config, image_size)
        self.mean, self.std = pixel_statistics(self.backbone)
        self.dropout = nn.Dropout(config.drop_rate)
        with torch.random.fork_rng(devices=[]):
            self.head = TaxonomyHead(feature_width(self.backbone), taxonomy, head)
        _draw_leaves_first(self.head.linear, taxonomy.num_leaves)

    def features(self, images: Tensor) -> Tensor:
        """Map (B, 3, S, S) normalised images to (B, F) features, without dropout."""
        return pooled(self.backbone, images, self.config.normalize)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, S, S) normalised images to (B, N) or (B, C) logits."""
        logits: Tensor = self.head(self.dropout(self.features(images)))
        return logits

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `taxonomy.json`, `model.safetensors` and `config.json`, both with the taxonomy's hash, into a folder.

        Args:
            folder: created if missing.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.taxonomy.to_json(folder / _TAXONOMY)
        # one entry: safetensors writes several in any order, and equal models should be equal files
        about = json.dumps({"format": _FORMAT, "taxonomy": self.taxonomy.hash})
        digest = write_own(self, folder / _WEIGHTS, {"hyperdml": about})
        config = {
            "format": _FORMAT,
            "model": asdict(self.config),
            "head": self.head.aggregation.head,
            "image_size": self.image_size,
            "taxonomy": self.taxonomy.hash,
            "sha256": digest,
        }
        write_atomic(folder / _CONFIG, json.dumps(config, indent=2).encode() + b"\n")

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Classifier:
        """Read a model that `save_pretrained` wrote.

        Args:
            folder: folder with `config.json`, `model.safetensors` and `taxonomy.json`.

        Returns:
            The model, in evaluation mode.

        Raises:
            DataError: a file is missing or damaged, or the three do not belong together.
        """
        folder = Path(folder)
        try:
            record = json.loads((folder / _CONFIG).read_text())
            if record["format"] != _FORMAT:
                raise ValueError(f"format is {record['format']!r}, expected {_FORMAT!r}")
            config = ClassifierConfig(**record["model"])
            head, image_size, expected = record["head"], record["image_size"], record["taxonomy"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read the model configuration {folder / _CONFIG}: {error!r}") from error
        taxonomy = Taxonomy.from_json(folder / _TAXONOMY)
        _same_taxonomy(taxonomy.hash, expected, folder / _TAXONOMY, folder / _CONFIG)
        try:
            model = cls(replace(config, weights="none"), taxonomy, head, image_size)
        except Exception as error:  # values of a type or size that timm does not expect raise nearly anything
            raise DataError(f"{folder / _CONFIG} describes no model: {error}") from error
        model.config = config
        tensors, metadata = read_tensors(folder / _WEIGHTS)
        try:
            stored = json.loads(metadata["hyperdml"])["taxonomy"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read the weights {folder / _WEIGHTS}: {error!r}") from error
        _same_taxonomy(taxonomy.hash, stored, folder / _TAXONOMY, folder / _WEIGHTS)
        check_digest(folder / _WEIGHTS, record.get("sha256"))
        load_own(model, tensors, folder / _WEIGHTS)
        return model.eval()


@torch.no_grad()
def _draw_leaves_first(linear: nn.Linear, leaves: int) -> None:
    """Draw from U(-1/sqrt(F), 1/sqrt(F)) as `nn.Linear` does; inner nodes from a branch of the generator."""
    bound = linear.in_features**-0.5
    for part in (linear.weight, linear.bias):
        part[:leaves].uniform_(-bound, bound)
    with torch.random.fork_rng(devices=[]):
        for part in (linear.weight, linear.bias):
            part[leaves:].uniform_(-bound, bound)


def _same_taxonomy(own: str, other: str | None, path: Path, other_path: Path) -> None:
    if own != other:
        raise DataError(f"{other_path} was written for the taxonomy {other}, but {path} holds {own}")
