"""Losses of pytorch-metric-learning that run and train nothing sensible: refused before training."""

from __future__ import annotations

from pytorch_metric_learning import losses, miners
from torch import nn

from hyperdml.errors import ConfigError
from hyperdml.integrations.class_weights import COSINE_ALONE
from hyperdml.integrations.classes_by_name import DistanceName
from hyperdml.integrations.cross_batch_memory import CrossBatchMemory


def check_class(kind: type[nn.Module], distance: DistanceName | None) -> None:
    """Refuse a loss that leaves the distance unused, or that cannot take a second step.

    Args:
        kind: class of the loss.
        distance: what it is to compare by.

    Raises:
        ConfigError: it is one of these.
    """
    if distance in ("poincare", "euclidean") and issubclass(kind, COSINE_ALONE):
        raise ConfigError(f"metric_loss.distance={distance}: {kind.__name__} compares by cosine alone")
    if issubclass(kind, losses.DynamicSoftMarginLoss):
        raise ConfigError(
            f"metric_loss.name: {kind.__name__} of pytorch-metric-learning keeps the graph of a step for the next one, "
            "whose gradient then fails"
        )


def check_margins(loss: nn.Module) -> None:
    """Refuse margins by which pairs of a class may stay further apart than other pairs have to be.

    The library's own ones, 0 and 1, are for distances; with a similarity no pair is ever wrong enough.

    Args:
        loss: any loss; only `ContrastiveLoss` is looked at.

    Raises:
        ValueError: its margins stand the wrong way round for its distance.
    """
    if not isinstance(loss, losses.ContrastiveLoss):
        return
    pos, neg = loss.pos_margin, loss.neg_margin
    if loss.distance.is_inverted and pos < neg:
        raise ValueError(f"similarities need pos_margin above neg_margin, as 1 and 0.5, got {pos:g} and {neg:g}")
    if not loss.distance.is_inverted and pos > neg:
        raise ValueError(f"distances need pos_margin below neg_margin, as 0 and 1, got {pos:g} and {neg:g}")


def check_memory(name: str, miner: miners.BaseMiner | None) -> None:
    """Refuse a memory for losses and miners that take a batch for its own memory.

    Args:
        name: class of the loss.
        miner: what picks the tuples.

    Raises:
        ConfigError: the loss knows no embeddings beside the batch, or compares each embedding with itself, which is in
            the memory as well; or the miner picks each embedding as its own nearest of the class, which leaves nothing.
    """
    can = [loss for loss in CrossBatchMemory.supported_losses() if loss != losses.NCALoss.__name__]
    if name not in can:
        why = (
            "compares with itself what is in both"
            if name == losses.NCALoss.__name__
            else "compares with no other batch"
        )
        raise ConfigError(f"metric_loss.memory: {name} {why}; losses for it: {', '.join(can)}")
    if isinstance(miner, miners.BatchEasyHardMiner) and miner.pos_strategy == miner.EASY:
        raise ConfigError(
            f"metric_loss.memory: the nearest of a class in it is the embedding itself, so {type(miner).__name__} "
            "picks nothing; give it another pos_strategy"
        )
