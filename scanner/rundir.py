"""The run directory: what makes a scan resumable.

    run.json      identity of the run; written once, never changed
    genome.seq    the genome's letters (premir.scanner.genome)
    shards/       tile-000000.h5 ...: candidates and their folds
    scores/KEY/   tile-000000.npz ...: scores by one model
    commits/      one record per finished file, with its SHA-256
    lock          held while a process works here

A file counts as done only when its commit record exists and its digest agrees.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.files import sha256, write_json
from premir.scanner.tiles import Tile

FORMAT = "premir-run"
VERSION = 1


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Paths and records of one run.

    Attributes:
        path: the directory.
    """

    path: Path

    @property
    def store(self) -> Path:
        """File with the genome's letters."""
        return self.path / "genome.seq"

    def shard(self, tile: Tile) -> Path:
        """Shard of a tile."""
        return self.path / "shards" / f"tile-{tile.index:06d}.h5"

    def scores(self, tile: Tile, key: str) -> Path:
        """Scores of a tile under the model and threshold that ``key`` stands for."""
        return self.path / "scores" / key / f"tile-{tile.index:06d}.npz"

    def commit(self, file: Path, record: dict[str, Any]) -> dict[str, Any]:
        """Write the commit record of a finished file and return it."""
        record = {**record, "file": str(file.relative_to(self.path)), "sha256": sha256(file)}
        write_json(self._record(file), record)
        return record

    def committed(self, file: Path) -> dict[str, Any] | None:
        """Return the commit record of a file if both are there and agree."""
        try:
            record: dict[str, Any] = json.loads(self._record(file).read_text(encoding="utf-8"))
            return record if record["sha256"] == sha256(file) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _record(self, file: Path) -> Path:
        stage = "-".join(file.relative_to(self.path).parts[:-1])
        return self.path / "commits" / f"{stage}-{file.stem}.json"

    def bind(self, identity: dict[str, Any]) -> bool:
        """Tie the directory to one run, or check that it is tied to this one.

        Args:
            identity: everything that shards depend on.

        Returns:
            Whether there was such a run before.

        Raises:
            PlanMismatchError: it belongs to another run; the first differing field is named.
        """
        path = self.path / "run.json"
        wanted = {"format": FORMAT, "version": VERSION, **identity}
        if not path.exists():
            for folder in ("shards", "scores", "commits"):
                (self.path / folder).mkdir(exist_ok=True)
            write_json(path, wanted)
            return False
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PlanMismatchError(f"{path}: damaged; remove {self.path} and run again") from error
        for field in wanted:
            if found.get(field) != json.loads(json.dumps(wanted[field])):
                raise PlanMismatchError(
                    f"{self.path}: run directory belongs to another run: {field} is "
                    f"{found.get(field)!r} there and {wanted[field]!r} here; "
                    "choose another --work-dir or remove it"
                )
        return True

    def remove(self) -> None:
        """Delete the directory."""
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def open_run_directory(path: Path) -> Iterator[RunDirectory]:
    """Make a run directory, or take up one of our own, and hold its lock.

    Args:
        path: where; a directory that is neither empty nor a run directory is refused.

    Yields:
        The directory, locked.

    Raises:
        InputError: not a run directory, not writable, or in use by another process.
    """
    from filelock import FileLock, Timeout

    ours = (path / "run.json").exists() or (path / "lock").exists()
    if path.exists() and not ours and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: exists and is not a premir run directory; choose --work-dir")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(f"{path}: another premir-scan is working here") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield RunDirectory(path)
    finally:
        lock.release()
        if not (path / "run.json").exists():  # nothing worth resuming was made
            for name in ("lock", "genome.seq"):
                (path / name).unlink(missing_ok=True)
            if path.exists() and not os.listdir(path):  # noqa: PTH208
                path.rmdir()
