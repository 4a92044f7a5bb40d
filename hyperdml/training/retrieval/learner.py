"""Everything that an arm trains, in one module."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor, nn

from hyperdml.data import ImageData
from hyperdml.errors import ConfigError
from hyperdml.hace import HACELoss, HyperbolicTaxonomyHead
from hyperdml.hier import HIER
from hyperdml.integrations import create_metric_loss
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.settings import settings_errors


class Learner(nn.Module):
    """Everything that is trained: model, metric loss with its class proxies, HIER and HACE with theirs.

    Each part is initialised from a seed of its own, so that two arms that differ in HIER or HACE alone start from the
    same model and the same class proxies.

    Args:
        config: the run.
        num_classes: number of training classes.
        taxonomy: of the training classes, its leaves in label order; needed by HACE alone (`training_taxonomy`).

    Raises:
        ValueError: HACE has no taxonomy, or one of another number of classes; a setting is out of range.
    """

    def __init__(self, config: TrainConfig, num_classes: int, taxonomy: Taxonomy | None = None) -> None:
        super().__init__()
        head = config.model.head
        torch.manual_seed(derive_seed(config.seed, "model"))
        self.model = EmbeddingModel(config.model)
        self.model.image_size = config.data.image_size
        torch.manual_seed(derive_seed(config.seed, "metric loss"))
        self.metric_loss = create_metric_loss(
            config.metric_loss.name, num_classes, head.embedding_size, config.metric_loss.options
        )
        self.hier: HIER | None = None
        if config.hier.weight > 0:
            torch.manual_seed(derive_seed(config.seed, "hier"))
            options = {field.name: getattr(config.hier, field.name) for field in fields(config.hier)}
            del options["weight"]
            self.hier = HIER(head.embedding_size, c=head.c, clip_r=head.clip_r, **options)
        self.hier_weight = config.hier.weight
        self.prototypes: HyperbolicTaxonomyHead | None = None
        if config.hace.weight > 0:
            if taxonomy is None or taxonomy.num_leaves != num_classes:
                found = "none" if taxonomy is None else f"one of {taxonomy.num_leaves}"
                raise ValueError(
                    f"hace.weight > 0 needs the taxonomy of the {num_classes} training classes, got {found}"
                )
            torch.manual_seed(derive_seed(config.seed, "hace"))
            self.prototypes = HyperbolicTaxonomyHead(
                head.embedding_size, taxonomy, c=head.c, clip_r=head.clip_r, scale=config.hace.scale
            )
            self.hace = HACELoss(taxonomy, config.hace.dilution, config.hace.label_smoothing)
        self.hace_weight = config.hace.weight

    def losses(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The parts of the loss and their weighted sum "loss", scalars, from features of the backbone."""
        embeddings = self.model.head(features)
        parts = {"metric": self.metric_loss(embeddings, labels)}
        parts["loss"] = parts["metric"]
        if self.hier is not None:
            terms = self.hier.terms(embeddings, labels)
            parts |= {"hier_samples": terms.samples, "hier_proxies": terms.proxies}
            parts["loss"] = parts["metric"] + self.hier_weight * (terms.samples + terms.proxies)
        if self.prototypes is not None:
            parts["hace"] = self.hace(self.prototypes(embeddings), labels)
            parts["loss"] = parts["loss"] + self.hace_weight * parts["hace"]
        return parts


def training_taxonomy(config: TrainConfig, data: ImageData) -> Taxonomy | None:
    """The tree of the training classes if HACE is part of the run, else None.

    Raises:
        ConfigError: there is no level above the class: HACE would be cross-entropy, whatever its dilution.
    """
    if config.hace.weight == 0:
        return None
    if len(data.level_names) < 2:
        raise ConfigError(
            f"hace.weight={config.hace.weight:g} needs levels above the class, and data.name={config.data.name} has "
            "none; for prototypes without a taxonomy use a metric loss such as NormalizedSoftmaxLoss"
        )
    with settings_errors("taxonomy of the training classes"):
        return data.taxonomy


def create_learner(
    config: TrainConfig, num_classes: int, device: torch.device, taxonomy: Taxonomy | None = None
) -> Learner:
    """Build the modules of an arm, and try the metric loss once.

    Args:
        config: the run.
        num_classes: number of training classes.
        device: where they are put.
        taxonomy: of the training classes, for HACE.

    Raises:
        ConfigError: a setting is out of range, or the metric loss cannot be computed from embeddings and labels.
    """
    with settings_errors("configuration"):
        learner = Learner(config, num_classes, taxonomy).to(device)
    count, size = config.batch.size, config.model.head.embedding_size
    points = torch.nn.functional.normalize(torch.randn(count, size, device=device), dim=1).requires_grad_()
    labels = (torch.arange(count, device=device) // config.batch.per_class) % num_classes
    try:
        learner.metric_loss(points, labels)
    except Exception as error:  # losses raise whatever comes up when an option has the wrong type or range
        raise ConfigError(f"metric_loss {config.metric_loss.name} cannot be trained with: {error!r}") from error
    return learner
