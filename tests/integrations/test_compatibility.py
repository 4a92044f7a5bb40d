"""The tables of losses and miners: what the trials find out, and that the page shows what they find."""

from pathlib import Path

import pytest
import torch
from pytorch_metric_learning import losses, miners
from torch import nn

from hyperdml.integrations.compatibility import __main__ as command
from hyperdml.integrations.compatibility import of_losses, of_miners, page
from hyperdml.integrations.compatibility.trial import LABELS, points, tangents

PAGE = Path(__file__).parents[2] / "docs" / "pytorch_metric_learning.md"


@pytest.fixture(scope="module")
def tables():
    return page.tables()


def test_page_is_up_to_date_with_the_installed_version(tables, monkeypatch):
    monkeypatch.setattr(page, "tables", lambda: tables)
    text = PAGE.read_text(encoding="utf-8")
    message = "run: python -m hyperdml.integrations.compatibility docs/pytorch_metric_learning.md"
    assert page.replace_tables(text) == text, message


def test_every_loss_and_miner_has_a_row_and_a_failure_an_explanation(tables):
    rows = {line.split("`")[1]: line for line in tables.splitlines() if line.startswith("| `")}
    for module, base in ((losses, losses.BaseMetricLossFunction), (miners, miners.BaseMiner)):
        for name in dir(module):
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, base) and not name.startswith(("Base", "Generic")):
                cells = [cell.strip() for cell in rows[name].strip("|").split("|")]
                assert "yes" in cells[1:-1] or cells[-1], name
    assert set(of_losses._NOTES) | set(of_miners._NOTES) <= set(rows)


class Fake(nn.Module):
    """A stand-in for a loss: any function of points and distance, which c makes different."""

    def __init__(self, function, c):
        super().__init__()
        self.function = function
        self.c = c

    def forward(self, x, labels):
        assert labels is LABELS
        same = (labels[:, None] == labels) & ~torch.eye(len(labels), dtype=torch.bool)
        gap = torch.cdist(x, x)
        return self.function(gap[same].mean() - gap[LABELS[:, None] != LABELS].mean(), self.c)


def refuse(gap, c):
    raise AssertionError("Fake requires the distance metric to be SNRDistance")


@pytest.mark.parametrize(
    ("function", "verdict"),
    [
        (lambda gap, c: gap * c, "yes"),
        (lambda gap, c: -gap * c, "wrong way"),
        (lambda gap, c: gap, "ignores it"),
        (lambda gap, c: gap * 0 + c, "no gradient"),
        (lambda gap, c: gap / 0, "not finite"),
        (refuse, "refuses: needs SNRDistance"),
    ],
)
def test_trials_tell_ways_to_fail_apart(function, verdict):
    assert of_losses._try("Fake", lambda c: Fake(function, c)) == verdict


def test_miners_that_ignore_the_distance_or_find_nothing_are_told():
    ones = torch.ones(1, dtype=torch.int64)
    assert of_miners._try(lambda c: lambda x, labels: (ones, ones, ones)) == "ignores it"
    assert of_miners._try(lambda c: lambda x, labels: (ones[:0],) * 4) == "nothing mined"
    assert of_miners._try(lambda c: lambda x, labels: (ones, ones, (ones * c * 10).long())) == "yes"


class Backwards(miners.BaseMiner):
    """Takes the largest entry of every row, whether that is far or near."""

    def mine(self, embeddings, labels, ref_emb, ref_labels):
        rows = torch.arange(len(embeddings))
        return rows, self.distance(embeddings).fill_diagonal_(-torch.inf).argmax(1), rows


def test_miners_that_take_a_similarity_for_a_distance_are_told():
    verdict = of_miners._verdict("Backwards", Backwards)
    assert (verdict.distance, verdict.inverted) == ("yes", "wrong way")


def test_trial_batch_has_no_structure_and_mixed_radii():
    norms = points(tangents()).norm(dim=1)
    assert norms.max() - norms.min() > 0.5
    assert norms.max() < 0.3**-0.5  # inside the balls of both curvatures


def test_tables_replace_what_lies_between_the_marks(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(page, "tables", lambda: "NEW")
    monkeypatch.setattr(command, "tables", lambda: "NEW")
    path = tmp_path / "page.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    command.main([str(path)])
    assert path.read_text() == f"before\n{page.BEGIN}\n\nNEW\n\n{page.END}\nafter\n"
    command.main([])
    assert capsys.readouterr().out == "NEW\n"
    with pytest.raises(ValueError, match="the page needs the marks"):
        page.replace_tables("no marks")
