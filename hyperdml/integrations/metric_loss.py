"""Metric losses by name, with distance, miner and memory."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_metric_learning import losses, miners
from torch import nn

from hyperdml.errors import ConfigError
from hyperdml.geometry import expmap0
from hyperdml.integrations.baselines import HierarchicalTripletLoss, HypLoss
from hyperdml.integrations.class_weights import has_class_weights, parametrize_on_ball
from hyperdml.integrations.classes_by_name import DistanceName, distance_argument, find_class
from hyperdml.integrations.cross_batch_memory import CrossBatchMemory
from hyperdml.integrations.loss_checks import check_class, check_margins, check_memory
from hyperdml.integrations.mined_loss import MinedLoss
from hyperdml.integrations.reciprocal_miner import ReciprocalNeighborMiner


def create_metric_loss(
    name: str,
    num_classes: int,
    embedding_size: int,
    options: Mapping[str, Any],
    *,
    distance: DistanceName | None = None,
    miner: str | None = None,
    miner_options: Mapping[str, Any] | None = None,
    memory: int | None = None,
    c: float = 0.1,
    clip_r: float = 2.3,
) -> nn.Module:
    """A loss of `pytorch_metric_learning.losses` or of ours, as one module called with embeddings and labels.

    >>> loss = create_metric_loss("TripletMarginLoss", 10, 8, {}, distance="poincare", miner="BatchHardMiner")
    >>> value = loss(torch.rand(12, 8), torch.arange(12) // 2)

    Number of classes and width are filled in where a loss asks for them.

    Args:
        name: class name, for example "ProxyAnchorLoss", "HypLoss" or "HierarchicalTripletLoss".
        num_classes: number of training classes.
        embedding_size: dimension of the embeddings, which are points of the ball.
        options: further constructor arguments.
        distance: what loss and miner compare by: "poincare", the distance of the ball, to which class weights are then
            moved (`parametrize_on_ball`); "cosine"; "euclidean", between normalised embeddings as the library's losses
            have it. None: what each does by itself.
        miner: class name of `pytorch_metric_learning.miners`, or "ReciprocalNeighborMiner".
        miner_options: its constructor arguments.
        memory: number of earlier embeddings that a batch is compared with (`CrossBatchMemory`).
        c: curvature magnitude of the ball.
        clip_r: clipping radius, for class weights on the ball.

    Returns:
        The loss itself, or a module around loss, miner and memory.

    Raises:
        ConfigError: there is no such loss or miner, an option or a distance is not for it, or the parts do not go
            together; the message names the key of `metric_loss`.
    """
    loss = _create_loss(name, num_classes, embedding_size, options, distance, c, clip_r)
    if miner is None and miner_options:
        raise ConfigError(f"metric_loss.miner_options {dict(miner_options)} are given without metric_loss.miner")
    found = None if miner is None else _create_miner(miner, miner_options or {}, distance, c)
    if found is not None:
        _try_with(loss, found, name, num_classes, embedding_size, c)
    if memory is not None:
        check_memory(name, found)
        return CrossBatchMemory(loss, embedding_size, memory, found)
    return loss if found is None else MinedLoss(loss, found)


def class_tree_loss(metric_loss: nn.Module) -> HierarchicalTripletLoss | None:
    """The part of a metric loss that needs a class tree before the first batch and a new one after every epoch.

    Args:
        metric_loss: what `create_metric_loss` gave.

    Returns:
        The loss whose `update_tree(embeddings, labels)` is to be called with the whole training set; None if there is
        none.
    """
    return next((part for part in metric_loss.modules() if isinstance(part, HierarchicalTripletLoss)), None)


def _create_loss(
    name: str,
    num_classes: int,
    embedding_size: int,
    options: Mapping[str, Any],
    distance: DistanceName | None,
    c: float,
    clip_r: float,
) -> losses.BaseMetricLossFunction:
    kind = find_class(name, losses, losses.BaseMetricLossFunction, (HypLoss, HierarchicalTripletLoss), "loss")
    # a loss that hands its keyword arguments on takes what the classes above it take
    constructors = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base) and base is not object]
    accepted = {key for constructor in constructors for key in inspect.signature(constructor).parameters}
    filled = {"num_classes": num_classes, "embedding_size": embedding_size}
    arguments: dict[str, Any] = {key: value for key, value in filled.items() if key in accepted}
    on_ball = distance == "poincare" and has_class_weights(kind)
    check_class(kind, distance)
    if kind is HierarchicalTripletLoss and distance is not None and "largest" not in options:
        arguments["largest"] = 4 * clip_r if distance == "poincare" else 2.0  # of unit vectors, not squared here
    try:
        if not on_ball:
            arguments |= distance_argument(kind, distance, c)
        loss: losses.BaseMetricLossFunction = kind(**arguments, **options)
        if on_ball:
            parametrize_on_ball(loss, c, clip_r)
        check_margins(loss)
        return loss
    except Exception as error:  # losses raise whatever comes up when an option is unknown or out of range
        what = "" if distance is None else f" with metric_loss.distance={distance}"
        raise ConfigError(
            f"metric_loss.options {dict(options)}{what} do not fit {name}: {error!r} (options of a recipe stay when "
            "only the name is changed; metric_loss.options={} clears them)"
        ) from error


def _create_miner(name: str, options: Mapping[str, Any], distance: DistanceName | None, c: float) -> miners.BaseMiner:
    kind = find_class(name, miners, miners.BaseMiner, (ReciprocalNeighborMiner,), "miner")
    try:
        miner: miners.BaseMiner = kind(**distance_argument(kind, distance, c), **options)
    except Exception as error:  # as losses do
        what = "" if distance is None else f" with metric_loss.distance={distance}"
        raise ConfigError(f"metric_loss.miner_options {dict(options)}{what} do not fit {name}: {error!r}") from error
    return miner


def _try_with(loss: nn.Module, miner: nn.Module, name: str, num_classes: int, embedding_size: int, c: float) -> None:
    """Refuse a miner whose tuples the loss does not take, before anything is trained."""
    if isinstance(loss, HierarchicalTripletLoss):  # takes triplets, but has no class tree yet
        return
    with torch.random.fork_rng(devices=[]):
        tangents = nn.functional.normalize(torch.randn(8, embedding_size))
        points = expmap0(tangents * torch.linspace(0.5, 1, 8)[:, None], c)
        labels = torch.arange(8) // 2 % num_classes
        try:
            MinedLoss(copy.deepcopy(loss), copy.deepcopy(miner))(points, labels)
        except Exception as error:  # the library raises assertions, value and type errors alike
            raise ConfigError(
                f"metric_loss.miner: {name} cannot be trained on tuples of {type(miner).__name__}: {error!r}"
            ) from error
