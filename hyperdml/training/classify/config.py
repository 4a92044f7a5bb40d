"""The whole configuration of a classification run, as frozen dataclasses.

Every key of a recipe with `task: classification` is a field here; `training.settings` reads YAML into it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from hyperdml.data.classification import ClassificationDataConfig
from hyperdml.data.views import CropConfig
from hyperdml.models.classifier import ClassifierConfig
from hyperdml.training.classify.loss_config import ClassLossConfig

Control = Literal["cross_entropy", "label_smoothing"]


@dataclass(frozen=True)
class ClassOptimConfig:
    """The optimiser, its learning rate over time, and how the arithmetic is done.

    Attributes:
        name: "sgd" or "adamw".
        epochs: passes over the training images.
        batch_size: images per step; the last batch of an epoch may be smaller.
        lr: learning rate at its highest.
        lr_pairing: which losses train at `lr` when HACE is compared with others (the paper, A.4). "none": all. "hace":
            HACE at lr, the others at (1 - loss.dilution) lr, the weight that HACE leaves at the leaf. "ce": the others
            at lr, HACE at lr / (1 - loss.dilution).
        weight_decay: L2 penalty of SGD, decoupled weight decay of AdamW.
        decay_norms: whether norms, biases and other vectors (tokens, scales) decay too.
        momentum: of SGD; null is 0.9.
        nesterov: Nesterov's momentum, for SGD.
        schedule: "constant", "cosine" (to 0 over all steps) or "warmup_cosine" (linear warm-up first).
        warmup_epochs: of "warmup_cosine".
        clip_norm: largest Euclidean norm of the gradient; null for no clipping.
        freeze_backbone: train the head alone, on features that are computed once (linear probing).
        views: copies of each training image in those features: the image itself and views - 1 augmented ones.
        precision: "float32", or "bfloat16" or "float16" under autocast, the latter with a scaled loss.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    epochs: PositiveInt = 100
    batch_size: PositiveInt = 128
    lr: PositiveFloat = 0.1
    lr_pairing: Literal["none", "hace", "ce"] = "none"
    weight_decay: NonNegativeFloat = 1e-4
    decay_norms: bool = True
    momentum: NonNegativeFloat | None = None
    nesterov: bool = False
    schedule: Literal["constant", "cosine", "warmup_cosine"] = "cosine"
    warmup_epochs: NonNegativeFloat = 0.0
    clip_norm: PositiveFloat | None = None
    freeze_backbone: bool = False
    views: PositiveInt = 1
    precision: Literal["float32", "bfloat16", "float16"] = "float32"

    def __post_init__(self) -> None:
        if self.name == "adamw" and (self.momentum is not None or self.nesterov):
            raise ValueError("optim.momentum and optim.nesterov are options of optim.name=sgd")
        if self.nesterov and self.momentum == 0:
            raise ValueError("optim.nesterov needs an optim.momentum above 0")
        if (self.schedule == "warmup_cosine") != (self.warmup_epochs > 0):
            raise ValueError(
                "optim.warmup_epochs belongs to optim.schedule=warmup_cosine and must be above 0 there, "
                f"got {self.warmup_epochs:g} with {self.schedule}"
            )
        if self.warmup_epochs >= self.epochs and self.warmup_epochs > 0:
            raise ValueError(
                f"optim.warmup_epochs must be below optim.epochs, {self.epochs}, got {self.warmup_epochs:g}"
            )
        if self.views > 1 and not self.freeze_backbone:
            raise ValueError(
                f"optim.views={self.views} belongs to optim.freeze_backbone=true: a trained backbone sees every image "
                "anew in each epoch"
            )


@dataclass(frozen=True)
class ClassEvaluationConfig:
    """When and how a classifier is scored.

    Attributes:
        every: epochs between evaluations for the log; 0 for none before the end. The last epoch is what is reported.
        controls: what else is trained from the same seed and backbone, to compare with: "cross_entropy", and
            "label_smoothing", cross-entropy with the uniform smoothing of 0.1.
        batch_size: images at a time.
    """

    every: NonNegativeInt = 0
    controls: tuple[Control, ...] = ("cross_entropy",)
    batch_size: PositiveInt = 256


@dataclass(frozen=True)
class ClassifyConfig:
    """A classification run.

    Attributes:
        task: tells this configuration from that of a retrieval run.
        seed: all randomness is derived from it.
        device: "auto" (CUDA if there is one), or a torch device.
        workers: processes that read image files; 0 reads them in the training process. None: as many as there are
            processors for this process, at most 8.
        checkpoint_every: steps between checkpoints.
        data, crop, model, loss, optim, evaluation: the parts.
    """

    task: Literal["classification"] = "classification"
    seed: NonNegativeInt = 0
    device: str = "auto"
    workers: NonNegativeInt | None = None
    checkpoint_every: PositiveInt = 1000
    data: ClassificationDataConfig = field(default_factory=ClassificationDataConfig)
    crop: CropConfig = field(default_factory=CropConfig)
    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    loss: ClassLossConfig = field(default_factory=ClassLossConfig)
    optim: ClassOptimConfig = field(default_factory=ClassOptimConfig)
    evaluation: ClassEvaluationConfig = field(default_factory=ClassEvaluationConfig)

    def __post_init__(self) -> None:
        pairing, dilution = self.optim.lr_pairing, self.loss.dilution
        if pairing == "hace" and dilution is None:
            raise ValueError(
                "optim.lr_pairing=hace needs loss.dilution, that of the HACE run that this one is paired with"
            )
        if pairing == "none" and dilution is not None and self.loss.name != "hace":
            raise ValueError(
                f"loss.dilution is an option of hace, got {dilution:g} with loss.name={self.loss.name}; "
                "loss.dilution=null clears it (with optim.lr_pairing it is that of the HACE run to pair with)"
            )
