"""Dendrograms in files: round trips, other libraries' readers, the bridge to a taxonomy, broken files."""

import io
import json
import re
import warnings

import networkx as nx
import numpy as np
import pytest
import torch
from dendrograms import chain, groups, random_tree, same, trees
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, is_valid_linkage, linkage, to_tree

from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy
from hyperdml.tree import Dendrogram, extract_tree

laws = settings(deadline=None, max_examples=30)
HOSTILE = ("it's", "a b", "x(y)", "p:q;r", "under_score", "[z]", "</script>", 'quo"te', "ä,ö")


def other_library(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed, its reader cannot be tried")


@laws
@given(tree=trees)
def test_round_trips(tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("tree") / "tree"
    assert same(tree, Dendrogram.from_dict(json.loads(json.dumps(tree.to_dict()))))
    # numbering among nodes of one height is not kept; what is below every node is
    tree.to_edges_csv(path)
    assert groups(Dendrogram.from_edges_csv(path)) == groups(tree)
    tree.to_graphml(path)
    assert groups(Dendrogram.from_graphml(path)) == groups(tree)
    assert groups(Dendrogram.from_networkx(tree.to_networkx())) == groups(tree)
    assert groups(Dendrogram.from_newick(tree.to_newick())) == groups(tree)


def test_names_of_any_kind_survive(tmp_path):
    tree = random_tree(len(HOSTILE), 3, names=HOSTILE, c=0.1, method="average")
    for kind in ("json", "edges_csv", "graphml"):
        path = tmp_path / kind
        getattr(tree, f"to_{kind}")(path)
        found = getattr(Dendrogram, f"from_{kind}")(path)
        assert found.names == HOSTILE
        assert groups(found) == groups(tree)
        if kind != "edges_csv":
            assert (found.c, found.method) == (0.1, "average")
    text = tree.to_newick()
    assert groups(Dendrogram.from_newick(text, leaves=HOSTILE)) == groups(tree)
    assert set(Dendrogram.from_newick(text).names) == set(HOSTILE)


def test_names_of_inner_nodes_survive(tmp_path):
    inner = ("a b", None, "it's", "x_y")
    heights = np.array([0.0, 0, 0, 0, 0, 1, 2, 3, 4])
    tree = Dendrogram(np.array([5, 5, 6, 7, 8, 6, 7, 8, -1]), heights, 5, tuple("vwxyz"), inner_names=inner)
    for kind in ("json", "edges_csv", "graphml"):
        path = tmp_path / kind
        getattr(tree, f"to_{kind}")(path)
        assert getattr(Dendrogram, f"from_{kind}")(path).inner_names == inner
    assert tree.to_newick() == "(z:4.0,(y:3.0,(x:2.0,(v:1.0,w:1.0)'a b':1.0):1.0)'it''s':1.0)'x_y';"
    assert Dendrogram.from_newick(tree.to_newick()).inner_names == inner
    assert Dendrogram.from_networkx(tree.to_networkx()).inner_names == inner
    found = other_library("dendropy").Tree.get(data=tree.to_newick(), schema="newick")
    assert {node.label for node in found.preorder_internal_node_iter()} == set(inner)
    taxonomy = tree.to_taxonomy()
    assert {taxonomy.names[node] for node in taxonomy.ancestors("v")} >= {"a b", "node1", "it's", "x_y"}
    assert Dendrogram.from_taxonomy(taxonomy).inner_names == ("a b", "node1", "it's", "x_y")
    with pytest.raises(ValueError, match="inner_names must be one for each of 4 inner nodes, got 1"):
        Dendrogram(tree.parents.copy(), heights, 5, inner_names=("a",))


def test_numbered_leaves_below_named_nodes(tmp_path):
    tree = Dendrogram(np.array([2, 2, -1]), np.array([0.0, 0.0, 1.0]), 2, inner_names=("top",))
    tree.to_graphml(tmp_path / "tree")
    found = Dendrogram.from_graphml(tmp_path / "tree")
    assert (found.names, found.inner_names) == (None, ("top",))
    assert Dendrogram.from_newick("(1:1,0:1)top;").inner_names == ("top",)


def test_json_keeps_points_proxies_and_every_bit(tmp_path):
    points = torch.rand(30, 3, dtype=torch.float64) / 2
    tree = extract_tree(points, points[:8] / 3, "nearest_ancestor", c=0.3, names=[f"i{n}" for n in range(30)])
    tree.to_json(tmp_path / "tree.json")
    found = Dendrogram.from_json(tmp_path / "tree.json")
    assert same(tree, found)
    assert torch.equal(tree.points, found.points)
    assert np.array_equal(tree.proxies, found.proxies)


@laws
@given(trees)
def test_scipy_reads_the_linkage(tree):
    z = tree.to_linkage()
    if tree.num_leaves == 1:
        return
    assert is_valid_linkage(z)
    a, b = np.triu_indices(tree.num_leaves, 1)
    assert np.array_equal(cophenet(z), tree.heights[tree.lca(a, b)])
    assert np.array_equal(
        z[:, 3], [len(to_tree(z, rd=True)[1][tree.num_leaves + i].pre_order()) for i in range(len(z))]
    )


@pytest.mark.parametrize("method", ["single", "complete", "average", "ward"])
def test_linkages_of_scipy_come_back(method):
    z = linkage(np.random.default_rng(1).normal(size=(50, 4)), method)
    tree = Dendrogram.from_linkage(z, names=[f"n{leaf}" for leaf in range(50)])
    assert np.array_equal(tree.to_linkage()[:, :3], np.column_stack([np.sort(z[:, :2], 1), z[:, 2]]))
    assert tree.names[3] == "n3"


def test_networkx_reads_graphml(tmp_path):
    tree = random_tree(12, 5, names=tuple("abcdefghijkl"), c=0.5)
    tree.to_graphml(tmp_path / "tree.graphml")
    graph = nx.read_graphml(tmp_path / "tree.graphml", node_type=int)
    assert nx.is_arborescence(graph)
    assert set(graph.edges) == {(int(up), node) for node, up in enumerate(tree.parents) if up >= 0}
    assert [graph.nodes[node]["height"] for node in range(tree.num_nodes)] == tree.heights.tolist()
    assert graph.nodes[3]["name"] == "d"


def test_biopython_reads_newick():
    phylo = other_library("Bio.Phylo")
    tree = random_tree(9, 7, 2, names=HOSTILE)
    found = phylo.read(io.StringIO(tree.to_newick()), "newick")
    assert {leaf.name for leaf in found.get_terminals()} == set(HOSTILE)
    for one, other in ((0, 1), (2, 7), (4, 8)):
        expected = 2 * tree.heights[tree.lca(one, other)]
        assert found.distance(HOSTILE[one], HOSTILE[other]) == pytest.approx(float(expected))


def test_dendropy_reads_newick():
    dendropy = other_library("dendropy")
    tree = random_tree(9, 8, 2, names=HOSTILE)
    found = dendropy.Tree.get(data=tree.to_newick(), schema="newick")
    assert {taxon.label for taxon in found.taxon_namespace} == set(HOSTILE)
    matrix = found.phylogenetic_distance_matrix()
    taxa = {taxon.label: taxon for taxon in found.taxon_namespace}
    expected = 2 * tree.heights[tree.lca(1, 6)]
    assert matrix(taxa[HOSTILE[1]], taxa[HOSTILE[6]]) == pytest.approx(float(expected))


def test_foreign_newick():
    tree = Dendrogram.from_newick("((cat:1,dog:2)mammal:1,trout:5)animal;", leaves=["trout", "cat", "dog"])
    assert tree.names == ("trout", "cat", "dog")
    assert tree.heights.tolist() == [0, 0, 0, 2, 5]  # the longest way down
    assert Dendrogram.from_newick("((a,b),c);").heights.tolist() == [0, 0, 0, 1, 2]
    assert Dendrogram.from_newick("(2,(0,1));").parents.tolist() == [3, 3, 4, 4, -1]


def test_taxonomies():
    taxonomy = Taxonomy.from_nested({"animal": {"bird": ["wren", "finch"], "trout": None}})
    tree = Dendrogram.from_taxonomy(taxonomy)
    assert tree.names == taxonomy.leaves
    assert np.array_equal(tree.heights, taxonomy.heights)
    assert np.array_equal(tree.parents, taxonomy.parent)
    with pytest.raises(ValueError, match="needs a tree with one root"):
        Dendrogram.from_taxonomy(Taxonomy.from_edges([("a", "b"), ("c", "d")]))


@laws
@given(trees)
def test_taxonomy_and_back(tree):
    taxonomy = tree.to_taxonomy()
    a, b = np.triu_indices(tree.num_leaves)
    found = Dendrogram.from_taxonomy(taxonomy)
    assert taxonomy.leaves == tuple(map(str, range(tree.num_leaves)))
    below = {tuple(sorted(tree.leaves_under(node).tolist())) for node in range(tree.num_nodes)}
    assert {tuple(sorted(found.leaves_under(node).tolist())) for node in range(found.num_nodes)} == below
    assert np.array_equal(taxonomy.lca(a, b), found.lca(a, b))


def test_to_taxonomy_avoids_names_that_are_taken():
    tree = random_tree(3, 0, 2, names=("node1", "node2", "x"))
    assert tree.to_taxonomy().leaves == ("node1", "node2", "x")
    with pytest.raises(ValueError, match="3 leaves have 2"):
        random_tree(3, 0, 2, names=("x", "x", "y")).to_taxonomy()


def test_deep_files(tmp_path):
    tree = chain(5001)
    for kind in ("json", "edges_csv", "graphml"):
        getattr(tree, f"to_{kind}")(tmp_path / kind)
        assert same(getattr(Dendrogram, f"from_{kind}")(tmp_path / kind), tree)


def changed(**keys):
    data = random_tree(3, 0, 2, names=("a", "b", "c")).to_dict() | keys
    return {key: value for key, value in data.items() if value != "gone"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected an object, got a list"),
        (changed(format="hyperdml.dendrogram/9"), "format is 'hyperdml.dendrogram/9', expected"),
        (changed(c="gone"), "no c"),
        (changed(more=1), "wrong here: more"),
        (changed(parents=[3, 3, 4, 4]), r"expected \(M,\) int64 parents"),
        (changed(parents=[3, 3, 4, 4, 2]), "the last node, 4, must be the root"),
        (changed(parents=[3, 3, 4, 4.0, -1]), "parents holds 4.0, expected whole numbers"),
        (changed(parents=[3, 3, 4, 2**70, -1]), "too large"),
        (changed(parents="no"), "parents must be a list"),
        (changed(heights=[0, 0, 0, 1, None]), "heights holds None, expected numbers"),
        (changed(heights=[0, 0, 0, 2, 1]), "heights must not fall"),
        (changed(num_leaves=True), "num_leaves must be a whole number"),
        (changed(names=["a", 1, "c"]), "names must be a list of texts"),
        (changed(names=["a"]), "names must be one for each of 3"),
        (changed(c=-1), "c must be positive"),
        (changed(c="0.1"), "c must be a number"),
        (changed(method=3), "method must be a text"),
        (changed(points=[[0.0], [0.0, 1.0]]), r"points\[1\] holds 2 numbers, but the first row 1"),
        (changed(points=[0.0]), "points must be a list of lists"),
        (changed(points=[[0.0], [float("nan")]]), "points row 1 is not finite"),
        (changed(inner_names=["a", 1]), "inner_names must be a list of texts and nulls"),
        (changed(proxies=[1]), "proxies must be"),
    ],
)
def test_broken_json(data, message, tmp_path):
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} is not a dendrogram: .*{message}"):
        Dendrogram.from_json(path)


