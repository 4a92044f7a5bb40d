"""The object: order of the nodes by hand, questions on the tree of the loss oracles, immutability, sizes."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from hyperdml.taxonomy import CSR, Taxonomy
from hyperdml.taxonomy.distances import forest_distances, graph_distances
from hyperdml.taxonomy.lca import ForestLCA

# leaf depths 1, 2, 3 and a node with a single child
EDGES = [("r", "A"), ("r", "B"), ("r", "c"), ("A", "a1"), ("A", "a2"), ("B", "D"), ("D", "d1"), ("D", "d2")]
TREE = Taxonomy.from_edges(EDGES)
# E has two parents, and two lowest common ancestors with F
DAG = Taxonomy.from_parents({"E": ["B", "C"], "F": ["B", "C"], "H": "G", "G": "C", "B": "A", "C": "A"})
FOREST = Taxonomy.from_edges([("x", "a"), ("x", "b"), ("y", "z"), ("z", "c")])


def test_order_by_hand():
    assert TREE.names == ("c", "a1", "a2", "d1", "d2", "A", "D", "B", "r")
    assert TREE.heights.tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 3]
    assert TREE.depths.tolist() == [1, 2, 2, 3, 3, 1, 2, 1, 0]
    assert TREE.parent.tolist() == [8, 5, 5, 6, 6, 8, 7, 8, -1]
    assert (TREE.num_nodes, TREE.num_leaves, TREE.depth) == (9, 5, 3)
    assert TREE.roots.tolist() == [8]
    assert TREE.is_tree
    assert TREE.is_forest
    other = Taxonomy.from_edges(EDGES, ["d2", "d1", "c", "a2", "a1"])
    assert other.names == ("d2", "d1", "c", "a2", "a1", "D", "A", "B", "r")
    assert other != TREE


def test_height_comes_before_the_first_leaf_and_the_name():
    # of height 1: P holds leaf 0, M and N leaf 1; Q of height 2 holds leaf 0
    edges = [("N", "l1"), ("M", "l1"), ("P", "l0"), ("Q", "P"), ("Q", "l2"), ("M", "l3"), ("N", "l3")]
    assert Taxonomy.from_edges(edges, ["l0", "l1", "l2", "l3"]).names[4:] == ("P", "M", "N", "Q")


def test_closures_by_hand():
    diamond = Taxonomy.from_edges([("A", "B"), ("A", "C"), ("B", "D"), ("B", "E"), ("C", "E")])
    assert diamond.names == ("D", "E", "B", "C", "A")
    above, leaves = diamond.ancestor_closure, diamond.leaf_closure
    assert [above.row(node).tolist() for node in range(5)] == [[0, 2, 4], [1, 2, 3, 4], [2, 4], [3, 4], [4]]
    assert [leaves.row(node).tolist() for node in range(5)] == [[0], [1], [0, 1], [1], [0, 1]]
    assert diamond.descendants("A").tolist() == [0, 1, 2, 3]
    assert not diamond.is_forest
    assert diamond.children.rows(np.array([4, 0, 2])).values.tolist() == [2, 3, 0, 1]


def test_lowest_common_ancestors_by_hand():
    node = TREE.node_index
    assert TREE.lca(["a1", "a1", "d1", "d1", "c", "D"], ["a2", "d1", "d2", "B", "c", "a1"]).tolist() == [
        node(name) for name in ("A", "r", "D", "B", "c", "r")
    ]
    assert TREE.lca_height("a1", ["a1", "a2", "c", "d1"]).tolist() == [0, 1, 3, 3]
    # B (height 1) and C (height 2) are both lowest; the lower one is taken
    assert DAG.names[DAG.lca("E", "F")] == "B"
    assert DAG.names[DAG.lca("E", "H")] == "C"
    assert DAG.lca_height(["E", "E"], ["F", "H"]).tolist() == [1, 2]
    assert FOREST.lca("a", ["b", "c", "x"]).tolist() == [FOREST.node_index("x"), -1, FOREST.node_index("x")]
    assert FOREST.lca_height("a", ["b", "c"]).tolist() == [1, 3]


def test_no_pairs_and_many_shapes():
    for taxonomy in (TREE, DAG, FOREST):
        assert taxonomy.lca([], []).shape == (0,)
        assert taxonomy.lca(0, 1).shape == ()
        assert taxonomy.lca(np.zeros((2, 1), dtype=np.int32), torch.arange(3)).shape == (2, 3)
    with pytest.raises(ValueError, match="broadcast"):
        TREE.lca([0, 1], [0, 1, 2])


def test_distances_by_hand():
    assert TREE.distance_matrix().tolist() == [
        [0, 3, 3, 3, 3],
        [3, 0, 1, 3, 3],
        [3, 1, 0, 3, 3],
        [3, 3, 3, 0, 1],
        [3, 3, 3, 1, 0],
    ]
    assert TREE.distance_matrix("path").tolist() == [
        [0, 3, 3, 4, 4],
        [3, 0, 2, 5, 5],
        [3, 2, 0, 5, 5],
        [4, 5, 5, 0, 2],
        [4, 5, 5, 2, 0],
    ]
    assert FOREST.distance_matrix("path").tolist() == [[0, 2, 5], [2, 0, 5], [5, 5, 0]]
    assert TREE.distance_matrix().dtype == np.int16
    with pytest.raises(ValueError, match="kind must be 'lca_height' or 'path', got 'height'"):
        TREE.distance_matrix("height")


def test_large_distances_are_not_cut_off():
    forest = ForestLCA(TREE.parent, TREE.depths)
    # a tree of 20,000 times the height
    far = forest_distances(forest, TREE.heights * 20_000, 80_000, TREE.num_leaves, False)
    assert np.array_equal(far, TREE.distance_matrix().astype(int) * 20_000)
    far = forest_distances(forest, TREE.depths * 20_000, -1, TREE.num_leaves, True)
    assert np.array_equal(far, TREE.distance_matrix("path").astype(int) * 20_000)
    rows, steps = DAG.ancestor_closure, DAG.ancestor_distances * 20_000
    for kind in ("lca_height", "path"):
        far = graph_distances(rows, steps, DAG.heights * 20_000, DAG.num_leaves, 80_000, kind == "path")
        assert np.array_equal(far, DAG.distance_matrix(kind).astype(int) * 20_000)


def test_levels_of_a_ragged_tree():
    c, a1, a2, d1, d2, a, d, b, _ = range(9)
    assert TREE.levels_array().tolist() == [[c, c, c], [a, a1, a1], [a, a2, a2], [b, d, d1], [b, d, d2]]
    assert FOREST.levels_array()[:, 0].tolist() == FOREST.nodes(["x", "x", "y"]).tolist()
    assert Taxonomy.from_edges([(None, "only")]).levels_array().tolist() == [[0]]
    with pytest.raises(ValueError, match="levels_array needs a tree or a forest, but 'E' has 2 parents"):
        DAG.levels_array()


def test_parts_by_hand():
    assert TREE.subtree("B").names == ("d1", "d2", "D", "B")
    assert TREE.restrict(["d2", "a1"]).names == ("d2", "a1", "D", "A", "B", "r")
    assert TREE.restrict([4, 1], unary="collapse").names == ("d2", "a1", "r")
    assert TREE.subtree("c").names == ("c",)
    for leaves, message in (
        (["A", "c"], "restrict takes leaves, but these have children: 'A'"),
        (["c", "c"], "given twice as leaves: 'c'"),
        ([], "restrict needs a leaf"),
        ([9], "node 9 is not one of 0 to 8"),
    ):
        with pytest.raises(ValueError, match=message):
            TREE.restrict(leaves)


def test_matching_class_names():
    assert TREE.match(["d1", "c"]).tolist() == [3, 0]
    birds = Taxonomy.from_nested({"bird": ["Black-footed Albatross", "wren"], "fish": ["trout"]})
    with pytest.raises(ValueError) as error:
        birds.match(["wren", "bird", "Black footed albatross", "plane"])
    assert "3 of 4 class names are no leaves of the taxonomy" in str(error.value)
    assert "'bird' is an inner node" in str(error.value)
    assert "did you mean 'Black-footed Albatross'?" in str(error.value)
    assert "\n- 'plane'" in str(error.value)
    with pytest.raises(ValueError, match="classes 0 and 2 are both called 'c'"):
        TREE.match(["c", "a1", "c"])
    with pytest.raises(ValueError, match="and 5 more"):
        TREE.match([f"none {i}" for i in range(15)])


def test_classes_without_samples():
    assert TREE.unused([0, 0, 3]).tolist() == [1, 2, 4]
    assert TREE.unused(torch.tensor([0, 1, 2, 3, 4])).tolist() == []
    assert TREE.unused([]).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="label 5 is not one of the 5 leaves"):
        TREE.unused([0, 5])


def test_nodes_by_name_and_index():
    assert TREE.nodes([["c", "r"], ["A", "a1"]]).tolist() == [[0, 8], [5, 1]]
    assert TREE.nodes(torch.tensor([3])).tolist() == [3]
    for nodes, message in (
        ("d3", "'d3' is not a node of the taxonomy"),
        ("a", "did you mean 'A'?"),
        (-1, "node -1 is not one of 0 to 8"),
        ([0.0], "nodes must be names or integers, got float64"),
        ([True], "nodes must be names or integers, got bool"),
    ):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            TREE.nodes(nodes)
    with pytest.raises(ValueError, match="expected one node, got 2"):
        TREE.ancestors([0, 1])
    with pytest.raises(ValueError, match="parent needs a tree or a forest, but 'E' has 2 parents"):
        DAG.parent  # noqa: B018


def test_nothing_can_be_changed():
    with pytest.raises(FrozenInstanceError):
        TREE.names = ()
    with pytest.raises(FrozenInstanceError):
        TREE.other = 1
    with pytest.raises(TypeError):
        TREE.collapsed["c"] = "d"
    arrays = [TREE.roots, TREE.depths, TREE.heights, TREE.parent, TREE.parents.values, TREE.children.offsets]
    arrays += [TREE.ancestor_closure.values, TREE.leaf_closure.offsets, TREE.descendant_closure.values]
    for array in [*arrays, TREE.ancestor_distances, TREE.ancestors("a1")]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_copies_are_equal_and_keep_everything():
    short = Taxonomy.from_edges(EDGES, unary="collapse")
    assert short.collapsed == {"B": "D"}
    for copied in (pickle.loads(pickle.dumps(short)), copy.copy(short), copy.deepcopy(short)):
        assert copied == short
        assert hash(copied) == hash(short)
        assert copied.collapsed == short.collapsed
        with pytest.raises(ValueError, match="read-only"):
            copied.parents.values[0] = 1
    assert short != TREE
    assert short != "short"
    assert len({short, TREE, copy.deepcopy(TREE)}) == 2
    # closures do not travel
    TREE.ancestor_closure  # noqa: B018
    assert len(pickle.dumps(TREE)) == len(pickle.dumps(Taxonomy.from_edges(EDGES)))


def test_the_hash_is_that_of_the_documented_text():
    import hashlib

    text = '{"names":["a","ü","p"],"parents":[[2],[2],[]]}'
    assert Taxonomy.from_edges([("p", "a"), ("p", "ü")]).hash == hashlib.sha256(text.encode()).hexdigest()


def test_repr():
    assert repr(TREE) == f"Taxonomy(9 nodes, 5 leaves, tree, depth 3, {TREE.hash[:8]})"
    assert "forest" in repr(FOREST)
    assert "DAG" in repr(DAG)


def test_rows_of_a_csr():
    rows = CSR.from_pairs(np.array([2, 0, 2, 2]), np.array([5, 1, 3, 5]), 4)
    assert [rows.row(r).tolist() for r in range(4)] == [[1], [], [3, 5, 5], []]
    assert rows.counts.tolist() == [1, 0, 3, 0]
    some = rows.rows(np.array([2, 1, 2]))
    assert some.values.tolist() == [3, 5, 5, 3, 5, 5]
    assert some.row_of_values.tolist() == [0, 0, 0, 2, 2, 2]
    back = rows.transposed(6)
    assert [back.row(v).tolist() for v in range(6)] == [[], [0], [], [2], [], [2, 2]]


def test_a_chain_of_five_thousand_levels():
    edges = [(f"c{i}", f"c{i + 1}") for i in range(5000)] + [("c0", "x")]
    chain = Taxonomy.from_edges(edges)
    assert chain.depth == 5000
    assert chain.distance_matrix("path").tolist() == [[0, 5001], [5001, 0]]
    assert chain.lca("c4000", ["c3000", "x"]).tolist() == chain.nodes(["c3000", "c0"]).tolist()
    assert Taxonomy.from_newick(chain.to_newick(), chain.leaves) == chain
    short = Taxonomy.from_edges(edges, unary="collapse")
    assert short.names == ("c5000", "x", "c0")
    assert len(short.collapsed) == 4999
    assert chain.show(max_depth=1).splitlines()[1:] == ["├── c1 (1 leaf), 1 child not shown", "└── x"]
    nested: object = "bottom"
    for i in range(5000):
        nested = {f"c{i}": nested}
    assert Taxonomy.from_nested(nested).depth == 5000


@pytest.mark.parametrize("several", [0, 1500])
def test_a_taxonomy_of_the_size_of_wordnet(several):
    rng = np.random.default_rng(0)
    child = np.arange(1, 75_000)
    parent = (child * rng.beta(2, 4, len(child))).astype(int)
    extra = rng.integers(10, 75_000, several)
    child, parent = np.r_[child, extra], np.r_[parent, (extra * rng.random(several)).astype(int)]
    taxonomy = Taxonomy.from_edges([(f"n{a}", f"n{b}") for a, b in zip(parent.tolist(), child.tolist(), strict=True)])
    assert len(taxonomy) == 75_000
    a, b = rng.integers(0, taxonomy.num_leaves, (2, 2000))
    found = taxonomy.lca(a, b)
    rows = taxonomy.ancestor_closure
    assert found.tolist() == [np.intersect1d(rows.row(i), rows.row(j)).min() for i, j in zip(a, b, strict=True)]
    assert len(rows.values) < 1_000_000
