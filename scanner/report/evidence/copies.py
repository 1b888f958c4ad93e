"""How often the arms of hits recur in the genome (the column is defined in docs/formats.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from premir.kernels import kmers
from premir.kernels.codes import encode
from premir.kernels.kmers import NO_KMER, ArmKmers, Counts, K, KmerTable
from premir.kernels.pairing import terminal_loop
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import Genome, read_letters
from premir.scanner.genome.tiles import Tile
from premir.scanner.report.merging import Scored, hairpins_of
from premir.scanner.run.rundir import RunDirectory

_PIECE = 1 << 18
"""Positions counted at a time: letters, codes and keys of a piece stay in a core's cache."""
_WORKERS = 4
"""Threads that count, at most: each has counts of its own, and memory is to grow with hits only."""


def count_copies(
    hits: Scored, genome: Genome, run: RunDirectory, tiles: Sequence[Tile], *, threads: int
) -> npt.NDArray[np.int64]:
    """Count how often the arms of hits recur, reading the genome once.

    Args:
        hits: N merged hits by position.
        genome: the genome scanned, with its store.
        run: run directory with the shards.
        tiles: the tiles that the hits come from.
        threads: cores to use.

    Returns:
        int64 (N,), -1 where neither arm is long enough to tell.
    """
    samples = [_sample(chunk.loci, hairpins) for chunk, hairpins in hairpins_of(hits, run, tiles)]
    if not samples:
        return np.empty(0, np.int64)
    sample = ArmKmers.concatenate(samples)
    table = sample.table()
    return kmers.copies(sample, table, count_in_genome(table, genome, threads=threads))


def _sample(loci: Loci, hairpins: Hairpins) -> ArmKmers:
    """Choose k-mers of what lies on either side of the terminal loop, context left out."""
    codes, offsets = hairpins.codes, hairpins.offsets[:-1]
    forward = loci.strand > 0
    lead = np.where(forward, loci.start - loci.folded_start, loci.folded_end - loci.end)
    start = offsets + lead
    end = start + loci.end - loci.start
    # A hit without pairs has no loop and no arms.
    loops = [terminal_loop(hairpins[n][1]) or (0, hairpins.lengths[n]) for n in range(len(loci))]
    loop = np.clip(offsets[:, None] + np.array(loops), start[:, None], end[:, None])
    arms = np.stack([start, loop[:, 0], loop[:, 1], end], axis=1).reshape(-1, 2, 2)
    return kmers.sample_arms(codes, start, end, arms)


def count_in_genome(table: KmerTable, genome: Genome, *, threads: int) -> Counts:
    """Count the k-mers of a table in all contigs, both strands.

    Args:
        table: M k-mers.
        genome: what to read.
        threads: cores to use.

    Returns:
        uint32 (M,).
    """
    borders = genome.contigs.offsets
    waiting = deque(range(0, genome.length, _PIECE))

    def work() -> Counts:
        counts = np.zeros(table.keys.size, np.uint32)
        while True:
            try:
                first = waiting.popleft()
            except IndexError:
                return counts
            end = min(first + _PIECE + K - 1, genome.length)
            keys = kmers.kmer_keys(encode(read_letters(genome.store, first, end)))
            # What begins in the K - 1 letters before a contig would reach into it.
            here = borders[np.searchsorted(borders, first, "right") : np.searchsorted(borders, end)]
            across = (here[:, None] - first - np.arange(1, K)).ravel()
            keys[across[(across >= 0) & (across < keys.size)]] = NO_KMER
            kmers.count_kmers(keys, table, counts)

    workers = min(threads, _WORKERS)
    with ThreadPoolExecutor(workers, thread_name_prefix="copies") as pool:
        try:
            futures = [pool.submit(work) for _ in range(workers)]
            total = futures[0].result()
            for future in futures[1:]:
                total += future.result()
        finally:
            waiting.clear()  # whatever stopped us stops the others
    return total
