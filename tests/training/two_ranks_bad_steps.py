"""One rank of the test of bad steps: slices of 3 and 2 rows, and two bad steps in a row."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed as dist
from torch import nn

from hyperdml.errors import DivergedError
from hyperdml.training.engine.bad_steps import BadSteps


@dataclass(frozen=True)
class Settings:
    seed: int = 0


def main(rank, rendezvous, output):
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    task = type("Task", (), {"module": nn.Linear(2, 1)})()
    bad = BadSteps(Path(output).parent / "bad_steps", 2, task, Settings())
    rows = torch.arange(5)[:3] if rank == 0 else torch.arange(5)[3:]
    batch = {"inputs": rows[:, None] * torch.ones(2), "labels": rows}
    message = ""
    try:
        for step in (6, 7):
            bad.left_out(step, {"loss": float("nan")}, batch)
    except DivergedError as error:
        message = str(error)
    torch.save(message, output)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
