"""The whole configuration of a training run, as frozen dataclasses.

Every key of a recipe is a field here; `training.settings` reads YAML and dotted overrides into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from hyperdml.data import AugmentConfig, DataConfig
from hyperdml.models import ModelConfig

Control = Literal["metric", "triplet", "spherical", "euclidean", "official", "paper", "no_hace"]


@dataclass(frozen=True)
class BatchConfig:
    """Class-balanced batches.

    Attributes:
        size: images per batch.
        per_class: images of each class in a batch (2 in HIER).
    """

    size: Annotated[int, Field(ge=2)] = 180
    per_class: PositiveInt = 2


@dataclass(frozen=True)
class MetricLossConfig:
    """The metric loss that HIER is added to.

    Attributes:
        name: class of `pytorch_metric_learning.losses`.
        options: its further constructor arguments.
    """

    name: str = "ProxyAnchorLoss"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HIERConfig:
    """The hierarchical regulariser; curvature and clipping radius are those of the head.

    The other fields are the options of `hyperdml.hier.HIER`; null leaves an option to its mode.

    Attributes:
        weight: lambda, the factor of the HIER loss; 0 trains the metric loss alone.
        mode: "default" (levels of proxies), "official" (as released) or "paper".
        geometry: "hyperbolic", or the controls "spherical" and "euclidean".
        sample_loss: "lca", or "triplet" for plain triplets on the same samples.
        manifold_parameters: keep the proxies as points of the ball.
        levels, attraction, balance, warmup: options of mode "default".
        num_proxies, k, tau, lca, reduction: options of the modes "official" and "paper".
        per_anchor, margin: options of all modes.
    """

    weight: NonNegativeFloat = 0.5
    mode: Literal["default", "official", "paper"] = "default"
    geometry: Literal["hyperbolic", "spherical", "euclidean"] = "hyperbolic"
    sample_loss: Literal["lca", "triplet"] = "lca"
    manifold_parameters: bool = False
    levels: tuple[PositiveInt, ...] | None = None
    attraction: NonNegativeFloat | None = None
    balance: NonNegativeFloat | None = None
    warmup: NonNegativeInt | None = None
    num_proxies: Annotated[int, Field(ge=2)] | None = None
    k: PositiveInt | None = None
    tau: PositiveFloat | None = None
    lca: Literal["softmax", "printed"] | None = None
    reduction: Literal["mean", "sum"] | None = None
    per_anchor: PositiveInt | None = None
    margin: float | None = None


@dataclass(frozen=True)
class HACEConfig:
    """HACE over the tree of the training classes, on distances to a prototype of every node of that tree.

    The prototypes are thrown away after training. Curvature and clipping radius are those of the head.

    Attributes:
        weight: factor of the loss; 0 leaves it out. Data without a level above the class are refused with it.
        dilution: share of its weight that each node hands to its parent. The default is ours; the paper's values are
            lost in the text we have.
        label_smoothing: eps of the uniform smoothing over the classes.
        scale: where the learned scale of the distances starts. Low, so that the training classes are not soon told
            apart for certain: a loss near 0 shapes nothing. Chosen on validation classes, with `optim.hace_lr_mult`.
    """

    weight: NonNegativeFloat = 0.0
    dilution: Annotated[float, Field(ge=0, lt=1)] = 0.5
    label_smoothing: Annotated[float, Field(ge=0, le=1)] = 0.0
    scale: PositiveFloat = 0.5


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with one learning rate and a multiplier for every group of parameters.

    Attributes:
        steps: number of optimiser steps.
        lr: base learning rate, that of the backbone.
        head_lr_mult: multiplier of the embedding head.
        class_proxy_lr_mult: multiplier of the metric loss's own parameters (1e4 in HIER).
        hier_proxy_lr_mult: multiplier of the hierarchical proxies (50 in HIER).
        hace_lr_mult: multiplier of HACE's prototypes and their scale.
        weight_decay: decoupled weight decay of all groups, as released.
        warmup_steps: steps during which the backbone's learning rate is 0.
        schedule: "constant", or "cosine" to 0 over all steps.
        clip_value: largest absolute value of a gradient entry (10 in HIER); None for no clipping.
        freeze_bn: keep batch-normalisation statistics of the backbone fixed.
        freeze_backbone: train the head alone, on backbone features that are computed once.
        views: copies of each training image in those features: the image itself and views - 1 augmented ones.
    """

    steps: PositiveInt = 1000
    lr: PositiveFloat = 1e-4
    head_lr_mult: NonNegativeFloat = 1.0
    class_proxy_lr_mult: NonNegativeFloat = 1e4
    hier_proxy_lr_mult: NonNegativeFloat = 50.0
    hace_lr_mult: NonNegativeFloat = 15.0
    weight_decay: NonNegativeFloat = 1e-2
    warmup_steps: NonNegativeInt = 0
    schedule: Literal["constant", "cosine"] = "cosine"
    clip_value: PositiveFloat | None = 10.0
    freeze_bn: bool = False
    freeze_backbone: bool = False
    views: PositiveInt = 4


@dataclass(frozen=True)
class EvaluationConfig:
    """When and how embeddings are scored.

    Attributes:
        ks: the k of Recall@k.
        every: steps between evaluations on the validation classes; 0 for none before the end.
        controls: what else is trained from the same seed, for rows to compare HIER with: "metric" (the metric loss
            alone), "triplet" (a plain triplet loss on HIER's samples in its place), "spherical" and "euclidean" (HIER
            in another geometry), "official" and "paper" (HIER as released and as in the paper, with their weights),
            "no_hace" (the run without HACE, which all but "metric" keep).
        draws: draws of each null that the scores of the trees are compared with.
    """

    ks: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 2, 4, 8)
    every: NonNegativeInt = 0
    controls: tuple[Control, ...] = ("metric", "triplet")
    draws: Annotated[int, Field(ge=2)] = 10


@dataclass(frozen=True)
class TrainConfig:
    """A run.

    Attributes:
        seed: all randomness is derived from it.
        device: "auto" (CUDA if there is one), or a torch device.
        checkpoint_every: steps between checkpoints.
        data, model, batch, augment, metric_loss, hier, hace, optim, evaluation: the parts.
    """

    seed: NonNegativeInt = 0
    device: str = "auto"
    checkpoint_every: PositiveInt = 50
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    metric_loss: MetricLossConfig = field(default_factory=MetricLossConfig)
    hier: HIERConfig = field(default_factory=HIERConfig)
    hace: HACEConfig = field(default_factory=HACEConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
