"""Target rows: the weights S[label, node] that make a loss, as sparse rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyperdml.taxonomy import CSR, Taxonomy

Root = Literal["absorb", "virtual"]


@dataclass(frozen=True, eq=False)
class TargetRows:
    """For every label the nodes whose log-probability enters its loss, and the weights.

    Attributes:
        nodes: (L rows) nodes; L = N where labels are nodes, L = C where they are leaves.
        weights: (V,) weights of the values, not negative and finite.
    """

    nodes: CSR
    weights: NDArray[np.float64]

    def learnable(self, taxonomy: Taxonomy) -> NDArray[np.float64]:
        """(L,) sums of the weights that can teach something: a single root has probability 1, its weight does not."""
        counted = self.weights.copy()
        if len(taxonomy.roots) == 1:
            counted[self.nodes.values == taxonomy.roots[0]] = 0
        return np.bincount(self.nodes.row_of_values, counted, len(self.nodes.counts)).astype(np.float64)

    def normalized(self, taxonomy: Taxonomy) -> TargetRows:
        """Rows whose `learnable` weights sum to 1; rows without any stay as they are."""
        sums = self.learnable(taxonomy)
        return TargetRows(self.nodes, self.weights / np.where(sums > 0, sums, 1)[self.nodes.row_of_values])

    def mean_of_leaves(self, taxonomy: Taxonomy, leaf_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) mean over the leaves of leaf weight times row."""
        leaves = taxonomy.num_leaves
        end = self.nodes.offsets[leaves]
        scaled = self.weights[:end] * np.repeat(leaf_weights, self.nodes.counts[:leaves])
        return np.bincount(self.nodes.values[:end], scaled, len(taxonomy)) / leaves


def label_rows(taxonomy: Taxonomy) -> TargetRows:
    """Weight 1 at the label, at any level: cross-entropy for leaves, and HCE (Cultrera di Montesano et al.)."""
    nodes = np.arange(len(taxonomy) + 1)
    return TargetRows(CSR(nodes, nodes[:-1].copy()), np.ones(len(taxonomy)))


def ancestral_rows(taxonomy: Taxonomy, dilution: float, root: Root = "absorb") -> TargetRows:
    """HACE's ancestral label smoothing: every node keeps 1 - dilution of what reaches it and hands on the rest.

    On a path a_0 = label, ..., a_d = root the weights are ``(1 - dilution) dilution^k``, the root keeps
    ``dilution^d``. Several parents get equal parts (A.1). The weights of a row sum to 1.

    Args:
        taxonomy: tree, forest or DAG.
        dilution: from 0, the label alone, to below 1.
        root: "absorb": nodes without parents keep all that reaches them; "virtual": they hand on to one root above
            all, which has probability 1. In a taxonomy with one root the two make the same loss.

    Raises:
        ValueError: dilution or root is not valid.
    """
    if not 0 <= dilution < 1:
        raise ValueError(f"dilution must be at least 0 and below 1, got {dilution!r}")
    if root not in ("absorb", "virtual"):
        raise ValueError(f"root must be 'absorb' or 'virtual', got {root!r}")
    closure = taxonomy.ancestor_closure
    if taxonomy.is_forest:
        arriving = np.float64(dilution) ** taxonomy.ancestor_distances
    else:
        arriving = _arriving(taxonomy, closure, dilution)
    kept = np.full(len(taxonomy), 1 - dilution)
    if root == "absorb":
        kept[taxonomy.roots] = 1
    return _without_zeros(closure, arriving * kept[closure.values])


