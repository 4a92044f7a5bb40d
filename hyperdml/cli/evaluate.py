"""`hyperdml eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def evaluate(run: Path, /, *, metric: Literal["hyperbolic", "cosine", "euclidean"] = "hyperbolic") -> None:
    """Score the stored test embeddings of a finished run again, in any of three distances.

    Args:
        run: run folder; its control has a folder of its own, for example runs/quickstart/control.
        metric: distance that ranks: hyperbolic (the curvature is stored with the embeddings), cosine, or euclidean on
            the points of the ball.
    """
    from hyperdml.training.embeddings import read_embeddings
    from hyperdml.training.evaluate import score
    from hyperdml.training.report import table, text_table
    from hyperdml.training.result import Row

    stored = read_embeddings(run)
    figures = score(stored.points, stored.labels, stored.levels, stored.level_names, stored.ks, stored.c, metric)
    print(text_table(*table([Row(f"{run}, {metric}", figures, 0.0)])))
