"""From the archives that a release is downloaded as to the folder that it is loaded from."""

from hyperdml.data.prepare.archives import extract_archive
from hyperdml.data.prepare.limits import Limits

__all__ = ["Limits", "extract_archive"]
