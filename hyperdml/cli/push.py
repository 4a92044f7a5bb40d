"""`hyperdml push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.cli.sources import model_of


def push(
    model: Path,
    repo: str,
    /,
    *,
    public: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Upload a model to the Hugging Face hub: weights, configuration and model card.

    The token is that of hf auth login, or of the variable HF_TOKEN. Look through README.md in the model folder first:
    it is what others read.

    hyperdml push runs/quickstart USER/NAME

    Args:
        model: run folder or model folder.
        repo: USER/NAME on the hub; made if there is none.
        public: let everybody see it; otherwise it is private, and a repository that is public is refused.
        json: print one JSON object.
    """
    from hyperdml.files import write_atomic
    from hyperdml.models.embedding_model import EmbeddingModel
    from hyperdml.models.hub import push_folder
    from hyperdml.models.model_card import model_card

    folder = model_of(model)
    loaded = EmbeddingModel.from_pretrained(folder)  # what cannot be read is not published
    card = folder / "README.md"
    if not card.exists():  # saved before there were cards
        write_atomic(card, model_card(loaded).encode())
    address = push_folder(folder, repo, private=not public)
    if json:
        print_json({"model": str(folder), "repo": repo, "public": public, "commit": address})
        return
    print(f"{folder} is on the hub, {'public' if public else 'private'}: {address}")
