"""The run directory: what makes a scan resumable.

    .premir-run   the first file that is made and the last that goes: says whose directory this is
    run.json      identity of the run; written once, never changed
    genome.seq    the genome's letters (premir.scanner.genome.letters)
    shards/       tile-000000.h5, decoy-000000.h5 ...: candidates and their folds, until scored
    scores/KEY/   tile-000000.h5, decoy-000000.h5 ...: what one model leaves of them, with scores
    reads/        library-1.stacks ...: small-RNA reads, counted
    commits/      one record per finished file, with its SHA-256
    quarantine/   tiles that failed twice, and why
    lock, parts/  who works here (premir.scanner.run.locks)

A file counts as done only when its commit record exists and its digest agrees. A directory that
neither ``.premir-run`` nor ``run.json`` shows to be ours is left as it is, and in ours nothing is
deleted but what bears one of these names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, cast

from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.files import lasting_name, sha256, sync_folder, write_json
from premir.scanner.genome.letters import Genome
from premir.scanner.genome.parts import Part
from premir.scanner.genome.tiles import Tile
from premir.scanner.options import Resume
from premir.scanner.run.locks import RunLock

FORMAT = "premir-run"
VERSION = 1
_FOLDERS = ("commits", "quarantine", "reads", "scores", "shards")
_MARK = b"premir-run: work of an unfinished premir-scan; it is removed when the scan is done\n"
_FIELDS = frozenset({"premir", "feature_schema", "extractor", "genome", "tile_size"})
"""What every identity holds, whatever its version."""
_TILE, _KEY = r"(?:tile|decoy)-\d{6,}", r"[0-9a-f]{16}"
_LIBRARY = r"library-\d+"
_WORK = re.compile(
    rf"commits/((shards|scores-{_KEY})-{_TILE}|reads-{_LIBRARY})\.json|quarantine/{_TILE}\.json|"
    rf"shards/{_TILE}\.h5|scores/{_KEY}/{_TILE}\.(h5|npz)|"
    rf"reads/{_LIBRARY}\.stacks|"
    rf"commits|quarantine|reads|shards|scores(/{_KEY})?"
)
"""Paths of what belongs to a run, its folders among them; scores were ``.npz`` once."""
_HOUSE = re.compile(r"run\.json|genome\.seq|lock\.json|parts(/\d+-of-\d+\.(lock|json))?")
"""Paths of what belongs to the directory."""
_TOKEN = re.compile(r"\.token-[0-9a-f]{8}(-[0-9a-f]{8})?")
"""What :mod:`premir.scanner.run.executors.probe` shows to other machines for a moment."""


class Record(TypedDict, total=False):
    """What is noted of a finished file, beside it.

    Fields are those of its stage: a shard has ``candidates``, ``folded`` and ``passed_over``,
    scores have ``scored``, ``hits`` and in ``shard`` the record of the shard that they are of,
    stacks of reads ``records``, ``reads`` and ``long``. ``state`` is what a file was to this
    process, and not written.
    """

    tile: int
    candidates: int
    folded: int
    passed_over: dict[str, int]
    scored: int
    hits: int
    shard: Record
    records: int
    reads: float
    long: float
    seconds: dict[str, float]
    file: str
    sha256: str
    state: str


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

    @property
    def mark(self) -> Path:
        """File that says whose directory this is, from its first moment on."""
        return self.path / ".premir-run"

    def shard(self, tile: Tile) -> Path:
        """Shard of a tile."""
        return self.path / "shards" / f"{tile.name}.h5"

    def scores(self, tile: Tile, key: str) -> Path:
        """Scores of a tile under the model and threshold that ``key`` stands for."""
        return self.path / "scores" / key / f"{tile.name}.h5"

    def stacks(self, library: int) -> Path:
        """Counted reads of a library, by its number from 0 on."""
        return self.path / "reads" / f"library-{library + 1}.stacks"

    def commit(self, file: Path, record: Record) -> Record:
        """Write the commit record of a finished file.

        Returns:
            The record, with ``state``: ``redone`` where an earlier record stood for a file that
            was damaged or missing, else ``new``.
        """
        path = self._record(file)
        state = "redone" if path.exists() else "new"
        content = {**record, "file": str(file.relative_to(self.path)), "sha256": sha256(file)}
        write_json(path, {**content, "record_sha256": _digest(content)})
        return cast("Record", {**content, "state": state})

    def committed(self, file: Path) -> Record | None:
        """Return the commit record of a file, ``state`` ``reused``, if both are there and agree."""
        try:
            record: dict[str, Any] = json.loads(self._record(file).read_text(encoding="utf-8"))
            sound = record.pop("record_sha256") == _digest(record)
            sound = sound and record["sha256"] == sha256(file)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None
        return cast("Record", {**record, "state": "reused"}) if sound else None

    def forget(self, file: Path) -> None:
        """Delete a finished file that is needed no more; its commit record goes first."""
        self._record(file).unlink(missing_ok=True)
        file.unlink(missing_ok=True)

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
        return self.path / "quarantine" / f"{tile.name}.json"

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
        """Take over the letters that ``read_genome`` wrote, if it did."""
        if genome.store != self.store:
            genome.store.replace(self.store)
        return replace(genome, store=self.store)

    def parts_started(self) -> int | None:
        """Return of how many parts those are that worked here; None for none, or a mixture."""
        counts = {path.stem.rpartition("-")[2] for path in self.path.glob("parts/*-of-*.lock")}
        return int(counts.pop()) if len(counts) == 1 else None

    def claim(self) -> None:
        """Make the directory, and mark it as ours before anything else is in it.

        Several processes may do so at once; the name alone is the mark, should one be killed here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), self.mark.open("xb", buffering=0) as handle:
            handle.write(_MARK)
            sync_folder(self.path)

    def discard(self) -> None:
        """Forget the run: delete all but locks and letters. Commit records go first.

        Raises:
            OSError: something cannot be deleted; the directory still belongs to the run then.
        """
        for folder in _FOLDERS:
            self._delete(folder, _WORK)
        self.identity.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed processes left for a moment; nobody else may work here."""
        for file in self._files("."):
            lasting = lasting_name(file.name)
            path = self._relative(file.with_name(lasting) if lasting else file)
            unfinished = lasting and (_WORK.fullmatch(path) or _HOUSE.fullmatch(path))
            if unfinished or _TOKEN.fullmatch(path):
                file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the directory; the mark goes last, as it shows whose directory this is.

        What cannot be deleted, or was put there by others, stays, and with it the mark.
        """
        with suppress(OSError):
            self.discard()
            self.sweep()
            self._delete("parts", _HOUSE)
            for path in (self.store, self.path / "lock.json", self.path / "lock"):
                path.unlink(missing_ok=True)
            if list(self.path.iterdir()) == [self.mark]:
                self.mark.unlink()
                self.path.rmdir()

    def _delete(self, folder: str, ours: re.Pattern[str]) -> None:
        """Delete a folder and what is in it as far as it is ours by name."""
        for file in self._files(folder):
            if ours.fullmatch(self._relative(file)):
                file.unlink(missing_ok=True)
        for parent, _, _ in os.walk(self.path / folder, topdown=False):
            if ours.fullmatch(self._relative(Path(parent))):
                with suppress(OSError):  # something of others is in it
                    Path(parent).rmdir()

    def _files(self, folder: str) -> Iterator[Path]:
        for parent, _, names in os.walk(self.path / folder):
            yield from (Path(parent, name) for name in names)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()


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
        path: where; a directory that is neither empty nor a run directory is refused, and left
            exactly as it is.
        part: work on a part of the run, beside other parts; None for all of it, alone.
        resume: with ``require`` it is an error if there is nothing to resume.

    Yields:
        The directory, locked.

    Raises:
        InputError: not a run directory, not writable, nothing to resume, or in use by another
            process.
        PlanMismatchError: a run directory of another version of premir.
    """
    run = RunDirectory(path)
    check_ours(run)
    if resume == "require" and not run.identity.exists():
        raise InputError(f"{path}: there is no run to resume (--resume require)")
    try:
        run.claim()
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
    """Refuse a directory that holds something else; nothing is written, not even a lock.

    Raises:
        InputError: it is neither empty nor a run directory.
        PlanMismatchError: it is one of another version of premir.
    """
    path = run.path
    if not path.exists():
        return
    try:
        if path.is_dir() and (_is_ours(run) or not any(path.iterdir())):
            return
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    raise InputError(f"{path}: exists and is not a premir run directory; choose --work-dir")


def _is_ours(run: RunDirectory) -> bool:
    """Look for what only premir writes; a damaged ``run.json`` beside our mark is ours."""
    marked = False
    if run.mark.is_file():
        with run.mark.open("rb") as handle:
            marked = _MARK.startswith(handle.read(len(_MARK) + 1))
    try:
        identity = json.loads(run.identity.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return marked
    if not (isinstance(identity, dict) and identity.get("format") == FORMAT):
        return False
    if not identity.keys() >= _FIELDS:
        return False
    if identity.get("version") != VERSION:
        raise PlanMismatchError(
            f"{run.path}: run directory of another version of premir (format "
            f"{identity.get('version')!r}); remove it or choose another --work-dir"
        )
    return True


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
