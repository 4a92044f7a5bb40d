"""The Poincaré disk of a run, drawn into its folder and into its report."""

from __future__ import annotations

from pathlib import Path

from hyperdml.viz.disk import draw_disk
from hyperdml.viz.report import Picture, Section, file_uri
from hyperdml.viz.subject import Subject

PICTURE = "Picture"
_WIDTH = 1100  # pixels; twice what the page shows on most screens


def picture_section(folder: Path, subject: Subject, seed: int) -> Section:
    """Draw RUN/disk.png: radii as learned, parents among the proxies found in the learned space.

    Args:
        folder: run folder.
        subject: its embeddings and images.
        seed: of what is sampled.
    """
    path = folder / "disk.png"
    caption = draw_disk(path, subject, layout="radius", seed=seed)
    return Section(PICTURE, [Picture(file_uri(path, _WIDTH), f"Poincaré disk of {subject.title}", caption)])
