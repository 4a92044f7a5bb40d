"""The training stream: the same bits for any number of workers, any first step and any number of processes."""

import gc
import itertools
import multiprocessing
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperdml.data import ArrayImages, CropConfig, FileImages, ImageStream, create_sampler
from hyperdml.data.image_files import UnreadableImage
from hyperdml.data.image_stream import _times_before
from hyperdml.data.transforms import AugmentConfig
from hyperdml.data.views import view_numbers
from hyperdml.errors import EnvironmentProblem

RAW = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
LABELS = np.arange(12, dtype=np.int64) % 4


def noise(side, seed):
    return np.random.default_rng(seed).integers(0, 256, (side, side + 6, 3), dtype=np.uint8)


def array_data():
    return ArrayImages(np.stack([noise(24, i) for i in range(12)]), LABELS)


@pytest.fixture
def file_data(tmp_path):
    for i in range(12):
        Image.fromarray(noise(20 + i, i)).save(tmp_path / f"{i}.{'png' if i % 2 else 'jpg'}")
    return FileImages(tmp_path, tuple(f"{i}.{'png' if i % 2 else 'jpg'}" for i in range(12)), LABELS)


class Given:
    """A sampler that gives these rows in every batch."""

    def __init__(self, rows):
        self.rows = np.array(rows)

    def __len__(self):
        return 1

    def batch(self, step):
        return self.rows


def stream(data, crop=None, sampler=None, **options):
    sampler = sampler or create_sampler("m_per_class", LABELS, size=6, per_class=2, seed=3)
    return ImageStream(data, crop or CropConfig(), sampler, **{"image_size": 16, "seed": 3, **RAW, **options})


def some(batches, count=5):
    return list(itertools.islice(batches, count))


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) and torch.equal(la, lb) for (a, la), (b, lb) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("source", ["files", "memory"])
def test_batches_are_those_of_the_sampler(file_data, source):
    data = file_data if source == "files" else array_data()
    sampler = create_sampler("shuffle", LABELS, size=5, per_class=1, seed=1)
    for step, (images, labels) in enumerate(some(stream(data, sampler=sampler).batches(0))):
        assert images.shape == (5, 3, 16, 16)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert labels.tolist() == LABELS[sampler.batch(step)].tolist()
        assert 0 <= images.min() < images.max() <= 1 + 1e-6


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_the_same_bits_for_any_number_of_workers_and_from_any_step(file_data, workers):
    expected = some(stream(file_data).batches(0), 7)  # two batches are an epoch
    made = stream(file_data, workers=workers)
    for first in (0, 3, 1):  # each given up while others are being read
        assert same(some(made.batches(first), 7 - first), expected[first:])


@pytest.mark.parametrize("kind", ["resized", "padded", "affine", "none"])
@pytest.mark.parametrize("source", ["files", "memory"])
@pytest.mark.parametrize("world", [2, 4])
def test_processes_together_have_the_whole_batch(file_data, kind, source, world):
    data, crop = (file_data if source == "files" else array_data()), CropConfig(kind)
    whole = some(stream(data, crop).batches(2), 2)
    parts = [some(stream(data, crop, rank=rank, world=world).batches(2), 2) for rank in range(world)]
    assert [len(part[0][1]) for part in parts] == ([3, 3] if world == 2 else [2, 2, 1, 1])
    joined = [tuple(torch.cat(values) for values in zip(*batch, strict=True)) for batch in zip(*parts, strict=True)]
    for (a, la), (b, lb) in zip(joined, whole, strict=True):
        assert torch.equal(la, lb)
        # a product over fewer images may be summed in another order
        torch.testing.assert_close(a, b, atol=0 if source == "files" else 1e-6, rtol=0)


def test_a_process_reads_its_own_part_alone(file_data, monkeypatch):
    read, rows = FileImages.read, []
    monkeypatch.setattr(FileImages, "read", lambda self, row, shrink=1: rows.append(row) or read(self, row, shrink))
    next(stream(file_data, sampler=Given([1, 2, 3, 4]), rank=1, world=2).batches(0))
    assert rows == [3, 4]


@pytest.mark.parametrize("source", ["files", "memory"])
def test_an_image_that_comes_twice_is_seen_twice(file_data, source):
    data = file_data if source == "files" else array_data()
    images = next(stream(data, sampler=Given([7, 2, 7, 7])).batches(4))[0]
    assert not torch.equal(images[0], images[2])
    assert not torch.equal(images[2], images[3])
    again = next(stream(data, sampler=Given([7, 7, 5, 2])).batches(4))[0]
    # the first and the second time, whatever else is in the batch
    torch.testing.assert_close(again[[0, 1, 3]], images[[0, 2, 1]], atol=1e-6, rtol=0)
    parts = [next(stream(data, sampler=Given([7, 2, 7, 7]), rank=rank, world=2).batches(4))[0] for rank in (0, 1)]
    torch.testing.assert_close(torch.cat(parts), images, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 6), max_size=20))
