"""The classification report: figures by hand, classes, levels, and what it refuses."""

import json

import numpy as np
import pytest
import torch
from hace.oracles import G1, T1, label, row

from hyperdml.metrics.taxonomic.levels import taxonomy_levels
from hyperdml.metrics.taxonomic.report import classification_report, per_class_accuracy
from hyperdml.taxonomy import Taxonomy

NAMES = ("class", "family", "species")
# one sample a row, leaves c, a1, a2, d1, d2
SHARES = torch.tensor(
    [[0.05, 0.3, 0.29, 0.34, 0.02], [0.9, 0.04, 0.03, 0.02, 0.01], [0.1, 0.2, 0.1, 0.2001, 0.3999]],
    dtype=torch.float64,
)
EVEN = Taxonomy.from_lineages([(f"o{i // 6}", f"f{i // 2}", f"s{i}") for i in range(24)])


def test_figures_by_hand():
    # likeliest leaves d1, c, d2; at depth 1 A, c, B; at depth 2 D, c, D
    report = classification_report(SHARES.log(), label(T1, "a2", "c", "d1"), T1, level_names=NAMES, ks=(1, 2, 3))
    figures = report.figures()
    expected = {"top1": 1 / 3, "top2": 2 / 3, "top3": 1}
    expected |= {"accuracy/class": 1, "accuracy/family": 2 / 3, "accuracy/species": 1 / 3}
    # shared 0, 1, 2 of predicted 3, 1, 3 and true 2, 1, 3
    expected |= {"hP": 3 / 7, "hR": 3 / 6, "hF1": 6 / 13, "hP/macro": 5 / 9, "hR/macro": 5 / 9, "hF1/macro": 5 / 9}
    # heights 3, 0, 1; of the five likeliest 3 1 0 3 3, 0 3 3 3 3, 1 0 3 3 3
    expected |= {"mistake_severity": 2, "hierarchical_distance@1": 4 / 3, "hierarchical_distance@5": 32 / 15}
    expected |= {"hierarchical_distance@20": 32 / 15, "AHC": 4 / 3, "consistency": 2 / 3}
    expected |= {"nll": -np.log(0.29 * 0.9 * 0.2001) / 3}
    sure = np.array([[0.59, 0.36, 0.34], [0.9, 0.9, 0.9], [0.6, 0.6, 0.3999]])
    right = np.array([[1, 0, 0], [1, 1, 1], [1, 1, 0]])
    alone = abs(sure - right)
    expected |= {"ece/class": (abs(2 - 1.19) + 0.1) / 3, "ece/family": alone[:, 1].mean()}
    expected |= {"ece/species": (0.34 + 0.1 + 0.3999) / 3}
    for name, value in expected.items():
        if name != "ece/class":
            assert figures[name] == pytest.approx(value), name
    assert figures["ece/class"] == pytest.approx(alone[:, 0].mean())  # 0.59 and 0.6 lie in one bin, both right
    assert list(figures) == [*expected, "correctness_specificity_auc"]
    assert json.loads(json.dumps(figures)) == figures


def test_words():
    lines = classification_report(SHARES.log(), label(T1, "a2", "c", "d1"), T1, level_names=NAMES).lines()
    assert lines[:3] == [
        "3 samples",
        "leaves: top-1 33.33%, top-5 100.00%",
        "levels: class 100.00%, family 66.67%, species 33.33%",
    ]
    assert "distance: at 1 1.333, at 5 2.133, at 20 2.133, of mistakes alone 2.000" in lines
    assert lines[-1].startswith("answers of confidence 0.9: 100.00% right, specificity 0.333 of 1")


