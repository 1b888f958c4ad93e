"""A genome read once more, in pieces, for what is counted in all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

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
            the second. Each place of a circular contig is counted once.

    Returns:
        The counts of each thread. Which has counted what depends on chance, their sum does not.
    """
    waiting = deque(
        (first, min(first + _PIECE, end))
        for start, end in _stretches(genome)
        for first in range(start, end, _PIECE)
    )

    def work() -> _Counts:
        counts = begin()
        while True:
            try:
                first, end = waiting.popleft()
            except IndexError:
                return counts
            count(counts, first, end)

    workers = min(threads, _WORKERS)
    with ThreadPoolExecutor(workers, thread_name_prefix="counting") as pool:
        try:
            futures = [pool.submit(work) for _ in range(workers)]
            return [future.result() for future in futures]
        finally:
            waiting.clear()  # whatever stopped us stops the others


def _stretches(genome: Genome) -> list[tuple[int, int]]:
    """Return where letters stand in the store that are there for the first time, as far as they go.

    Linear contigs follow each other without gaps.
    """
    contigs = genome.contigs
    start = contigs.offsets + contigs.first
    end = start + contigs.lengths
    apart = np.flatnonzero(start[1:] != end[:-1]) + 1
    borders = np.concatenate([[0], apart, [start.size]])
    return list(zip(start[borders[:-1]].tolist(), end[borders[1:] - 1].tolist(), strict=True))
