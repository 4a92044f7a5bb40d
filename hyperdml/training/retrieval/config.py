"""The whole configuration of a training run, as frozen dataclasses.

Every key of a recipe is a field here; `training.settings` reads YAML and dotted overrides into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from hyperdml.data import CropConfig, DataConfig
from hyperdml.models import ModelConfig

Control = Literal["metric", "triplet", "spherical", "euclidean", "official", "paper", "no_hace"]


Sampler = Literal["m_per_class", "unique_class", "class_balanced", "hierarchical", "shuffle"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class BatchConfig:
    """How batches are put together; `size` counts the images of all processes and of all pieces.

    Attributes:
        size: images per optimiser step.
        per_class: images of each class in a batch (2 in HIER); "class_balanced" and "shuffle" do without.
        sampler: "m_per_class": size / per_class classes drawn anew for every batch (HIER); "unique_class": every class
            comes once an epoch (Hyp-ViT); "class_balanced": images drawn one by one, every class as likely as any
            other; "hierarchical": as "m_per_class", but from `super_classes` classes of the coarsest level;
            "shuffle": every image once an epoch.
        super_classes: of "hierarchical": coarsest classes in a batch.
        replace: draw the images of a class with replacement, as HIER's released sampler does.
        piece: images that go through the network at once, if fewer than `size`: embeddings are computed without
            gradient, the loss is taken on all of them, and the gradient is brought back piece by piece (GradCache, Gao
            et al. 2021), with the result of the whole batch. None: all at once.
    """

    size: Annotated[int, Field(ge=2)] = 180
    per_class: PositiveInt = 2
    sampler: Sampler = "m_per_class"
    super_classes: PositiveInt = 2
    replace: bool = False
    piece: PositiveInt | None = None


@dataclass(frozen=True)
class MetricLossConfig:
    """The metric loss that HIER is added to.

    Attributes:
        name: class of `pytorch_metric_learning.losses`, or "HypLoss" or "HierarchicalTripletLoss" of ours.
        options: its further constructor arguments.
        distance: what the loss compares embeddings with: None: what it does by itself, "poincare" (the distance of the
            ball), "cosine" or "euclidean".
        miner: class of `pytorch_metric_learning.miners` that picks the tuples of a batch, or None.
        miner_options: its constructor arguments.
        memory: embeddings of earlier batches that are kept for the loss (cross-batch memory, XBM), or None.
    """

    name: str = "ProxyAnchorLoss"
    options: Mapping[str, Any] = field(default_factory=dict)
    distance: Literal["poincare", "cosine", "euclidean"] | None = None
    miner: str | None = None
    miner_options: Mapping[str, Any] = field(default_factory=dict)
    memory: PositiveInt | None = None


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
        epochs: passes over the training images, as the sampler counts them; or give `steps`.
        steps: number of optimiser steps; 1000 where neither is given.
        lr: base learning rate, that of the backbone.
        head_lr_mult: multiplier of the embedding head.
        class_proxy_lr_mult: multiplier of the metric loss's own parameters (1e4 in HIER).
        hier_proxy_lr_mult: multiplier of the hierarchical proxies (50 in HIER); 0 leaves them as they start.
        hace_lr_mult: multiplier of HACE's prototypes and their scale.
        weight_decay: decoupled weight decay of all groups, as released.
        decay_norms: also decay what is a vector (norms, biases, tokens), as released.
        eps: of AdamW (1e-4 in HIER's float16).
        warmup_steps: steps during which the backbone's learning rate is 0.
        warmup_epochs: the same in epochs.
        schedule: "constant"; "cosine" to 0 over all steps; "step": times `decay` after every `decay_epochs` epochs.
        decay: of "step".
        decay_epochs: of "step".
        clip_value: largest absolute value of a gradient entry (10 in HIER); None for no clipping.
        clip_norm: largest Euclidean norm of the whole gradient (3 in Hyp-ViT); None for no clipping.
        precision: of the backbone's arithmetic: "float32", or autocast to "bfloat16" or "float16" (with a scaled loss).
            Head, losses and everything on the ball are computed in float32 at least.
        ema: decay of an exponential moving average of the model's weights, which is then what is evaluated and saved.
        compile: `torch.compile` the backbone.
        channels_last: memory layout of images and convolutions.
        freeze_backbone: train the head alone, on backbone features that are computed once.
        views: copies of each training image in those features: the image itself and views - 1 changed ones.
    """

    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    lr: PositiveFloat = 1e-4
    head_lr_mult: NonNegativeFloat = 1.0
    class_proxy_lr_mult: NonNegativeFloat = 1e4
    hier_proxy_lr_mult: NonNegativeFloat = 50.0
    hace_lr_mult: NonNegativeFloat = 15.0
    weight_decay: NonNegativeFloat = 1e-2
    decay_norms: bool = True
    eps: PositiveFloat = 1e-8
    warmup_steps: NonNegativeInt = 0
    warmup_epochs: NonNegativeInt = 0
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.5
    decay_epochs: PositiveInt = 10
    clip_value: PositiveFloat | None = 10.0
    clip_norm: PositiveFloat | None = None
    precision: Precision = "float32"
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    compile: bool = False
    channels_last: bool = True
    freeze_backbone: bool = False
    views: PositiveInt = 4

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give one of optim.epochs and optim.steps and set the other to null, got both")
        if self.warmup_epochs and self.warmup_steps:
            raise ValueError("give one of optim.warmup_epochs and optim.warmup_steps, got both")


