"""Candidate intervals as BED6."""

from __future__ import annotations

from typing import TextIO

import numpy as np

from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.origin import longer_pieces


def write_candidates(handle: TextIO, loci: Loci, contigs: Contigs) -> None:
    """Write candidates by position; the score is minus the stem energy in centibits.

    Of one across the cut of a circular contig the longer piece is written; its name holds all.

    Args:
        handle: what to write to.
        loci: the candidates, counted from the cut.
        contigs: of the genome.
    """
    start, end, _ = longer_pieces(loci, contigs)
    names = loci.names(contigs.names)
    for n in np.lexsort((-loci.strand, end, start, loci.contig)).tolist():
        contig, strand = contigs.names[loci.contig[n]], "+" if loci.strand[n] > 0 else "-"
        score = -int(loci.stem_energy[n])
        handle.write(f"{contig}\t{start[n]}\t{end[n]}\t{names[n]}\t{score}\t{strand}\n")
