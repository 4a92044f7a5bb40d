"""One rank of the test of training in two processes: `two_ranks_training.py RANK RENDEZVOUS OUTPUT`.

Rank 0 also trains alone with the joined batches before it joins the group. All is float64, so that sums in another
order show no more than that: AdamW makes whole steps of what is nearly 0.
"""

import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import distributed as dist

from hyperdml.data import DataConfig, load_splits
from hyperdml.training.engine.precision import create_scaler
from hyperdml.training.engine.steps import Pace, take_steps
from hyperdml.training.retrieval.param_groups import create_optimizer
from hyperdml.training.retrieval.schedule import lr_factor, schedule_of
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.settings import config_from_dict

CPU = torch.device("cpu")
BASE = {
    "data": {"subset": "tiny", "image_size": 32},
    "model": {
        "backbone": "test_efficientnet",
        "weights": "none",
        "freeze_bn": "statistics",
        "head": {"embedding_size": 16},
    },
    "batch": {"size": 22},
    "hier": {"levels": [2, 6, 16], "per_anchor": 6, "warmup": 2},
    "hace": {"weight": 0.5},
    "optim": {"steps": 5, "lr": 1e-3, "class_proxy_lr_mult": 100.0, "precision": "float32"},
}
CASES = {
    "default": {},
    "official": {"hier": {"mode": "official", "num_proxies": 16, "k": 6}, "hace": {"weight": 0.0}},
    "features": {"optim": {**BASE["optim"], "freeze_backbone": True, "views": 2}},
    "pieces": {"batch": {"size": 22, "piece": 4}},
    "memory": {"metric_loss": {"name": "ContrastiveLoss", "memory": 60}},
}


def as_float(self, original=torch.Tensor.float):
    """The head goes back to float32 from whatever autocast left; not here."""
    return self if self.dtype == torch.float64 else original(self)


class Doubles(RetrievalTask):
    """The task with inputs and modules in float64."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        head = self.module.double().model.head
        plain = head.forward

        def forward(features):
            with mock.patch.object(torch.Tensor, "float", as_float):
                return plain(features)

        head.forward = forward

    def batch(self, step):
        found = super().batch(step)
        return {**found, "inputs": found["inputs"].double()}


def train(name, folder):
    """State and losses after a few steps, and images of this process in the first step."""
    settings = config_from_dict({**BASE, **CASES[name]}, "test")
    part = load_splits(DataConfig(subset="tiny")).train
    task = Doubles(settings, part, CPU)
    size, losses, schedule = len(task.batch(0)["labels"]), [], schedule_of(settings, len(task))
    take_steps(
        task,
        create_optimizer(task.module, settings.optim),
        Pace(5, 100, clip_value=10.0),
        lambda step, group: lr_factor(step, group, schedule, settings.optim),
        settings,
        folder,
        scaler=create_scaler("float32", CPU),
        monitor=lambda done, figures: losses.append(figures["loss"]),
    )
    return {"state": task.module.state_dict(), "losses": losses, "size": size}


def main(rank, rendezvous, output):
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = {"one": {name: train(name, Path(folder) / name) for name in CASES}} if rank == 0 else {}
        dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
        found["two"] = {name: train(name, Path(folder) / f"two {name}") for name in CASES}
    dist.destroy_process_group()
    torch.save(found, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
