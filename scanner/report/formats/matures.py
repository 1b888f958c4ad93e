"""FASTA of matures: what the arms of hits give, as far as it is known or predicted."""

from __future__ import annotations

from typing import TextIO

import numpy as np

from premir.kernels.codes import decode, encode, reverse_complement
from premir.scanner.genome.letters import read_pieces
from premir.scanner.report.evidence.arms.matures import matures
from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits


def write(handle: TextIO, hits: Hits) -> None:
    """Write a record of two lines for each mature: name, what says where it lies, and letters."""
    for chunk in hits.chunks():
        loci, contigs = chunk.hits.loci, chunk.genome.contigs
        names, offsets = loci.names(contigs.names), contigs.offsets[loci.contig].tolist()
        for n, products in enumerate(matures(chunk.hits)):
            for arm, start, end, origin, reads in products:
                place = np.array([[start], [end]]) + offsets[n]
                codes = encode(read_pieces(chunk.genome.store, *place).tobytes().decode("ascii"))
                if loci.strand[n] < 0:
                    codes = reverse_complement(codes)
                told = f"arms_from={origin}" + (f" reads={reads:.2f}" if reads is not None else "")
                handle.write(f">{names[n]}-{arm} {told}\n{decode(codes)}\n")


FORMAT = Format(name="mature.fa", write=write, also=("mature.fasta",))