def hxe_rows(taxonomy: Taxonomy, alpha: float, normalized: bool = False) -> TargetRows:
    """Hierarchical cross-entropy of Bertinetto et al. (CVPR 2020) in the direction of their code.

    ``-sum over the edges down to the label of exp(-alpha depth(child)) log p(child | parent)``, as weights of
    log-probabilities: at depth t ``exp(-alpha t) - exp(-alpha (t + 1))``, at the label ``exp(-alpha t)``. Decisions
    near the root weigh most. Several roots count as children of one.

    Args:
        taxonomy: tree or forest.
        alpha: not negative; 0 is cross-entropy.
        normalized: divide by the sum of exp(-alpha depth) over all nodes, as their training script does.

    Raises:
        ValueError: alpha is negative or not finite, or a node has several parents.
    """
    if not (alpha >= 0 and np.isfinite(alpha)):
        raise ValueError(f"alpha must be a finite number of at least 0, got {alpha!r}")
    if not taxonomy.is_forest:
        raise ValueError("HXE weighs the decisions along one path, so it needs a tree or a forest, got a DAG")
    depth = taxonomy.depths + (len(taxonomy.roots) > 1)
    decay = np.exp(-alpha * depth)
    closure = taxonomy.ancestor_closure
    passed = decay * -np.expm1(-alpha)
    weights = np.where(taxonomy.ancestor_distances == 0, decay[closure.values], passed[closure.values])
    weights[depth[closure.values] == 0] = 0
    if normalized:
        weights /= decay.sum()
    return _without_zeros(closure, weights)


def level_rows(taxonomy: Taxonomy) -> TargetRows:
    """The same weight at every node from the label up, a single root left out; the weights sum to 1."""
    closure = taxonomy.ancestor_closure
    weights = np.ones(len(closure.values))
    if len(taxonomy.roots) == 1:
        weights[closure.values == taxonomy.roots[0]] = 0
    return _without_zeros(closure, weights).normalized(taxonomy)


def matrix_rows(taxonomy: Taxonomy, matrix: Any) -> TargetRows:
    """Rows of a matrix of one's own.

    Args:
        taxonomy: tree, forest or DAG.
        matrix: (C, N) for labels that are leaves or (N, N) for labels that are nodes; a SciPy sparse matrix or array
            is never made dense.

    Raises:
        ValueError: another shape, or a weight is negative or not finite; the message names row and column.
    """
    count, leaves = len(taxonomy), taxonomy.num_leaves
    sparse = hasattr(matrix, "tocoo")
    given: Any = matrix.tocoo() if sparse else np.asarray(matrix, dtype=np.float64)
    if given.ndim != 2 or given.shape[1] != count or given.shape[0] not in (leaves, count):
        raise ValueError(f"expected a matrix of shape ({leaves}, {count}) or ({count}, {count}), got {given.shape}")
    row, column = (given.row, given.col) if sparse else np.nonzero(given)
    weights = np.asarray(given.data if sparse else given[row, column], dtype=np.float64)
    wrong = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if len(wrong):
        at = wrong[0]
        raise ValueError(
            f"weights must be finite and not negative, got {weights[at]} in row {row[at]} "
            f"({taxonomy.names[row[at]]!r}), column {column[at]} ({taxonomy.names[column[at]]!r})"
        )
    order = np.lexsort((column, row))
    nodes = CSR.from_pairs(row.astype(np.int64), column.astype(np.int64), given.shape[0])
    return _without_zeros(nodes, weights[order])


def _without_zeros(nodes: CSR, weights: NDArray[np.float64]) -> TargetRows:
    kept = weights > 0
    return TargetRows(CSR.from_pairs(nodes.row_of_values[kept], nodes.values[kept], len(nodes.counts)), weights[kept])


def _arriving(taxonomy: Taxonomy, closure: CSR, dilution: float) -> NDArray[np.float64]:
    """(V,) mass that reaches each ancestor from each node, over all paths, when several parents get equal parts."""
    pairs = closure.row_of_values * len(taxonomy) + closure.values
    arriving = np.where(closure.row_of_values == closure.values, 1.0, 0.0)
    # what a node hands to a parent reaches the parent's ancestors as the parent's own mass does: roots first
    edge_child, edge_parent = taxonomy.parents.row_of_values, taxonomy.parents.values
    part = dilution / taxonomy.parents.counts[edge_child]
    order = np.argsort(taxonomy.depths[edge_child], kind="stable")
    for edges in np.split(order, np.flatnonzero(np.diff(taxonomy.depths[edge_child[order]])) + 1):
        above = closure.rows(edge_parent[edges])
        edge = edges[above.row_of_values]
        source = pairs.searchsorted(edge_parent[edge] * len(taxonomy) + above.values)
        target = pairs.searchsorted(edge_child[edge] * len(taxonomy) + above.values)
        np.add.at(arriving, target, part[edge] * arriving[source])
    return arriving
