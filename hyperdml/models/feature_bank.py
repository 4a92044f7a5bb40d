"""Features of a frozen backbone, computed once and kept in a file that is read only where it is the right one."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.data.image_batches import ImageBatches
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.data.views import CropConfig
from hyperdml.errors import DataError
from hyperdml.files import sha256
from hyperdml.models.backbone import feature_width, pixel_statistics
from hyperdml.models.bank_file import BankFile, Precision, read_bank
from hyperdml.models.classifier_backbone import ClassifierConfig, make_backbone, pooled
from hyperdml.models.model_config import ModelConfig, embedding_backbone
from hyperdml.models.presets import timm_name
from hyperdml.models.weights import SOURCES
from hyperdml.seeds import derive_seed


def feature_bank(
    config: ClassifierConfig | ModelConfig,
    data: LabelledImages,
    *,
    image_size: int,
    crop: CropConfig,
    views: int = 1,
    seed: int = 0,
    dtype: Precision = "float32",
    batch_size: int = 128,
    workers: int = 0,
    device: torch.device | str = "cpu",
    cache: Path | None = None,
    tick: Callable[[int], None] | None = None,
    message: Callable[[str], None] = warnings.warn,
) -> Tensor:
    """Features of all images in evaluation mode: `Classifier.features`, or `EmbeddingModel.backbone` before the head.

    With a cache they are kept in a file named after everything that decides about them: backbone, its weights and its
    pooling, the images, their size, the crops, the number of views, and the seed where there is chance. What the file
    holds is checked against its SHA-256. Device, batch size and the version of torch are not in the name: they move
    features by the rounding of sums. Memory holds the result and a batch.

    Args:
        config: settings of the backbone; of a `Classifier`, `normalize` too. Random weights are those that the
            constructor of `Classifier` or `EmbeddingModel` draws after
            ``torch.manual_seed(derive_seed(seed, "model"))``.
        data: the images.
        image_size: side of the network's input in pixels.
        crop: what is cropped and changed.
        views: V; the first is that of evaluation, view v the one that training sees in epoch v.
        seed: the run's seed.
        dtype: "float32", or "float16" for half the memory.
        batch_size: images per batch.
        workers: processes that read files.
        device: where the backbone computes.
        cache: folder of the files, created if missing; None keeps nothing.
        tick: told the number of views done since the last call.
        message: told why a file of the cache is not used.

    Returns:
        (N, V, F) on the CPU.

    Raises:
        ValueError: `views` is below 1, or dtype is neither.
        ConfigError: see `make_backbone` and `embedding_backbone`.
        DataError: a feature is not finite, or an image cannot be read.
        OSError: the disk does not take the file.
    """
    if views < 1:
        raise ValueError(f"views must be at least 1, got {views}")
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype must be 'float32' or 'float16', got {dtype!r}")
    key, path = "", None
    if cache is not None:
        key = _key(config, data, image_size, crop, views, seed, dtype)
        path = Path(cache) / f"features-{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
        kept = read_bank(path, key, (len(data), views), message)
        if kept is not None:
            if tick is not None:
                tick(len(data) * views)
            return kept
        # a folder that cannot be is told before the work, not behind it
        path.parent.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "model"))
        if isinstance(config, ModelConfig):
            backbone = embedding_backbone(config, image_size)
        else:
            backbone = make_backbone(config, image_size)
        backbone = backbone.to(device).eval()
    file = BankFile(key, (len(data), views, feature_width(backbone)), dtype)
    mean, std = pixel_statistics(backbone)
    normalize = isinstance(config, ClassifierConfig) and config.normalize
    for view in range(views):
        batches = ImageBatches(
            data,
            crop,
            batch_size=batch_size,
            image_size=image_size,
            mean=mean,
            std=std,
            train=view > 0,
            shuffle=False,
            seed=seed,
            workers=workers,
            device=device,
        )
        start = 0
        for images, _ in batches.epoch(view):
            rows = file.features[start : start + len(images), view]
            with torch.inference_mode(), torch.autocast(images.device.type, enabled=False):
                rows.copy_(pooled(backbone, images, normalize))
            _check_finite(rows, start, dtype)
            start += len(images)
            if tick is not None:
                tick(len(images))
    if path is not None:
        file.write(path)
    return file.features


def _key(
    config: ClassifierConfig | ModelConfig,
    data: LabelledImages,
    image_size: int,
    crop: CropConfig,
    views: int,
    seed: int,
    dtype: Precision,
) -> str:
    """Everything that decides about the features, as JSON; nothing that does not, so that runs share them."""
    import timm

    weights = {"source": config.weights, "seed": seed if config.weights == "none" else None}
    if config.weights not in SOURCES and Path(config.weights).is_file():
        weights["source"] = sha256(Path(config.weights))
    chance = {"crop": repr(crop), "seed": seed} if views > 1 else {"kept": crop.kept, "kernel": crop.interpolation}
    decides = {
        "format": "hyperdml.feature_bank/2",
        "timm": timm.__version__,  # pooling and default weights are its choice
        **_network(config),
        "weights": weights,
        "images": data.key,
        "size": image_size,
        "views": views,
        "chance": chance,
        "dtype": dtype,
    }
    return json.dumps(decides)


def _network(config: ClassifierConfig | ModelConfig) -> dict[str, str | int | bool | None]:
    """What decides about the network beside its weights; the same for both kinds of settings where it is the same."""
    if isinstance(config, ModelConfig):
        alike = ClassifierConfig(timm_name(config.backbone))
        return {**_network(alike), "pooling": config.pooling}
    names = ("backbone", "stem", "patch_size", "normalize")
    return {"pooling": "timm", **{name: getattr(config, name) for name in names}}


def _check_finite(rows: Tensor, start: int, dtype: Precision) -> None:
    finite = rows.isfinite().all(1)
    if not finite.all():
        hint = "; float16 ends at 65504, dtype 'float32' does not" if dtype == "float16" else ""
        row = start + int((~finite).nonzero()[0])
        raise DataError(f"the backbone gives a feature that is not finite for image {row}; look at its weights{hint}")
