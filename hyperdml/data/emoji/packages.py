"""Fetch the npm packages that the emoji set is drawn from, and read files out of them safely."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hyperdml.errors import DataError, EnvironmentProblem

NPM_TIMEOUT_S = 600

Files = dict[str, bytes]
"""Content of files by their path inside the package."""


@dataclass(frozen=True)
class Package:
    """One npm package, pinned to a version and to the SHA-512 of its tarball (base64, as npm writes it)."""

    name: str
    version: str
    sha512: str

    @property
    def spec(self) -> str:
        """What npm is asked for."""
        return f"{self.name}@{self.version}"

    @property
    def tarball(self) -> str:
        """File name that `npm pack` gives the package."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "emoji-datasource",
            "16.0.0",
            "/qHKqK5Nr3+8zhgO6kHmF43Fm5C8HNn0AaFRIpgw8HF3+uF0Vfc8jgLI1ZQS5ba1vBzksS8NBCjHejwLb2D/Sg==",
        ),
        Package(
            "emojibase-data",
            "16.0.3",
            "MopInVCDZeXvqBMPJxnvYUyKw9ImJZqIDr2sABo6acVSPev5IDYX+mf+0tsu96JJyc3INNvgIf06Eso7bdTX2Q==",
        ),
        Package(
            "@iconify-json/noto",
            "1.2.9",
            "DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
        ),
        Package(
            "@iconify-json/noto-v1",
            "1.2.5",
            "/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
        ),
        Package(
            "@iconify-json/twemoji",
            "1.2.5",
            "uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
        ),
        Package(
            "@iconify-json/fluent-emoji",
            "1.2.7",
            "D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==",
        ),
        Package(
            "@iconify-json/fluent-emoji-flat",
            "1.2.6",
            "RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
        ),
        Package(
            "@iconify-json/emojione",
            "1.2.3",
            "T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
        ),
        Package(
            "@iconify-json/emojione-v1",
            "1.2.3",
            "UjI2VQEXVtGlPBvQuxEizro7QCgBcJDOYwKUupquvvZ8UV4xOlvm45IU82JYWegiAWLerY79gFLMZ26U6Ms+ww==",
        ),
        Package(
            "openmoji",
            "17.0.0",
            "EBnYrNGdcdw+OSXmENeNE1yBNRu6tOraTmoOyUbJkTmvT/+XETp8RZLSJFzD3lrPc5N9CzsyPnRTk0Vp4UaI9w==",
        ),
    )
}
"""Every package a variant may ask for, by name."""


def sha512(path: Path) -> str:
    """SHA-512 of a file in base64, the form of npm's `integrity` field."""
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def fetch(package: Package, cache: Path) -> Path:
    """Path of the tarball of `package` in `cache`, fetched by `npm pack` unless a sound copy is there.

    Raises:
        EnvironmentProblem: npm is missing, `npm pack` failed, or the tarball is not the pinned one.
    """
    target = cache / package.tarball
    if target.is_file() and sha512(target) == package.sha512:
        return target
    npm = shutil.which("npm")
    if npm is None:
        raise EnvironmentProblem(
            f"npm is needed to fetch {package.spec}: install Node.js with npm, or use the bundled set"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        command = [npm, "pack", package.spec, "--silent", "--pack-destination", scratch]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_TIMEOUT_S, cwd=scratch)
        except subprocess.TimeoutExpired as error:
            raise EnvironmentProblem(f"npm pack {package.spec} took over {NPM_TIMEOUT_S} s") from error
        fetched = Path(scratch) / package.tarball
        if done.returncode or not fetched.is_file():
            raise EnvironmentProblem(
                f"npm pack {package.spec} failed with status {done.returncode}: {done.stderr.strip()[-300:]}"
            )
        if (found := sha512(fetched)) != package.sha512:
            raise EnvironmentProblem(f"{package.spec} has SHA-512 {found}, expected {package.sha512}")
        os.replace(fetched, target)
    return target


def read_members(tarball: Path, wanted: Callable[[str], bool]) -> Files:
    """Read the wanted files of an npm tarball into memory; nothing is written to disk.

    Args:
        tarball: a gzipped tar archive with everything below one top folder, as `npm pack` writes it.
        wanted: tells from the path below the top folder whether the file is needed.

    Returns:
        Content by the path below the top folder.

    Raises:
        DataError: the archive is broken, or a member is a link, a device or lies outside the archive.
    """
    files: Files = {}
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                if not (member.isreg() or member.isdir()):
                    raise DataError(f"{tarball}: member {member.name!r} is neither a file nor a folder")
                tarfile.data_filter(member, str(tarball.parent))
                inner = member.name.partition("/")[2]
                if member.isreg() and wanted(inner):
                    content = archive.extractfile(member)
                    files[inner] = content.read() if content else b""
    except tarfile.FilterError as error:
        raise DataError(f"{tarball}: unsafe member: {error}") from error
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{tarball}: cannot be read as a gzipped tar archive: {error}") from error
    return files