def test_mass_may_disagree_with_the_likeliest_leaf():
    logits, labels = SHARES[:1].log(), label(T1, "a1")
    by_mass = classification_report(logits, labels, T1).figures()
    by_leaf = classification_report(logits, labels, T1, level_rule="leaf").figures()
    assert (by_mass["accuracy/depth 1"], by_mass["consistency"]) == (1, 0)
    assert (by_leaf["accuracy/depth 1"], by_leaf["consistency"]) == (0, 1)
    assert by_leaf["ece/depth 1"] == pytest.approx(0.36)  # the mass of B


def test_inner_labels():
    # a sample known to be an A (its likeliest leaf a1), one known to be a B (c), a leaf d1 (d1)
    logits = torch.tensor([[0, 5.0, 0, 0, 0], [5, 0, 0, 0, 0], [0, 0, 0, 5, 0]])
    report = classification_report(logits, label(T1, "A", "B", "d1"), T1, level_names=NAMES)
    scores, figures = report.per_sample(), report.figures()
    assert scores["top1"].isnan().tolist() == [True, True, False]
    assert scores["accuracy/class"].tolist() == [1, 0, 1]
    assert scores["accuracy/family"].isnan().tolist() == [True, True, False]
    assert (scores["AHC"].tolist(), figures["mistake_severity"]) == ([0, 3, 0], 3)
    assert scores["hP/macro"].tolist() == [0.5, 0, 1]
    only = classification_report(logits[:2], label(T1, "A", "B"), T1, level_names=NAMES)
    assert not {"top1", "top5", "accuracy/family", "ece/species"} & only.figures().keys()
    assert only.figures()["accuracy/class"] == 0.5
    assert only.lines()[1] == "levels: class 50.00%"


def test_severity_is_zero_if_nothing_is_wrong():
    report = classification_report(9 * torch.eye(5), torch.arange(5), T1)
    assert report.figures()["mistake_severity"] == 0
    assert report.per_sample()["mistake_severity"].isnan().all()


def test_accuracy_class_by_class():
    logits, labels = 2 * torch.randn(200, len(EVEN)), torch.randint(24, (200,))
    report = classification_report(logits, labels, EVEN, level_names=NAMES)
    for level, name in enumerate(NAMES):
        found = report.per_class_accuracy(name)
        assert found.names == tuple(EVEN.names[node] for node in found.nodes.tolist())
        ids = torch.from_numpy(EVEN.levels_array())[labels, level]
        right = report.per_sample()[f"accuracy/{name}"]
        for node, accuracy, count in zip(found.nodes, found.accuracy, found.count, strict=True):
            assert count == (ids == node).sum()
            assert accuracy == pytest.approx(float(right[ids == node].mean()))
        weighed = (found.accuracy * found.count).sum() / 200
        assert weighed == pytest.approx(report.figures()[f"accuracy/{name}"])
        assert found.mean == pytest.approx(float(found.accuracy.mean()))
    again = per_class_accuracy(logits, labels, EVEN, 1)
    assert again.level == "depth 1"
    assert torch.equal(again.accuracy, report.per_class_accuracy("family").accuracy)


@pytest.mark.parametrize("without", [("ks",), ("distance_ks",), ("ks", "distance_ks")])
def test_without_any_k_the_other_figures_stay(without):
    logits, labels = torch.randn(20, 5), torch.arange(20) % 5
    figures = classification_report(logits, labels, T1).figures()
    names = {"ks": "top", "distance_ks": "hierarchical_distance@"}
    left = {name: value for name, value in figures.items() if not name.startswith(tuple(names[k] for k in without))}
    assert classification_report(logits, labels, T1, **dict.fromkeys(without, ())).figures() == left


def test_accuracy_class_by_class_by_hand():
    found = per_class_accuracy(SHARES.log(), label(T1, "a2", "c", "a1"), T1, "class", level_names=NAMES)
    assert found.names == ("c", "A", "B")
    assert found.count.tolist() == [1, 2, 0]
    assert found.accuracy[:2].tolist() == [1, 0.5]
    assert found.accuracy[2].isnan()
    assert found.mean == 0.75
    diamond = per_class_accuracy(row(G1, dict(zip("ABCDE", (0, 0.5, -0.5, 1, 2), strict=True))), label(G1, "E"), G1, 1)
    assert (diamond.names, diamond.count.tolist()) == (("B", "C"), [1, 1])  # E is below both, and B was right
    assert diamond.accuracy.tolist() == [1, 1]


