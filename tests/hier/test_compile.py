"""HIER under torch.compile: the values and gradients of the module as it is."""

import pytest
import torch

from hyperdml.geometry import ToPoincare
from hyperdml.hier import HIER


@pytest.mark.filterwarnings("default")  # of the compiler, none of ours
@pytest.mark.parametrize(
    "options",
    [
        {"mode": "default", "levels": (2, 6, 20), "per_anchor": 6},
        {"mode": "official", "num_proxies": 20, "k": 6, "per_anchor": 5},
        {"mode": "paper", "num_proxies": 20, "k": 6, "per_anchor": 5},
    ],
    ids=lambda options: options["mode"],
)
def test_compiled_module_gives_the_same(options):
    hier = HIER(8, **options)
    if options["mode"] == "default":
        hier.fit_proxies(ToPoincare()(3 * torch.randn(60, 8)))
    points, labels = ToPoincare()(3 * torch.randn(24, 8)).detach(), torch.arange(24) // 2
    found = []
    for module in (hier, torch.compile(hier, backend="aot_eager")):
        x = points.clone().requires_grad_()
        hier.manual_seed(1)
        value = module(x, labels)
        found.append([value, *torch.autograd.grad(value, [x, hier.proxies])])
    for plain, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-6)
