"""A genome read once more, in pieces, for what is counted in all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from premir.scanner.genome.letters import Genome

_Counts = TypeVar("_Counts")

_PIECE = 1 << 18
"""Positions counted at a time: letters, codes and keys of a piece stay in a core's cache."""
_WORKERS = 4
"""Threads that count, at most: each has counts of its own, and memory is to grow with hits only."""


def in_pieces(
    genome: Genome,
    threads: int,
    begin: Callable[[], _Counts],
    count: Callable[[_Counts, int, int], None],
) -> list[_Counts]:
    """Count something in a genome, a piece at a time.

    Args:
        genome: what to read.
        threads: cores to use.
        begin: returns counts of nothing, for a thread.
        count: adds to counts what begins at positions of the store from the first given and below
            the second.

    Returns:
        The counts of each thread. Which has counted what depends on chance, their sum does not.
    """
    waiting = deque(range(0, genome.length, _PIECE))

    def work() -> _Counts:
        counts = begin()
        while True:
            try:
                first = waiting.popleft()
            except IndexError:
                return counts
            count(counts, first, min(first + _PIECE, genome.length))

    workers = min(threads, _WORKERS)
    with ThreadPoolExecutor(workers, thread_name_prefix="counting") as pool:
        try:
            futures = [pool.submit(work) for _ in range(workers)]
            return [future.result() for future in futures]
        finally:
            waiting.clear()  # whatever stopped us stops the others
