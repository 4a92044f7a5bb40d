"""The published losses over a taxonomy."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from hyperdml.hace.aggregation import Head
from hyperdml.hace.likelihood import Target
from hyperdml.hace.rows import Root, ancestral_rows, hxe_rows, label_rows
from hyperdml.hace.soft_labels import SoftLabels
from hyperdml.hace.taxonomy_loss import TaxonomyLoss
from hyperdml.taxonomy import Taxonomy


class HACELoss(TaxonomyLoss):
    """Hierarchy-Aware Cross-Entropy (Chan, D'Ascenzo and Cultrera di Montesano, 2026): ``-sum_v y~_v log q~_v``.

    q~_v is the probability at or below node v. The target y~ is made in two steps: the label is smoothed over the
    leaves (optional), then every mass climbs to the root, each node keeping 1 - dilution of what reaches it
    (`ancestral_rows`). With dilution 0 and a leaf as label this is cross-entropy over the logits.

    Args:
        taxonomy: tree, forest or DAG; in a DAG several parents get equal parts.
        dilution: from 0 to below 1. The paper's three values are lost in the text we have: try 0.3, 0.5, 0.7, 0.9.
        label_smoothing: eps of the uniform smoothing over the leaves.
        horizontal: "uniform", or "lca" for the soft labels of Bertinetto et al. in place of the smoothed label.
        beta: of the soft labels.
        head: "all_nodes", a logit a node as in the paper, or "leaves", a logit a leaf, which has the same optimum with
            fewer parameters.
        root: see `ancestral_rows`; makes a difference in forests alone.
        normalize: scale each label's row so that its weights without that of a single root sum to 1. Without it a
            leaf at depth d weighs ``1 - dilution^d``, so that shallow classes train more weakly. Not in the paper.
        **options: weight, ignore_index and reduction; see `TaxonomyLoss`.

    Raises:
        ValueError: an argument is not valid or does not fit the others.

    Example:
        >>> from hyperdml.taxonomy import Taxonomy
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> loss = HACELoss(taxonomy, dilution=0.5)
        >>> loss(torch.zeros(2, 5), torch.tensor([0, 2]))  # (log 5 / 2 + log 5/3 / 4 + log 5 / 2) / 2
        tensor(0.8686)
    """

    leaf_factor: Tensor

    def __init__(
        self,
        taxonomy: Taxonomy,
        dilution: float,
        label_smoothing: float = 0.0,
        horizontal: Literal["uniform", "lca"] = "uniform",
        beta: float | None = None,
        head: Head = "all_nodes",
        root: Root = "absorb",
        normalize: bool = False,
        **options: Any,
    ) -> None:
        if horizontal not in ("uniform", "lca"):
            raise ValueError(f"horizontal must be 'uniform' or 'lca', got {horizontal!r}")
        if horizontal == "uniform" and beta is not None:
            raise ValueError(f"beta={beta!r} belongs to horizontal='lca'")
        if horizontal == "lca" and beta is None:
            raise ValueError("horizontal='lca' needs beta, a positive number (4 to 30 in the paper of the soft labels)")
        if horizontal == "lca" and label_smoothing:
            raise ValueError(
                f"horizontal='lca' takes the place of label smoothing, got label_smoothing={label_smoothing}"
            )
        rows = ancestral_rows(taxonomy, dilution, root)
        scaled = rows.normalized(taxonomy) if normalize else rows
        super().__init__(taxonomy, scaled, head=head, label_smoothing=label_smoothing, **options)
        self.dilution, self.horizontal, self.beta = dilution, horizontal, beta
        self.root, self.normalize = root, normalize
        self.soft: SoftLabels | None = None
        if beta is not None:
            self.soft = SoftLabels(taxonomy, beta)
            sums = rows.learnable(taxonomy)[: taxonomy.num_leaves]
            scale = np.where(sums > 0, sums, 1) if normalize else np.ones_like(sums)
            self.keep("leaf_factor", 1 / scale)

    def target(self, labels: Tensor, dtype: torch.dtype) -> Target:
        """S of a batch."""
        if self.soft is None:
            return super().target(labels, dtype)
        factor = self.leaf_factor if self.weight is None else self.leaf_factor * self.weight[: len(self.leaf_factor)]
        mass = self.soft(labels, dtype) * factor.to(dtype)[:, None]
        return Target(dense=self.soft.dilute(mass, self.dilution, self.root))

    def extra_repr(self) -> str:
        """Options, for print(module)."""
        own = f"dilution={self.dilution}, horizontal={self.horizontal!r}, beta={self.beta}, root={self.root!r}"
        return f"{own}, normalize={self.normalize}, {super().extra_repr()}"


class HCELoss(TaxonomyLoss):
    """Hierarchical cross-entropy of Cultrera di Montesano et al.: ``-log q~_y``, labels at any level.

    Args:
        taxonomy: tree, forest or DAG.
        head: "all_nodes" as there, or "leaves".
        **options: label_smoothing, weight, ignore_index and reduction; see `TaxonomyLoss`.
    """

    def __init__(self, taxonomy: Taxonomy, head: Head = "all_nodes", **options: Any) -> None:
        super().__init__(taxonomy, label_rows(taxonomy), head=head, **options)


class HXELoss(TaxonomyLoss):
    """Hierarchical cross-entropy of Bertinetto et al. (CVPR 2020), in the direction of their code; see `hxe_rows`.

    Leaves below the root are defined here, and a wrong sample keeps its gradient at any gap between logits.

    Args:
        taxonomy: tree or forest.
        alpha: not negative; 0 is cross-entropy, larger values favour the decisions near the root. They use 0.1 to 0.9.
        normalized: divide by the sum of exp(-alpha depth) over all nodes as their training script does, a factor of
            about the number of nodes, which matters under SGD.
        head: "leaves" as there, or "all_nodes".
        **options: label_smoothing, weight, ignore_index and reduction; see `TaxonomyLoss`.

    Raises:
        ValueError: alpha is negative, or a node has several parents.
    """

    def __init__(
        self, taxonomy: Taxonomy, alpha: float, normalized: bool = False, head: Head = "leaves", **options: Any
    ) -> None:
        super().__init__(taxonomy, hxe_rows(taxonomy, alpha, normalized), head=head, **options)


class SoftLabelLoss(HACELoss):
    """Cross-entropy against the soft labels of Bertinetto et al. (CVPR 2020); see `hyperdml.hace.soft_labels`.

    Their code takes the KL divergence and divides by batch times classes: the same gradient up to that factor.

    Args:
        taxonomy: tree, forest or DAG.
        beta: positive; the larger, the nearer to one-hot. They use 4 to 30.
        head: "leaves" as there, or "all_nodes".
        **options: weight, ignore_index and reduction; see `TaxonomyLoss`.

    Raises:
        ValueError: beta is not positive.
    """

    def __init__(self, taxonomy: Taxonomy, beta: float, head: Head = "leaves", **options: Any) -> None:
        super().__init__(taxonomy, dilution=0.0, horizontal="lca", beta=beta, head=head, **options)
