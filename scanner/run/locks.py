"""Who works in a run directory: locks, and signs of life for others to read.

    lock, lock.json                     of a process that works on the whole run
    parts/I-of-N.lock, parts/I-of-N.json    of one that works on a part of it

Parts work side by side. Each holds the lock of its own, and the run's only for moments: to take its
own, and to make ``run.json`` and the store. Locks only save work and keep clean-up from what others
use: files appear whole, under names of their own, and equal tiles give equal bytes, so that even
on a file system where locks do nothing no two processes can spoil each other's results.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from premir.scanner.errors import InputError
from premir.scanner.files import write_json
from premir.scanner.genome.parts import Part

if TYPE_CHECKING:
    from filelock import BaseFileLock

_BEAT = 10.0
"""Seconds between signs of life."""
_PATIENCE = 60.0
"""Seconds for which a part waits for others that start."""


class RunLock:
    """Our right to work in a run directory."""

    def __init__(self, directory: Path, part: Part | None) -> None:
        self._directory = directory
        self._part = part
        self._run = _file_lock(directory / "lock")
        if part is None:
            self._mine = directory / "lock"
        else:
            self._mine = directory / "parts" / f"{part.number}-of-{part.count}.lock"

    @contextmanager
    def hold(self) -> Iterator[RunLock]:
        """Hold the lock of the run, or of our part.

        Raises:
            InputError: another process works here; says who and since when.
        """
        with ExitStack() as stack:
            if self._part is None:
                stack.enter_context(self.exclusive(patience=0))
                self._refuse_parts()
            else:
                with self.exclusive():
                    self._mine.parent.mkdir(exist_ok=True)
                    lock = _file_lock(self._mine)
                    stack.enter_context(self._acquired(lock, self._mine, 0))
            yield self

    @contextmanager
    def exclusive(self, patience: float | None = None) -> Iterator[None]:
        """Be the only process here for a moment; nothing new for who holds the whole run.

        Raises:
            InputError: a process works on the whole run, or others did not finish in time.
        """
        patience = _PATIENCE if patience is None else patience
        with self._acquired(self._run, self._directory / "lock", patience):
            yield

    @contextmanager
    def _acquired(self, lock: BaseFileLock, path: Path, patience: float) -> Iterator[None]:
        from filelock import Timeout

        try:
            lock.acquire(timeout=patience)
        except Timeout:
            message = f"{self._directory}: another premir-scan is working here"
            raise InputError(message + _who(_signs_of(path))) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Write who we are, and every ten seconds that we still are."""
        path = _signs_of(self._mine)
        signs = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "part": str(self._part) if self._part else None,
            "since": _now(),
        }
        stop = threading.Event()

        def beat() -> None:
            # A disk that is full or gone ends the run where it hurts, not here.
            with suppress(OSError):
                write_json(path, {**signs, "last_beat": _now()})

        def go_on() -> None:
            while not stop.wait(_BEAT):
                beat()

        beat()
        thread = threading.Thread(target=go_on, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            path.unlink(missing_ok=True)

    def _refuse_parts(self) -> None:
        for path in sorted((self._directory / "parts").glob("*.lock")):
            with self._acquired(_file_lock(path), path, 0):
                pass


def _file_lock(path: Path) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(path)


def _signs_of(lock: Path) -> Path:
    return lock.with_name(f"{lock.stem}.json")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _who(path: Path) -> str:
    """Say who holds a lock, as far as the signs of life beside it tell."""
    for _ in range(10):
        if path.exists():
            break
        time.sleep(0.1)  # the holder has just begun
    try:
        signs: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        age = datetime.now(UTC) - datetime.fromisoformat(signs["last_beat"])
        part = f" (part {signs['part']})" if signs["part"] else ""
        return (
            f": process {signs['pid']} on {signs['host']}{part}, since {signs['since']}, "
            f"last sign of life {max(0, round(age.total_seconds()))} s ago"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""
