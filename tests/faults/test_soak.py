"""Many steps: memory and open files stay where they are."""

import gc
import json
import os
from pathlib import Path

import pytest
from faults.forked import ended, forked

from hyperdml.data import load_splits
from hyperdml.training.retrieval.train import train
from hyperdml.training.settings import config_from_dict

pytestmark = [
    pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def soak(folder, steps):
    """Step, resident bytes and open files, twelve times during a training that saves ten checkpoints."""
    settings = config_from_dict(
        {
            "checkpoint_every": steps // 10,
            "data": {"subset": "tiny", "image_size": 32},
            "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 16}},
            "batch": {"size": 8},
            "hier": {"levels": [2, 6, 16], "per_anchor": 6, "warmup": 2},
            "optim": {"steps": steps, "lr": 1e-4, "ema": 0.99},
        },
        "soak",
    )
    seen = []
    gc.freeze()  # what is there already is not looked at again

    def look(done, figures):
        if done % (steps // 12) == 0:
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append((done, pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))))

    train(settings, load_splits(settings.data).train, folder, monitor=look)
    (folder / "seen.json").write_text(json.dumps(seen))


@pytest.mark.parametrize(
    ("steps", "growth"), [(120, 0.05), pytest.param(10_000, 0.02, marks=pytest.mark.slow)]
)  # fmt: skip
def test_memory_and_open_files_do_not_grow(tmp_path, steps, growth):
    # in a process of its own: what other tests leave to the collector is not measured
    assert ended(forked(lambda: soak(tmp_path, steps))) == 0
    settled = json.loads((tmp_path / "seen.json").read_text())[3:]  # after the warm-up and the first checkpoints
    memory = [resident for _, resident, _ in settled]
    half = len(memory) // 2
    assert len(memory) == 9
    assert max(memory[half:]) <= (1 + growth) * max(memory[:half])
    assert settled[-1][2] <= settled[0][2]
