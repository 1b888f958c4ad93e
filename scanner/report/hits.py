"""Hits, and the BED file that reports them. Columns are documented in docs/formats.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, decode
from premir.kernels.pairing import Pairs, dot_bracket, terminal_loop
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import Genome, read_letters
from premir.scanner.genome.tiles import Tile
from premir.scanner.report.merging import Scored, hairpins_of
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.score.refolding import Refolder

COLUMNS = (
    "chrom", "start", "end", "name", "score", "strand", "prob", "q_value", "fp_per_mb", "mfe",
    "length", "loop_start", "loop_end", "masked_fraction", "copies", "mirror_prob", "sequence",
    "structure",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hit:
    """One reported hairpin; coordinates are 0-based half-open on the plus strand.

    Attributes:
        chrom: contig name.
        start: first position.
        end: position after the last.
        strand: ``+`` or ``-``.
        prob: canonical probability, six decimals.
        mfe: minimum free energy, dcal/mol.
        loop: interval of the terminal loop of the longest stem, None where nothing is paired.
        masked_fraction: soft-masked (lower-case) share of the interval.
        copies: how often the arms recur in the genome, None where they are too short to tell.
        sequence: RNA 5' to 3', as folded.
        structure: dot-bracket notation.
    """

    chrom: str
    start: int
    end: int
    strand: str
    prob: float
    mfe: int
    loop: tuple[int, int] | None
    masked_fraction: float
    copies: int | None
    sequence: str
    structure: str

    def bed_line(self) -> str:
        """Return the hit as a line of the BED file."""
        loop_start, loop_end = self.loop or (".", ".")
        fields = (
            self.chrom,
            self.start,
            self.end,
            f"{self.chrom}:{self.start + 1}-{self.end}({self.strand})",
            round(1000 * self.prob),
            self.strand,
            f"{self.prob:.6f}",
            ".",
            ".",
            f"{self.mfe / 100:.2f}",
            self.end - self.start,
            loop_start,
            loop_end,
            f"{self.masked_fraction:.3f}",
            "." if self.copies is None else self.copies,
            ".",
            self.sequence,
            self.structure,
        )
        return "\t".join(map(str, fields)) + "\n"


def describe_hits(
    scored: Scored,
    copies: npt.NDArray[np.int64],
    genome: Genome,
    run: RunDirectory,
    tiles: Sequence[Tile],
    refolder: Refolder | None,
) -> Iterator[Hit]:
    """Read sequence, structure and soft mask of merged hits.

    Args:
        scored: N merged hits by position.
        copies: int64 (N,), how often their arms recur, -1 where that cannot be told.
        genome: the genome scanned.
        run: run directory with its store and shards.
        tiles: the tiles that they come from.
        refolder: folds them once more with the bindings; None where the bindings folded them.

    Yields:
        The hits, in the order given.
    """
    number = iter(copies.tolist())
    for chunk, hairpins in hairpins_of(scored, run, tiles):
        probabilities = chunk.prob
        if refolder is not None:
            hairpins, probabilities = refolder.check(hairpins, probabilities)
        for n in range(len(hairpins)):
            prob = float(probabilities[n])
            yield _describe(chunk.loci, n, hairpins[n], prob, next(number), genome)


def _describe(
    loci: Loci,
    n: int,
    hairpin: tuple[Codes, Pairs, int],
    prob: float,
    copies: int,
    genome: Genome,
) -> Hit:
    codes, pairs, mfe = hairpin
    contig = genome.contigs[int(loci.contig[n])]
    start, end = int(loci.start[n]), int(loci.end[n])
    forward = loci.strand[n] > 0
    loop = terminal_loop(pairs)
    if loop is not None:
        a, b = int(loci.folded_start[n]), int(loci.folded_end[n])
        loop = (a + loop[0], a + loop[1]) if forward else (b - loop[1], b - loop[0])
    letters = read_letters(genome.store, contig.offset + start, contig.offset + end)
    return Hit(
        chrom=contig.name,
        start=start,
        end=end,
        strand="+" if forward else "-",
        prob=prob,
        mfe=mfe,
        loop=loop,
        masked_fraction=float(np.mean(letters >= ord("a"))),
        copies=None if copies < 0 else copies,
        sequence=decode(codes),
        structure=dot_bracket(pairs),
    )


def write_bed(handle: TextIO, hits: Iterable[Hit], provenance: Sequence[str]) -> int:
    """Write hits with their header and return how many there were."""
    for line in provenance:
        handle.write(f"## {line}\n")
    handle.write("#" + "\t".join(COLUMNS) + "\n")
    count = 0
    for hit in hits:
        handle.write(hit.bed_line())
        count += 1
    return count
