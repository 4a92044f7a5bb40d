"""Hyperbolic deep metric learning.

The names below are loaded when they are first used, so that `import hyperdml` itself is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperdml.geometry import ToPoincare as ToPoincare
    from hyperdml.hier import HIER as HIER
    from hyperdml.integrations import HIERLoss as HIERLoss
    from hyperdml.integrations import HIERRegularizer as HIERRegularizer
    from hyperdml.models import EmbeddingModel as EmbeddingModel
    from hyperdml.neighbors import HyperbolicKNN as HyperbolicKNN

_HOMES = {
    "HIER": "hyperdml.hier",
    "EmbeddingModel": "hyperdml.models",
    "HIERLoss": "hyperdml.integrations",
    "HIERRegularizer": "hyperdml.integrations",
    "HyperbolicKNN": "hyperdml.neighbors",
    "ToPoincare": "hyperdml.geometry",
}

__all__ = ["HIER", "EmbeddingModel", "HIERLoss", "HIERRegularizer", "HyperbolicKNN", "ToPoincare"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperdml' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
