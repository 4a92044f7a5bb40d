"""The report over batches, and over two processes, is that of all samples at once."""

import copy
import pickle
import sys
from pathlib import Path

import pytest
import torch
from hace.oracles import G1, T1
from two_processes import run_two_ranks

from hyperdml.metrics.taxonomic.accumulator import ClassificationAccumulator
from hyperdml.metrics.taxonomic.report import classification_report

WORKER = Path(__file__).with_name("two_ranks_taxonomic.py")
LOGITS, LABELS = torch.randn(60, 9, generator=torch.Generator().manual_seed(3)), torch.arange(60) % 9
LABELS[::7] = -100


def filled(scores, logits=LOGITS, labels=LABELS, **options):
    """Batches of unequal sizes, one empty and one without a label."""
    for rows in torch.arange(len(logits)).split([1, 0, 20, 6, len(logits) - 27]):
        scores.update(logits[rows], labels[rows], **{name: part[rows] for name, part in options.items()})
    return scores


@pytest.mark.parametrize("taxonomy", [T1, G1])
@pytest.mark.parametrize("options", [{}, {"ks": (1, 2), "distance_ks": (3,), "bins": 4, "distance": "path"}])
def test_batches_give_what_the_function_gives(taxonomy, options):
    logits, labels = LOGITS[:, : len(taxonomy)], LABELS.where(len(taxonomy) > LABELS, 0)
    scores = filled(ClassificationAccumulator(taxonomy, **options), logits, labels)
    expected = classification_report(logits, labels, taxonomy, **options)
    found = scores.compute()
    assert found.figures() == expected.figures()
    for name, values in expected.per_sample().items():
        assert torch.equal(values.nan_to_num(-1), found.per_sample()[name].nan_to_num(-1))
    assert copy.deepcopy(scores).compute().figures() == expected.figures()
    assert pickle.loads(pickle.dumps(scores)).compute().figures() == expected.figures()


def test_index_orders_samples_and_counts_each_once():
    order = torch.cat([torch.randperm(60), torch.tensor([3, 59, 3])])
    scores = filled(ClassificationAccumulator(T1), LOGITS[order], LABELS[order], index=order)
    assert scores.compute().figures() == classification_report(LOGITS, LABELS, T1).figures()


def test_reset_and_nothing():
    scores = ClassificationAccumulator(T1)
    scores.update(LOGITS[:2], [-100, -100])
    with pytest.raises(ValueError, match="nothing to score"):
        scores.compute()
    filled(scores).reset()
    scores.update(LOGITS[:3], [0, 1, 2])
    assert scores.compute().samples == 3


def test_a_batch_that_does_not_fit_is_not_added():
    scores = filled(ClassificationAccumulator(T1))
    expected = scores.compute().figures()
    for batch, options, message in (
        ((LOGITS[:2], [0, 9]), {}, "row 1 has 9"),
        ((LOGITS[:2, :4], [0, 1]), {}, r"one a leaf; got \(2, 4\)"),
        ((LOGITS[:2], [0, 1]), {"index": [4]}, r"index must hold one integer a sample, \(2,\), got \(1,\)"),
        ((LOGITS[:2], [0, 1]), {"index": [4, 5]}, "those before it had .* no index"),
    ):
        with pytest.raises(ValueError, match=message):
            scores.update(*batch, **options)
    assert scores.compute().figures() == expected


def test_options_are_checked_before_any_batch():
    with pytest.raises(TypeError, match="unexpected keyword argument 'k'"):
        ClassificationAccumulator(T1, k=3)
    with pytest.raises(ValueError, match="binning must be"):
        ClassificationAccumulator(T1, binning="equal")


def test_two_processes_give_what_one_gives(tmp_path):
    ranks = run_two_ranks(WORKER, tmp_path)
    sys.path.insert(0, str(WORKER.parent))
    try:
        from two_ranks_taxonomic import data
    finally:
        sys.path.pop(0)
    taxonomy, logits, labels = data()
    expected = classification_report(logits, labels, taxonomy)
    for found in ranks:
        assert found["figures"] == found["one_sided"] == expected.figures()
        assert torch.equal(found["AHC"], expected.per_sample()["AHC"])
