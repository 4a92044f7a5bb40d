"""Training in two processes against one that has the whole batches."""

from pathlib import Path

import pytest
import torch
from two_processes import run_two_ranks

WORKER = Path(__file__).with_name("two_ranks_training.py")
CASES = ["default", "official", "features", "pieces", "memory"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What the two ranks found."""
    return run_two_ranks(WORKER, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_what_one_does(ranks, name):
    one = ranks[0]["one"][name]
    assert len(one["losses"]) == 5
    assert one["size"] == 22
    for rank in ranks:
        two = rank["two"][name]
        assert two["size"] == 11
        assert two["losses"] == pytest.approx(one["losses"], rel=1e-6)
        assert two["state"].keys() == one["state"].keys()
        for key, value in one["state"].items():
            torch.testing.assert_close(
                two["state"][key], value, rtol=1e-6, atol=1e-8, msg=lambda m, key=key: f"{key}: {m}"
            )


@pytest.mark.parametrize("name", CASES)
def test_both_processes_end_with_the_same_bits(ranks, name):
    first, second = (rank["two"][name]["state"] for rank in ranks)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_training_moved_the_weights(ranks):
    """Else the tests above would compare starts."""
    one = ranks[0]["one"]
    weights = [one[name]["state"]["model.head.linear.weight"] for name in ("default", "official", "memory")]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
