"""Candidate pools: the points that may hold a query's nearest neighbours, found by inner products of the lifts.

A pool comes with a bound: no point outside it has a larger exact inner product. `hyperdml.neighbors.knn` compares
the bound with the exact distances of the pool, and so knows for which queries the pool was large enough.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyperdml.errors import EnvironmentProblem
from hyperdml.neighbors.spaces import Space

_FAISS_GPU_LARGEST_K = 2048
_FAISS_GPU_SCRATCH = 256 << 20  # bytes; FAISS would take 1.5 GB
_BLOCK = 8_000_000  # float64 entries of a score block, 64 MB


class FaissPool:
    """Pools from a FAISS `IndexFlatIP` over float32 lifts (made in float64), on the first GPU or on the CPU.

    FAISS multiplies in float32; each product is off by at most ``(w + 4) u |q| |v|`` with w the width and
    ``u = 2^-24``: w for the sum in any order (Higham, Accuracy and Stability, Sec. 3.1), the rest for storing both
    lifts in float32. That is what the bound adds to the smallest score of the pool.
    """

    def __init__(self, space: Space, faiss: Any, on_gpu: bool) -> None:
        self.space, self.faiss, self.on_gpu = space, faiss, on_gpu
        self.index: Any = None
        self.longest = 0.0

    def add(self, points: Tensor) -> None:
        """Index (N, d) points."""
        lifted = self.space.lift_reference(points.double())
        if self.index is None:
            self.index = self.faiss.IndexFlatIP(lifted.shape[1])
            if self.on_gpu:
                resources = self.faiss.StandardGpuResources()
                resources.setTempMemory(_FAISS_GPU_SCRATCH)
                self.index = self.faiss.index_cpu_to_gpu(resources, 0, self.index)
        self.index.add(_float32(lifted))
        self.longest = max(self.longest, float(torch.linalg.vector_norm(lifted, dim=1).max()))

    def search(self, query: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """(N, d) queries to (N, size) candidate rows and the (N,) float64 bounds."""
        lifted = self.space.lift_query(query.double())
        index = self.index
        if self.on_gpu and size > _FAISS_GPU_LARGEST_K:
            index = self.faiss.index_gpu_to_cpu(index)
        scores, ids = index.search(_float32(lifted), size)
        error = (lifted.shape[1] + 4) * 2.0**-24 * self.longest * torch.linalg.vector_norm(lifted, dim=1)
        lowest = torch.from_numpy(np.ascontiguousarray(scores[:, -1])).to(query.device).double()
        return torch.from_numpy(ids).to(query.device), lowest + error


def float64_pool(space: Space, query: Tensor, reference: Tensor, size: int) -> Tensor:
    """Pools by blockwise float64 products and a running top-k.

    Args:
        space: the distance.
        query: (N, d) points.
        reference: (M, d) points on the same device.
        size: candidates per query, at most M.

    Returns:
        (N, size) rows of `reference`. Memory beyond inputs and result: a block of scores of 64 MB, and one of lifts.
    """
    columns = max(4096, size)
    rows = max(1, min(1024, _BLOCK // (columns + size)))
    pools = [torch.empty(0, size, dtype=torch.int64, device=query.device)]
    for block in query.split(rows):
        left = space.lift_query(block.double())
        scores = torch.empty(len(block), 0, dtype=torch.float64, device=query.device)
        ids = torch.empty(len(block), 0, dtype=torch.int64, device=query.device)
        for start in range(0, len(reference), columns):
            right = space.lift_reference(reference[start : start + columns].double())
            merged = torch.cat([scores, left @ right.T], 1)
            scores, taken = merged.topk(min(size, merged.shape[1]), dim=1)
            kept = ids.shape[1]
            older = ids.gather(1, taken.clamp_max(kept - 1)) if kept else taken
            ids = torch.where(taken < kept, older, taken - kept + start)
        pools.append(ids)
    return torch.cat(pools)


def load_faiss(engine: str, gpu: bool | None) -> tuple[Any, bool]:
    """The FAISS module, or None where the torch engine is to be used, and whether to search on a GPU.

    Args:
        engine: "auto" (FAISS if it imports), "faiss" or "torch".
        gpu: None takes a GPU if FAISS sees one; True demands it; False stays on the CPU.

    Returns:
        (module or None, on_gpu).

    Raises:
        ValueError: the engine is unknown, or gpu=True was asked of the torch engine.
        EnvironmentProblem: engine="faiss" without FAISS, or gpu=True without a GPU that FAISS can use.
    """
    if engine not in ("auto", "faiss", "torch"):
        raise ValueError(f"engine must be 'auto', 'faiss' or 'torch', got {engine!r}")
    if engine == "torch":
        if gpu:
            raise ValueError("gpu=True places the FAISS index; engine='torch' computes on the query's device")
        return None, False
    try:
        faiss = importlib.import_module("faiss")
    except (
        ImportError,
        OSError,
        RuntimeError,
    ) as error:  # the GPU build raises RuntimeError without its CUDA libraries
        if engine == "faiss" or gpu:
            raise EnvironmentProblem(f"FAISS cannot be imported ({error}); use engine='torch'") from error
        return None, False
    # asked first and always: GPU calls of FAISS end the process where there is no GPU
    there = hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus() > 0
    if gpu and not there:
        raise EnvironmentProblem("gpu=True, but FAISS sees no GPU; use gpu=None to take one only if it is there")
    return faiss, there if gpu is None else gpu


def _float32(lifted: Tensor) -> np.ndarray:
    return np.ascontiguousarray(lifted.float().cpu().numpy())
