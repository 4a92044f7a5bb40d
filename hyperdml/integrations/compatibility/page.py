"""The tables as Markdown, and their place in a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version

from hyperdml.integrations.compatibility.of_losses import loss_verdicts
from hyperdml.integrations.compatibility.of_miners import miner_verdicts

BEGIN = "<!-- tables of hyperdml.integrations.compatibility, written by the command above: begin -->"
END = "<!-- end -->"

_LOSS_HEAD = ("loss", "`PoincareDistance()`", "`is_inverted=True`", "`parametrize_on_ball`", "as it comes", "note")
_MINER_HEAD = ("miner", "`PoincareDistance()`", "`is_inverted=True`", "note")


def tables() -> str:
    """Both tables for the installed version of pytorch-metric-learning."""
    return "\n\n".join(
        [
            f"pytorch-metric-learning {version('pytorch-metric-learning')}:",
            _table(_LOSS_HEAD, loss_verdicts()),
            _table(_MINER_HEAD, miner_verdicts()),
        ]
    )


def replace_tables(page: str) -> str:
    """A page with the tables between its two marks written anew.

    Args:
        page: Markdown text.

    Returns:
        The new text.

    Raises:
        ValueError: the page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs the marks {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n\n{tables()}\n\n{end}{after}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([f"`{name}`", *rest] for name, *rest in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
