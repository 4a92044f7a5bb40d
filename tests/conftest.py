"""Options and settings shared by all tests."""

import pytest
import torch


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="also run tests marked slow")


def pytest_configure(config):
    torch.set_num_threads(1)  # before fixtures of modules, which come before the one below


def pytest_collection_modifyitems(config, items):
    reasons = []
    if not config.getoption("--run-slow"):
        reasons.append(("slow", "needs --run-slow"))
    if not torch.cuda.is_available():
        reasons.append(("gpu", "needs a CUDA device"))
    for marker, reason in reasons:
        for item in items:
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _one_thread_and_fixed_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)
