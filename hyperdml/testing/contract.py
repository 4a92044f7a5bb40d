"""A contract: laws by name, a report that collects what breaks them, and one error that lists it all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

_LONGEST = 400  # characters of a foreign error message that are worth printing

Case = TypeVar("Case")


class Violation(NamedTuple):
    """One finding.

    Attributes:
        law: name of the law that is broken.
        message: for which input, and by how much.
    """

    law: str
    message: str


class ContractError(AssertionError):
    """A component does not keep its contract; the text has one line for every finding.

    Attributes:
        subject: name of the component.
        violations: the findings, in the order of the laws.
    """

    def __init__(self, subject: str, violations: tuple[Violation, ...]) -> None:
        super().__init__(subject, violations)
        self.subject = subject
        self.violations = violations

    @property
    def laws(self) -> set[str]:
        """Names of the laws that are broken."""
        return {violation.law for violation in self.violations}

    def __str__(self) -> str:
        count = len(self.laws)
        head = f"{self.subject} breaks {count} law{'s' if count > 1 else ''} of its contract:"
        return "\n".join([head, *(f"- {law}: {message}" for law, message in self.violations)])


class Report:
    """Where laws write down what they find; nothing is raised before all of them had their turn."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.error: Exception | None = None
        self._path: list[str] = []

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Name the law, and within it the input, that findings belong to; an exception is a finding too."""
        self._path.append(place)
        try:
            yield
        except Exception as error:
            text = " ".join(str(error).split())
            self.add(f"raised {type(error).__name__}: {text[:_LONGEST]}{' ...' if len(text) > _LONGEST else ''}")
            self.error = self.error or error
        finally:
            self._path.pop()

    def add(self, message: str) -> None:
        """A finding about the present place."""
        law, *places = self._path
        self.violations.append(Violation(law, ": ".join([*places, message])))

    def compare(self, what: str, found: Tensor, expected: Tensor | float, rtol: float, atol: float = 0.0) -> None:
        """A finding if two tensors differ by more than ``rtol |expected| + atol`` somewhere; it names the worst place.

        Args:
            what: name of the quantity.
            found: any shape.
            expected: the same shape, or one number for all.
            rtol: allowed relative difference.
            atol: allowed absolute difference.
        """
        found = found.detach().cpu().double()
        if not isinstance(expected, Tensor):
            expected = torch.full_like(found, expected)
        expected = expected.detach().cpu().double()
        if found.shape != expected.shape:
            self.add(f"{what} has shape {tuple(found.shape)}, expected {tuple(expected.shape)}")
            return
        allowed = rtol * expected.abs() + atol
        gap = (found - expected).abs()
        bad = ~(gap <= allowed)  # NaN too
        if bad.any():
            excess = torch.where(bad, (gap - allowed).nan_to_num(torch.inf), -torch.inf)
            at = tuple(int(i) for i in torch.unravel_index(excess.argmax(), excess.shape))
            self.add(
                f"{what}{list(at) if at else ''} is {float(found[at]):.8g}, expected {float(expected[at]):.8g}: off by "
                f"{float(gap[at]):.3g}, allowed {float(allowed[at]):.3g}{_how_many(bad)}"
            )

    def finite(self, what: str, found: Tensor) -> None:
        """A finding if an entry is NaN or infinite."""
        bad = ~found.detach().isfinite()
        if bad.any():
            at = bad.nonzero()[0].tolist()
            self.add(f"{what}{at if at else ''} is {float(found[tuple(at)])}{_how_many(bad)}")


def hold(subject: str, laws: Mapping[str, Callable[[Case, Report], None]], case: Case, skip: Collection[str]) -> None:
    """Try all laws on a case. The first one stands before the others: where it is broken, they are not tried.

    Args:
        subject: name of the component.
        laws: functions by name; each writes its findings into the report.
        case: what the laws look at.
        skip: names of laws to leave out.

    Raises:
        ValueError: a name in skip is none of the laws.
        ContractError: a law is broken; its cause is the first exception that the component raised, if any.
    """
    for name in skip:
        if name not in laws:
            raise ValueError(f"skip names no law: {name!r}; the laws are {', '.join(map(repr, laws))}")
    report = Report()
    for number, (name, law) in enumerate(laws.items()):
        if name not in skip:
            with report.at(name):
                law(case, report)
        if number == 0 and report.violations:
            break
    if report.violations:
        raise ContractError(subject, tuple(report.violations)) from report.error


def name_of(kind: str, component: Any) -> str:
    """How a component is called in messages: its kind, and its own name unless it is a lambda."""
    name = getattr(component, "__name__", type(component).__name__)
    return f"The {kind}" if name == "<lambda>" else f"The {kind} {name}"


def _how_many(bad: Tensor) -> str:
    return f" ({int(bad.sum())} of {bad.numel()})" if bad.numel() > 1 else ""
