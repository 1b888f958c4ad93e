"""Candidates of a background that resemble a known hairpin: neither negatives nor false calls.

The known hairpins that stand in a genome letter by letter are few; their relatives are not
annotated anywhere. What shares a stretch of 20 nt with a known hairpin, on the same strand, is left
out. Many hairpins of miRBase, though, are pieces of repeats (Alu, B1, LINE), and repeats are what
a network has to know best: a stretch that recurs in the backgrounds tells no relative.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, encode, reverse_complement
from premir.kernels.pairing import Offsets, pack
from premir.kernels.stretches import STRETCH, Stretches
from premir.scanner.find.loci import Loci
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import OpenGenome, read_pieces

FEWEST = 8
"""Different words of three letters that a stretch has; a simple repeat has fewer."""
REPEATED = 30
"""A stretch that occurs more often in the backgrounds, either strand, is a repeat: homologous
pieces of two dozen genomes hold each hairpin of one locus once."""
_PIECE = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Unlike:
    """Keeps the candidates that share no stretch with a known hairpin, on their own strand.

    The context that is folded with a candidate does not count.

    Attributes:
        stretches: of known hairpins.
    """

    stretches: Stretches

    def __call__(self, loci: Loci, codes: Codes, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Say which candidates are kept."""
        before, after = loci.contexts()
        return ~self.stretches.shared_with(codes, offsets[:-1] + before, offsets[1:] - after)

    def identity(self) -> dict[str, str]:
        """Return what tells it from other choices."""
        digest = hashlib.sha256(self.stretches.keys.tobytes()).hexdigest()
        return {"rule": "unlike", "stretches": digest}


def known_stretches(data: Path) -> Stretches:
    """Take the stretches of MirGeneDB, and of miRBase where a mature sequence is experimental.

    Args:
        data: folder with ``mirbase/``.
    """
    folder = data / "mirbase"
    with gzip.open(folder / "hairpin.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        proven = {row["hairpin_id"] for row in rows if int(row["n_experimental"])}
    letters = [text for _, text in read_records(folder / "mirgenedb_ALL_pre.fas.gz")]
    letters += [text for name, text in read_records(folder / "hairpin.fa.gz") if name in proven]
    return Stretches.of(*pack([encode(text) for text in letters]), fewest=FEWEST)


def count_stretches(
    stretches: Stretches, genome: OpenGenome, counts: npt.NDArray[np.int64]
) -> None:
    """Count how often stretches stand in a genome, on both strands.

    Args:
        stretches: M of them.
        genome: what to read.
        counts: int64 (M,), what is found is added here.
    """
    for contig in genome.contigs:
        end = contig.offset + contig.length
        for first in range(contig.offset, end, _PIECE):
            last = min(first + _PIECE + STRETCH - 1, end)
            codes = encode(read_pieces(genome.store, np.array([first]), np.array([last])))
            stretches.count(codes, counts)
            stretches.count(reverse_complement(codes), counts)
