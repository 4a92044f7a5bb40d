"""The machine: GPUs, disks, the cache, processes that read images."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hyperdml.training.doctor.finding import Finding, Level

_GIB = 2**30
_TIGHT, _LOW = 0.5 * _GIB, 5 * _GIB
_WAIT_S = 60


def check_gpus() -> Iterator[Finding]:
    """CPU and GPUs as torch sees them."""
    import torch

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("ok", "CPU", f"{cpus} cores, torch uses {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            one = torch.cuda.get_device_properties(number)
            text = f"{number}: {one.name}, {one.total_memory / _GIB:.0f} GiB, capability {one.major}.{one.minor}"
            yield Finding("ok", "GPU", f"{text}, CUDA {torch.version.cuda}")
    elif Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        reason = "it is built without CUDA" if torch.version.cuda is None else f"it is built for {torch.version.cuda}"
        yield Finding(
            "warning",
            "GPU",
            f"there is an NVIDIA driver, but torch sees no GPU ({reason})",
            "install the build of torch for your driver: https://pytorch.org/get-started/locally",
        )
    else:
        yield Finding("ok", "GPU", "none: everything runs on the CPU")


def check_disks() -> Iterator[Finding]:
    """Free space where runs, temporary files and features go, and whether the cache can be written."""
    yield _free("here", Path.cwd())
    yield _free("temporary files", Path(tempfile.gettempdir()))
    from hyperdml.data.emoji.build import cache_folder

    cache = cache_folder()
    yield _free("the cache", _existing(cache))
    try:
        with tempfile.TemporaryFile(dir=_existing(cache)):
            pass
    except OSError as error:
        advice = "set XDG_CACHE_HOME to a folder that you may write"
        yield Finding("problem", "cache", f"{cache} cannot be written: {error.strerror}", advice)
    else:
        yield Finding("ok", "cache", f"{cache} can be written")


def check_workers() -> Iterator[Finding]:
    """A process that reads images hands a batch over, as with workers=1."""
    import torch
    from torch.utils.data import DataLoader

    batch = torch.zeros(16, 3, 224, 224)
    advice = "train with workers=0"
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        advice += f", or give shared memory more room: {shared} has {free / 2**20:.0f} MiB free (docker run --shm-size)"
    try:
        loader: DataLoader[torch.Tensor] = DataLoader(
            [batch],  # type: ignore[arg-type]
            batch_size=None,
            num_workers=1,
            timeout=_WAIT_S,
        )
        found = next(iter(loader))
    except Exception as error:
        yield Finding("problem", "workers", f"a process cannot hand over images: {_first_line(error)}", advice)
        return
    if torch.equal(found, batch):
        yield Finding("ok", "workers", "a process hands over batches of images")
    else:
        yield Finding("problem", "workers", "a process hands over other numbers than it was given", advice)


def _free(name: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free >= _LOW else "warning" if free >= _TIGHT else "problem"
    advice = "" if level == "ok" else "make room: checkpoints and features are large"
    return Finding(level, f"disk, {name}", f"{free / _GIB:.1f} GiB free in {folder}", advice)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
