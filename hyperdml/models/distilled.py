"""DeiT with a distillation token, trained through its class token alone."""

from __future__ import annotations

from timm.models.deit import VisionTransformerDistilled
from torch import Tensor


class ClassTokenInTraining(VisionTransformerDistilled):
    """timm's distilled DeiT without classifier: (N, F) class tokens in training, else the mean of both tokens.

    The parameters are those of the class it comes from: the class of a model is set to this one (`set_pooling`).
    """

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Map (N, 2 + patches, F) tokens to (N, F) features."""
        if self.training:
            token: Tensor = self.head_drop(x[:, 0])
            return token
        both: Tensor = super().forward_head(x, pre_logits)
        return both