def test_files_that_are_no_files(tmp_path):
    for kind in ("json", "graphml", "edges_csv"):
        with pytest.raises(DataError, match=r"cannot read .*missing"):
            getattr(Dendrogram, f"from_{kind}")(tmp_path / "missing")
        (tmp_path / "noise").write_bytes(b"\xff\xfe{<")
        with pytest.raises(DataError, match="noise"):
            getattr(Dendrogram, f"from_{kind}")(tmp_path / "noise")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a:1,b:x);", "length 'x' at character 7 is not a number"),
        ("(a:1,b);", "1 of 2 edges have no length"),
        ("(a:-1,b:1);", "edge above 'a' has length -1.0"),
        ("(a:inf,b:1);", "edge above 'a' has length inf"),
        ("(a:1,b:1)", "must end with ';'"),
        ("((a,b);", "1 brackets are not closed"),
    ],
)
def test_broken_newick(text, message):
    with pytest.raises(ValueError, match=message):
        Dendrogram.from_newick(text)


@pytest.mark.parametrize(
    ("leaves", "message"),
    [
        (["a"], "each of 2 leaves once, got 1 names; not named: 'b'"),
        (["a", "x"], "not in the tree: 'x'; not named: 'b'"),
        (["a", "a"], "not named: 'b'"),
        ("ab", "got the string 'ab'"),
    ],
)
def test_leaves_that_do_not_fit(leaves, message):
    with pytest.raises(ValueError, match=message):
        Dendrogram.from_newick("(a,b);", leaves)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("2,0,0\n", "line 2: expected 4 cells, got 3"),
        ("2,0,0,\n2,0,0,\n,2,1,\n", "line 3: child '0' has two rows"),
        ("2,,0,\n", "line 2: child '' has no label"),
        ("2,0,high,\n,2,1,\n", "line 2: height 'high' is not a number"),
        ("9,0,0,\n,2,1,\n", "line 2: parent '9' has no row"),
        ("2,0,0,\n2,1,0,\n3,2,1,\n2,3,1,\n", "cycle"),
        (",0,0,\n,1,0,\n", "2 nodes have no parent: '0', '1'"),
        ("2,0,0,a\n2,1,0,\n,2,1,\n", "leaf '1' has no name"),
        ("2,0,0,\n2,1,0,\n,2,-1,\n", "height of '2' is -1.0"),
        ("2,0,0,\n2,1,0,\n3,2,2,\n,3,1,\n", "'2' has 2.0 and its parent '3' 1.0"),
        ("", "a tree needs a node"),
    ],
)
def test_broken_tables(rows, message, tmp_path):
    path = tmp_path / "tree.csv"
    path.write_text("parent,child,height,name\n" + rows)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} is not a tree: .*{message}"):
        Dendrogram.from_edges_csv(path)


