"""The Hugging Face hub: files out of the local cache or the net, models into it; no minutes of retries when offline."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from hyperdml.errors import ConfigError, DataError, EnvironmentProblem

FILES = ("config.json", "model.safetensors", "README.md")
"""What a model on the hub consists of."""

_TIMEOUT = 5.0  # seconds


def hub_file(repo: str, names: Sequence[str]) -> Path:
    """A file of a repository whose content does not change, as weights of timm: from the cache if it is there.

    Args:
        repo: "user/name" or "user/name@revision".
        names: of the file, the preferred first; the first that exists is taken.

    Returns:
        Its path in the local cache.

    Raises:
        DataError: the repository does not exist, or has none of the files.
        EnvironmentProblem: the hub cannot be reached, or the download failed.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repo, _, revision = repo.partition("@")
    for name in names:
        try:
            return Path(hf_hub_download(repo, name, revision=revision or None, local_files_only=True))
        except LocalEntryNotFoundError:
            continue
    _check_reachable(f"{names[0]} of {repo} is not in the local cache")
    for name in names:
        try:
            return Path(hf_hub_download(repo, name, revision=revision or None))
        except LocalEntryNotFoundError as error:  # a kind of the next, but it means a failed download
            raise _failed(f"cannot download {name} of {repo}", error) from error
        except EntryNotFoundError:
            continue
        except OSError as error:
            raise _failed(f"cannot download {name} of {repo}", error) from error
    raise DataError(f"the hub's {repo} has none of the files {', '.join(names)}")


def hub_model(repo: str, revision: str | None = None) -> Path:
    """The folder of a model from the hub: its newest state, or without the net the one in the local cache.

    Args:
        repo: "user/name".
        revision: branch, tag or commit; None: the main branch.

    Raises:
        DataError: there is no such repository or revision, or it is private.
        EnvironmentProblem: the hub cannot be reached and the model is not in the cache, or the download failed.
    """
    from huggingface_hub import snapshot_download

    def snapshot(offline: bool) -> Path:
        patterns = list(FILES)
        return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns, local_files_only=offline))

    try:
        _check_reachable(f"the model {repo} is neither a folder here nor in the local cache")
    except EnvironmentProblem:
        try:
            return snapshot(offline=True)
        except OSError:
            pass
        raise
    try:
        return snapshot(offline=False)
    except OSError as error:
        raise _failed(f"cannot download the model {repo}", error) from error


def push_folder(folder: Path, repo: str, *, private: bool = True, token: str | None = None) -> str:
    """Upload `FILES` of a folder to a repository of the hub, which is made if there is none.

    Args:
        folder: folder that `EmbeddingModel.save_pretrained` wrote.
        repo: "user/name".
        private: whether nobody else may see it.
        token: of the hub; None: that of ``hf auth login`` or of the variable HF_TOKEN.

    Returns:
        The address of the commit.

    Raises:
        ConfigError: the repository's name is not "user/name"; or it exists and is not private as asked for, or not
            public. Nothing is uploaded then.
        DataError: the repository's name is not valid for the hub, or the hub does not know it.
        EnvironmentProblem: the hub cannot be reached, or refuses the token or the files.
    """
    from huggingface_hub import HfApi

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):  # the hub would make "name", and then not find it
        raise ConfigError(f"the repository must be USER/NAME, got {repo!r}")
    _check_reachable(f"{folder} was not pushed")
    api = HfApi(token=token)
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        # of a repository that exists, create_repo leaves as it is who may see it
        if bool(api.repo_info(repo).private) != private:
            kind = "public" if private else "private"
            raise ConfigError(f"{repo} exists and is {kind}: push it as {kind}, or change it on the hub first")
        commit = api.upload_folder(
            repo_id=repo, folder_path=folder, allow_patterns=list(FILES), commit_message="Upload hyperdml model"
        )
    except ConfigError:
        raise
    except (OSError, ValueError) as error:  # HFValidationError is the second
        raise _failed(f"cannot push {folder} to {repo}", error) from error
    return str(commit.commit_url)


def _check_reachable(otherwise: str) -> None:
    """Ask the hub for one sign of life: its client would try for 23 seconds a file where there is no net."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise EnvironmentProblem(f"{otherwise}, and HF_HUB_OFFLINE keeps the hub from being asked")
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_TIMEOUT).close()
    except urllib.error.HTTPError:
        return  # an answer, whatever it says
    except OSError as error:
        reason = getattr(error, "reason", error)
        # certificates are the client's business, which may know others than Python
        if not isinstance(reason, ssl.SSLError):
            raise EnvironmentProblem(f"{otherwise}, and {constants.ENDPOINT} cannot be reached: {reason}") from error


def _failed(what: str, error: Exception) -> DataError | EnvironmentProblem:
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    reason = str(error).strip().split("\n")[0]
    if isinstance(error, RevisionNotFoundError | HFValidationError):
        return DataError(f"{what}: {reason}")
    if isinstance(error, RepositoryNotFoundError):
        return DataError(f"{what}: the hub has none of this name that you may see; for a private one: hf auth login")
    return EnvironmentProblem(f"{what}: {reason}")
