"""Executors: where tasks run. One engine, the same tasks, the same commit records."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from premir.scanner.genome.tiles import Tile
from premir.scanner.options import Execution, Search
from premir.scanner.run.rundir import Record
from premir.scanner.run.tasks import Job


class WorkerLostError(Exception):
    """A worker was lost with its task: its process, its memory or its machine, not the tile."""


class Executor(Protocol):
    """Runs tasks somewhere and hands back their commit records. Threads may share one.

    A task ends with a record of each of its tiles, or with an error for all of them.
    """

    @property
    def window(self) -> int:
        """Tasks of each kind worth having in flight."""
        ...

    @property
    def together(self) -> int:
        """Most tiles of a task that scores: what feeds a GPU well, one on CPUs."""
        ...

    def check(self, shared: Path) -> None:
        """Make sure that the workers compute what we would, and see our files.

        Args:
            shared: folder that holds the run directory, or that directory itself.

        Raises:
            InputError: names the machine and what differs there.
        """
        ...

    def fold(self, job: Job, tile: Tile) -> Hashable:
        """Start :func:`premir.scanner.run.tasks.fold_tile`; returns a handle."""
        ...

    def score(self, job: Job, tiles: Sequence[Tile]) -> Hashable:
        """Start :func:`premir.scanner.run.tasks.score_tiles`; returns a handle."""
        ...

    def wait(self, handles: Collection[Hashable], timeout: float) -> Collection[Hashable]:
        """Wait until a task has ended, or for ``timeout`` seconds; returns those that have."""
        ...

    def result(self, handle: Hashable) -> Sequence[Record]:
        """Return the records of an ended task's tiles, or raise what it raised.

        Raises:
            WorkerLostError: the task did not end by itself and may be started again.
        """
        ...

    def close(self) -> None:
        """End everything that this executor started."""
        ...


@contextmanager
def open_executor(search: Search, execution: Execution) -> Iterator[Executor]:
    """Start the executor that is asked for, and end it."""
    executor: Executor
    if execution.executor == "ray":
        from premir.scanner.run.executors.ray_cluster import RayExecutor

        executor = RayExecutor(search.model, execution)
    else:
        from premir.scanner.run.executors.local import LocalExecutor

        executor = LocalExecutor(search.model, search.folder, execution)
    try:
        yield executor
    finally:
        executor.close()
