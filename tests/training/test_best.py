"""The best epoch: which it is, its weights on the disk, patience, and going on after a crash."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperdml.errors import ConfigError, DataError
from hyperdml.training.engine.best import BestEpoch


def weights(value):
    return {"weight": torch.full((3,), float(value)), "count": torch.tensor(value)}


def see(best, scores, first=1):
    return [
        best.seen(weights(epoch), epoch, 10 * epoch, {"R@1": score, "MAP@R": 0.5})
        for epoch, score in enumerate(scores, start=first)
    ]


def test_the_first_of_the_best_is_kept(tmp_path):
    best = BestEpoch(tmp_path / "best", "R@1")
    assert see(best, [0.2, 0.6, 0.5, 0.6, float("nan")]) == [False] * 5
    assert (best.epoch, best.step, best.figures) == (2, 20, {"R@1": 0.6, "MAP@R": 0.5})
    assert torch.equal(best.weights()["weight"], torch.full((3,), 2.0))
    assert best.weights()["count"].item() == 2


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, float("nan")]), min_size=1, max_size=12), st.none() | st.integers(1, 4))
def test_it_stops_after_as_many_validations_without_a_better_one(tmp_path_factory, scores, patience):
    best = BestEpoch(tmp_path_factory.mktemp("best"), "R@1", patience)
    top, since, expected = -1.0, 0, []
    for score in scores:
        better = score > top
        top, since = (score, 0) if better else (top, since + 1)
        expected.append(patience is not None and since >= patience)
    assert see(best, scores) == expected


def test_a_figure_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"evaluation.select is 'R@3'; validation has R@1, MAP@R"):
        see(BestEpoch(tmp_path, "R@3"), [0.1])


def test_there_is_no_best_without_numbers(tmp_path):
    best = BestEpoch(tmp_path, "R@1")
    see(best, [float("nan")])
    with pytest.raises(ValueError, match="no validation has given a number for R@1"):
        best.weights()
    assert not list(tmp_path.iterdir())


def test_after_a_crash_the_epoch_that_the_checkpoint_knows_is_still_there(tmp_path):
    best = BestEpoch(tmp_path, "R@1", patience=3)
    see(best, [0.3, 0.4])
    stored = best.tensors(), best.notes()
    see(best, [0.1, 0.5, 0.6], first=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000020.safetensors", "step-0000050.safetensors"]
    again = BestEpoch(tmp_path, "R@1", patience=3)
    again.restore(*stored)
    assert (again.epoch, again.figures["R@1"]) == (2, 0.4)
    assert again.weights()["count"].item() == 2
    assert see(again, [0.1, 0.2, 0.3], first=3) == [False, False, True]
    assert again.weights()["count"].item() == 2
    see(again, [0.9], first=6)
    again.notes()
    see(again, [0.95], first=7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000060.safetensors", "step-0000070.safetensors"]


def test_a_full_disk_keeps_the_best_before(tmp_path, monkeypatch):
    best = BestEpoch(tmp_path, "R@1")
    see(best, [0.3])

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        see(best, [0.4], first=2)
    monkeypatch.undo()
    assert best.epoch == 1
    assert best.weights()["count"].item() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000010.safetensors"]


def test_weights_that_the_checkpoint_does_not_know_are_refused(tmp_path):
    """A step that came out otherwise when it was repeated, as on a GPU, and then the machine went away."""
    best = BestEpoch(tmp_path, "R@1")
    see(best, [0.3])
    stored = best.notes()
    see(BestEpoch(tmp_path, "R@1"), [0.4])
    best.restore({}, stored)
    with pytest.raises(DataError, match=r"step-0000010.safetensors was written in another training"):
        best.weights()


def test_validations_within_an_epoch_have_files_of_their_own(tmp_path):
    best = BestEpoch(tmp_path, "R@1")
    best.seen(weights(1), 0, 5, {"R@1": 0.3})
    stored = best.notes()
    best.seen(weights(2), 0, 7, {"R@1": 0.4})
    best.restore({}, stored)
    assert best.weights()["count"].item() == 1
