"""timm backbones for images of one size."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from hyperdml.errors import ConfigError
from hyperdml.models.weights import check_weights, load_weights


def create_backbone(
    name: str,
    weights: str = "packaged",
    arguments: Mapping[str, Any] | None = None,
    image_size: int | None = None,
) -> nn.Module:
    """A timm model without its classifier: images in, pooled features out.

    Args:
        name: any timm model name.
        weights: "packaged": ImageNet weights from an installed package (tf_efficientnet_lite0 only); "hub": from timm's
            repositories on the Hugging Face hub, or what is in the local cache of them; "none": random; otherwise the
            path of a state dict (.safetensors, .pth) in timm's key names, or in those of a release that timm converts
            (DINOv2, ...). Position embeddings are resampled to the size of the images.
        arguments: further arguments of the timm model, as `patch_size` or `drop_path_rate`.
        image_size: side of the images in pixels, which models that are made for one size are made for; None: the
            size of timm's weights.

    Returns:
        The model, with timm's attribute `pretrained_cfg`; `feature_width` tells the width of its output.

    Raises:
        ConfigError: unknown model name, no such weights for it, arguments that the model does not take, or images that
            are not a whole number of patches.
        DataError: the weight file is missing or does not fit.
        EnvironmentProblem: the download failed.
    """
    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ConfigError(f"model.backbone: timm has no model {name!r}{hint}")
    try:
        published: Any = timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:
        known = ", ".join(timm.list_models(f"{name.partition('.')[0]}.*", pretrained=True)) or "none"
        raise ConfigError(f"model.backbone: timm knows no weights {name!r}; of this model there are {known}") from error
    check_weights(name, published, weights)
    options = dict(arguments or {})
    other_size = image_size is not None and published is not None and published.input_size[-1] != image_size
    if other_size and published.fixed_input_size:
        options["img_size"] = image_size
    try:
        model: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **options)
    except (TypeError, AssertionError, ValueError, OSError, RuntimeError) as error:
        extra = "".join(f", {key}={value}" for key, value in options.items())
        raise ConfigError(f"model.backbone: timm cannot make {name!r}{extra}: {error}") from error
    # at the size that it was made for a net is as published; SigLIP's 384 pixels are no multiple of its 14
    if other_size and image_size is not None:
        _check_patches(model, name, image_size)
    load_weights(model, published, weights)
    # the memory layout in which convolutions are fastest, on CPUs and GPUs alike
    return model.to(memory_format=torch.channels_last)


def feature_width(backbone: nn.Module) -> int:
    """Width of the pooled features of a timm model without classifier.

    Some families (MobileNetV3, GhostNet, ...) have one more layer between the pooling and the classifier.
    """
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)  # type: ignore[arg-type]


def pixel_statistics(backbone: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of RGB values in [0, 1] by channel, as a timm model expects them."""
    expected = cast("dict[str, Any]", backbone.pretrained_cfg)
    return tuple(expected["mean"]), tuple(expected["std"])


def _check_patches(backbone: nn.Module, name: str, image_size: int) -> None:
    """Refuse images of which the last rows and columns would fill no patch: timm leaves them out without a word."""
    from timm.layers import PatchEmbed

    embed = getattr(backbone, "patch_embed", None)
    if isinstance(embed, PatchEmbed) and not embed.dynamic_img_pad:
        for side in embed.patch_size:
            if image_size % side:
                raise ConfigError(
                    f"data.image_size must be a multiple of {side}, the patches of {name!r}, got {image_size}: "
                    f"{image_size % side} rows and columns of every image would not be seen"
                )