def test_tables_of_two_columns(tmp_path):
    (tmp_path / "edges.csv").write_text("parent,child\nbird,wren\nbird,finch\nanimal,bird\nanimal,trout\n")
    tree = Dendrogram.from_edges_csv(tmp_path / "edges.csv", leaves=["finch", "trout", "wren"])
    assert tree.parents.tolist() == [3, 4, 3, 4, -1]
    (tmp_path / "edges.csv").write_text("parent,child\na,c\nb,c\n")
    with pytest.raises(DataError, match=r"edges\.csv"):
        Dendrogram.from_edges_csv(tmp_path / "edges.csv")


@pytest.mark.parametrize(
    ("edges", "attributes", "message"),
    [
        ([(0, 1), (2, 1)], {}, "node 1 has several parents"),
        ([(0, 1), (2, 3)], {}, "2 nodes have no parent"),
        ([(0, 1), (1, 0)], {}, "cycle"),
        ([(0, 1)], {0: {"height": 1.0}}, "1 of 2 nodes have no height"),
        ([(0, 1)], {0: {"height": "x"}, 1: {"height": 0}}, "node 0 has height 'x'"),
    ],
)
def test_graphs_that_are_refused(edges, attributes, message):
    graph = nx.DiGraph(edges)
    nx.set_node_attributes(graph, attributes)
    with pytest.raises(ValueError, match=message):
        Dendrogram.from_networkx(graph)
    with pytest.raises(ValueError, match="directed"):
        Dendrogram.from_networkx(nx.Graph(edges))


