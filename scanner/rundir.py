"""The run directory: what makes a scan resumable.

    run.json      identity of the run; written once, never changed
    genome.seq    the genome's letters (premir.scanner.genome)
    shards/       tile-000000.h5 ...: candidates and their folds
    scores/KEY/   tile-000000.npz ...: scores by one model
    commits/      one record per finished file, with its SHA-256
    quarantine/   tiles that failed twice, and why
    lock, parts/  who works here (premir.scanner.locks)

A file counts as done only when its commit record exists and its digest agrees.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.files import sha256, write_json
from premir.scanner.genome import Genome
from premir.scanner.locks import RunLock
from premir.scanner.parts import Part
from premir.scanner.tiles import Tile

FORMAT = "premir-run"
VERSION = 1
STATES = ("new", "reused", "redone")
"""What a committed file was to this process."""
_FOLDERS = ("commits", "quarantine", "scores", "shards")

Resume: TypeAlias = Literal["auto", "never", "require"]


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

    @property
    def identity(self) -> Path:
        """File that says what run this is."""
        return self.path / "run.json"

    def shard(self, tile: Tile) -> Path:
        """Shard of a tile."""
        return self.path / "shards" / f"tile-{tile.index:06d}.h5"

    def scores(self, tile: Tile, key: str) -> Path:
        """Scores of a tile under the model and threshold that ``key`` stands for."""
        return self.path / "scores" / key / f"tile-{tile.index:06d}.npz"

    def commit(self, file: Path, record: dict[str, Any]) -> dict[str, Any]:
        """Write the commit record of a finished file.

        Returns:
            The record, with ``state``: ``redone`` where an earlier record stood for a file that
            was damaged or missing, else ``new``.
        """
        path = self._record(file)
        state = "redone" if path.exists() else "new"
        record = {**record, "file": str(file.relative_to(self.path)), "sha256": sha256(file)}
        write_json(path, {**record, "record_sha256": _digest(record)})
        return {**record, "state": state}

    def committed(self, file: Path) -> dict[str, Any] | None:
        """Return the commit record of a file, ``state`` ``reused``, if both are there and agree."""
        try:
            record: dict[str, Any] = json.loads(self._record(file).read_text(encoding="utf-8"))
            sound = record.pop("record_sha256") == _digest(record)
            sound = sound and record["sha256"] == sha256(file)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None
        return {**record, "state": "reused"} if sound else None

    def _record(self, file: Path) -> Path:
        stage = "-".join(file.relative_to(self.path).parts[:-1])
        return self.path / "commits" / f"{stage}-{file.stem}.json"

    def set_aside(self, tile: Tile, place: str, reason: str) -> None:
        """Note that a tile failed twice; the next run tries it again."""
        value = {"tile": tile.index, "place": place, "reason": reason}
        write_json(self._set_aside(tile), value)

    def take_back(self, tile: Tile) -> None:
        """Remove the note on a tile that was set aside."""
        self._set_aside(tile).unlink(missing_ok=True)

    def why_set_aside(self, tile: Tile) -> str | None:
        """Return why a tile was set aside, None if it was not."""
        try:
            return str(json.loads(self._set_aside(tile).read_text(encoding="utf-8"))["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _set_aside(self, tile: Tile) -> Path:
        return self.path / "quarantine" / f"tile-{tile.index:06d}.json"

    def difference(self, identity: dict[str, Any]) -> str | None:
        """Compare with the run that the directory belongs to.

        Args:
            identity: everything that shards depend on.

        Returns:
            The first field that differs and how, None where there is no such field.

        Raises:
            PlanMismatchError: ``run.json`` is damaged.
            FileNotFoundError: there is none.
        """
        try:
            found = json.loads(self.identity.read_text(encoding="utf-8"))
            there = _flat(found)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, AttributeError) as error:
            message = f"{self.identity}: damaged; remove {self.path} or give --resume never"
            raise PlanMismatchError(message) from error
        here = _flat(json.loads(json.dumps(_with_format(identity))))
        for field in {**here, **there}:
            if field not in there or field not in here or there[field] != here[field]:
                return f"{field} is {there.get(field)!r} there and {here.get(field)!r} here"
        return None

    def bind(self, identity: dict[str, Any]) -> bool:
        """Tie the directory to one run, or check that it is tied to this one.

        Returns:
            Whether there was such a run before.

        Raises:
            PlanMismatchError: it belongs to another run; the first differing field is named.
        """
        try:
            different = self.difference(identity)
        except FileNotFoundError:
            self.discard()  # whatever stands there belongs to no run that we know
            self._make_folders()
            write_json(self.identity, _with_format(identity))
            return False
        if different:
            raise PlanMismatchError(
                f"{self.path}: run directory belongs to another run: {different}; choose another "
                "--work-dir, or give --resume never to discard it"
            )
        self._make_folders()  # a process may have been killed while it removed them
        return True

    def _make_folders(self) -> None:
        for folder in _FOLDERS:
            (self.path / folder).mkdir(exist_ok=True)

    def adopt(self, genome: Genome) -> Genome:
        """Take over the letters that :func:`premir.scanner.genome.read_genome` wrote, if it did."""
        if genome.store != self.store:
            genome.store.replace(self.store)
        return replace(genome, store=self.store)

    def parts_started(self) -> int | None:
        """Return of how many parts those are that worked here; None for none, or a mixture."""
        counts = {path.stem.rpartition("-")[2] for path in self.path.glob("parts/*-of-*.lock")}
        return int(counts.pop()) if len(counts) == 1 else None

    def discard(self) -> None:
        """Forget the run: delete all but locks and letters. Commit records go first.

        Raises:
            OSError: something cannot be deleted; the directory still belongs to the run then.
        """
        for folder in _FOLDERS:
            if (self.path / folder).exists():
                shutil.rmtree(self.path / folder)
        self.identity.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove temporary files of processes that were killed; nobody else may work here."""
        for folder, _, names in os.walk(self.path):
            for name in names:
                if name.startswith(".") and name.endswith(".tmp"):
                    Path(folder, name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the directory; the lock goes last, as it shows whose directory this is.

        What cannot be deleted, or was put there by others, stays.
        """
        with suppress(OSError):
            self.discard()
            self.store.unlink(missing_ok=True)
            self.sweep()
            shutil.rmtree(self.path / "parts", ignore_errors=True)
            for name in ("lock.json", "lock"):
                (self.path / name).unlink(missing_ok=True)
            self.path.rmdir()


@dataclass
class OpenRun:
    """A run directory in which we have the right to work.

    Attributes:
        run: the directory.
        lock: our right.
        finished: set it where nothing in the directory is needed any more: it is removed.
    """

    run: RunDirectory
    lock: RunLock
    finished: bool = False


@contextmanager
def open_run_directory(
    path: Path, *, part: Part | None = None, resume: Resume = "auto"
) -> Iterator[OpenRun]:
    """Make a run directory, or take up one of our own, and hold its lock.

    Args:
        path: where; a directory that is neither empty nor a run directory is refused.
        part: work on a part of the run, beside other parts; None for all of it, alone.
        resume: with ``require`` it is an error if there is nothing to resume.

    Yields:
        The directory, locked.

    Raises:
        InputError: not a run directory, not writable, nothing to resume, or in use by another
            process.
    """
    run = RunDirectory(path)
    check_ours(run)
    if resume == "require" and not run.identity.exists():
        raise InputError(f"{path}: there is no run to resume (--resume require)")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = RunLock(path, part)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    with lock.hold():
        opened = OpenRun(run, lock)
        if part is None:
            run.sweep()
        try:
            with lock.heartbeat():
                yield opened
        finally:
            nothing_to_resume = part is None and not run.identity.exists()
            if opened.finished or nothing_to_resume:
                run.remove()


def check_ours(run: RunDirectory) -> None:
    """Refuse a directory that holds something else.

    Raises:
        InputError: it is neither empty nor a run directory.
    """
    path = run.path
    ours = run.identity.exists() or (path / "lock").exists()
    if path.exists() and not ours and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: exists and is not a premir run directory; choose --work-dir")


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _with_format(identity: dict[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, **identity}


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested fields into dotted names."""
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            flat.update(_flat(inner, f"{prefix}{name}."))
        else:
            flat[prefix + name] = inner
    return flat
