"""Candidate intervals as BED6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from premir.scanner.find.loci import Loci


def write_candidates(handle: TextIO, loci: Loci, contigs: Sequence[str]) -> None:
    """Write candidates in the order given; the score is minus the stem energy in centibits.

    Args:
        handle: what to write to.
        loci: the candidates.
        contigs: names of the genome's contigs.
    """
    for n, name in enumerate(loci.names(contigs)):
        contig, start, end = contigs[loci.contig[n]], int(loci.start[n]), int(loci.end[n])
        strand = "+" if loci.strand[n] > 0 else "-"
        handle.write(f"{contig}\t{start}\t{end}\t{name}\t{-int(loci.stem_energy[n])}\t{strand}\n")
