"""Scores of single samples, of which all means and intervals are made."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.metrics.taxonomic.ancestry import ancestry
from hyperdml.metrics.taxonomic.costs import prediction_costs
from hyperdml.metrics.taxonomic.levels import TaxonomyLevels
from hyperdml.metrics.taxonomic.node_sets import NodeSetScores
from hyperdml.metrics.taxonomic.options import ReportOptions
from hyperdml.metrics.taxonomic.predictions import Predictions
from hyperdml.taxonomy import Taxonomy


def sample_scores(
    found: Predictions, sets: NodeSetScores, taxonomy: Taxonomy, levels: TaxonomyLevels, options: ReportOptions
) -> dict[str, Tensor]:
    """Scores by name; see `ClassificationReport` for what they are.

    Args:
        found: predictions of n samples.
        sets: those of the likeliest leaves.
        taxonomy: tree, forest or DAG.
        levels: its levels.
        options: of the report.

    Returns:
        Name to (n,) float64, NaN where a sample has no such score.
    """
    leaf_label = found.labels < taxonomy.num_leaves
    hit = (found.top == found.labels[:, None]).cumsum(1).double()
    hit[~leaf_label] = torch.nan
    scores = {f"top{k}": hit[:, min(k, hit.shape[1]) - 1] for k in options.ks}
    scores |= {
        f"accuracy/{name}": right for name, right in zip(levels.names, level_hits(found, taxonomy, levels), strict=True)
    }
    scores |= {"hP/macro": sets.precision, "hR/macro": sets.recall, "hF1/macro": sets.f1}
    # rank by rank: pairs of all ranks at once would need twenty times the memory
    ranks = found.top[:, : max([1, *options.distance_ks])].T
    costs = torch.stack([prediction_costs(leaf, found.labels, taxonomy, options.distance) for leaf in ranks], 1)
    scores["mistake_severity"] = costs[:, 0].masked_fill(_right(found, taxonomy), torch.nan)
    scores |= {f"hierarchical_distance@{k}": costs[:, :k].mean(1) for k in options.distance_ks}
    scores["AHC"] = costs[:, 0]
    node = found.level_node.numpy()  # the last is a leaf
    scores["consistency"] = torch.from_numpy(ancestry(taxonomy).at_or_above(node, node[:, -1:])).all(1).double()
    scores["nll"] = -found.label_log_prob[:, 0]
    return scores


def level_hits(found: Predictions, taxonomy: Taxonomy, levels: TaxonomyLevels) -> list[Tensor]:
    """For every level (n,) float64 whether its predicted node is the label or above it.

    NaN where the label is an inner node above the level, so that the node it has there is not known.
    """
    label = found.labels.numpy()
    right = torch.from_numpy(ancestry(taxonomy).at_or_above(found.level_node.numpy(), label[:, None])).double()
    depth = torch.from_numpy(taxonomy.depths[label])
    for level in range(len(levels.names)):
        right[(found.labels >= taxonomy.num_leaves) & (depth < levels.first + level), level] = torch.nan
    return list(right.T)


def _right(found: Predictions, taxonomy: Taxonomy) -> Tensor:
    """(n,) whether the likeliest leaf is the label or below it."""
    return torch.from_numpy(ancestry(taxonomy).at_or_above(found.labels.numpy(), found.top[:, 0].numpy()))
