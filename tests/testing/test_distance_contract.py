"""`check_distance`: what is ours passes, and every law has a distance that breaks it."""

import math

import pytest
import torch
from geometry.oracles import ball_points, exact_distance

from hyperdml.geometry import pairwise_distance, poincare_ball, scale_gradient
from hyperdml.hier import released
from hyperdml.hier.spaces import Euclidean, Spherical
from hyperdml.integrations import PoincareDistance
from hyperdml.testing import ContractError, check_distance
from hyperdml.testing.distance import DISTANCE_LAWS
from hyperdml.testing.points import true_distance

C = 0.1
DTYPES = [torch.float32, torch.float64]


def ours(x, y):
    return pairwise_distance(x, y, C)


def violations(pairwise, c=C, **options):
    with pytest.raises(ContractError) as caught:
        check_distance(pairwise, c, **options)
    return caught.value


@pytest.mark.parametrize("c", [1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [1, 2, 8, 100])
def test_our_distance_keeps_the_contract(c, dtype, dim):
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        check_distance(lambda x, y: pairwise_distance(x, y, c), c, dtype=dtype, dim=dim, generator=generator)


@pytest.mark.parametrize("dtype", DTYPES)
def test_points_that_happen_to_be_near_are_allowed_their_rounding(dtype):
    points = torch.tensor([[0.5, 0.0], [-1.0, 0.3], [0.2, 2.0], [1.9, 0.0], [0.5, 1e-5], [0.0, -0.7]])
    check_distance(ours, C, dtype=dtype, points=points)


@pytest.mark.parametrize("dtype", DTYPES)
def test_so_do_the_distance_for_pytorch_metric_learning_and_a_learned_curvature(dtype):
    check_distance(PoincareDistance(C).compute_mat, C, dtype=dtype)
    ball = poincare_ball(0.7, learnable=True)
    check_distance(lambda x, y: pairwise_distance(x, y, ball), ball, dtype=dtype)


def test_other_metrics_are_held_to_the_laws_of_metrics():
    check_distance(Euclidean().pairwise)
    sphere = Spherical()

    def chord(x, y):
        return sphere.pairwise(sphere.points(x), sphere.points(y))

    assert violations(chord, None).laws == {"triangle inequality"}  # it is squared
    check_distance(chord, skip=["triangle inequality"])


def test_points_of_your_own():
    check_distance(ours, C, points=ball_points((12, 6), 7.0, C, spread=True, seed=0))
    far = ball_points((12, 6), 10.0, 1.0, torch.float64, seed=0)
    assert "reference" in violations(gram, 1.0, points=far, dtype=torch.float64, rtol=1e-12).laws


def test_released_distance_is_not_exact_and_no_isometry_carries_it():
    found = violations(lambda x, y: released.pairwise_distance(x, y, C))
    assert found.laws == {"reference"}
    assert "reference: ordinary points: d[0, 7] is 5.787025, expected 5.7871247" in str(found)
    assert violations(lambda x, y: released.pairwise_distance(x, y, C), dtype=torch.float64).laws == {
        "reference",
        "translation",
    }


def test_geoopts_distance_as_it_is_broadcast():
    ball = poincare_ball(C)
    found = violations(lambda x, y: ball.dist(x[:, None], y[None]), dtype=torch.float64)
    assert found.laws == {"half precision", "memory"}
    assert "60 x 50 distances of 64-dimensional points" in str(found)


@pytest.mark.parametrize("c", [0.1, 1.0])
def test_the_reference_itself_against_mpmath(c):
    x = torch.cat([ball_points((3, 5), radius / math.sqrt(c), c, seed=7) for radius in (0.01, 1.0, 7.0)])
    near = x + 1e-4 * x.flip(1)
    found = true_distance(x, torch.cat([x, near]), "hyperbolic", c)
    for i in range(9):
        for j, y in enumerate(torch.cat([x, near])):
            assert abs(float(found[i, j]) - float(exact_distance(x[i], y, c))) <= 1e-11 * float(found[i, j])


def stretched_gap(x, y, lowest):
    """|x - y|^2 / ((1 - c|x|^2) (1 - c|y|^2)) by broadcasting."""
    below = (1 - C * (x * x).sum(-1, keepdim=True)) * (1 - C * (y * y).sum(-1))
    return (x[:, None] - y[None]).square().sum(-1) / below.clamp_min(lowest)


def formula(x, y):
    """The textbook formula, with nothing done for computers."""
    return torch.acosh(1 + 2 * C * stretched_gap(x, y, -1)) / math.sqrt(C)


def gram(x, y, c=C):
    """|x - y|^2 by a product in the precision of the input, without a floor."""
    x2, y2 = (x * x).sum(-1, keepdim=True), (y * y).sum(-1)
    s = c * (x2 + y2 - 2 * x @ y.T).clamp_min(1e-12) / ((1 - c * x2) * (1 - c * y2)).clamp_min(1e-9)
    return 2 / math.sqrt(c) * torch.log1p(s.sqrt() + s / (1 + (1 + s).sqrt()))


def in_input_precision(x, y):
    s = C * stretched_gap(x, y, 1e-9)
    return torch.where(s > 0, torch.asinh(torch.where(s > 0, s, 1).sqrt()), 0) * 2 / math.sqrt(C)


def overwriting(x, y):
    with torch.no_grad():
        x.mul_(1 + 1e-3)
    return ours(x, y)


def one_ruler_per_batch(x, y):
    longest = torch.cat([x, y]).detach().abs().amax() if len(x) + len(y) else 1
    return ours(x, y) * (1 + 1e-3 * longest)


def squashed(x, y):
    """A true distance after a map of the ball into itself that is no isometry."""
    return ours(x * torch.linspace(0.5, 1, x.shape[1]).to(x), y * torch.linspace(0.5, 1, y.shape[1]).to(y))


BROKEN = {
    "shape": (lambda x, y: ours(x, y).T, "12 and 8 points: the result has shape (8, 12), expected (12, 8)"),
    "dtype": (lambda x, y: ours(x, y).float(), "torch.float64 points give torch.float32 distances"),
    "inputs untouched": (overwriting, "the first set: coordinate["),
    "non-negativity": (lambda x, y: ours(x, y) - 1e-3, "the same points: d[0, 0] is -0.001, expected 0"),
    "identity": (gram, "d(x, x)"),
    "symmetry": (lambda x, y: ours(x, y) * (1 + (x * x).sum(1, keepdim=True)), "d(y, x)["),
    "triangle inequality": (lambda x, y: ours(x, y).square(), "d(x, z)"),
    "rows": (one_ruler_per_batch, "d["),
    "gradient": (lambda x, y: ours(x, y.detach() + 0 * y), "raised GradcheckError: Jacobian mismatch"),
    "coincident gradient": (formula, "the set itself: gradient of the first set[0, 0] is nan"),
    "half precision": (in_input_precision, "torch.bfloat16: the distances are torch.bfloat16"),
    "autocast": (gram, "torch.bfloat16: d["),
    "memory": (formula, "a tensor of 768000 bytes was made"),
    "reference": (lambda x, y: pairwise_distance(x, y, 0.11), "ordinary points: d["),
    "rotation": (squashed, "d["),
    "translation": (Euclidean().pairwise, "translation by 0.31 of the radius: d["),
    "slope": (lambda x, y: ours(scale_gradient(x, C), y), "near pairs: length of the gradient["),
    "origin and rim": (formula, "at 0.9999980926513672 of the radius: gradient of the first set["),
}


@pytest.mark.parametrize("law", DISTANCE_LAWS)
def test_every_law_can_be_broken(law):
    broken, message = BROKEN[law]
    found = violations(broken)
    assert any(message in violation.message for violation in found.violations if violation.law == law), str(found)
    if law == "shape":
        assert found.laws == {"shape"}  # nothing else was tried


def test_a_clean_gram_form_loses_near_pairs_and_autocast_alone():
    assert violations(gram, skip=["half precision"]).laws == {"identity", "autocast", "reference", "slope"}
    check_distance(in_input_precision, C, skip=["half precision", "memory"])


def test_curvature_read_the_wrong_way_round_is_found():
    """Radius 1 / c in place of 1 / sqrt(c), as in code that takes c for a radius."""
    assert "reference" in violations(lambda x, y: pairwise_distance(x, y, C**2)).laws
    assert "reference" in violations(Euclidean().pairwise, 1.0).laws


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": torch.float16}, r"dtype must be torch\.float32 or torch\.float64, got torch\.float16"),
        ({"points": torch.zeros(3, 2)}, r"points must be \(N, d\), finite, N at least 5, got shape \(3, 2\)"),
        ({"points": torch.eye(5)[[0, 1, 2, 2, 3, 4]]}, "points must differ, but only 5 of 6 do"),
        ({"points": 4 * torch.eye(5)}, r"a point has norm 4, outside the ball of radius 3\.162 \(c=0\.1\)"),
        ({"skip": ["simmetry"]}, "skip names no law: 'simmetry'; the laws are 'shape', 'dtype', "),
        ({"c": -1.0}, "curvature c must be positive"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        check_distance(ours, **{"c": C, **options})


def test_the_documentation_names_every_law():
    table = [line.split("|")[1] for line in check_distance.__doc__.splitlines() if line.lstrip().startswith("|")]
    names = [name.strip() for cell in table[2:] for name in cell.split(",")]
    assert sorted(names) == sorted(DISTANCE_LAWS)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_a_gpu(dtype):
    check_distance(ours, C, dtype=dtype, device="cuda")
