"""Several processes on one training: joining what `torchrun` started, and agreeing on what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

from hyperdml.distributed import is_distributed
from hyperdml.errors import ConfigError, EnvironmentProblem

# the first process evaluates alone while the others wait; a process that dies is told by its closed connections
_PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class Place:
    """Where this process stands.

    Attributes:
        rank: 0 for the first process, which alone writes, prints and evaluates.
        world: number of processes.
    """

    rank: int = 0
    world: int = 1


def place() -> Place:
    """The place of this process in the group that runs; the only one without a group."""
    return Place(dist.get_rank(), dist.get_world_size()) if is_distributed() else Place()


def is_first() -> bool:
    """Whether this process writes, prints and evaluates."""
    return place().rank == 0


def launched() -> bool:
    """Whether `torchrun` started this process beside others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(device: str) -> Iterator[Place]:
    """Join the processes that `torchrun` started, on one machine or several; alone without it.

    With CUDA the group is NCCL's and every process takes the GPU of its local rank; else it is gloo's.

    Args:
        device: of the configuration, "auto" or a torch device.

    Yields:
        The place of this process.

    Raises:
        ConfigError: the device is one GPU, for several processes.
        EnvironmentProblem: there are fewer GPUs than processes, or a process of the group has ended.
    """
    if not launched():
        yield Place()
        return
    if device.startswith("cuda:"):
        raise ConfigError(f"device={device} is one GPU for all processes; device=cuda gives each its own")
    cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if cuda:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise EnvironmentProblem(
                f"process {local} of this machine has no GPU: there are {torch.cuda.device_count()}; "
                "torchrun --nproc_per_node must not exceed that, or set device=cpu"
            )
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    try:
        yield place()
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise EnvironmentProblem(f"another process of the run has ended: {_first_line(error)}") from error
    dist.destroy_process_group()  # not after an error: it would wait for processes that are gone


def any_says(value: bool | int | None) -> int:
    """The largest value of all processes, None and False being 0; a collective, which all have to call."""
    return int(largest(value)) if is_distributed() else int(value or 0)


def largest(value: bool | int | None) -> Tensor:
    """What `any_says` gives in a process group, as a scalar that does not wait for the device; a collective."""
    found = torch.tensor(int(value or 0), device=_device())
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return found


def text_of_first(text: str) -> str:
    """The text that the first process gives, in all of them; a collective."""
    if not is_distributed():
        return text
    data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).to(_device())
    size = torch.tensor([len(data)], device=_device())
    dist.broadcast(size, 0)
    if not is_first():
        data = torch.empty(int(size), dtype=torch.uint8, device=_device())
    dist.broadcast(data, 0)
    return bytes(data.cpu().tolist()).decode()


@contextmanager
def first_goes_ahead() -> Iterator[None]:
    """The first process does what is inside, then the others do it, which find what it left on disk."""
    if not is_first():
        any_says(0)
    yield
    if is_first():
        any_says(0)


def _device() -> torch.device:
    """Where collectives of small things take place."""
    return torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
