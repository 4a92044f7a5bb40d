"""Losses over a taxonomy: HACE and its relatives as rows of one aggregated log-likelihood, heads, decisions."""

from hyperdml.hace.aggregate import aggregated_log_prob
from hyperdml.hace.aggregation import Aggregation
from hyperdml.hace.decide import TopLeaves, decide, top_k_leaves
from hyperdml.hace.heads import TaxonomyHead
from hyperdml.hace.hyperbolic_head import HyperbolicTaxonomyHead
from hyperdml.hace.losses import HACELoss, HCELoss, HXELoss, SoftLabelLoss
from hyperdml.hace.rows import TargetRows, ancestral_rows, hxe_rows, label_rows, level_rows, matrix_rows
from hyperdml.hace.taxonomy_loss import TaxonomyLoss

__all__ = [
    "Aggregation",
    "HACELoss",
    "HCELoss",
    "HXELoss",
    "HyperbolicTaxonomyHead",
    "SoftLabelLoss",
    "TargetRows",
    "TaxonomyHead",
    "TaxonomyLoss",
    "TopLeaves",
    "aggregated_log_prob",
    "ancestral_rows",
    "decide",
    "hxe_rows",
    "label_rows",
    "level_rows",
    "matrix_rows",
    "top_k_leaves",
]
