"""References in float64 with dense matrices, and hierarchies to try them on."""

import numpy as np
import torch
from hypothesis import strategies as st

from hyperdml.taxonomy import Taxonomy

# T1: leaves at depths 1, 2 and 3, one node with a single child. G1: a diamond.
T1_EDGES = [("r", "A"), ("r", "B"), ("r", "c"), ("A", "a1"), ("A", "a2"), ("B", "D"), ("D", "d1"), ("D", "d2")]
T1 = Taxonomy.from_edges(T1_EDGES, ["c", "a1", "a2", "d1", "d2"])
T1_LOGITS = {"r": 0, "A": 0.5, "B": -0.5, "c": 0.25, "a1": 2, "a2": 1, "D": 0, "d1": 1.5, "d2": -1}
G1 = Taxonomy.from_edges([("A", "B"), ("A", "C"), ("B", "D"), ("B", "E"), ("C", "E")])
G1_LOGITS = {"A": 0, "B": 0.5, "C": -0.5, "D": 1, "E": 2}


def row(taxonomy, values):
    """(1, N) float64 logits by name."""
    return torch.tensor([[values[name] for name in taxonomy.names]], dtype=torch.float64)


def label(taxonomy, *names):
    return torch.tensor([taxonomy.node_index(name) for name in names])


def reachability(taxonomy):
    """(N, N) R[ancestor, descendant], by following every path."""
    count = len(taxonomy)
    step = np.eye(count)
    above, below = taxonomy.parents.values, taxonomy.parents.row_of_values
    step[above, below] = 1
    return (np.linalg.matrix_power(step, count) > 0).astype(np.float64)


def dense_log_prob(logits, taxonomy):
    """log(R softmax(z)) as written, in float64 and by autograd; internal nodes of C logits have -inf."""
    z = logits.double()
    if z.shape[1] < len(taxonomy):
        z = torch.cat([z, z.new_full((len(z), len(taxonomy) - z.shape[1]), -torch.inf)], 1)
    return (z.softmax(1) @ torch.from_numpy(reachability(taxonomy)).T).log()


def climbed(taxonomy, mass, dilution, virtual=False):
    """Ancestral smoothing of a (N,) mass, node by node with children before parents."""
    mass, out = np.array(mass, dtype=np.float64), np.zeros(len(taxonomy))
    for node in range(len(taxonomy)):
        above = taxonomy.parents.row(node)
        out[node] = mass[node] * (1 - dilution if len(above) or virtual else 1)
        for parent in above:
            mass[parent] += dilution * mass[node] / len(above)
    return out


def hace_target(taxonomy, node, dilution, smoothing=0.0, virtual=False):
    mass = np.zeros(len(taxonomy))
    mass[node] = 1 - smoothing
    mass[: taxonomy.num_leaves] += smoothing / taxonomy.num_leaves
    return climbed(taxonomy, mass, dilution, virtual)


@st.composite
def taxonomies(draw, several_parents=True):
    """Any tree, forest or DAG of 1 to 12 nodes."""
    count = draw(st.integers(1, 12))
    edges = [(None, "n0")]
    for child in range(1, count):
        most = min(3, child) if several_parents else 1
        above = draw(st.lists(st.integers(0, child - 1), min_size=0, max_size=most, unique=True))
        edges += [(f"n{up}", f"n{child}") for up in above] or [(None, f"n{child}")]
    return from_edges(edges)


def from_edges(edges):
    """With its leaves, so that no direction is guessed."""
    parents = {parent for parent, _ in edges}
    return Taxonomy.from_edges(edges, list(dict.fromkeys(child for _, child in edges if child not in parents)))


def random_dag(count, seed, several=0.1):
    """A DAG in which a share of the nodes has two parents."""
    rng = np.random.default_rng(seed)
    edges = []
    for child in range(1, count):
        above = {int(child * rng.random() ** 1.5)}
        if rng.random() < several:
            above.add(int(child * rng.random()))
        edges += [(str(parent), str(child)) for parent in above]
    return from_edges(edges)
