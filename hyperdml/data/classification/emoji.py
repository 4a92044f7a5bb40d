"""Emoji with one drawing family held out: the classes are shared, the hand that drew them is new."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.classification.config import ClassificationDataConfig
from hyperdml.data.classification.splits import ClassificationSplits
from hyperdml.data.emoji import load_emoji
from hyperdml.data.labelled_images import ArrayImages
from hyperdml.errors import ConfigError, DataError
from hyperdml.taxonomy.names import suggestion


def load_emoji_vendors(config: ClassificationDataConfig) -> ClassificationSplits:
    """Drawings of one vendor to evaluate on, those of the others to train on; the leaves are emoji.

    The validation part is the vendor after the held-out one, in the order of the set, the first after the last.

    Args:
        config: its subset, root, held_out and evaluate_on count.

    Raises:
        ConfigError: there is no such vendor.
        DataError: the set cannot be read, or has too few vendors.
    """
    emoji = load_emoji(config.subset, None if config.root is None else Path(config.root))
    vendors = emoji.vendor_names
    held_out = vendors[0] if config.held_out is None else config.held_out
    if held_out not in vendors:
        meant = suggestion(held_out, vendors)
        raise ConfigError(f"data.held_out must be one of {', '.join(vendors)}, got {held_out!r}{meant}")
    away = [vendors.index(held_out)]
    if config.evaluate_on == "validation":
        away.append((away[0] + 1) % len(vendors))
    if len(vendors) <= len(away):
        raise DataError(
            f"{config.root or 'the bundled set'}: {len(vendors)} vendors are too few, "
            f"data.evaluate_on={config.evaluate_on} needs {len(away) + 1}"
        )
    rows = (~np.isin(emoji.vendors, away), emoji.vendors == away[-1])
    train, test = (ArrayImages(emoji.images[chosen], emoji.labels[chosen]) for chosen in rows)
    return ClassificationSplits(train, test, emoji.taxonomy)
