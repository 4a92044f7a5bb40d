"""How a backbone makes one vector of its feature map or of its tokens."""

from __future__ import annotations

from typing import Any, Literal, get_args

from torch import Tensor, nn

from hyperdml.errors import ConfigError

Pooling = Literal["timm", "avg", "max", "avg_max", "cls_train"]


def set_pooling(backbone: nn.Module, name: str, pooling: Pooling) -> None:
    """Change the pooling of a timm model; its weights, and the norms before and behind the pooling, stay.

    - "timm": as it is.
    - "avg", "max": the mean or the maximum over the feature map (CNNs, ConvNeXt, Swin) or over the tokens of the
      patches behind the last norm (ViT).
    - "avg_max": mean plus maximum over the feature map, the ResNet-50 of Proxy Anchor and HIER.
    - "cls_train": the class token in training, in evaluation the mean of class and distillation token. This is what
      timm 0.4.12, and with it the released code, does with DeiT; newer timm takes that mean in training too.

    Args:
        backbone: a timm model without classifier.
        name: its name, for messages.
        pooling: what to set.

    Raises:
        ConfigError: the pooling is unknown or does not fit the backbone.
    """
    if pooling not in get_args(Pooling):
        raise ConfigError(f"model.pooling must be one of {', '.join(get_args(Pooling))}, got {pooling!r}")
    if pooling == "timm":
        return
    from timm.models.deit import VisionTransformerDistilled
    from timm.models.vision_transformer import VisionTransformer

    net: Any = backbone
    if isinstance(net, VisionTransformerDistilled):
        if pooling == "cls_train":
            from hyperdml.models.distilled import ClassTokenInTraining

            net.__class__ = ClassTokenInTraining
            return
        fits = "'timm' and 'cls_train'"
    elif isinstance(net, VisionTransformer):
        # a norm or an attention behind the pooling was made for the pooling that is there
        fixed = getattr(net, "attn_pool", None) is not None or not isinstance(net.fc_norm, nn.Identity)
        if pooling in ("avg", "max") and not fixed:
            net.global_pool = pooling
            return
        fits = "'timm'" if fixed else "'timm', 'avg' and 'max'"
    else:
        layer = _map_layer(backbone)
        if pooling != "cls_train" and layer is not None:
            layer.pool, layer.flatten = _MapPooling(pooling, layer), nn.Identity()
            layer.pool_type = pooling
            return
        fits = "'timm'" if layer is None else "'timm', 'avg', 'max' and 'avg_max'"
    raise ConfigError(f"model.pooling: {pooling!r} does not fit {name!r}, which takes {fits}")


class _MapPooling(nn.Module):
    """Mean, maximum, or their sum, over rows and columns.

    Args:
        pooling: "avg", "max" or "avg_max".
        like: timm's layer in whose place it works: the same axes, and 1 x 1 maps left where that leaves them.
    """

    def __init__(self, pooling: Pooling, like: Any) -> None:
        super().__init__()
        self.pooling = pooling
        self.axes: tuple[int, int] = tuple(getattr(like.pool, "dim", (2, 3)))
        self.keep = not (getattr(like.pool, "flatten", False) or isinstance(like.flatten, nn.Flatten))

    def forward(self, x: Tensor) -> Tensor:
        if self.pooling == "max":
            return x.amax(self.axes, keepdim=self.keep)
        mean = x.mean(self.axes, keepdim=self.keep)
        return mean if self.pooling == "avg" else mean + x.amax(self.axes, keepdim=self.keep)

    def extra_repr(self) -> str:
        return f"{self.pooling!r}"


def _map_layer(backbone: nn.Module) -> Any:
    """The layer of timm that pools the feature map, or None if there is none, or one that widens what it pools."""
    from timm.layers import SelectAdaptivePool2d

    for owner in (backbone, getattr(backbone, "head", None)):
        layer = getattr(owner, "global_pool", None)
        if isinstance(layer, SelectAdaptivePool2d) and not layer.is_identity() and layer.feat_mult() == 1:
            return layer
    return None
