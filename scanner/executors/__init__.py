"""Executors: where tasks run. One engine, the same tasks, the same commit records."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Protocol

from premir.scanner.tasks import Record
from premir.scanner.tiles import Tile


class Executor(Protocol):
    """Runs tasks somewhere and hands back their commit records."""

    window: int
    """Tasks of each kind worth having in flight."""

    def fold(self, tile: Tile) -> Hashable:
        """Start :func:`premir.scanner.tasks.fold_tile`; returns a handle."""
        ...

    def score(self, tile: Tile) -> Hashable:
        """Start :meth:`premir.scanner.tasks.Scorer.score_tile`; returns a handle."""
        ...

    def wait(self, handles: Collection[Hashable], timeout: float) -> list[Hashable]:
        """Wait until a task has ended, or for ``timeout`` seconds; returns those that have."""
        ...

    def result(self, handle: Hashable) -> Record:
        """Return the record of an ended task, or raise what it raised."""
        ...

    def close(self) -> None:
        """End everything that this executor started."""
        ...
