"""Samplers: which images make a batch, as a pure function of (seed, step)."""

from hyperdml.data.sampling.class_balanced import ClassBalancedSampler
from hyperdml.data.sampling.create import SAMPLERS, create_sampler
from hyperdml.data.sampling.hierarchical import HierarchicalSampler
from hyperdml.data.sampling.m_per_class import MPerClassSampler
from hyperdml.data.sampling.sampler import Sampler
from hyperdml.data.sampling.shuffle import ShuffleSampler
from hyperdml.data.sampling.unique_class import UniqueClassSampler

__all__ = [
    "SAMPLERS",
    "ClassBalancedSampler",
    "HierarchicalSampler",
    "MPerClassSampler",
    "Sampler",
    "ShuffleSampler",
    "UniqueClassSampler",
    "create_sampler",
]
