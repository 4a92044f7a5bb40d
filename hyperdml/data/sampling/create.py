"""Samplers by name, as the configuration of a run has them."""

from __future__ import annotations

import numpy as np

from hyperdml.data.sampling.class_balanced import ClassBalancedSampler
from hyperdml.data.sampling.hierarchical import HierarchicalSampler
from hyperdml.data.sampling.m_per_class import MPerClassSampler
from hyperdml.data.sampling.sampler import Sampler
from hyperdml.data.sampling.shuffle import ShuffleSampler
from hyperdml.data.sampling.unique_class import UniqueClassSampler
from hyperdml.errors import ConfigError

SAMPLERS = ("m_per_class", "unique_class", "class_balanced", "hierarchical", "shuffle")


def create_sampler(
    name: str,
    labels: np.ndarray,
    *,
    size: int,
    per_class: int,
    seed: int,
    replace: bool = False,
    super_classes: int = 2,
    levels: np.ndarray | None = None,
) -> Sampler:
    """A sampler.

    Args:
        name: one of `SAMPLERS`.
        labels: (N,) class of every image.
        size: images per batch.
        per_class: images of each class in a batch; "class_balanced" and "shuffle" do without.
        seed: seed of the run.
        replace: draw the images of a class with replacement.
        super_classes: of "hierarchical": coarsest classes in a batch.
        levels: (N, L) of "hierarchical": classes of every image, coarse to fine, the last its class.

    Raises:
        ConfigError: the name is not known, the options do not go with it, or the training part makes no such batches.
        DataError: a class lies in several of the coarsest ones.
    """
    if name in ("class_balanced", "shuffle"):
        if replace:
            raise ConfigError(f"batch.replace is about the images of one class; it has no meaning with sampler {name}")
        if name == "shuffle":
            return ShuffleSampler(len(labels), size, seed)
        return ClassBalancedSampler(labels, size, seed)
    if name == "m_per_class":
        return MPerClassSampler(labels, size, per_class, seed, replace)
    if name == "unique_class":
        return UniqueClassSampler(labels, size, per_class, seed, replace)
    if name != "hierarchical":
        raise ConfigError(f"batch.sampler must be one of {', '.join(SAMPLERS)}, got {name!r}")
    if levels is None or levels.shape[1] < 2:
        raise ConfigError("batch.sampler hierarchical needs data with a level above the class, and these have none")
    return HierarchicalSampler(labels, levels[:, 0], size, per_class, super_classes, seed, replace)