def test_times_before(rows):
    assert _times_before(np.array(rows, np.int64)).tolist() == [rows[:i].count(row) for i, row in enumerate(rows)]


def test_numbers_of_further_times_are_new_and_those_of_the_first_are_as_ever():
    rows = np.arange(500)
    first = view_numbers(1, 2, rows)
    np.testing.assert_array_equal(view_numbers(1, 2, rows, np.zeros(500, np.int64)), first)
    other = view_numbers(1, 2, rows, np.ones(500, np.int64))
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.03
    assert len(np.intersect1d(first, other)) < 30  # 16,000 of 2^24 on either side: 15 by chance


def test_steps_and_seeds_differ():
    data, sampler = array_data(), Given(range(4))
    views = [next(stream(data, sampler=sampler, seed=seed).batches(step))[0] for seed in (0, 1) for step in (0, 1)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(views, 2))


def test_normalisation_of_files_is_that_of_memory(tmp_path):
    pixels = np.stack([noise(16, i)[:, :16] for i in range(4)])
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    labels = np.arange(4, dtype=np.int64)
    sources = ArrayImages(pixels, labels), FileImages(tmp_path, tuple(f"{i}.png" for i in range(4)), labels)
    options = {"sampler": Given(range(4)), "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 2.0)}
    for crop in (CropConfig("padded"), CropConfig("none"), CropConfig("affine", affine=AugmentConfig(rotate=30.0))):
        memory, files = (next(stream(data, crop, **options).batches(0))[0] for data in sources)
        torch.testing.assert_close(files, memory, atol=1e-5, rtol=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_is_named(file_data, workers):
    path = file_data.root / "6.jpg"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UnreadableImage, match=r"6\.jpg: ") as caught:
        some(stream(file_data, workers=workers, sampler=Given([0, 6])).batches(0))
    assert caught.value.path == path


@pytest.fixture
def _no_handler():
    """Loaders of others set one that raises at once, wherever that is."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGCHLD, before)


def children():
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:
        return {int(child) for child in file.read().split()}


def new_workers(made, batches):
    """Begin batches; the processes that were started for it."""
    before = children()
    next(batches)
    return children() - before


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
@pytest.mark.usefixtures("_no_handler")
def test_a_worker_that_is_killed_ends_the_stream(file_data):
    made = stream(file_data, workers=1)
    batches = made.batches(0)
    (worker,) = new_workers(made, batches)
    os.kill(worker, signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises(
        EnvironmentProblem, match=r"a process that reads images ended before its time \(.*\); .* fewer workers"
    ):
        some(batches, 100)
    assert time.monotonic() - start < 30  # it would wait for ever
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_signals_to_the_whole_job_do_not_end_the_workers(file_data, name):
    made = stream(file_data, workers=1)
    batches = made.batches(0)
    (worker,) = new_workers(made, batches)
    subprocess.run(["kill", f"-{name}", str(worker)], check=True)  # by another process, as a scheduler does
    time.sleep(0.05)
    assert same(some(batches), some(stream(file_data).batches(1)))


def test_workers_of_a_stream_that_is_garbage_end_by_themselves(file_data):
    made = stream(file_data, workers=2)
    batches = made.batches(0)
    before = set(multiprocessing.active_children())
    next(batches)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    cycle = [made, batches]
    cycle.append(cycle)
    del made, batches, cycle
    gc.collect()
    assert [worker.exitcode for worker in workers] == [0, 0]  # -15: told to, after five seconds of waiting


def test_the_generator_of_dropout_is_left_alone(file_data):
    before = torch.get_rng_state()
    some(stream(file_data, workers=1).batches(0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 2, "world": 2}, "rank must be from 0 to world - 1, got rank 2 and world 2"),
        ({"rank": -1}, "rank must be from 0 to world - 1, got rank -1 and world 1"),
        ({"world": 7}, "a batch of 6 images cannot be shared by 7 processes"),
        ({"workers": -1}, "workers must be at least 0, got -1"),
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        stream(array_data(), **options)


def test_refuses_steps_before_the_first():
    with pytest.raises(ValueError, match="first must be at least 0, got -1"):
        stream(array_data()).batches(-1)


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 2])
def test_on_a_gpu(file_data, workers):
    for kind in ("resized", "affine"):
        on_cpu, on_gpu = (
            stream(file_data, CropConfig(kind)),
            stream(file_data, CropConfig(kind), workers=workers, device="cuda"),
        )
        for (a, la), (b, lb) in zip(some(on_cpu.batches(1)), some(on_gpu.batches(1)), strict=True):
            assert b.is_cuda
            assert lb.is_cuda
            assert torch.equal(la, lb.cpu())
            torch.testing.assert_close(a, b.cpu(), atol=1e-4, rtol=0)
