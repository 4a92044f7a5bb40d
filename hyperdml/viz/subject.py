"""What pictures and pages show: the points of one part of the data, their images, and the same under other models."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from hyperdml.data import EmbeddingSet, LabelledImages


@dataclass(frozen=True, eq=False)
class Subject:
    """Embeddings with all that can be shown beside them.

    Attributes:
        title: what it is, as the name of the run.
        embeddings: (N, d) points of the ball with labels, levels, names and proxies, as far as they are known.
        images: N images, that of point i at row i; None if there are none to be had.
        missing: why there are no images, in words for the user; empty if there are.
        coarse_names: names of the ids of the coarsest level, by id; empty if they are not known.
        arm: title of what was trained, as those of the other arms; empty if it is not known.
        clip_r: clipping radius of the head in the tangent space, or None.
        arms: the same images under the other arms of the run, by the title of the arm, in the order of training.
        epochs: the same images after earlier epochs of the training, by the number of the epoch, ascending.

    Raises:
        ValueError: images, arms or epochs of another number than the points.
    """

    title: str
    embeddings: EmbeddingSet
    images: LabelledImages | None = None
    missing: str = ""
    coarse_names: tuple[str, ...] = ()
    arm: str = ""
    clip_r: float | None = None
    arms: Mapping[str, EmbeddingSet] = field(default_factory=dict)
    epochs: Mapping[int, EmbeddingSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        others: dict[str, Sized] = {f"arm {name!r}": found for name, found in self.arms.items()}
        others |= {f"epoch {number}": found for number, found in self.epochs.items()}
        if self.images is not None:
            others["images"] = self.images
        for name, found in others.items():
            if len(found) != len(self.embeddings):
                raise ValueError(f"{name}: {len(found)} rows for {len(self.embeddings)} points")

    @property
    def own_title(self) -> str:
        """What the subject is called beside its other arms."""
        return self.arm or self.title

    def __len__(self) -> int:
        return len(self.embeddings)


def sampled(subject: Subject, most: int, seed: int) -> Subject:
    """A random sample of a subject's rows, in their order; the title says how many. The subject itself if it is small.

    Args:
        subject: N rows.
        most: rows to keep.
        seed: of the sample.
    """
    if len(subject) <= most:
        return subject
    rows = np.sort(np.random.default_rng(seed).permutation(len(subject))[:most])
    picked = torch.from_numpy(rows)
    return replace(
        subject,
        title=f"{subject.title}, a sample of {most:,} of {len(subject):,} images",
        embeddings=subject.embeddings.select(picked),
        images=None if subject.images is None else subject.images.select(rows),
        arms={title: found.select(picked) for title, found in subject.arms.items()},
        epochs={number: found.select(picked) for number, found in subject.epochs.items()},
    )
