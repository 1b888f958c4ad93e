"""Can a machine take part in a scan? Would it compute the same, and does it see our files?"""

from __future__ import annotations

import functools
import platform
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from premir.kernels.energies import current_parameters
from premir.scanner import __version__
from premir.scanner.errors import NodeError, describe
from premir.scanner.files import whole_file
from premir.scanner.find import viennarna
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.score.model import Model

Fingerprint = dict[str, str]
"""Versions and digests that results depend on, by name."""


def fingerprint(model: Model | None) -> Fingerprint:
    """Return what results depend on, as it is on this machine.

    Args:
        model: the model of the scan; its digest is taken from the weights found here.
    """
    found = {
        "premir": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "viennarna": viennarna.version(),
        "energy parameters": current_parameters().digest,
    }
    for package in ("numba", "numpy", "torch"):
        found[package] = version(package).partition("+")[0]  # +cpu and +cu128 compute the same
    if model is not None:
        found["model"] = model.here().found_digest()
    return found


def host_name() -> str:
    """Name this machine."""
    return socket.gethostname()


def differing(expected: Fingerprint, found: Fingerprint) -> str | None:
    """Say what differs first between the driver's fingerprint and another machine's, if any."""
    for name, value in expected.items():
        if found.get(name) != value:
            return f"{name} is {found.get(name)} there and {value} here"
    return None


@functools.lru_cache(maxsize=4)
def _own_difference(expected: tuple[tuple[str, str], ...]) -> str | None:
    """Compare this process once; not its model, whose digest is compared when it is loaded."""
    return differing({k: v for k, v in expected if k != "model"}, fingerprint(None))


def check_worker(expected: Fingerprint, run: RunDirectory) -> None:
    """Make sure, before a task, that this worker may do it: its machine may have joined lately.

    Raises:
        NodeError: names this machine and what differs.
    """
    complaint = _own_difference(tuple(expected.items()))
    if complaint is None and not (run.path / "run.json").is_file():
        complaint = f"{run.path} is not visible there; put it on a file system that all nodes share"
    if complaint is not None:
        raise NodeError(f"Ray node {host_name()}: {complaint}")


@dataclass(frozen=True, slots=True)
class Token:
    """A file in the run directory, for other machines to find.

    Attributes:
        path: where it is.
        text: what it holds.
    """

    path: Path
    text: str

    def complaint(self) -> str | None:
        """Look for the file here, and write beside it as tasks will; None where all is well."""
        folder = self.path.parent
        try:
            if self.path.read_text(encoding="ascii") != self.text:
                return f"{folder} is another folder there than here"
            answer = self.path.with_name(f"{self.path.name}-{secrets.token_hex(4)}")
            with whole_file(answer) as temporary:
                temporary.touch()
            answer.unlink()
        except FileNotFoundError:
            return f"{folder} is not visible there; put it on a file system that all nodes share"
        except OSError as error:
            return f"cannot write there: {describe(error)}"
        return None


@contextmanager
def shown_token(folder: Path) -> Iterator[Token]:
    """Put a token into a folder for the time being."""
    text = secrets.token_hex(16)
    token = Token(folder.absolute() / f".token-{text[:8]}", text)
    try:
        token.path.write_text(text, encoding="ascii")
        yield token
    finally:
        token.path.unlink(missing_ok=True)


def probe(model: Model | None, token: Token) -> tuple[str, Fingerprint, str | None]:
    """Answer for the machine that this runs on: its name, its fingerprint, a complaint if any."""
    return host_name(), fingerprint(model), token.complaint()
