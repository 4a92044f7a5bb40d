"""Measuring for the benchmarks: interleaved times and peak memory.

Times: the calls of a row take turns in one process, so that a busy machine slows all of them alike; medians with
quartiles. Peak memory of a CPU call: the high-water mark of the resident set of a fresh process (VmHWM, reset before
the call; ru_maxrss where the kernel has no reset) over its resident set before the call, after the same call on a
small problem has loaded every library. It counts what the allocator holds, not only live tensors. On CUDA it is
`torch.cuda.max_memory_allocated` over what was allocated before.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hyperdml.training.environment import environment

MIB = 2**20
Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds a call: median and quartiles of the repeats."""

    median: float
    low: float
    high: float
    repeats: int

    def __str__(self) -> str:
        """Milliseconds, median (quartiles)."""
        return f"{_digits(self.median)} ({_digits(self.low)} to {_digits(self.high)})"


def interleaved(calls: Mapping[str, Call], repeats: int, device: torch.device, budget: float = 30) -> dict[str, Timing]:
    """Time calls in turns.

    Args:
        calls: what to time, by name.
        repeats: rounds, after one that is not counted.
        device: where the calls work; CUDA is waited for.
        budget: seconds after which a call leaves the later rounds, once it has had two.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(-1, repeats):
        for name, call in calls.items():
            if turn >= 2 and sum(seconds[name]) > budget:
                continue
            _wait(device)
            start = time.perf_counter()
            call()
            _wait(device)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
        gc.collect()
    return {name: _timing(values) for name, values in seconds.items()}


def peak_memory(script: str, case: Mapping[str, Any], call: Call | None = None) -> int:
    """Peak bytes of one call beyond what was there before it.

    Args:
        script: the benchmark's own file; called with ``--peak CASE`` it has to print `peak_here` of that case.
        case: what to measure, as JSON; ``case["device"]`` decides how.
        call: the call itself, for CUDA.
    """
    if case["device"] == "cuda":
        assert call is not None
        call()
        gc.collect()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        _wait(torch.device("cuda"))
        return torch.cuda.max_memory_allocated() - before
    command = [sys.executable, "-W", "ignore", script, "--peak", json.dumps(case)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(output.splitlines()[-1])


def peak_here(small: Call, call: Call) -> int:
    """Peak bytes of `call` in this process, which should be a fresh one; `small` loads the libraries."""
    torch.set_num_threads(1)
    small()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        # hand back what the allocator keeps, which the call could take without being seen
        ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status")
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _status(status, "VmRSS")
        call()
        return max(0, _status(status, "VmHWM") - before)
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        call()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before


def machine() -> str:
    """One line on what the figures were measured on."""
    facts = environment()
    processors = [f"{facts['cpu_count']} CPU cores ({_model()})", *facts["gpus"]]
    return f"torch {facts['packages']['torch']}, {', '.join(processors)}."


def available_memory(device: torch.device) -> float:
    """Bytes that a call may take."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    try:
        return float(_status(Path("/proc/meminfo"), "MemAvailable"))
    except OSError:
        return 8 * 2**30


def devices(choice: str) -> list[torch.device]:
    """The CPU, and CUDA where there is one, unless one of them was asked for."""
    names = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])] if choice == "all" else [choice]
    return [torch.device(name) for name in names]


def _timing(values: list[float]) -> Timing:
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return Timing(statistics.median(values), quartiles[0], quartiles[2], len(values))


def _model() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _digits(seconds: float) -> str:
    milliseconds = 1000 * seconds
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.2g}"


def _status(file: Path, key: str) -> int:
    """A line such as ``VmRSS:  1234 kB`` in bytes."""
    line = next(line for line in file.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