@dataclass(frozen=True)
class EvaluationConfig:
    """When and how embeddings are scored.

    Attributes:
        ks: the k of Recall@k.
        every: steps between validations; 0 for none before the end. Or give `every_epochs`.
        every_epochs: epochs between validations.
        on: what validation looks at: "validation", the held-out training classes (`data.validation`), or "test", the
            test classes themselves, as the papers' code does; figures of the best epoch are then marked as chosen on
            the test classes.
        select: figure that tells the best validation.
        patience: validations without a new best after which training ends; None: never.
        controls: what else is trained from the same seed, for rows to compare HIER with: "metric" (the metric loss
            alone), "triplet" (a plain triplet loss on HIER's samples in its place), "spherical" and "euclidean" (HIER
            in another geometry), "official" and "paper" (HIER as released and as in the paper, with their weights),
            "no_hace" (the run without HACE, which all but "metric" keep).
        draws: draws of each null that the scores of the trees are compared with.
        batch_size: images that are embedded at once.
    """

    ks: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 2, 4, 8)
    every: NonNegativeInt = 0
    every_epochs: NonNegativeInt = 0
    on: Literal["validation", "test"] = "validation"
    select: str = "R@1"
    patience: PositiveInt | None = None
    controls: tuple[Control, ...] = ("metric", "triplet")
    draws: Annotated[int, Field(ge=2)] = 10
    batch_size: PositiveInt = 128

    def __post_init__(self) -> None:
        if self.every and self.every_epochs:
            raise ValueError("give one of evaluation.every and evaluation.every_epochs, got both")
        if self.patience is not None and not (self.every or self.every_epochs):
            raise ValueError("evaluation.patience needs validations: give evaluation.every or evaluation.every_epochs")


@dataclass(frozen=True)
class LoggingConfig:
    """Where figures go beside `metrics.jsonl`, which is always written.

    Attributes:
        tensorboard: write event files to RUN/tensorboard (needs the package tensorboard).
        wandb: project of Weights & Biases (needs the package wandb), or None.
    """

    tensorboard: bool = False
    wandb: str | None = None


@dataclass(frozen=True)
class TrainConfig:
    """A run.

    Attributes:
        seed: all randomness is derived from it.
        device: "auto" (CUDA if there is one), or a torch device.
        workers: processes that read image files; 0 reads them in the training process. None: as many as there are
            processors for this process, at most 8.
        checkpoint_every: steps between checkpoints.
        bad_steps: steps in a row whose loss or gradient is not finite, after which the run gives up; each of them is
            left out and its batch written to RUN/bad_steps for `hyperdml replay`.
        snapshot_epochs: epochs after which embeddings of the test part and proxies are kept, for figures over epochs.
        start_from: run or model folder whose weights the model starts from. Not for going on with a run, which
            `hyperdml resume` does.
        data, model, batch, crop, metric_loss, hier, hace, optim, evaluation, logging: the parts.
    """

    seed: NonNegativeInt = 0
    device: str = "auto"
    workers: NonNegativeInt | None = None
    checkpoint_every: PositiveInt = 50
    bad_steps: PositiveInt = 5
    snapshot_epochs: tuple[PositiveInt, ...] = ()
    start_from: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    crop: CropConfig = field(default_factory=lambda: CropConfig(kind="affine", interpolation="bilinear"))
    metric_loss: MetricLossConfig = field(default_factory=MetricLossConfig)
    hier: HIERConfig = field(default_factory=HIERConfig)
    hace: HACEConfig = field(default_factory=HACEConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
