"""The hash that ties embeddings and indexes to the model that made them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hyperdml.errors import DataError
from hyperdml.files import sha256


def model_hash(folder: Path) -> str:
    """Hexadecimal SHA-256 over the files of a model that `EmbeddingModel.save_pretrained` wrote.

    Args:
        folder: folder with `model.safetensors` and `config.json`.

    Returns:
        64 hexadecimal digits; two folders have the same if both files are equal byte by byte.

    Raises:
        DataError: a file is missing.
    """
    digest = hashlib.sha256()
    for name in ("config.json", "model.safetensors"):
        path = folder / name
        if not path.is_file():
            raise DataError(f"{folder} is not a model: {path} is missing")
        digest.update(f"{name} {sha256(path)}\n".encode())
    return digest.hexdigest()
