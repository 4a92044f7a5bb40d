"""Two processes on the CPU against one that has the joined batch."""

from pathlib import Path

import pytest
import torch
from pytorch_metric_learning import losses
from two_processes import run_two_ranks

from hyperdml.distributed import gather_batch, gather_with_gradient, is_distributed
from hyperdml.integrations import GatheredLoss

WORKER = Path(__file__).with_name("two_ranks.py")
NAMES = [
    "proxies and HIER",
    "levels of HIER",
    "class weights on the ball",
    "memory",
    "pairs of views",
    "mined",
    "labels mined",
]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What the two ranks found."""
    return run_two_ranks(WORKER, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", NAMES)
def test_values_gradients_and_parameters_are_those_of_one_process(ranks, name):
    one = ranks[0]["one"][name]
    for rank in ranks:
        two = rank["two"][name]
        assert two["values"] == pytest.approx(one["values"], rel=1e-6, abs=1e-9)
        for key in ("gradients", "parameters"):
            torch.testing.assert_close(two[key], one[key], rtol=1e-6, atol=1e-8)
    assert any(gradient.any() for gradient in one["gradients"])
    assert len(set(one["values"])) == len(one["values"])


@pytest.mark.parametrize("name", NAMES)
def test_both_ranks_end_with_the_same_bits(ranks, name):
    first, second = (rank["two"][name]["parameters"] for rank in ranks)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("efficient", [False, True])
def test_library_wrapper_around_with_hier_keeps_proxies_equal(ranks, efficient):
    first, second = (rank["library"][efficient] for rank in ranks)
    assert all(torch.equal(a, b) for a, b in zip(first["parameters"], second["parameters"], strict=True))
    assert all(torch.tensor(first["values"]).isfinite())
    assert first["gradients"][-1].any()


def test_proxies_of_hier_start_together_whatever_each_rank_has_seen(ranks):
    first, second = (rank["start"] for rank in ranks)
    assert (
        first["started"] == second["started"] == [False, False, True, True, True]
    )  # the second rank has six rows then
    assert torch.equal(first["proxies"], second["proxies"])


def test_joined_rows_keep_the_order_of_ranks_and_their_gradient_counts_every_process(ranks):
    own = [torch.arange(2.0 * size).view(-1, 2) + 100 * rank for rank, size in enumerate([14, 10])]
    weights = torch.arange(48.0).view(-1, 2)
    for rank, part in enumerate([slice(0, 14), slice(14, 24)]):
        found = ranks[rank]["gathering"]
        assert torch.equal(found["joined"], torch.cat(own))
        assert torch.equal(found["gradient"], 2 * weights[part])


def test_a_rank_may_have_no_rows_and_labels_stay_integers(ranks):
    for rank in ranks:
        found = rank["gathering"]
        assert found["labels"].tolist() == [6, 6, 6]
        assert found["labels"].dtype == torch.int64
        assert not found["labels need gradient"]
        assert torch.equal(found["rows"], torch.full((3, 2), 1.5))


def test_nothing_happens_outside_a_distributed_run():
    assert not is_distributed()
    x, labels = torch.randn(6, 3, requires_grad=True), torch.arange(6) // 2
    assert gather_with_gradient(x) is x
    assert gather_batch(x, labels) == (x, labels)
    loss = losses.TripletMarginLoss()
    assert GatheredLoss(loss)(x, labels) == loss(x, labels)


def test_tensors_of_one_batch_have_equally_many_rows():
    with pytest.raises(ValueError, match=r"as many rows each, got \[4, 6\]"):
        gather_batch(torch.zeros(6, 2), torch.zeros(4))
