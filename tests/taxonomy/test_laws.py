"""Random trees, forests and DAGs: the order of the nodes, the arrays and every question against networkx."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.metrics.graded.lca_height import lca_heights
from hyperdml.taxonomy import Taxonomy, lca

MANY = settings(max_examples=50, deadline=None)


@st.composite
def graphs(draw, several_parents=True):
    """Edges of an acyclic graph in any order, and its leaves in any order."""
    count = draw(st.integers(2, 14))
    edges = []
    for child in range(1, count):
        most = min(3, child) if several_parents else 1
        above = draw(st.lists(st.integers(0, child - 1), min_size=0, max_size=most, unique=True))
        edges += [(f"n{up}", f"n{child}") for up in above] or [(None, f"n{child}")]
    edges.append((None, "n0"))
    edges = draw(st.permutations(edges))
    leaves = sorted({f"n{i}" for i in range(count)} - {parent for parent, _ in edges})
    return edges, draw(st.permutations(leaves))


def reference(edges):
    graph = nx.DiGraph()
    graph.add_nodes_from(child for _, child in edges)
    graph.add_edges_from(edge for edge in edges if edge[0] is not None)
    return graph


@MANY
@given(graphs())
def test_order_and_arrays(given_graph):
    edges, leaves = given_graph
    taxonomy, graph = Taxonomy.from_edges(edges, leaves), reference(edges)
    assert taxonomy.leaves == tuple(leaves)
    assert set(taxonomy.names) == set(graph)
    assert {
        (taxonomy.names[up], taxonomy.names[node]) for node, row in enumerate(taxonomy.parent_lists()) for up in row
    } == set(graph.edges)
    assert (taxonomy.parents.values > taxonomy.parents.row_of_values).all(), "every node comes after its children"
    assert (np.diff(taxonomy.heights) >= 0).all()
    up, down = nx.DiGraph(graph.reverse()), graph
    for levels, walked in ((taxonomy.heights, down), (taxonomy.depths, up)):
        below = [walked.subgraph(nx.descendants(walked, name) | {name}) for name in taxonomy.names]
        assert levels.tolist() == [nx.dag_longest_path_length(part) for part in below]
    assert {taxonomy.names[root] for root in taxonomy.roots} == {name for name in graph if graph.in_degree(name) == 0}
    assert taxonomy.is_forest == (max(dict(graph.in_degree()).values()) <= 1)
    assert taxonomy.is_tree == nx.is_arborescence(graph)


@MANY
@given(graphs())
def test_closures(given_graph):
    edges, leaves = given_graph
    taxonomy, graph = Taxonomy.from_edges(edges, leaves), reference(edges)
    for node, name in enumerate(taxonomy.names):
        above = sorted(map(taxonomy.node_index, nx.ancestors(graph, name)))
        below = sorted(map(taxonomy.node_index, nx.descendants(graph, name)))
        assert taxonomy.ancestors(name).tolist() == above
        assert taxonomy.descendants(node).tolist() == below
        assert taxonomy.ancestor_closure.row(node).tolist() == [node, *above]
        assert taxonomy.leaves_under(node).tolist() == [i for i in [*below, node] if i < taxonomy.num_leaves]
        steps = taxonomy.ancestor_distances[slice(*taxonomy.ancestor_closure.offsets[node : node + 2])]
        away = nx.single_source_shortest_path_length(graph.reverse(), name)
        assert steps.tolist() == [away[taxonomy.names[up]] for up in [node, *above]]


@MANY
@given(st.booleans().flatmap(lambda several: graphs(several)))
def test_lowest_common_ancestors(given_graph):
    edges, leaves = given_graph
    taxonomy, graph = Taxonomy.from_edges(edges, leaves), reference(edges)
    nodes = np.arange(len(taxonomy))
    found, heights = taxonomy.lca(nodes[:, None], nodes), taxonomy.lca_height(nodes[:, None], nodes)
    assert np.array_equal(found, found.T)
    assert found.diagonal().tolist() == nodes.tolist()
    above = [{name, *nx.ancestors(graph, name)} for name in taxonomy.names]
    for a in nodes:
        for b in nodes:
            common = above[a] & above[b]
            if not common:
                assert found[a, b] == -1
                assert heights[a, b] == taxonomy.depth + 1
                continue
            lowest = {name for name in common if not common & nx.descendants(graph, name)}
            assert taxonomy.names[found[a, b]] in lowest
            assert heights[a, b] == min(taxonomy.heights[taxonomy.node_index(name)] for name in lowest)
            if taxonomy.is_forest:
                one = nx.lowest_common_ancestor(graph, taxonomy.names[a], taxonomy.names[b])
                assert taxonomy.names[found[a, b]] == one


@MANY
@given(st.booleans().flatmap(lambda several: graphs(several)))
def test_distance_matrices(given_graph):
    edges, leaves = given_graph
    taxonomy, graph = Taxonomy.from_edges(edges, leaves), reference(edges)
    labels = np.arange(len(leaves))
    assert np.array_equal(taxonomy.distance_matrix(), taxonomy.lca_height(labels[:, None], labels))
    up = {name: nx.single_source_shortest_path_length(graph.reverse(), name) for name in leaves}
    roots = [name for name in graph if graph.in_degree(name) == 0]
    expected = np.zeros((len(leaves), len(leaves)), dtype=int)
    for a, first in enumerate(leaves):
        for b, second in enumerate(leaves):
            over = [up[first][name] + up[second][name] for name in up[first] if name in up[second]]
            to_root = [min(up[leaf][root] for root in roots if root in up[leaf]) for leaf in (first, second)]
            expected[a, b] = min(over) if over else sum(to_root) + 2
    assert np.array_equal(taxonomy.distance_matrix("path"), expected)


@MANY
@given(graphs(), st.randoms(use_true_random=False))
def test_only_content_and_label_order_matter(given_graph, random):
    edges, leaves = given_graph
    taxonomy = Taxonomy.from_edges(edges, leaves)
    shuffled = [*edges, edges[0]]
    random.shuffle(shuffled)
    again = Taxonomy.from_edges(shuffled, leaves)
    assert again == taxonomy
    assert again.names == taxonomy.names
    assert hash(again) == hash(taxonomy)
    if len(leaves) > 1:
        assert Taxonomy.from_edges(edges, leaves[::-1]) != taxonomy
    fewer = [edge for edge in edges if edge[0] is not None][1:]
    if fewer:
        nodes = [(None, name) for name in taxonomy.names]
        ends = [name for name in taxonomy.names if name not in {parent for parent, _ in fewer}]
        assert Taxonomy.from_edges([*nodes, *fewer], ends).hash != taxonomy.hash


@MANY
@given(graphs(), st.data())
def test_parts(given_graph, data):
    edges, leaves = given_graph
    taxonomy, graph = Taxonomy.from_edges(edges, leaves), reference(edges)
    node = data.draw(st.sampled_from(taxonomy.names))
    below = taxonomy.subtree(node)
    assert set(below.names) == {node, *nx.descendants(graph, node)}
    assert below.leaves == tuple(name for name in leaves if name in below.names)
    assert nx.utils.edges_equal(below.to_networkx().edges, graph.subgraph(below.names).edges, directed=True)
    kept = data.draw(st.lists(st.sampled_from(leaves), min_size=1, unique=True))
    cut = taxonomy.restrict(kept)
    assert cut.leaves == tuple(kept)
    assert set(cut.names) == set(kept).union(*(nx.ancestors(graph, name) for name in kept))
    places = taxonomy.nodes(kept)
    if taxonomy.is_forest:
        # heights may shrink with what was taken out, common ancestors and paths may not
        named = [
            [None if i < 0 else t.names[i] for i in t.lca(p[:, None], p).ravel()]
            for t, p in ((cut, np.arange(len(kept))), (taxonomy, places))
        ]
        assert named[0] == named[1]


@MANY
@given(graphs())
def test_collapsed_chains(given_graph):
    edges, leaves = given_graph
    taxonomy = Taxonomy.from_edges(edges, leaves)
    short = Taxonomy.from_edges(edges, leaves, unary="collapse")
    assert short.leaves == taxonomy.leaves
    assert (short.children.counts != 1).all()
    assert set(short.names) | set(short.collapsed) == set(taxonomy.names)
    assert not set(short.names) & set(short.collapsed)
    kept = [taxonomy.node_index(name) for name in short.names]
    for place, node in enumerate(kept):
        assert short.leaves_under(place).tolist() == taxonomy.leaves_under(node).tolist()
    for gone, stands in short.collapsed.items():
        assert taxonomy.leaves_under(gone).tolist() == taxonomy.leaves_under(stands).tolist()
        assert taxonomy.node_index(stands) in taxonomy.descendants(gone)


@MANY
@given(graphs(several_parents=False))
def test_levels(given_graph):
    taxonomy = Taxonomy.from_edges(*given_graph)
    levels = taxonomy.levels_array()
    assert levels[:, -1].tolist() == list(range(taxonomy.num_leaves))
    shared = (levels[:, None] == levels[None]).sum(2)
    columns = levels.shape[1]
    first = taxonomy.depth + 1 - columns
    common = taxonomy.lca(np.arange(taxonomy.num_leaves)[:, None], np.arange(taxonomy.num_leaves))
    depth = np.where(common < 0, -1, taxonomy.depths[common])
    apart = ~np.eye(taxonomy.num_leaves, dtype=bool)
    assert np.array_equal(shared[apart], (depth + 1 - first)[apart])
    assert np.array_equal(lca_heights(levels), columns - shared)


@MANY
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_levels_of_even_trees_give_lca_heights(a, b, c):
    rows = [("root", f"{i}", f"{i}.{j}", f"{i}.{j}.{k}") for i in range(a) for j in range(b) for k in range(c)]
    taxonomy = Taxonomy.from_lineages(rows)
    expected = lca_heights(taxonomy.levels_array()).numpy()
    assert np.array_equal(taxonomy.distance_matrix(), expected)
    assert np.array_equal(taxonomy.distance_matrix("path"), 2 * expected)
    again = Taxonomy.from_levels(taxonomy.levels_array(), [taxonomy.names] * 3, virtual_root=True)
    assert again == taxonomy or len(taxonomy.children.row(len(taxonomy) - 1)) == 1


@MANY
@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda edge: edge[0] != edge[1]), min_size=1))
def test_the_shortest_cycle_is_named(pairs):
    graph = nx.DiGraph((f"n{a}", f"n{b}") for a, b in pairs)
    shortest = min((len(cycle) for cycle in nx.simple_cycles(graph)), default=0)
    found = [finding.message for finding in Taxonomy.check(graph.edges) if finding.kind == "cycle"]
    assert len(found) == (shortest > 0)
    for message in found:
        path = message.partition(": ")[2].split(" -> ")
        assert message.startswith(f"cycle of {shortest} edges: ")
        assert path[0] == path[-1]
        assert len(path) == shortest + 1
        assert set(pairwise(path)) <= set(graph.edges)


@MANY
@given(graphs(), st.integers(1, 20))
def test_blocks_of_pairs_change_nothing(given_graph, block):
    taxonomy = Taxonomy.from_edges(*given_graph)
    first, second = np.divmod(np.arange(len(taxonomy) ** 2), len(taxonomy))
    whole = lca.graph_lca(first, second, taxonomy.ancestor_closure)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lca, "_BLOCK", block)
        assert np.array_equal(lca.graph_lca(first, second, taxonomy.ancestor_closure), whole)
    if taxonomy.is_forest:
        assert np.array_equal(taxonomy.lca(first, second), whole), "both ways to find ancestors agree"
