"""The model card: the README.md beside a model, with the head that the Hugging Face hub reads."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from hyperdml.models.embedding_model import EmbeddingModel

_PACKAGES = ("hyperdml", "torch", "timm")


def model_card(
    model: EmbeddingModel,
    *,
    title: str | None = None,
    data: str | None = None,
    metrics: Mapping[str, float] | None = None,
    config: Mapping[str, Any] | None = None,
    license: str | None = None,  # the hub's word for it
) -> str:
    """Describe a model: what it is, how to use it, what it was trained on, what it scores.

    Args:
        model: the model.
        title: its name; None: one made of backbone and dimension.
        data: name of the data that it was trained on and scored with.
        metrics: figures by name, as {"R@1": 0.701}; those that are not finite are left out.
        config: the whole configuration of the run; absolute paths are cut to their last part.
        license: of the weights, in the hub's spelling, as "apache-2.0"; None: none is stated.

    Returns:
        Markdown with a YAML head.

    Raises:
        ValueError: `metrics` without `data`: a figure says nothing without what it was measured on.
    """
    if metrics and data is None:
        raise ValueError("metrics need data: the name of the data that they were measured on")
    head = model.config.head
    title = title or f"{model.config.backbone}, {head.embedding_size} dimensions"
    figures = {name: float(value) for name, value in (metrics or {}).items() if math.isfinite(value)}
    front: dict[str, Any] = {"library_name": "hyperdml", "pipeline_tag": "image-feature-extraction"}
    if license is not None:
        front["license"] = license
    front["tags"] = ["hyperdml", "metric-learning", "image-retrieval", "hyperbolic", "poincare-ball"]
    if model.config.weights == "hub" and "." in model.config.backbone:
        front["base_model"] = f"timm/{model.config.backbone}"
    if figures and data is not None:
        front["model-index"] = [{"name": title, "results": [_result(data, figures)]}]
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n# {_line(title)}\n",
        _what(model),
        _use(model),
    ]
    if data is not None:
        parts.append(f"## Data\n\n{_line(data)}\n")
    if figures:
        rows = "".join(f"| {_line(name)} | {value:.4g} |\n" for name, value in figures.items())
        parts.append(f"## Figures\n\n| figure | value |\n|---|---|\n{rows}")
    if config is not None:
        text = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
        parts.append(f"## Configuration of the run\n\n````yaml\n{text}````\n")
    parts.append("## Versions\n\n" + ", ".join(f"{name} {version(name)}" for name in _PACKAGES) + "\n")
    return "\n".join(parts)


def _result(data: str, figures: Mapping[str, float]) -> dict[str, Any]:
    return {
        "task": {"type": "image-retrieval", "name": "Image retrieval"},
        # the hub takes letters, digits, points and hyphens as a type
        "dataset": {"type": re.sub(r"[^\w.]+", "-", data, flags=re.ASCII).strip("-").lower() or "data", "name": data},
        "metrics": [{"type": name, "name": name, "value": value} for name, value in figures.items()],
    }


def _what(model: EmbeddingModel) -> str:
    head = model.config.head
    size = "" if model.image_size is None else f" of {model.image_size} x {model.image_size} pixels"
    return (
        f"Images{size} to points of the Poincaré ball.\n\n"
        "| | |\n|---|---|\n"
        f"| backbone | `{model.config.backbone}` (timm), pooling `{model.config.pooling}` |\n"
        f"| embedding | {head.embedding_size} dimensions, head `{head.kind}` |\n"
        f"| curvature | -{head.c:g}: c = {head.c:g}, a ball of radius {head.c**-0.5:.4g} |\n"
        f"| clipping radius | {head.clip_r:g}: no point is further than {2 * head.clip_r:g} from the origin |\n"
        f"| seen of an image | {_seen(model)} |\n"
        f"| pixels | RGB in [0, 1], less {_numbers(model.mean)}, divided by {_numbers(model.std)} |\n"
    )


def _seen(model: EmbeddingModel) -> str:
    kept = model.crop.kept
    share = "the middle square" if kept == 1 else f"the middle square of {100 * kept:.4g} % of the shorter side"
    return f"{share}, resized ({model.crop.interpolation}, antialiased)"


def _use(model: EmbeddingModel) -> str:
    return (
        "## Use\n\n```python\n"
        "from hyperdml.geometry import pairwise_distance\n"
        "from hyperdml.models import EmbeddingModel\n\n"
        'model = EmbeddingModel.from_pretrained("FOLDER or user/name")\n'
        "points = model(images)  # (N, 3, S, S) normalised images to (N, d) points\n"
        f"distances = pairwise_distance(points, points, c={model.config.head.c!r})\n"
        "```\n"
    )


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _line(text: str) -> str:
    """Text of one line, which cannot begin a table or a block of its own."""
    return " ".join(text.split()).replace("|", "\\|")


def _plain(value: Any) -> Any:
    """What YAML has words for; of a path its name, since a card may be published and the folders of a machine not."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
