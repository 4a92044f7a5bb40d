"""What a vector database needs to hold an index: points for its Euclidean search, and the rule that makes it exact.

Database engines search by Euclidean distance or inner product. Among points of one radius the Euclidean order of ball
points is the hyperbolic one; with mixed radii it is off by a few places, so a few more candidates are fetched and put
into the exact order (`rerank_exact`). The lift of the points, whose inner product has the hyperbolic order as it is,
makes a worse vector for a database: see docs/vector_database.md.
"""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyperdml.files import write_atomic
from hyperdml.geometry import Curvature, distance
from hyperdml.index.folder import refuse_occupied
from hyperdml.index.index import HyperbolicIndex
from hyperdml.neighbors.knn import HyperbolicKNN

DESCRIPTION = "export.json"
_SAMPLE = 256  # queries on which the number of candidates is measured
_BLOCK = 1 << 24  # float32 distances held at once, 64 MB


def rerank_exact(query: Tensor, candidates: Tensor, c: Curvature, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of each query's candidates, by hyperbolic distance in float64 and then by position.

    Args:
        query: (..., d) points.
        candidates: (..., M, d) points that a database returned, for each query its own.
        c: curvature magnitude.
        k: how many to keep, at most M.

    Returns:
        (..., k) float64 distances, ascending, and (..., k) positions among the candidates.

    Raises:
        ValueError: shapes that do not fit, or k out of range.

    Example:
        >>> import torch
        >>> rerank_exact(torch.tensor([0.8, 0.0]), torch.tensor([[0.55, 0.0], [0.97, 0.0], [0.0, 0.0]]), 1.0, 2)[1]
        tensor([0, 1])
    """
    query, candidates = torch.as_tensor(query), torch.as_tensor(candidates)
    if candidates.ndim < 2 or query.shape != candidates.shape[:-2] + candidates.shape[-1:]:
        raise ValueError(
            f"expected (..., d) queries and (..., M, d) candidates, got {tuple(query.shape)} and "
            f"{tuple(candidates.shape)}"
        )
    if not 1 <= k <= candidates.shape[-2]:
        raise ValueError(f"k must be from 1 to the {candidates.shape[-2]} candidates, got {k}")
    exact = distance(query.detach().double().unsqueeze(-2), candidates.detach().double(), c)
    nearest, order = exact.sort(dim=-1, stable=True)
    return nearest[..., :k], order[..., :k]


def export_index(index: HyperbolicIndex, folder: Path | str, *, k: int = 10) -> None:
    """Write the items of an index for a vector database.

    `vectors.npy` (N, d) float32, `ids.jsonl` and `metadata.jsonl` (line i belongs to row i), `README.md` with the rule
    in words, and last `export.json` with the rule in numbers, the curvature and checksums. Plain formats: every client
    of a database reads them, and none of them needs a package.

    Args:
        index: an index by hyperbolic distance.
        folder: a new or empty folder.
        k: number of results for which the candidates to fetch are measured, on up to 256 items of the index as queries.

    Raises:
        ValueError: the index searches by another distance (the points of such an index need no rule), k does not leave
            the index an item to search for, or a float64 point lies outside the ball once it is rounded to float32.
        ConfigError: the folder holds something.
        OSError: the disk does not take it; what was written is removed.
    """
    folder = Path(folder)
    if index.metric != "hyperbolic":
        raise ValueError(f"only an index by hyperbolic distance needs an export, got {index.metric!r}")
    refuse_occupied(folder)
    vectors = index.points.float()
    rim = index.c * vectors.double().square().sum(1) >= 1
    if rim.any():
        raise ValueError(f"points row {int(rim.nonzero()[0])} lies outside the ball once rounded to float32")
    rule = _rule(index, k)
    buffer = io.BytesIO()
    np.save(buffer, vectors.numpy())
    files = {
        "vectors.npy": buffer.getvalue(),
        "ids.jsonl": "".join(f"{json.dumps(name)}\n" for name in index.ids).encode(),
        "metadata.jsonl": "".join(f"{json.dumps(index.metadata(name))}\n" for name in index.ids).encode(),
        "README.md": _README.format(n=len(index), d=index.dimension, c=index.c, r=index.c**-0.5, **rule).encode(),
    }
    description = {
        "format": "hyperdml export",
        "version": 1,
        "count": len(index),
        "dimension": index.dimension,
        "c": index.c,
        "model": index.model,
        "info": dict(index.info),
        "search": rule,
        "files": {name: {"bytes": len(data), "sha256": sha256(data).hexdigest()} for name, data in files.items()},
    }
    files[DESCRIPTION] = (json.dumps(description, indent=1) + "\n").encode()
    _write_all(folder, files)


def _rule(index: HyperbolicIndex, k: int) -> dict[str, Any]:
    """How many candidates hold the k nearest, in numbers."""
    if not 1 <= k < len(index):
        raise ValueError(f"k must be from 1 to {len(index) - 1}, one less than the items of the index, got {k}")
    needed = _candidates_needed(index, k)
    return {
        "metric": "l2",
        "k": k,
        # twice what the sample needs: its largest need is not that of all queries
        "candidates": min(len(index), 2 * max(needed)),
        "needed_at_most": max(needed),
        "needed_median": sorted(needed)[len(needed) // 2],
        "sample": len(needed),
        "distance": "2/sqrt(c) * asinh(sqrt(c |q-x|^2 / ((1 - c |q|^2) (1 - c |x|^2))))",
    }


def _candidates_needed(index: HyperbolicIndex, k: int) -> list[int]:
    """Of items spread over the index: how many Euclidean neighbours it takes to hold the k hyperbolic ones."""
    count = min(_SAMPLE, len(index))
    rows = torch.arange(count) * len(index) // count
    points = index.points.float()
    # the torch engine keeps nothing of the index in memory, and is exact whatever the index itself does
    nearest = HyperbolicKNN(index.c, engine="torch")(points[rows], k + 1, points)[1]
    squares = (points * points).sum(1)
    needed: list[int] = []
    for part in torch.arange(count).split(max(1, _BLOCK // len(points))):
        # |q-x|^2 but for |q|^2, which is one number per query
        gap = squares - 2 * points[rows[part]] @ points.T
        farthest = gap.gather(1, nearest[part]).amax(1, keepdim=True)
        needed += ((gap <= farthest).sum(1) - 1).tolist()  # the query itself does not count
    return needed


def _write_all(folder: Path, files: dict[str, bytes]) -> None:
    """Write files in order; none stays if one fails."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name, data in files.items():
            write_atomic(folder / name, data)
    except BaseException:
        for name in files:
            (folder / name).unlink(missing_ok=True)
        raise


_README = """# Points of a hyperbolic index for a vector database

{n} points of the Poincaré ball of curvature -{c!r} (c = {c!r}, radius {r:.6g}), in {d} dimensions.

- `vectors.npy`: ({n}, {d}) float32. Store them as they are, under the database's Euclidean distance ({metric}). Do not
  normalise them and do not use cosine or inner product: the radius carries information.
- `ids.jsonl`, `metadata.jsonl`: line i is the id and the JSON object of row i.
- `export.json`: this page in numbers, with checksums.

To find the {k} nearest of a query point q (a point of the same ball, from the same model):

1. Ask the database for the {candidates} nearest vectors by Euclidean distance, with their vectors.
2. Compute the hyperbolic distance of each, in float64:
   {distance}
3. Sort by it and keep the first {k}. In Python: `hyperdml.index.rerank_exact(q, vectors, c={c!r}, k={k})`.

On {sample} items of this index as queries, the {k} nearest by hyperbolic distance lay among the first {needed_median}
by Euclidean distance at the median, and at most among the first {needed_at_most}; step 1 asks for twice that many.
"""