def test_document_types_are_refused(tmp_path):
    path = tmp_path / "bomb.graphml"
    path.write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><graphml/>')
    with pytest.raises(DataError, match="document types are not read"):
        Dendrogram.from_graphml(path)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((0, 4)), r"got \(0, 4\)"),
        (np.zeros((2, 3)), r"got \(2, 3\)"),
        ([[0, 1, 1, 2], [0, 3, 2, 3]], "rows 0 and 1 both join cluster 0"),
        ([[0, 4, 1, 2], [1, 2, 2, 3]], r"row 0 joins \[0.0, 4.0\]"),
        ([[0, 1, 2, 2], [2, 3, 1, 3]], "'3' has 2.0 and its parent '4' 1.0"),
        ([[0, 1, np.nan, 2], [2, 3, 1, 3]], "height of '3' is nan"),
    ],
)
def test_linkages_that_are_refused(z, message):
    with pytest.raises(ValueError, match=message):
        Dendrogram.from_linkage(z)


@given(st.text("(),:;'[]a0 _-.e", max_size=30))
@settings(deadline=None, max_examples=40)
def test_any_text_is_one_tree_or_refused(text):
    try:
        tree = Dendrogram.from_newick(text)
    except ValueError:
        return
    assert groups(Dendrogram.from_newick(tree.to_newick())) == groups(tree)
