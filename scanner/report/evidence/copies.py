"""How often the arms of hits recur in the genome (the column is defined in docs/formats.md)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from premir.kernels import kmers
from premir.kernels.codes import encode
from premir.kernels.kmers import NO_KMER, ArmKmers, Counts, K, KmerTable
from premir.scanner.genome.letters import Genome, read_letters
from premir.scanner.report.columns import NO_INT, Column
from premir.scanner.report.evidence.pieces import in_pieces
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Chunk, Material
from premir.scanner.report.table import HitTable


def copies(table: HitTable, material: Material) -> npt.NDArray[np.int64]:
    """Count how often the arms of hits recur, reading the genome once.

    Args:
        table: N hits by position.
        material: the genome, and the folds that were scored.

    Returns:
        int64 (N,), ``NO_INT`` where neither arm is long enough to tell.
    """
    samples = [_sample(chunk) for chunk in material.chunks(table)]
    if not samples:
        return np.empty(0, np.int64)
    sample = ArmKmers.concatenate(samples)
    kmer_table = sample.table()
    counts = count_in_genome(kmer_table, material.genome, threads=material.threads)
    found = kmers.copies(sample, kmer_table, counts)
    return np.where(found < 0, NO_INT, found)


TRACK = Track(
    name="copies",
    columns=(Column("copies", int, "how often the arms recur in the genome", optional=True),),
    compute=lambda table, material: [copies(table, material)],
    late=True,
)


def _sample(chunk: Chunk) -> ArmKmers:
    """Choose k-mers of what lies on either side of the terminal loop, context left out."""
    hairpins = chunk.hairpins
    offsets = hairpins.offsets[:-1]
    start, end = offsets + chunk.inner[:, 0], offsets + chunk.inner[:, 1]
    # A hit without pairs has no loop and no arms.
    unpaired = np.stack([np.zeros_like(start), hairpins.lengths], axis=1)
    loops = np.where(chunk.loops < 0, unpaired, chunk.loops)
    loop = np.clip(offsets[:, None] + loops, start[:, None], end[:, None])
    arms = np.stack([start, loop[:, 0], loop[:, 1], end], axis=1).reshape(-1, 2, 2)
    return kmers.sample_arms(hairpins.codes, start, end, arms)


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

    def count(counts: Counts, first: int, end: int) -> None:
        last = min(end + K - 1, genome.contigs.stored)
        keys = kmers.kmer_keys(encode(read_letters(genome.store, first, last)))
        # What begins in the K - 1 letters before a contig would reach into it.
        here = borders[np.searchsorted(borders, first, "right") : np.searchsorted(borders, last)]
        across = (here[:, None] - first - np.arange(1, K)).ravel()
        keys[across[(across >= 0) & (across < keys.size)]] = NO_KMER
        kmers.count_kmers(keys, table, counts)

    parts = in_pieces(genome, threads, lambda: np.zeros(table.keys.size, np.uint32), count)
    total: Counts = np.sum(parts, axis=0, dtype=np.uint32)
    return total
