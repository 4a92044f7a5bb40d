"""One JSON object on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

Json = Annotated[bool, Parameter(negative="")]
"""A flag without a --no-json."""


def print_json(record: Mapping[str, Any]) -> None:
    """Print a record; numbers that are not finite, which JSON cannot hold, become null."""
    print(json.dumps(_finite(record), indent=2))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
