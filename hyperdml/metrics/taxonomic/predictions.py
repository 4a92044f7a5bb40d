"""What logits predict, sample by sample: all that the scores need of them, in a few numbers a sample."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from hyperdml.hace.aggregate import aggregated_log_prob, head_of
from hyperdml.metrics.labels import Labels
from hyperdml.metrics.taxonomic.levels import TaxonomyLevels
from hyperdml.metrics.taxonomic.nodes import nodes_of
from hyperdml.metrics.taxonomic.options import ReportOptions
from hyperdml.metrics.taxonomic.top_leaves import ranked_leaves
from hyperdml.taxonomy import Taxonomy

_BLOCK = 2_000_000  # logits at once, 8 MB in float32


@dataclass(frozen=True)
class Predictions:
    """Predictions for labelled samples, on the CPU.

    Attributes:
        labels: (B,) int64 nodes.
        top: (B, k) int64 likeliest leaves, best first.
        level_node: (B, L) int64 predicted node of every level.
        level_log_prob: (B, L) float64 its aggregated log-probability.
        depth_node: (B, D) int64 likeliest node of every depth, 0, ..., D - 1.
        depth_log_prob: (B, D) float64 its aggregated log-probability.
        label_log_prob: (B, 1) float64 aggregated log-probability of the label.
    """

    labels: Tensor
    top: Tensor
    level_node: Tensor
    level_log_prob: Tensor
    depth_node: Tensor
    depth_log_prob: Tensor
    label_log_prob: Tensor

    def rows(self) -> Tensor:
        """(B, K) float64, everything but the labels side by side; nodes are exact."""
        return torch.cat([getattr(self, part.name).double() for part in fields(self)[1:]], 1)

    @classmethod
    def from_rows(cls, rows: Tensor, labels: Tensor, kept: int, levels: int, depths: int) -> Predictions:
        """Predictions out of `rows` again."""
        top, level, level_log, depth, depth_log, own = rows.split([kept, levels, levels, depths, depths, 1], 1)
        return cls(labels, top.long(), level.long(), level_log, depth.long(), depth_log, own)


@torch.no_grad()
def predict(
    logits: Tensor, labels: Labels, taxonomy: Taxonomy, levels: TaxonomyLevels, options: ReportOptions
) -> tuple[Predictions, Tensor]:
    """Predictions for the samples that have a label, block by block where the logits are.

    Args:
        logits: (B, N) or (B, C).
        labels: (B,) nodes or the label that is ignored.
        taxonomy: tree, forest or DAG.
        levels: its levels.
        options: of the report.

    Returns:
        Predictions of the n samples with a label, and (n,) which rows they are.

    Raises:
        ValueError: shapes do not fit, a label is not a node, or logits are not numbers; the message names the row.
    """
    head_of(logits, taxonomy)
    if not logits.is_floating_point():
        raise ValueError(f"logits must be floating-point numbers, got {logits.dtype}")
    label = _checked(labels, len(logits), taxonomy, options.ignore_index)
    rows = torch.from_numpy(np.flatnonzero(label != options.ignore_index))
    given = torch.from_numpy(label)[rows]
    if options.leaf_only:
        logits = logits[:, : taxonomy.num_leaves]
    # an empty block too, so that there are columns of every width
    parts = rows.split(max(1, _BLOCK // len(taxonomy))) if len(rows) else [rows]
    scorer = _Scorer(taxonomy, levels, options, logits.device)
    found = []
    for part in parts:
        block = logits[part.to(logits.device)]
        largest = block.amax(1) if len(block) else block[:, 0]
        if not largest.isfinite().all():
            at = int((~largest.isfinite()).nonzero()[0])
            raise ValueError(f"row {int(part[at])} of the logits has largest value {float(largest[at])}: no prediction")
        found.append(scorer(block, torch.from_numpy(label)[part]))
    return Predictions(given, *(torch.cat(column) for column in zip(*found, strict=True))), rows


def _checked(labels: Labels, count: int, taxonomy: Taxonomy, ignored: int) -> np.ndarray:
    """(B,) labels."""
    found = np.asarray(labels.detach().cpu() if isinstance(labels, Tensor) else labels)
    if found.shape != (count,):
        raise ValueError(f"labels must hold one node a sample, ({count},), got {found.shape}")
    nodes_of(np.where(found == ignored, 0, found) if found.dtype.kind in "iu" else found, "labels", taxonomy)
    return found.astype(np.int64)


class _Scorer:
    """Predictions of a block of samples, in the order of the fields of `Predictions` behind the labels."""

    def __init__(
        self, taxonomy: Taxonomy, levels: TaxonomyLevels, options: ReportOptions, device: torch.device
    ) -> None:
        self.taxonomy, self.first, self.kept = taxonomy, levels.first, options.kept(taxonomy)
        order = np.argsort(taxonomy.depths, kind="stable")
        cuts = np.flatnonzero(np.diff(taxonomy.depths[order])) + 1
        self.by_depth = [torch.from_numpy(nodes).to(device) for nodes in np.split(order, cuts)]
        self.ancestor = None
        if options.level_rule == "leaf":
            self.ancestor = torch.from_numpy(taxonomy.levels_array()).to(device)

    def __call__(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        log_prob = aggregated_log_prob(logits, self.taxonomy)
        top = ranked_leaves(logits[:, : self.taxonomy.num_leaves], self.kept)
        depth_node, depth_log_prob, level_node = self._best(log_prob)
        level_node = level_node if self.ancestor is None else self.ancestor[top[:, 0]]
        # the deepest level is the leaves: rounding of sums must not choose another one there
        level_node[:, -1] = top[:, 0]
        level_log_prob = log_prob.gather(1, level_node)
        own = log_prob.gather(1, labels.to(log_prob.device)[:, None])
        found = (top, level_node, level_log_prob, depth_node, depth_log_prob, own)
        return tuple((part.double() if part.is_floating_point() else part).cpu() for part in found)

    def _best(self, log_prob: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, D) likeliest node of every depth, (B, D) its log-probability, (B, L) likeliest node of every level.

        A level is its depth and the leaves above it, of which the likeliest so far goes along.
        """
        by_node = log_prob.T
        leaf_value = log_prob.new_full((len(log_prob),), -torch.inf)
        leaf = torch.full_like(leaf_value, len(self.taxonomy), dtype=torch.int64)
        nodes, values, level = [], [], []
        for of_depth in self.by_depth:
            value, node = _likeliest(by_node, of_depth)
            nodes.append(node)
            values.append(value)
            level.append(torch.where(_first(leaf_value, leaf, value, node), leaf, node))
            leaves = of_depth[of_depth < self.taxonomy.num_leaves]
            if len(leaves) and len(level) < len(self.by_depth):
                value, node = _likeliest(by_node, leaves)
                kept = _first(leaf_value, leaf, value, node)
                leaf_value, leaf = torch.where(kept, leaf_value, value), torch.where(kept, leaf, node)
        return torch.stack(nodes, 1), torch.stack(values, 1), torch.stack(level[self.first :], 1)


def _likeliest(by_node: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) largest of some rows, and which node it is; of equal ones the first."""
    value, place = by_node.index_select(0, nodes).max(0)
    return value, nodes[place]


def _first(value: Tensor, node: Tensor, other_value: Tensor, other: Tensor) -> Tensor:
    """Where the one node comes before the other: likelier, or as likely and of lower index."""
    return (value > other_value) | ((value == other_value) & (node < other))
