"""Folders for the time being, which the next start removes where their owner was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "premir-"
_LOCK = "premir.lock"
"""File in each such folder, locked for as long as its owner lives."""


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Give a new folder that only this user can enter, and remove it in the end.

    Folders that killed processes of this user left in the same place are removed first.

    Args:
        parent: where; the system's folder for temporary files where None.
    """
    from filelock import FileLock

    parent = parent or Path(tempfile.gettempdir())
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = FileLock(folder / _LOCK)
    try:
        with lock:
            yield folder
    finally:
        _remove(folder)


def _sweep(parent: Path) -> None:
    """Remove folders whose owner holds their lock no more: it was killed."""
    from filelock import FileLock, Timeout

    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError, Timeout):
            if lock.stat().st_uid == os.getuid():
                with FileLock(lock, blocking=False):
                    _remove(lock.parent)


def _remove(folder: Path) -> None:
    """Delete a folder; its lock goes last, as it shows whose it is."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink()
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
