"""All checks, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from hyperdml.training.doctor.finding import Check, Finding, guarded
from hyperdml.training.doctor.images import check_data
from hyperdml.training.doctor.machine import check_disks, check_gpus, check_workers
from hyperdml.training.doctor.numerics import check_geometry
from hyperdml.training.doctor.packages import check_faiss_builds, check_optional, check_requirements, check_versions
from hyperdml.training.doctor.search import check_search

_CHECKS: dict[str, Check] = {
    "packages": check_versions,
    "requirements": check_requirements,
    "FAISS builds": check_faiss_builds,
    "GPU": check_gpus,
    "geometry": check_geometry,
    "FAISS": check_search,
    "workers": check_workers,
    "disk": check_disks,
}


def all_findings(roots: Mapping[str, str]) -> Iterator[Finding]:
    """Run every check; none of them can raise.

    Args:
        roots: folders of data sets by name.
    """
    checks: dict[str, Check] = {**_CHECKS, "data": partial(check_data, roots), "optional": check_optional}
    for about, check in checks.items():
        yield from guarded(about, check)
