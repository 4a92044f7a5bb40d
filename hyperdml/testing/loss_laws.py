"""Laws of a loss that is called as ``loss(embeddings, labels)``."""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor

from hyperdml.testing.contract import Report
from hyperdml.testing.loss_case import SEED, LossCase, evaluate

_RTOL = 1e-5  # another order of summation


def scalar(case: LossCase, report: Report) -> None:
    """The ordinary batch gives one finite floating-point number with a gradient."""
    _one_number(evaluate(case.ready(), *case.batch()), report)


def embedding_gradient(case: LossCase, report: Report) -> None:
    """Embeddings get a finite gradient that is not 0 everywhere."""
    x, y = case.batch()
    evaluate(case.ready(), x, y).backward()
    _moves("embeddings", x.grad, report)


def parameter_gradient(case: LossCase, report: Report) -> None:
    """So does every parameter that asks for one."""
    loss = case.ready()
    evaluate(loss, *case.batch()).backward()
    for name, parameter in loss.named_parameters():
        if parameter.requires_grad:
            _moves(name, parameter.grad, report)


def degenerate(case: LossCase, report: Report) -> None:
    """Value, gradient of embeddings and of parameters are finite on batches that hold too little."""
    for name, (x, y) in case.degenerate().items():
        with report.at(name), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such a batch deserves one
            loss = case.ready()
            value = evaluate(loss, x, y)
            _one_number(value, report)
            value.backward()
            for whose, leaf in [("embeddings", x), *loss.named_parameters()]:
                if leaf.grad is not None:
                    report.finite(f"gradient of {whose}", leaf.grad)


def untouched(case: LossCase, report: Report) -> None:
    """Embeddings and labels are not changed."""
    x, y = case.batch()
    kept = x.detach().clone(), y.clone()
    with torch.no_grad():
        evaluate(case.ready(), x, y)
    report.compare("embedding", x, kept[0], rtol=0)
    report.compare("label", y, kept[1], rtol=0)


def seeds(case: LossCase, report: Report) -> None:
    """A seed repeats the value, whatever was drawn before; with `manual_seed` the state of torch plays no part."""
    loss, (x, y) = case.ready(), case.batch()
    first = evaluate(loss, x, y)
    evaluate(loss, x, y, seed=SEED + 1)
    report.compare("the value of the same seed", evaluate(loss, x, y), first, rtol=0)
    if hasattr(loss, "manual_seed"):
        other = evaluate(loss, x, y, of_torch=SEED + 2)
        report.compare("the value of the same manual_seed under another state of torch", other, first, rtol=0)


def relabelling(case: LossCase, report: Report) -> None:
    """Labels are names: exchanging them changes nothing."""
    loss, (x, y) = case.ready(), case.batch()
    names = torch.arange(case.num_classes, device=case.device).roll(1)
    report.compare("the value after relabelling", evaluate(loss, x, names[y]), evaluate(loss, x, y), rtol=_RTOL)


def order(case: LossCase, report: Report) -> None:
    """A deterministic loss depends neither on seeds nor on the order of the batch."""
    loss, (x, y) = case.ready(), case.batch()
    first = evaluate(loss, x, y)
    report.compare("the value of another seed", evaluate(loss, x, y, seed=SEED + 1), first, rtol=0)
    mixed = torch.randperm(len(x), generator=torch.Generator().manual_seed(SEED)).to(case.device)
    report.compare("the value of the batch in another order", evaluate(loss, x[mixed], y[mixed]), first, rtol=_RTOL)


def state(case: LossCase, report: Report) -> None:
    """`state_dict` carries all that the value depends on into a new loss, which need not be prepared."""
    loss, twin = case.ready(), case.new(seed=1)
    twin.load_state_dict(copy.deepcopy(loss.state_dict()))
    expected = evaluate(loss, *case.batch())
    report.compare("the value of a new loss with this state", evaluate(twin, *case.batch()), expected, rtol=1e-6)


def copies(case: LossCase, report: Report) -> None:
    """A deep copy has the same value, and changes to it do not reach the original."""
    loss, batch = case.ready(), case.batch()
    twin = copy.deepcopy(loss)
    expected = evaluate(loss, *batch)
    report.compare("the value of a copy", evaluate(twin, *batch), expected, rtol=0)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(0.5)
    report.compare("the value after its copy was changed", evaluate(loss, *batch), expected, rtol=0)


def double(case: LossCase, report: Report) -> None:
    """A loss after ``.double()`` takes float64 embeddings and gives a float64 value, with its gradients."""
    loss, (x, y) = case.ready().double(), case.batch(torch.float64)
    value = evaluate(loss, x, y)
    _one_number(value, report)
    if value.dtype != torch.float64:
        report.add(f"the value is {value.dtype}")
    value.backward()
    _moves("embeddings", x.grad, report)


def half(case: LossCase, report: Report) -> None:
    """Embeddings in half precision give a finite value and a finite gradient."""
    for dtype in (torch.bfloat16, torch.float16):
        with report.at(str(dtype)):
            loss, (x, y) = case.ready(), case.batch(dtype)
            value = evaluate(loss, x, y)
            _one_number(value, report)
            value.backward()
            _moves("embeddings", x.grad, report)


def _one_number(value: Tensor, report: Report) -> None:
    if value.shape != () or not value.dtype.is_floating_point:
        report.add(
            f"the value has shape {tuple(value.shape)} and dtype {value.dtype}, expected one floating-point number"
        )
    report.finite("the value", value)
    if not value.requires_grad:
        report.add("the value has no gradient, backward() would fail")


def _moves(whose: str, grad: Tensor | None, report: Report) -> None:
    if grad is not None:
        report.finite(f"gradient of {whose}", grad)
    if grad is None or not (grad != 0).any():
        report.add(f"{whose}: {'no gradient' if grad is None else 'the gradient is 0 everywhere'}")


LOSS_LAWS = {
    "scalar": scalar,
    "embedding gradient": embedding_gradient,
    "parameter gradient": parameter_gradient,
    "degenerate batches": degenerate,
    "inputs untouched": untouched,
    "seeds": seeds,
    "relabelling": relabelling,
    "order": order,
    "state": state,
    "copies": copies,
    "float64": double,
    "half precision": half,
}
