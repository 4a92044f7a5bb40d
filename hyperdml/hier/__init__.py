"""HIER (Kim et al., CVPR 2023): hierarchical proxies and a triplet regulariser over k-reciprocal neighbours.

The functional core is pure: `reciprocal_mask` finds related points, `sample_triplets` draws triplets from it,
`sample_lca` picks proxies as lowest common ancestors, `hier_triplet_loss` is the objective. `HIER` is the module
that holds the proxies.
"""

from hyperdml.hier.fit import fit_proxies
from hyperdml.hier.lca import sample_lca
from hyperdml.hier.loss import hier_triplet_loss
from hyperdml.hier.module import HIER
from hyperdml.hier.objectives import HIERTerms
from hyperdml.hier.sampling import sample_triplets
from hyperdml.neighbors.reciprocal import reciprocal_mask

__all__ = ["HIER", "HIERTerms", "fit_proxies", "hier_triplet_loss", "reciprocal_mask", "sample_lca", "sample_triplets"]
