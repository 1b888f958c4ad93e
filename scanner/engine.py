"""The engine: feeds tiles to an executor, retries, counts. The same for every executor."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from premir.scanner.errors import InputError
from premir.scanner.executors import Executor
from premir.scanner.progress import Progress
from premir.scanner.tasks import Record
from premir.scanner.tiles import Tile

_log = logging.getLogger(__name__)
_ATTEMPTS = 2
_PATIENCE = 1.0
"""Seconds between looks at the clock while tasks run."""


@dataclass
class Tally:
    """What a run has done so far.

    Attributes:
        done: finished tiles.
        reused: those of them whose shard was there before.
        quarantined: tiles that failed twice, with the last error.
        counts: candidates, scored hairpins and those at or above the threshold.
        seconds: by stage, summed over workers.
    """

    done: list[Tile] = field(default_factory=list)
    reused: int = 0
    quarantined: dict[int, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count one commit record; a reused one cost no seconds."""
        for name in ("candidates", "scored", "hits"):
            if name in record:
                self.counts[name] = self.counts.get(name, 0) + record[name]
        if not record["reused"]:
            for stage, seconds in record["seconds"].items():
                self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def run_tiles(
    executor: Executor, tiles: Sequence[Tile], tally: Tally, progress: Progress, *, score: bool
) -> None:
    """Fold and score tiles with a bounded number of them in flight.

    A tile that fails is tried once more; when it fails again it is set aside and the rest goes on.

    Args:
        executor: where tasks run.
        tiles: what to do.
        tally: gets the counts.
        progress: is told of every finished tile.
        score: whether folded tiles are scored.

    Raises:
        InputError: a task found that the run as a whole cannot work.
    """
    waiting = deque(tiles)
    ready: deque[Tile] = deque()
    running: dict[Hashable, tuple[Tile, bool]] = {}
    attempts: dict[int, int] = {}
    fold_reused: dict[int, bool] = {}
    while waiting or ready or running:
        scoring = sum(1 for _, is_score in running.values() if is_score)
        while ready and scoring < executor.window:
            tile = ready.popleft()
            running[executor.score(tile)] = (tile, True)
            scoring += 1
        # Scoring that lags behind holds folding up, so that what is in flight stays bounded.
        while waiting and len(running) + len(ready) - scoring < executor.window:
            tile = waiting.popleft()
            running[executor.fold(tile)] = (tile, False)
        for handle in executor.wait(running.keys(), _PATIENCE):
            tile, was_score = running.pop(handle)
            try:
                record = executor.result(handle)
            except InputError:
                raise
            except Exception as error:
                attempts[tile.index] = attempts.get(tile.index, 0) + 1
                if attempts[tile.index] < _ATTEMPTS:
                    _log.warning("tile %d failed (%s); trying once more", tile.index, error)
                    (ready if was_score else waiting).append(tile)
                else:
                    _log.error("tile %d failed twice, set aside: %s", tile.index, error)
                    tally.quarantined[tile.index] = f"{type(error).__name__}: {error}"
                continue
            tally.add(record)
            if not was_score:
                fold_reused[tile.index] = record["reused"]
                tally.reused += record["reused"]
                if score:
                    ready.append(tile)
                    continue
            tally.done.append(tile)
            progress.advance(tile.length, record.get("hits", 0), reused=fold_reused.pop(tile.index))
        progress.tick()
