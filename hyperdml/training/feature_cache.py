"""Where features of frozen backbones are kept."""

from __future__ import annotations

from pathlib import Path

from hyperdml.data.emoji.build import cache_folder


def feature_folder() -> Path:
    """The folder of the features unless the user names one."""
    return cache_folder() / "features"
