"""Make the demo genome: random sequence with pre-miRNA-like hairpins at known places.

python examples/make_demo.py            # writes demo.fa and demo.truth.bed beside this file

Every letter is random: no sequence of a real organism or microRNA is used. The same seed gives the
same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 2018
GC = 0.42
CONTIGS = {"chr1": 128_000, "chr2": 70_000, "scaffold3": 1_800}
HAIRPINS = {"chr1": 12, "chr2": 7, "scaffold3": 1}
MASKED_CONTIG = "chr2"
"""The contig with soft-masked (lower-case) stretches and a gap of unknown sequence."""
GAP = (41_000, 41_500)
MASKED = 12
SHORTEST, LONGEST = 60, 110
WIDTH = 60

_COMPLEMENT = str.maketrans("ACGTNacgtn", "TGCANtgcan")
# RNA pairs in DNA letters with the odds of well conserved stems: G-U is common, but no majority.
_PAIRS = ["GC", "CG", "AT", "TA", "GT", "TG"]
_PAIR_ODDS = [0.24, 0.24, 0.20, 0.20, 0.06, 0.06]


@dataclass(frozen=True)
class Hairpin:
    """A planted hairpin.

    Attributes:
        contig: name of the contig.
        start: 0-based, plus strand.
        end: position after the last.
        strand: ``+`` or ``-``.
    """

    contig: str
    start: int
    end: int
    strand: str


def background(rng: np.random.RandomState, length: int) -> str:
    """Return independent random letters with the demo's GC content."""
    odds = [(1 - GC) / 2, GC / 2, GC / 2, (1 - GC) / 2]
    return "".join(rng.choice(list("ACGT"), size=length, p=odds))


def hairpin(rng: np.random.RandomState) -> str:
    """Return one hairpin, 5' to 3': 60-110 nt with dangling ends.

    A stem of 22-35 pairs, G-U among them, is interrupted about every eight pairs by a mismatch,
    two mismatches or a bulge of one or two nucleotides; its loop has 4-15 nt.
    """
    while True:
        five, three = [], []  # both arms, from the stem's base to the loop
        until_fault = int(rng.randint(5, 12))
        for _ in range(int(rng.randint(22, 36))):
            if until_fault == 0:
                left, right = [(1, 1), (1, 1), (2, 2), (1, 0), (0, 1), (2, 0), (0, 2)][
                    rng.randint(7)
                ]
                # A and C pair neither with each other nor with themselves.
                five.append("".join(rng.choice(list("AC"), size=left)))
                three.append("".join(rng.choice(list("AC"), size=right)))
                until_fault = int(rng.randint(5, 12))
            pair = _PAIRS[rng.choice(len(_PAIRS), p=_PAIR_ODDS)]
            five.append(pair[0])
            three.append(pair[1])
            until_fault -= 1
        loop = background(rng, int(rng.randint(4, 16)))
        ends = [background(rng, int(rng.randint(1, 5))) for _ in range(2)]
        sequence = ends[0] + "".join(five) + loop + "".join(three)[::-1] + ends[1]
        if SHORTEST <= len(sequence) <= LONGEST:
            return sequence


def make_genome(seed: int = SEED) -> tuple[dict[str, str], list[Hairpin]]:
    """Make the demo genome.

    Args:
        seed: everything follows from it.

    Returns:
        Sequences by contig name, and the planted hairpins in their order.
    """
    # RandomState and not default_rng: numpy promises that its numbers never change.
    rng = np.random.RandomState(seed)
    genome: dict[str, str] = {}
    truth: list[Hairpin] = []
    total = sum(HAIRPINS.values())
    strands = rng.permutation(["+", "-"] * (total // 2))
    for contig, length in CONTIGS.items():
        letters = list(background(rng, length))
        masked: list[tuple[int, int]] = []
        if contig == MASKED_CONTIG:
            letters[slice(*GAP)] = "N" * (GAP[1] - GAP[0])
            starts = rng.randint(0, length - 1_000, size=MASKED)
            masked = [(int(start), int(start + rng.randint(80, 900))) for start in starts]
        for number in range(HAIRPINS[contig]):
            insert = hairpin(rng)
            # Each has a slot of its own, so that no two can touch; none comes near the gap.
            slot = length // HAIRPINS[contig]
            while True:
                margin = min(200, slot // 4)
                start = number * slot + int(rng.randint(margin, slot - margin - len(insert)))
                end = start + len(insert)
                if contig != MASKED_CONTIG or end + 500 < GAP[0] or start > GAP[1] + 500:
                    break
            strand = str(strands[len(truth)])
            letters[start:end] = insert if strand == "+" else insert.translate(_COMPLEMENT)[::-1]
            truth.append(Hairpin(contig, start, end, strand))
            if contig == MASKED_CONTIG and number == 0:
                masked.append((start - 150, (start + end) // 2))  # half a hairpin is masked
        for start, end in masked:
            letters[start:end] = "".join(letters[start:end]).lower()
        genome[contig] = "".join(letters).replace("n", "N")
    return genome, truth


def main(argv: Sequence[str] | None = None) -> int:
    """Write ``demo.fa`` and ``demo.truth.bed``; returns the exit code."""
    parser = argparse.ArgumentParser(description="Make the demo genome and its truth.")
    parser.add_argument(
        "--folder", type=Path, default=Path(__file__).parent, help="default: beside this file"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    options = parser.parse_args(argv)
    genome, truth = make_genome(options.seed)
    lines: list[str] = []
    for name, sequence in genome.items():
        lines.append(f">{name}")
        lines += [sequence[i : i + WIDTH] for i in range(0, len(sequence), WIDTH)]
    bed = [
        f"{planted.contig}\t{planted.start}\t{planted.end}\tdemo{number}\t0\t{planted.strand}"
        for number, planted in enumerate(truth, 1)
    ]
    for path, text in (("demo.fa", lines), ("demo.truth.bed", bed)):
        data = "\n".join(text) + "\n"
        (options.folder / path).write_bytes(data.encode("ascii"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
