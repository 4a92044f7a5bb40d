"""What figures need of a subject, and one clear error where it is not there."""

from __future__ import annotations

from torch import Tensor

from hyperdml.data import EmbeddingSet, LabelledImages
from hyperdml.errors import ConfigError, DataError
from hyperdml.viz.subject import Subject


def needed_images(subject: Subject) -> LabelledImages:
    """The images.

    Raises:
        DataError: there are none; the message says why.
    """
    if subject.images is None:
        why = f": {subject.missing}" if subject.missing else ""
        raise DataError(f"this figure shows images, and {subject.title} has none{why}")
    return subject.images


def needed_proxies(subject: Subject) -> Tensor:
    """(P, d) hierarchical proxies as points of the ball, on the CPU.

    Raises:
        DataError: there are none.
    """
    proxies = subject.embeddings.proxies
    if proxies is None or len(proxies) == 0:
        raise DataError(f"this figure shows hierarchical proxies, and {subject.title} has none")
    return proxies.detach().cpu()


def arm_beside(subject: Subject, against: str | None = None) -> tuple[str, EmbeddingSet] | None:
    """The arm of the run that a figure sets beside the subject.

    Args:
        subject: what is looked at.
        against: title of the arm; by default the first without hierarchical proxies: the metric loss alone.

    Returns:
        Its title and embeddings; None if none was named and there is no such arm.

    Raises:
        ConfigError: there is no arm of this title.
    """
    if against is None:
        return next(((title, arm) for title, arm in subject.arms.items() if arm.proxies is None), None)
    if against not in subject.arms:
        there = "; ".join(map(repr, subject.arms)) or "none"
        raise ConfigError(f"{subject.title} has no other arm {against!r}; it has: {there}")
    return against, subject.arms[against]
