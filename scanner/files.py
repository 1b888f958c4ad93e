"""Files that are either whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp", re.DOTALL)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on success sync it and rename it to ``path``.

    Args:
        path: the file that shall exist, whole, or not change at all.

    Yields:
        The temporary path to write to.

    Raises:
        OSError: names ``path`` where the system's own error names no file.
    """
    temporary = temporary_name(path)
    try:
        with naming(path, temporary):
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """Return a name beside ``path`` that nobody else uses, and that :func:`sweep` knows."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def lasting_name(name: str) -> str | None:
    """Return the name of the file that a temporary one was to become, None for other files."""
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match else None


@contextmanager
def naming(path: Path, temporary: Path) -> Iterator[None]:
    """Name ``path`` in errors that name its temporary file or, like those of a full disk, none."""
    try:
        yield
    except OSError as error:
        nameless = error.filename is None or str(error.filename) == str(temporary)
        if error.errno is not None and nameless:
            error.filename = str(path)
        raise


def sweep(path: Path) -> None:
    """Remove what killed processes left of :func:`whole_file`; none may be writing ``path`` now."""
    for left in path.parent.glob(f".{escape(path.name)}.????????.tmp"):
        if lasting_name(left.name) == path.name:
            left.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(as_json(value), encoding="utf-8")


def as_json(value: Any) -> str:
    """Return a value as indented JSON with a last line end."""
    return json.dumps(value, indent=2) + "\n"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
