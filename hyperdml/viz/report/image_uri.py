"""Pictures as text inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 82  # of WebP; 112 pixels take 2 to 4 KB


def pixels_uri(pixels: np.ndarray) -> str:
    """An image as a data URI.

    Args:
        pixels: (H, W, 3) uint8, RGB.
    """
    from PIL import Image

    return _uri(Image.fromarray(pixels))


def file_uri(path: Path, width: int) -> str:
    """A picture file of ours, made no wider than needed, as a data URI: a quarter of the bytes of its PNG.

    Args:
        path: file that Pillow reads.
        width: pixels; narrower pictures keep their width.
    """
    from PIL import Image

    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    return _uri(image)


def _uri(image: Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