def test_levels():
    assert taxonomy_levels(T1).names == ("depth 1", "depth 2", "depth 3")
    assert taxonomy_levels(EVEN, NAMES).first == 0
    flat = Taxonomy.from_parents({"a": None, "b": None})
    assert taxonomy_levels(flat).names == ("depth 0",)
    columns = [np.unique(column).tolist() for column in T1.levels_array().T]
    assert [taxonomy_levels(T1).nodes(T1, level).tolist() for level in range(3)] == columns
    with pytest.raises(ValueError, match=r"among 1 \('depth 1'\), 2 \('depth 2'\), 3 \('depth 3'\); got 'genus'"):
        taxonomy_levels(T1).index("genus")
    with pytest.raises(ValueError, match="got 0"):
        taxonomy_levels(T1).index(0)


@pytest.mark.parametrize(
    ("logits", "labels", "options", "message"),
    [
        (torch.zeros(2, 4), [0, 1], {}, r"\(B, 9\), one a node, or \(B, 5\), one a leaf; got \(2, 4\)"),
        (torch.zeros(2, 5).long(), [0, 1], {}, "floating-point numbers, got torch.int64"),
        (torch.zeros(2, 5), [0], {}, r"labels must hold one node a sample, \(2,\), got \(1,\)"),
        (torch.zeros(2, 5), [0, 9], {}, "labels must be indices into taxonomy.names, 0 to 8, but row 1 has 9"),
        (torch.zeros(2, 5), [-1, 0], {}, "row 0 has -1"),
        (torch.zeros(2, 5), [0.0, 1.0], {}, "labels must be integers, got float64"),
        (torch.zeros(2, 5), [-100, -100], {}, "none of 2 samples has a label"),
        (torch.tensor([[0.0] * 5, [0, 0, torch.nan, 0, 0]]), [0, 1], {}, "row 1 of the logits has largest value nan"),
        (torch.full((1, 5), -torch.inf), [0], {}, "row 0 of the logits has largest value -inf"),
        (torch.zeros(1, 5), [0], {"level_names": ("a", "b")}, "2 level names for 3 levels"),
        (torch.zeros(1, 5), [0], {"level_rule": "sum"}, "level_rule must be 'mass' or 'leaf', got 'sum'"),
        (torch.zeros(1, 5), [0], {"ks": (0,)}, r"ks must be a sequence of whole numbers of at least 1, got \(0,\)"),
        (torch.zeros(1, 5), [0], {"ks": 5}, "ks must be a sequence of whole numbers of at least 1, got 5"),
        (torch.zeros(1, 5), [0], {"distance_ks": (1, 2.5)}, "distance_ks must be a sequence of whole numbers"),
        (torch.zeros(1, 5), [0], {"distance": "edges"}, "distance must be 'lca_height', 'path' .* got 'edges'"),
        (torch.zeros(1, 5), [0], {"distance": -torch.ones(5, 5)}, "finite, not negative and 0 on the diagonal"),
        (torch.zeros(1, 5), [0], {"bins": 0}, "bins must be"),
    ],
)
def test_errors(logits, labels, options, message):
    with pytest.raises(ValueError, match=message):
        classification_report(logits, labels, T1, **options)


def test_options_that_do_not_exist_or_fit():
    with pytest.raises(TypeError, match="unexpected keyword argument 'topk'"):
        classification_report(torch.zeros(1, 5), [0], T1, topk=3)
    with pytest.raises(ValueError, match="level_rule='leaf' needs a tree or a forest"):
        classification_report(torch.zeros(1, 2), [0], G1, level_rule="leaf")
