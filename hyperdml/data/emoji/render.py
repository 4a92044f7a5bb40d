"""SVG drawings as square RGB tiles on white."""

from __future__ import annotations

import io

import numpy as np

from hyperdml.errors import DataError

OVERSAMPLING = 2


def render_svg(svg: str, size: int) -> np.ndarray:
    """Rasterise one drawing, centred on a white square.

    Drawn at twice the size and reduced by a Lanczos filter: thin outlines keep their weight better so.
    System fonts are left out, because they would make the result depend on the machine.

    Args:
        svg: SVG text.
        size: side of the tile in pixels.

    Returns:
        Array (size, size, 3), uint8, RGB.

    Raises:
        DataError: the text is not an SVG that the renderer can draw.
    """
    import resvg_py
    from PIL import Image

    try:
        png = resvg_py.svg_to_bytes(
            svg_string=svg, width=size * OVERSAMPLING, skip_system_fonts=True, background="#ffffff"
        )
    except ValueError as error:
        raise DataError(f"drawing cannot be rendered: {error}") from error
    with Image.open(io.BytesIO(bytes(png))) as drawing:
        image = drawing.convert("RGB")
    width, height = image.size
    side = max(width, height)
    if width != height:
        square = Image.new("RGB", (side, side), "white")
        square.paste(image, ((side - width) // 2, (side - height) // 2))
        image = square
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
