"""The engine: feeds tiles to an executor, retries, counts. The same for every executor."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from premir.scanner.errors import ends_run
from premir.scanner.genome.tiles import Tile
from premir.scanner.run.executors import Executor, WorkerLostError
from premir.scanner.run.progress import Progress
from premir.scanner.run.tasks import Job, Record

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
        seconds: by stage, summed over workers; those of reused files as their records say.
    """

    done: list[Tile] = field(default_factory=list)
    states: dict[str, Counter[str]] = field(
        default_factory=lambda: {"fold": Counter(), "score": Counter()}
    )
    quarantined: list[tuple[Tile, str]] = field(default_factory=list)
    fresh: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, record: Record) -> None:
        """Count one commit record."""
        self.states[stage][record["state"]] += 1
        for name in ("candidates", "folded", "scored", "hits"):
            if name in record:
                self.counts[name] = self.counts.get(name, 0) + record[name]
        for name, seconds in record["seconds"].items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def run_tiles(
    executor: Executor,
    job: Job,
    tiles: Sequence[Tile],
    tally: Tally,
    progress: Progress,
    *,
    check_stop: Callable[[], None],
    name: Callable[[Tile], str],
) -> None:
    """Fold and score tiles with a bounded number of them in flight.

    A tile that fails is tried once more; when it fails again it is set aside and the rest goes on.
    A tile whose worker was lost has more tries.

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
    waiting = deque(tiles)
    ready: deque[Tile] = deque()
    running: dict[Hashable, tuple[Tile, str]] = {}
    failures: Counter[tuple[int, bool]] = Counter()
    untouched: set[int] = set()
    scoring = 0
    while waiting or ready or running:
        check_stop()
        while ready and scoring < executor.window:
            tile = ready.popleft()
            running[executor.score(job, tile)] = (tile, "score")
            scoring += 1
        # Scoring that lags behind holds folding up, so that what is in flight stays bounded.
        while waiting and len(running) + len(ready) - scoring < executor.window:
            tile = waiting.popleft()
            running[executor.fold(job, tile)] = (tile, "fold")
        for handle in executor.wait(running.keys(), _PATIENCE):
            tile, stage = running.pop(handle)
            scoring -= stage == "score"
            try:
                record = executor.result(handle)
            except Exception as error:
                if ends_run(error):
                    raise
                lost = isinstance(error, WorkerLostError)
                limit = _LOSSES if lost else _ATTEMPTS
                failures[tile.index, lost] += 1
                _log.debug("%s failed", name(tile), exc_info=error)
                if failures[tile.index, lost] < limit:
                    _log.warning("%s failed (%s); trying once more", name(tile), error)
                    (ready if stage == "score" else waiting).append(tile)
                else:
                    times = "twice" if limit == 2 else f"{limit} times"
                    _log.error("%s failed %s, set aside: %s", name(tile), times, error)
                    tally.quarantined.append((tile, f"{type(error).__name__}: {error}"))
                continue
            tally.add(stage, record)
            if stage == "fold":
                if record["state"] == "reused":
                    untouched.add(tile.index)
                if job.model is not None:
                    ready.append(tile)
                    continue
            elif record["state"] != "reused":
                untouched.discard(tile.index)
            tally.done.append(tile)
            reused = tile.index in untouched
            untouched.discard(tile.index)
            tally.fresh += 0 if reused else tile.length
            progress.advance(tile.length, record.get("hits", 0), reused=reused)
        progress.tick()
