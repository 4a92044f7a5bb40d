"""The loss that a configuration names, its head, and the learning rate that goes with it."""

from __future__ import annotations

from hyperdml.hace import HACELoss, HCELoss, HXELoss, SoftLabelLoss, TaxonomyLoss
from hyperdml.hace.aggregation import Head
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.loss_config import ClassLossConfig
from hyperdml.training.settings import settings_errors


def head_of(config: ClassLossConfig) -> Head:
    """The head that a loss is trained with."""
    if config.head != "auto":
        return config.head
    return "all_nodes" if config.name in ("hace", "hce") else "leaves"


def create_loss(config: ClassLossConfig, taxonomy: Taxonomy) -> TaxonomyLoss:
    """Build a loss.

    Cross-entropy is HACE of dilution 0, which gives torch's numbers: with a head of leaves those of `cross_entropy`
    with the same label smoothing.

    Args:
        config: which loss.
        taxonomy: of the labels.

    Raises:
        ConfigError: an option is out of range or does not fit the others or the taxonomy.
    """
    head, smoothing = head_of(config), config.label_smoothing
    with settings_errors("loss"):
        if config.name == "hce":
            return HCELoss(taxonomy, head=head, label_smoothing=smoothing)
        if config.name == "hxe" and config.alpha is not None:
            return HXELoss(taxonomy, config.alpha, config.normalized, head=head, label_smoothing=smoothing)
        if config.name == "soft_labels" and config.beta is not None:
            return SoftLabelLoss(taxonomy, config.beta, head=head)
        return HACELoss(
            taxonomy,
            config.dilution or 0.0 if config.name == "hace" else 0.0,
            label_smoothing=smoothing,
            horizontal=config.horizontal,
            beta=config.beta,
            head=head,
            root=config.root,
            normalize=config.normalized,
        )


def learning_rate(config: ClassifyConfig) -> float:
    """The learning rate at full schedule under `optim.lr_pairing` (the paper, A.4).

    The leaf weighs 1 - dilution in HACE and 1 in the other losses. "hace" multiplies the rate of the others by that
    factor, "ce" divides the rate of HACE by it: both give a ratio of 1 - dilution.
    """
    optim, is_hace = config.optim, config.loss.name == "hace"
    kept = 1 - (config.loss.dilution or 0.0)
    if optim.lr_pairing == "hace" and not is_hace:
        return optim.lr * kept
    if optim.lr_pairing == "ce" and is_hace:
        return optim.lr / kept
    return optim.lr
