"""`hyperdml doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.errors import EnvironmentProblem


def doctor(*, data: Annotated[tuple[str, ...], Parameter(negative="")] = (), json: Json = False) -> None:
    """Look whether this machine is fit to train on: packages, GPU, geometry, FAISS, disks, data.

    Every line says ok, warning or problem; with a problem the exit code is 5.

    hyperdml doctor

    hyperdml doctor --data cub=CUB_200_2011 --data sop=Stanford_Online_Products

    Args:
        data: data set to look at, as NAME=ROOT with a name that data.name could have; may be given several times.
        json: print one JSON object.
    """
    from hyperdml.training.doctor.checks import all_findings
    from hyperdml.training.doctor.images import parse_roots

    findings = []
    for finding in all_findings(parse_roots(data)):
        findings.append(finding)
        if not json:
            advice = f"\n         -> {finding.advice}" if finding.advice else ""
            print(f"{finding.level:<8} {finding.about}: {finding.text}{advice}", flush=True)
    problems = sum(finding.level == "problem" for finding in findings)
    if json:
        print_json({"problems": problems, "findings": [asdict(finding) for finding in findings]})
    if problems:
        raise EnvironmentProblem("1 problem was found" if problems == 1 else f"{problems} problems were found")
