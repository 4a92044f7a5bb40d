"""torch.compile, torch.export and two processes."""

from pathlib import Path

import pytest
import torch
from hace.oracles import G1, T1, random_dag
from two_processes import run_two_ranks

from hyperdml.hace import HACELoss, HCELoss, HXELoss, SoftLabelLoss, TaxonomyHead, aggregated_log_prob

WORKER = Path(__file__).with_name("two_ranks_hace.py")
LOSSES = {
    "tree": HACELoss(T1, 0.5, weight=torch.rand(5)),
    "DAG": HACELoss(G1, 0.5, 0.1),
    "soft": HACELoss(G1, 0.5, horizontal="lca", beta=4.0),
    "hce": HCELoss(T1, head="leaves", reduction="sum"),
    "hxe": HXELoss(T1, 0.3, reduction="none"),
    "soft labels": SoftLabelLoss(T1, 4.0),
}


@pytest.mark.filterwarnings("default")  # of the compiler, none of ours
@pytest.mark.parametrize("name", LOSSES)
def test_compiled_losses_are_one_graph_and_give_the_same(name):
    torch.compiler.reset()
    loss = LOSSES[name]
    logits, labels = torch.randn(6, loss.aggregation.width), torch.tensor([0, 1, -100, 1, 0, 1])
    found = []
    for module in (loss, torch.compile(loss, backend="aot_eager", fullgraph=True)):
        z = logits.clone().requires_grad_()
        value = module(z, labels)
        found.append([value, *torch.autograd.grad(value.sum(), z)])
    for plain, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("default")
def test_the_function_compiles_too():
    torch.compiler.reset()
    compiled = torch.compile(lambda z: aggregated_log_prob(z, T1).exp() + 1, backend="aot_eager")
    logits = torch.randn(2, 9)
    torch.testing.assert_close(compiled(logits), aggregated_log_prob(logits, T1).exp() + 1)


class Classifier(torch.nn.Module):
    """Features to log-probabilities of all nodes."""

    def __init__(self, taxonomy):
        super().__init__()
        self.head = TaxonomyHead(4, taxonomy)

    def forward(self, features):
        return self.head.log_prob(features)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("taxonomy", [T1, G1], ids=["tree", "DAG"])
def test_export_with_any_batch_size(taxonomy, tmp_path):
    model = Classifier(taxonomy).eval()
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(model, (torch.randn(3, 4),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "model.pt2")
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    for size in (1, 3, 50):
        features = torch.randn(size, 4)
        torch.testing.assert_close(loaded(features), model(features))


def test_inference_mode_first_and_training_after():
    taxonomy = random_dag(40, seed=5)
    logits = torch.randn(2, len(taxonomy))
    with torch.inference_mode():
        first = aggregated_log_prob(logits, taxonomy)
    z = logits.clone().requires_grad_()
    value = aggregated_log_prob(z, taxonomy)
    assert torch.equal(value, first)
    value.sum().backward()
    assert z.grad.isfinite().all()


def test_two_processes_train_as_one(tmp_path):
    first, second = run_two_ranks(WORKER, tmp_path)
    for one, two, other in zip(first["one"], first["two"], second["two"], strict=True):
        torch.testing.assert_close(two, one, rtol=1e-9, atol=1e-12)
        assert torch.equal(two, other)
