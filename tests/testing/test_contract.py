"""The machinery of the checks: what is collected, what is said, what is not tried."""

import pickle

import pytest
import torch

from hyperdml.testing import ContractError, Violation
from hyperdml.testing.contract import Report, hold, name_of


def found_by(*laws, skip=()):
    with pytest.raises(ContractError) as caught:
        hold("The thing", {law.__name__: law for law in laws}, 7, skip)
    return caught.value


def first(case, report):
    report.compare("number", torch.tensor([7.0, 8.0]), float(case), rtol=1.0)


def second(case, report):
    for name in ("left", "right"):
        with report.at(name):
            report.compare("number", torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[1.0, 3.0, 3.0]]), rtol=0.1)


def third(case, report):
    report.add("before")
    raise KeyError("gone")


def test_everything_is_collected_into_one_error():
    error = found_by(first, second, third)
    assert str(error).splitlines() == [
        "The thing breaks 2 laws of its contract:",
        "- second: left: number[0, 2] is 9, expected 3: off by 6, allowed 0.3 (2 of 3)",
        "- second: right: number[0, 2] is 9, expected 3: off by 6, allowed 0.3 (2 of 3)",
        "- third: before",
        "- third: raised KeyError: 'gone'",
    ]
    assert error.laws == {"second", "third"}
    assert isinstance(error, AssertionError)
    assert isinstance(error.__cause__, KeyError)


def test_nothing_is_tried_after_a_broken_first_law():
    assert found_by(second, third).laws == {"second"}
    assert found_by(second, third, skip=["second"]).laws == {"third"}


def test_no_error_without_a_finding():
    hold("The thing", {"first": first, "second": second}, 7, ["second"])


def test_the_error_survives_another_process():
    error = ContractError("The thing", (Violation("law", "message"),))
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "The thing breaks 1 law of its contract:\n- law: message"
    assert copy.violations == error.violations


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        ([1.0, float("nan")], [1.0, 2.0], r"it[1] is nan, expected 2: off by nan"),
        ([1.0, float("inf")], [1.0, float("inf")], r"it[1] is inf, expected inf"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "it has shape (3,), expected (2,)"),
        (1.5, 1.0, "it is 1.5, expected 1: off by 0.5, allowed 0.1"),
    ],
)
def test_compare(found, expected, message):
    report = Report()
    with report.at("law"):
        report.compare("it", torch.tensor(found), torch.tensor(expected), rtol=0.1)
    assert message in report.violations[0].message


def test_finite_names_the_first_place():
    report = Report()
    with report.at("law"):
        report.finite("it", torch.tensor([[0.0, 1.0], [float("-inf"), float("nan")]]))
        report.finite("it", torch.zeros(3))
        report.finite("that", torch.tensor(float("nan")))
    assert [message for _, message in report.violations] == ["it[1, 0] is -inf (2 of 4)", "that is nan"]


def test_long_messages_of_others_are_cut():
    report = Report()
    with report.at("law"):
        raise RuntimeError("no\n" * 1000)
    assert len(report.violations[0].message) < 450


def test_names():
    assert name_of("search", Report()) == "The search Report"
    assert name_of("distance", torch.cdist) == "The distance cdist"
    assert name_of("distance", lambda x, y: x) == "The distance"
