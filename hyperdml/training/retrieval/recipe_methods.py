"""Methods of retrieval recipes: metric losses, alone or with HIER, and how they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hyperdml.training.recipe_part import Part, Values


@dataclass(frozen=True)
class Method(Part):
    """A metric loss with what is added to it.

    Attributes:
        hier: geometry of HIER, or None without it.
        hyp: it has the training of Hyp-ViT, not that of HIER's scripts.
        compared: one of those that the paper compares with by figures of others; here HIER's training with another
            loss, so that figures tell losses apart.
    """

    hier: Literal["hyperbolic", "spherical"] | None = None
    hyp: bool = False
    compared: bool = False


_PA: Values = {
    "metric_loss.name": ("ProxyAnchorLoss", "scripts"),
    "metric_loss.options.margin": (0.1, "scripts"),
    "metric_loss.options.alpha": (32, "scripts"),
    "optim.class_proxy_lr_mult": (1e4, "paper, Sec. 4.1"),
}
_MS: Values = {
    "metric_loss.name": ("MultiSimilarityLoss", "scripts: without its miner"),
    "metric_loss.options.alpha": (2, "scripts"),
    "metric_loss.options.beta": (50, "scripts"),
    "metric_loss.options.base": (0.5, "scripts"),
}


def _hyp(temperature: float, distance: str) -> Values:
    return {
        "metric_loss.name": ("HypLoss", ""),
        "metric_loss.options.temperature": (temperature, "Hyp-ViT README"),
        "metric_loss.distance": (distance, "Hyp-ViT README"),
    }


METHODS: Mapping[str, Method] = {
    "pa": Method("Proxy Anchor", _PA),
    "ms": Method("multi-similarity", _MS),
    "pa_hier": Method("Proxy Anchor + HIER", _PA, hier="hyperbolic"),
    "ms_hier": Method("multi-similarity + HIER", _MS, hier="hyperbolic"),
    "pa_hier_sph": Method("Proxy Anchor + HIER on the sphere", _PA, hier="spherical"),
    "ms_hier_sph": Method("multi-similarity + HIER on the sphere", _MS, hier="spherical"),
    "hyp": Method("Hyp", _hyp(0.2, "poincare"), hyp=True),
    "hyp_sph": Method("Hyp on the sphere", _hyp(0.1, "cosine"), hyp=True),
    "nsoftmax": Method(
        "normalised softmax",
        {
            "metric_loss.name": ("NormalizedSoftmaxLoss", ""),
            "metric_loss.options.temperature": (0.05, "Zhai and Wu 2019"),
            "optim.class_proxy_lr_mult": (100, "ours: as SoftTriple"),
        },
        compared=True,
    ),
    "softtriple": Method(
        "SoftTriple",
        {
            "metric_loss.name": ("SoftTripleLoss", "without its regulariser of the centres"),
            "metric_loss.options.centers_per_class": (10, "paper, Table 4"),
            "metric_loss.options.la": (20, "SoftTriple code"),
            "metric_loss.options.gamma": (0.1, "SoftTriple code"),
            "metric_loss.options.margin": (0.01, "SoftTriple code"),
            "optim.class_proxy_lr_mult": (100, "SoftTriple code: 1e-2 for centres, 1e-4 for the network"),
        },
        compared=True,
    ),
    "proxynca": Method(
        "ProxyNCA++",
        {
            "metric_loss.name": ("ProxyNCALoss", ""),
            "metric_loss.options.softmax_scale": (9, "ProxyNCA++ code: temperature 1/9"),
            "optim.class_proxy_lr_mult": (1e4, "ours: as Proxy Anchor"),
        },
        compared=True,
    ),
    "xbm": Method(
        "contrastive loss with a cross-batch memory, XBM",
        {
            "metric_loss.name": ("ContrastiveLoss", "XBM code"),
            "metric_loss.options.pos_margin": (1, "XBM code"),
            "metric_loss.options.neg_margin": (0.5, "XBM code"),
            "metric_loss.distance": ("cosine", "XBM code"),
        },
        compared=True,
    ),
    "htl": Method(
        "hierarchical triplet loss, HTL",
        {
            "metric_loss.name": ("HierarchicalTripletLoss", ""),
            "metric_loss.options.beta": (0.1, "Ge et al. 2018"),
            "metric_loss.options.levels": (16, "Ge et al. 2018"),
        },
        compared=True,
    ),
    "triplet": Method(
        "triplets with semi-hard negatives",
        {
            "metric_loss.name": ("TripletMarginLoss", ""),
            "metric_loss.options.margin": (0.2, "Schroff et al. 2015"),
            "metric_loss.miner": ("TripletMarginMiner", "Schroff et al. 2015"),
            "metric_loss.miner_options.margin": (0.2, "Schroff et al. 2015"),
            "metric_loss.miner_options.type_of_triplets": ("semihard", "Schroff et al. 2015"),
        },
        compared=True,
    ),
}
