"""Everything that an arm trains, in one module: images or features in, the parts of the loss out."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor, nn

from hyperdml.distributed import gather_batch
from hyperdml.hace import HACELoss, HyperbolicTaxonomyHead
from hyperdml.hier import HIER
from hyperdml.integrations import create_metric_loss
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.engine.precision import autocast
from hyperdml.training.retrieval.config import TrainConfig


class Learner(nn.Module):
    """Everything that is trained: model, metric loss with its class proxies, HIER and HACE with theirs.

    Each part is initialised from a seed of its own, so that two arms that differ in HIER or HACE alone start from the
    same model and the same class proxies.

    The backbone computes in the precision of the configuration, head and losses in float32 at least. In a process group
    the points of all processes are joined before the losses, which every process computes alike, with one seed; batch
    statistics of a backbone that trains them are those of a process's own images.

    Args:
        config: the run.
        num_classes: number of training classes.
        taxonomy: of the training classes, its leaves in label order; needed by HACE alone (`training_taxonomy`).

    Attributes:
        model: backbone and head.
        metric_loss: the metric loss; its parameters are class proxies.
        hier, prototypes: the regulariser and HACE's prototypes, or None.

    Raises:
        ValueError: HACE has no taxonomy, or one of another number of classes; a setting is out of range.
    """

    def __init__(self, config: TrainConfig, num_classes: int, taxonomy: Taxonomy | None = None) -> None:
        super().__init__()
        head, loss = config.model.head, config.metric_loss
        self.config = config
        self.model = create_model(config)
        torch.manual_seed(derive_seed(config.seed, "metric loss"))
        self.metric_loss = create_metric_loss(
            loss.name,
            num_classes,
            head.embedding_size,
            loss.options,
            distance=loss.distance,
            miner=loss.miner,
            miner_options=loss.miner_options,
            memory=loss.memory,
            c=head.c,
            clip_r=head.clip_r,
        )
        self.hier: HIER | None = None
        if config.hier.weight > 0:
            torch.manual_seed(derive_seed(config.seed, "hier"))
            options = {field.name: getattr(config.hier, field.name) for field in fields(config.hier)}
            del options["weight"]
            self.hier = HIER(head.embedding_size, c=head.c, clip_r=head.clip_r, **options)
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
        self._step = 0

    def train(self, mode: bool = True) -> Learner:
        """Set the mode; a backbone that is not trained stays in evaluation mode."""
        super().train(mode)
        if self.config.optim.freeze_backbone:
            self.model.backbone.eval()
        return self

    def begin(self, step: int) -> None:
        """Tell the losses how many steps are finished: what they draw follows from that, alike in all processes."""
        self._step = step

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The parts of the loss and their weighted sum "loss", scalars.

        Args:
            inputs: (N, 3, S, S) images, or with `optim.freeze_backbone` (N, F) features of the backbone.
            labels: (N,) classes.
        """
        return self.losses(self.embed(inputs), labels)

    def embed(self, inputs: Tensor) -> Tensor:
        """(N, d) points of the ball of the inputs of `forward`; the head goes back to float32."""
        optim = self.config.optim
        if not optim.freeze_backbone:
            with autocast(optim.precision, inputs.device):
                inputs = self.model.backbone(inputs)
        points: Tensor = self.model.head(inputs)
        return points

    def losses(self, points: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What `forward` returns, from (N, d) points of the ball of this process."""
        points, labels = gather_batch(points, labels)
        seed = self.config.seed
        torch.manual_seed(derive_seed(seed, "loss", self._step))
        parts = {"metric": self.metric_loss(points, labels)}
        loss = parts["metric"]
        if self.hier is not None:
            self.hier.manual_seed(derive_seed(seed, "triplets", self._step))
            terms = self.hier.terms(points, labels)
            parts |= {"hier_samples": terms.samples, "hier_proxies": terms.proxies}
            loss = loss + self.config.hier.weight * (terms.samples + terms.proxies)
        if self.prototypes is not None:
            parts["hace"] = self.hace(self.prototypes(points), labels)
            loss = loss + self.config.hace.weight * parts["hace"]
        return {**parts, "loss": loss}

    def proxies_on_ball(self) -> Tensor | None:
        """(P, d) proxies on the CPU; None without any, before they start, or where they live elsewhere."""
        hier = self.hier
        if hier is None or hier.geometry != "hyperbolic" or (hier.start is not None and not hier.start.done):
            return None
        return hier.proxies_on_ball().detach().cpu()


def create_model(config: TrainConfig) -> EmbeddingModel:
    """The model before training, as `Learner` starts it."""
    torch.manual_seed(derive_seed(config.seed, "model"))
    model = EmbeddingModel(config.model, config.data.image_size)
    if config.optim.freeze_backbone:
        model.backbone.requires_grad_(False)
    if not config.optim.channels_last:
        model.backbone.to(memory_format=torch.contiguous_format)
    return model
