"""Hyperbolic deep metric learning.

The names below are loaded when they are first used, so that `import hyperdml` itself is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperdml.geometry import ToPoincare as ToPoincare
    from hyperdml.hace import HACELoss as HACELoss
    from hyperdml.hace import HCELoss as HCELoss
    from hyperdml.hace import HXELoss as HXELoss
    from hyperdml.hace import HyperbolicTaxonomyHead as HyperbolicTaxonomyHead
    from hyperdml.hace import SoftLabelLoss as SoftLabelLoss
    from hyperdml.hace import TaxonomyHead as TaxonomyHead
    from hyperdml.hace import aggregated_log_prob as aggregated_log_prob
    from hyperdml.hace import decide as decide
    from hyperdml.hier import HIER as HIER
    from hyperdml.hier import fit_proxies as fit_proxies
    from hyperdml.index import HyperbolicIndex as HyperbolicIndex
    from hyperdml.integrations import GatheredLoss as GatheredLoss
    from hyperdml.integrations import HIERLoss as HIERLoss
    from hyperdml.integrations import HIERRegularizer as HIERRegularizer
    from hyperdml.integrations import PoincareDistance as PoincareDistance
    from hyperdml.integrations import ReciprocalNeighborMiner as ReciprocalNeighborMiner
    from hyperdml.integrations import parametrize_on_ball as parametrize_on_ball
    from hyperdml.integrations import with_hier as with_hier
    from hyperdml.models import EmbeddingModel as EmbeddingModel
    from hyperdml.neighbors import HyperbolicKNN as HyperbolicKNN
    from hyperdml.taxonomy import Taxonomy as Taxonomy

_HOMES = {
    "ToPoincare": "hyperdml.geometry",
    "HIER": "hyperdml.hier",
    "fit_proxies": "hyperdml.hier",
    "GatheredLoss": "hyperdml.integrations",
    "HIERLoss": "hyperdml.integrations",
    "HIERRegularizer": "hyperdml.integrations",
    "PoincareDistance": "hyperdml.integrations",
    "ReciprocalNeighborMiner": "hyperdml.integrations",
    "parametrize_on_ball": "hyperdml.integrations",
    "with_hier": "hyperdml.integrations",
    "EmbeddingModel": "hyperdml.models",
    "HyperbolicIndex": "hyperdml.index",
    "HACELoss": "hyperdml.hace",
    "HCELoss": "hyperdml.hace",
    "HXELoss": "hyperdml.hace",
    "HyperbolicTaxonomyHead": "hyperdml.hace",
    "SoftLabelLoss": "hyperdml.hace",
    "TaxonomyHead": "hyperdml.hace",
    "aggregated_log_prob": "hyperdml.hace",
    "decide": "hyperdml.hace",
    "HyperbolicKNN": "hyperdml.neighbors",
    "Taxonomy": "hyperdml.taxonomy",
}

__all__ = [
    "HIER",
    "EmbeddingModel",
    "GatheredLoss",
    "HACELoss",
    "HCELoss",
    "HIERLoss",
    "HIERRegularizer",
    "HXELoss",
    "HyperbolicIndex",
    "HyperbolicKNN",
    "HyperbolicTaxonomyHead",
    "PoincareDistance",
    "ReciprocalNeighborMiner",
    "SoftLabelLoss",
    "Taxonomy",
    "TaxonomyHead",
    "ToPoincare",
    "aggregated_log_prob",
    "decide",
    "fit_proxies",
    "parametrize_on_ball",
    "with_hier",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperdml' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
