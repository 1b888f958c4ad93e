"""Hits as the fields of their lines, and small tables of hits made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from premir.kernels.codes import encode
from premir.kernels.pairing import pair_table
from premir.scanner.find.hairpins import Hairpins, join
from premir.scanner.find.loci import Loci
from premir.scanner.find.shards import write_shard
from premir.scanner.genome.letters import Contigs, Genome
from premir.scanner.genome.tiles import plan_tiles
from premir.scanner.options import Search
from premir.scanner.report.evidence import tracks_for
from premir.scanner.report.evidence.known.reading import shipped
from premir.scanner.report.hits import columns_with
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable
from premir.scanner.run.rundir import RunDirectory

SEQUENCE = "GGGGGCAAAAGCCCCC"
STRUCTURE = "((((((....))))))"
KEY = "0123456789abcdef"
"""Of the scores that hits made by hand would come from."""
_DEFAULT = Search(genome=Path("genome.fa"), model=None, min_prob=0.5, known=shipped())
DEFAULT_COLUMNS = [
    column for column in columns_with(tracks_for(_DEFAULT), decoys=False) if not column.detail
]
"""Of the default command's hits in BED."""


def rows(text: str) -> list[dict[str, str]]:
    """Fields of each hit by the names in the header."""
    lines = text.splitlines()
    header = next(line for line in lines if line.startswith("#chrom"))
    names = header.removeprefix("#").split("\t")
    hits = [line for line in lines if not line.startswith("#")]
    return [dict(zip(names, line.split("\t"), strict=True)) for line in hits]


def loci_of(records) -> Loci:
    """Loci without context, of (contig, start, end, strand)."""
    contig, start, end, strand = np.array(records, np.int64).reshape(-1, 4).T
    energy = np.zeros(len(records), np.int16)
    return Loci(contig.astype(np.int32), start, end, strand.astype(np.int8), energy, start, end)


def hits_in(folder: Path, names, records, structures=None) -> tuple[HitTable, Material]:
    """A run directory with one tile whose hairpins are hits of probability 0.5.

    Args:
        folder: where to make it.
        names: of contigs of 1,000 nt, ``ACGTacgt`` over and over and ``acgtACGT`` in turn.
        records: (contig, start, end, strand) of each hit, by position.
        structures: of ``SEQUENCE``, for each.
    """
    contigs = Contigs.of(list(names), [1000] * len(names), bytes(32 * len(names)))
    run = RunDirectory(folder)
    run.store.parent.mkdir(parents=True, exist_ok=True)
    letters = (b"ACGTacgt", b"acgtACGT")
    run.store.write_bytes(b"".join(letters[n % 2] * 125 for n in range(len(names))))
    loci = loci_of(records)
    (tile,) = plan_tiles(None, contigs, tile_size=1000 * len(names))
    scored = run.scores(tile, KEY)
    scored.parent.mkdir(parents=True, exist_ok=True)
    write_shard(scored, hairpins=folds(structures or [STRUCTURE] * len(loci)), loci=loci)
    count = len(loci)
    table = HitTable(loci, np.zeros(count), np.zeros(count, np.int64), np.arange(count))
    genome = Genome(folder / "genome.fa", run.store, contigs)
    return table, Material(genome, run, KEY, [tile], search_of(genome.source), threads=1)


def search_of(genome: Path, **settings: Any) -> Search:
    """What hits made by hand would come from."""
    return Search(genome=genome, model=None, min_prob=0.5, **settings)


def folds(structures) -> Hairpins:
    """``SEQUENCE`` as it folds into each of the structures, at -20 kcal/mol."""
    return join([(encode(SEQUENCE), pair_table(text), -2000) for text in structures])
