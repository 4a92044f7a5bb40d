"""Counts of small taxonomies by hand."""

from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.statistics import Statistics, statistics_of


def test_a_dag_by_hand():
    dag = Taxonomy.from_edges(
        [("r", "A"), ("r", "B"), ("A", "x"), ("B", "x"), ("B", "y"), ("B", "C"), ("C", "z"), (None, "s")]
    )
    assert statistics_of(dag) == Statistics(
        kind="DAG",
        nodes=8,
        leaves=4,
        roots=2,
        edges=7,
        depth=3,
        nodes_by_level=(2, 2, 3, 1),
        leaves_by_level=(1, 0, 2, 1),
        branching_mean=7 / 4,
        branching_max=3,
        widest="B",
        unary=2,
        joins=1,
        collapsed=0,
    )
    assert str(statistics_of(dag)).splitlines() == [
        "DAG        8 nodes, 4 leaves, 2 roots, depth 3",
        "levels     0: 2 (1 leaves)  1: 2  2: 3 (2 leaves)  3: 1 (1 leaves)",
        "branching  1.75 children of an inner node on average, most 3 below 'B'",
        "chains     2 nodes with a single child",
        "joins      1 nodes with several parents",
    ]


def test_trees_and_forests():
    tree = Taxonomy.from_edges([("r", "s"), ("s", "t"), ("t", "a"), ("t", "b")], unary="collapse")
    assert (statistics_of(tree).kind, statistics_of(tree).collapsed) == ("tree", 2)
    assert "0 nodes with a single child, 2 were collapsed" in str(statistics_of(tree))
    alone = statistics_of(Taxonomy.from_edges([(None, "a"), (None, "b")]))
    assert (alone.kind, alone.branching_mean, alone.branching_max, alone.widest) == ("forest", 0.0, 0, "")
