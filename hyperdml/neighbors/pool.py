"""Candidate pools: the points that may hold a query's nearest neighbours, found by inner products of the lifts.

A pool comes with a bound: no point outside it has a larger exact inner product. `hyperdml.neighbors.knn` compares
the bound with the exact distances of the pool, and so knows for which queries the pool was large enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hyperdml.errors import EnvironmentProblem
from hyperdml.neighbors.spaces import Space

_FAISS_GPU_LARGEST_K = 2048
_FAISS_GPU_SCRATCH = 256 << 20  # bytes; FAISS would take 1.5 GB
_BLOCK = 8_000_000  # float64 entries of a score block, 64 MB
_LIFTED = 1 << 16  # points lifted at once: 64 MB at d = 128


class Pool(Protocol):
    """What a search needs of the pools of its reference points."""

    def extend(self, points: Tensor, start: int) -> None:
        """Index (N, d) points, of which the first `start` are indexed already."""

    def search(self, query: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """(N, d) queries to (N, size) candidate rows and (N,) float64 bounds, on the query's device."""


class FaissPool:
    """Pools from FAISS `IndexFlatIP` over float32 lifts (made in float64), whole on one device or shared out.

    FAISS multiplies in float32; each product is off by at most ``(w + 4) u |q| |v|`` with w the width and
    ``u = 2^-24``: w for the sum in any order (Higham, Accuracy and Stability, Sec. 3.1), the rest for storing both
    lifts in float32. That is what the bound adds to the smallest score of the pool.

    Args:
        space: the distance.
        faiss: the module.
        devices: a GPU number for each part of the index, or None for a part on the CPU. Every part holds a share of
            the points, and all parts are searched at once.
    """

    def __init__(self, space: Space, faiss: Any, devices: Sequence[int | None]) -> None:
        self.space, self.faiss, self.devices = space, faiss, devices
        self.parts: list[Any] = []
        self.rows = [torch.empty(0, dtype=torch.int64) for _ in devices]
        self.longest = 0.0
        self.total = 0

    def extend(self, points: Tensor, start: int) -> None:
        """Index (N, d) points, of which the first `start` are indexed already."""
        if not self.parts:
            width = self.space.lift_reference(points[:1].double()).shape[1]
            self.parts = [self._empty(width, device) for device in self.devices]
        numbers = torch.arange(start, len(points)).tensor_split(len(self.devices))
        self.rows = [torch.cat(rows) for rows in zip(self.rows, numbers, strict=True)]
        for part, share in enumerate(numbers):
            for rows in share.split(_LIFTED) if len(share) else ():  # fewer points than parts
                lifted = self.space.lift_reference(points[rows[0] : rows[-1] + 1].double())
                self.longest = max(self.longest, float(torch.linalg.vector_norm(lifted, dim=1).max()))
                self.parts[part].add(_float32(lifted).numpy())
        self.total = len(points)

    def search(self, query: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """(N, d) queries to (N, size) candidate rows and the (N,) float64 bounds."""
        lifted = self.space.lift_query(query.double())
        vectors = _float32(lifted).numpy()
        if len(self.parts) == 1:
            scores, ids = self._search_part(0, vectors, size)
        else:
            with ThreadPoolExecutor(len(self.parts)) as threads:
                found = list(threads.map(lambda part: self._search_part(part, vectors, size), range(len(self.parts))))
            scores, taken = torch.cat([part[0] for part in found], 1).topk(size, dim=1)
            ids = torch.cat([part[1] for part in found], 1).gather(1, taken)
        if size == self.total:
            return ids.to(query.device), torch.full_like(lifted[:, 0], -torch.inf)
        error = (lifted.shape[1] + 4) * 2.0**-24 * self.longest * torch.linalg.vector_norm(lifted, dim=1)
        return ids.to(query.device), scores[:, -1].to(query.device).double() + error

    def _search_part(self, part: int, vectors: np.ndarray, size: int) -> tuple[Tensor, Tensor]:
        """Scores and rows of the best of one part, at most `size`."""
        index = self.parts[part]
        if not index.ntotal:  # fewer points than parts; FAISS does not take k = 0
            return torch.empty(len(vectors), 0), torch.empty(len(vectors), 0, dtype=torch.int64)
        if self.devices[part] is not None and size > _FAISS_GPU_LARGEST_K:
            index = self.faiss.index_gpu_to_cpu(index)
        scores, ids = index.search(vectors, min(size, index.ntotal))
        return torch.from_numpy(scores), self.rows[part][torch.from_numpy(ids)]

    def _empty(self, width: int, device: int | None) -> Any:
        index = self.faiss.IndexFlatIP(width)
        if device is None:
            return index
        resources = self.faiss.StandardGpuResources()
        resources.setTempMemory(_FAISS_GPU_SCRATCH)
        return self.faiss.index_cpu_to_gpu(resources, device, index)


def float64_pool(space: Space, query: Tensor, reference: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Pools by blockwise float64 products and a running top-k.

    Args:
        space: the distance.
        query: (N, d) points.
        reference: (M, d) points on the same device.
        size: candidates per query, at most M.

    Returns:
        (N, size) rows of `reference` and (N,) bounds, which allow for the rounding of lifts and products: four times
        that of `FaissPool`, with u = 2^-53. Memory beyond inputs and result: a block of scores of 64 MB, and one of
        lifts.
    """
    columns = max(4096, size)
    rows = max(1, min(1024, _BLOCK // (columns + size)))
    pools = [torch.empty(0, size, dtype=torch.int64, device=query.device)]
    bounds = [torch.empty(0, dtype=torch.float64, device=query.device)]
    for block in query.split(rows):
        longest = torch.zeros((), dtype=torch.float64, device=query.device)
        left = space.lift_query(block.double())
        scores = torch.empty(len(block), 0, dtype=torch.float64, device=query.device)
        ids = torch.empty(len(block), 0, dtype=torch.int64, device=query.device)
        for start in range(0, len(reference), columns):
            right = space.lift_reference(reference[start : start + columns].double())
            longest = torch.maximum(longest, torch.linalg.vector_norm(right, dim=1).max())
            merged = torch.cat([scores, left @ right.T], 1)
            scores, taken = merged.topk(min(size, merged.shape[1]), dim=1)
            kept = ids.shape[1]
            older = ids.gather(1, taken.clamp_max(kept - 1)) if kept else taken
            ids = torch.where(taken < kept, older, taken - kept + start)
        pools.append(ids)
        error = 4 * (left.shape[1] + 4) * 2.0**-53 * longest * torch.linalg.vector_norm(left, dim=1)
        bounds.append(scores[:, -1] + error if size < len(reference) else torch.full_like(scores[:, -1], -torch.inf))
    return torch.cat(pools), torch.cat(bounds)


def load_faiss(engine: str, gpu: bool | Sequence[int] | None) -> tuple[Any, Sequence[int | None]]:
    """The FAISS module, or None where the torch engine is to be used, and where its index is to lie.

    Args:
        engine: "auto" (FAISS if it imports), "faiss" or "torch".
        gpu: None takes all GPUs that FAISS sees, if any; True demands one; numbers name those to share the index; False
            stays on the CPU.

    Returns:
        (module or None, devices of `FaissPool`).

    Raises:
        ValueError: the engine is unknown, a GPU is named twice or none is, or GPUs were asked of the torch engine.
        EnvironmentProblem: engine="faiss" without FAISS, or a GPU is asked for that FAISS does not see.
    """
    if engine not in ("auto", "faiss", "torch"):
        raise ValueError(f"engine must be 'auto', 'faiss' or 'torch', got {engine!r}")
    named = None if gpu is None or isinstance(gpu, bool) else list(gpu)
    if named is not None and (not named or len(set(named)) < len(named)):
        raise ValueError(f"gpu must name one or more GPUs, each once, got {gpu!r}")
    asked = gpu is True or named is not None
    if engine == "torch":
        if asked:
            raise ValueError(f"gpu={gpu!r} places the FAISS index; engine='torch' computes on the query's device")
        return None, ()
    try:
        faiss = importlib.import_module("faiss")
    except (
        ImportError,
        OSError,
        RuntimeError,
    ) as error:  # the GPU build raises RuntimeError without its CUDA libraries
        if engine == "faiss" or asked:
            raise EnvironmentProblem(f"FAISS cannot be imported ({error}); use engine='torch'") from error
        return None, ()
    if gpu is False:
        return faiss, (None,)
    # asked first and always: GPU calls of FAISS end the process where there is no GPU
    there = range(faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0)
    if asked and not there:
        raise EnvironmentProblem(f"gpu={gpu!r}, but FAISS sees no GPU; use gpu=None to take one only if it is there")
    missing = sorted(set(named or ()) - set(there))
    if missing:
        raise EnvironmentProblem(f"gpu={gpu!r}, but FAISS sees {len(there)} GPUs, numbered from 0: no {missing}")
    return faiss, (list(there) if named is None else named) or (None,)


def _float32(lifted: Tensor) -> Tensor:
    return lifted.float().cpu().contiguous()
