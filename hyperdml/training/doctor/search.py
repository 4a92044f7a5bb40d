"""FAISS against brute force, in a process of its own: a build that does not fit the machine ends its process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict

from hyperdml.training.doctor.finding import Finding, guarded

_WAIT_S = 120
_C, _K = 0.1, 5


def check_search() -> Iterator[Finding]:
    """The findings of `main` in another process; its death is one."""
    command = [sys.executable, "-W", "ignore", "-m", __name__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S)
    lines = done.stdout.splitlines()
    yield from (Finding(**json.loads(line)) for line in lines)
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        text = f"the process that tried it ended with code {done.returncode}: {last}"
        yield Finding("problem", "FAISS", text, "reinstall FAISS, or search with engine='torch'")


def search_findings() -> Iterator[Finding]:
    """FAISS on the CPU, and on the GPUs that it sees, against all distances in float64."""
    import torch

    from hyperdml.geometry import expmap0, pairwise_distance
    from hyperdml.neighbors import HyperbolicKNN
    from hyperdml.neighbors.pool import load_faiss

    faiss, _ = load_faiss("faiss", False)
    there = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if torch.cuda.is_available() and not there:
        advice = "searches run on the CPU; pip install faiss-gpu for those of the GPU"
        yield Finding("warning", "FAISS", "torch sees a GPU and FAISS does not", advice)
    generator = torch.Generator().manual_seed(0)
    points = expmap0(2 * torch.randn(500, 8, generator=generator), _C)
    expected = pairwise_distance(points.double(), points.double(), _C).fill_diagonal_(float("inf"))
    nearest = expected.topk(_K, largest=False).indices
    for gpu in (False, *([True] if there else [])):
        about = f"FAISS {faiss.__version__} on {'the GPU' if gpu else 'the CPU'}"
        _, found = HyperbolicKNN(_C, engine="faiss", gpu=gpu)(points, _K, points, ref_includes_query=True)
        wrong = int((found.cpu() != nearest).sum())
        if wrong:
            text = f"{wrong} of {nearest.numel()} neighbours are not those of brute force"
            yield Finding("problem", about, text, "reinstall FAISS, or search with engine='torch'")
        else:
            yield Finding("ok", about, f"the neighbours of {len(points)} points are those of brute force")


def main() -> None:
    """Print the findings, one JSON object a line."""
    for finding in guarded("FAISS", search_findings):
        print(json.dumps(asdict(finding)), flush=True)


if __name__ == "__main__":
    main()
