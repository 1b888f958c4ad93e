"""The engine: feeds tiles to an executor, retries, counts. The same for every executor."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from premir.scanner.errors import ends_run
from premir.scanner.genome.tiles import Tile
from premir.scanner.run.executors import Executor, WorkerLostError
from premir.scanner.run.rundir import Record
from premir.scanner.run.tasks import Job

_log = logging.getLogger(__name__)
_ATTEMPTS = 2
_LOSSES = 5
"""Attempts for a tile whose worker was lost with it: machines of a cluster come and go."""
_PATIENCE = 1.0
"""Seconds between looks at the clock while tasks run."""


@dataclass
class Tally:
    """What a run has done so far.

    Attributes:
        done: finished tiles.
        states: by stage (``fold``, ``score``): how many files were ``new``, ``reused`` or
            ``redone``, because they were damaged or missing.
        quarantined: tiles that failed twice, with the last error.
        fresh: nucleotides of tiles for which something was computed.
        counts: candidates, folded and scored hairpins and those at or above the threshold.
        passed_over: what could hold or be no candidate, by reason.
        seconds: of CPU by stage, summed over workers; those of reused files as their records say.
    """

    done: list[Tile] = field(default_factory=list)
    states: dict[str, Counter[str]] = field(
        default_factory=lambda: {"fold": Counter(), "score": Counter()}
    )
    quarantined: list[tuple[Tile, str]] = field(default_factory=list)
    fresh: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, record: Record) -> None:
        """Count one commit record."""
        self.states[stage][record["state"]] += 1
        for name in ("candidates", "folded", "scored", "hits"):
            if name in record:
                self.counts[name] = self.counts.get(name, 0) + record[name]
        self.passed_over.update(record.get("passed_over", {}))
        for name, seconds in record["seconds"].items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds


class TileProgress(Protocol):
    """Is told how a run goes on (:class:`~premir.scanner.run.progress.Progress` shows it)."""

    def advance(self, nucleotides: int, hits: int, *, reused: bool) -> None:
        """Count a finished tile."""
        ...

    def tick(self) -> None:
        """Take the time, once after each wait."""
        ...


def run_tiles(
    executor: Executor,
    job: Job,
    tiles: Sequence[Tile],
    tally: Tally,
    progress: TileProgress,
    *,
    check_stop: Callable[[], None],
    name: Callable[[Tile], str],
) -> None:
    """Fold and score tiles with a bounded number of them in flight.

    A tile that fails is tried once more; when it fails again it is set aside and the rest goes on.
    A tile whose worker was lost has more tries. Tiles that were to be scored together and failed
    have all their tries alone: one of them may be at fault.

    Args:
        executor: where tasks run.
        job: what tiles have in common; they are scored where it has a model.
        tiles: what to do.
        tally: gets the counts.
        progress: is told of every finished tile.
        check_stop: raises an error where work shall stop.
        name: says where a tile lies.

    Raises:
        InputError: a task found that the run as a whole cannot work.
        OSError: the disk is full or cannot be written.
    """
    work = _Work(executor, job, tally, progress, name, deque(tiles))
    while work.left():
        check_stop()
        work.start()
        for handle in executor.wait(work.running.keys(), _PATIENCE):
            work.take_in(handle)
        progress.tick()


@dataclass
class _Work:
    """Tiles on their way.

    Attributes:
        executor: as in :func:`run_tiles`; so are the next four.
        waiting: tiles to be folded.
        ready: tiles to be scored, as many together as the executor wants.
        again: tiles to be scored that failed before, each alone.
        running: tiles and stage of each task.
        scoring: how many of them score.
        failures: by tile, and whether its worker was lost.
        untouched: tiles for which nothing has been computed yet.
    """

    executor: Executor
    job: Job
    tally: Tally
    progress: TileProgress
    name: Callable[[Tile], str]
    waiting: deque[Tile]
    ready: deque[Tile] = field(default_factory=deque)
    again: deque[Tile] = field(default_factory=deque)
    running: dict[Hashable, tuple[Sequence[Tile], str]] = field(default_factory=dict)
    scoring: int = 0
    failures: Counter[tuple[int, bool]] = field(default_factory=Counter)
    untouched: set[int] = field(default_factory=set)

    def left(self) -> bool:
        """Whether anything is left to do or to wait for."""
        return bool(self.waiting or self.ready or self.again or self.running)

    def start(self) -> None:
        """Start as many tasks as are worth having in flight."""
        while self.scoring < self.executor.window and (tiles := self._next_to_score()):
            _log.debug("tiles to be scored together: %d", len(tiles))
            self.running[self.executor.score(self.job, tiles)] = (tiles, "score")
            self.scoring += 1
        # Scoring that lags behind holds folding up, so that what is in flight stays bounded.
        most = self.executor.window + self.executor.together - 1
        while self.waiting and self._folding + len(self.ready) + len(self.again) < most:
            tile = self.waiting.popleft()
            self.running[self.executor.fold(self.job, tile)] = ([tile], "fold")

    @property
    def _folding(self) -> int:
        """How many tasks fold."""
        return len(self.running) - self.scoring

    def _next_to_score(self) -> list[Tile]:
        """Take what is to be scored together next; nothing while more is on its way to it."""
        if self.again:
            return [self.again.popleft()]
        wanted = self.executor.together
        if len(self.ready) < wanted and (self.waiting or self._folding):
            return []
        return [self.ready.popleft() for _ in range(min(wanted, len(self.ready)))]

    def take_in(self, handle: Hashable) -> None:
        """Take in a task that has ended."""
        tiles, stage = self.running.pop(handle)
        self.scoring -= stage == "score"
        try:
            records = self.executor.result(handle)
        except Exception as error:
            if ends_run(error):
                raise
            self._failed(tiles, stage, error)
        else:
            for tile, record in zip(tiles, records, strict=True):
                self._ended(tile, stage, record)

    def _failed(self, tiles: Sequence[Tile], stage: str, error: Exception) -> None:
        """Try once more, or set the tile aside."""
        tile, *others = tiles
        name, lost = self.name(tile), isinstance(error, WorkerLostError)
        _log.debug("%s failed", name, exc_info=error)
        if others:
            _log.warning(
                "%s and %d others failed (%s); trying each alone", name, len(others), error
            )
            self.again.extend(tiles)
            return
        limit = _LOSSES if lost else _ATTEMPTS
        self.failures[tile.index, lost] += 1
        if self.failures[tile.index, lost] < limit:
            _log.warning("%s failed (%s); trying once more", name, error)
            (self.again if stage == "score" else self.waiting).append(tile)
            return
        times = "twice" if limit == 2 else f"{limit} times"
        _log.error("%s failed %s, set aside: %s", name, times, error)
        self.tally.quarantined.append((tile, f"{type(error).__name__}: {error}"))

    def _ended(self, tile: Tile, stage: str, record: Record) -> None:
        """Count, and go on with the tile's next stage if there is one."""
        self.tally.add(stage, record)
        if stage == "fold":
            if record["state"] == "reused":
                self.untouched.add(tile.index)
            if self.job.model is not None:
                self.ready.append(tile)
                return
        elif record["state"] != "reused":
            self.untouched.discard(tile.index)
        self.tally.done.append(tile)
        reused = tile.index in self.untouched
        self.untouched.discard(tile.index)
        self.tally.fresh += 0 if reused else tile.length
        self.progress.advance(tile.length, record.get("hits", 0), reused=reused)
