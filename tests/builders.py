"""Builders for tests: sequences, genomes with planted hairpins, FASTA files, random folds."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pysam

from premir.kernels.codes import UNKNOWN
from premir.scanner.find.hairpins import Hairpins

Locus = tuple[str, int, int, str, str]
"""Contig, start, end (0-based half-open, plus strand), name, strand (``+`` or ``-``)."""

TILE = 10_000
"""Planted genomes put hairpins next to multiples of this position: scan them with this tile size
(or one that divides it)."""

CONTIGS = {"chr1": 60_000, "chr2": 24_000, "scaffold200": 200, "scaffold50": 50, "tiny": 7}

PRE_MIRNAS = (
    "CGTAATGACAAAAAGCTAGACCTATGGCGGATGTTCCTATCTATTGGCGTTGATCAGTCTTACTCATATCAAAACGGACTG"
    "ATTACCGTCAATACATTCGAATGTCGGCCCCCCCCTGACAGGAAGAGAGAAGAC",
    "TTAACAGACACAGCACCGCGCTCTTGTACGTGGCGCGTACTTTATTTGTGGTGGATCTTAGTTTAACACACGATTTACCCC"
    "TAATAAGGTATGCGAGGCGTACACGCGCGCTTTCTGCATCAACAAAA",
    "TGATTATCTGAGGGCTGTGATTCGTGGAGCGAGGAATCCAGATTCAGGCACTCACCAAATTATTATAAACGGTGAATGCGT"
    "GCGTTTGGATCGCTCCTTCCTTCGAATAACTCTTGTACCCTTTGA",
    "TACAACAGAAGGGAACAGGTAGTTCGGTCCGACGATGATGTGCATTTGTTTGGTAGCTCTATTAAATTGCAACGGAGCTCC"
    "ACACAAATGCCTATCGTTGTCGTAGCGGGACTATAAGTCAATTGCCGAGCA",
    "ACAAAGACATCGTGTGGGCATTACGGATATATTGATGTCCTTTCTATGCGTGTTATATGAAATTAGAATACACGCTTAGGA"
    "CGGACATCCGTGTATCTAGATAGTGGTGTAGGTGTTAGCTA",
    "CATACAAGTAAAGCCACAATAACTTTGCGGCGCTGCGTGCACGCTGACTTATTGTGGGACTTTCAACTATACCAGTCTAAC"
    "AGTAAATTATTGTGTATGGAGGGCCGCCTGGCAACAAAAAATACGTCTACGCA",
    "ATGAGGATAGGATGCCCGCAGTCACGCCCCGCTTAGCAATCTATTAGCTGTGTCTGGTTTGATAATAATAAAAATCAGCTA"
    "GAGTTGTTAGATTGTAATCCGGGGCCGGGCAAGGAGGAAGAGGGCGAGCT",
    "AACAAAAGGTGAGTTACGGCTTGCTGCTGATTAGGGGCGTGTTTCGGATTAGTCGTTTATCAATTACATTGATCCGACTGA"
    "CCCCCCTTTTCAGCGTCCAGTGTAACGTTAAGCATCCAA",
)
"""Random hairpins with 25 nt on both sides, changed letter by letter until default models called
them at a score that background reaches once in some Mb. They are no known pre-miRNAs."""

RIVALS = (
    "GTACGTCGTCTTGACCTTTCCGCCTGCGAAGCGTTGGTTTTTAGCTTGCGTGTGGGTCACAAGAGAACCTCCCGCAAGTTT"
    "TAGGCCAATGGTTCGCTTGCGACAAACATTGGCTTTAAGCTTGCGGGTGGGTCTCGCCGAACGGGGAACCGGGATAGC",
    "TACCACTAAACTGGTTTCCAACCACTATCGGAGCAAGCGGGACATCTCATCACTATGCTGGCGGTTTTCATAGTGCTGACA"
    "TGTCTTGCTAGCCCCGATAAACGTTTCGGAGCAAGCGGGAAATATTAGCACGGTGTAAATCGATGGTACGACTTCTGGGAT"
    "TG",
    "GCTTCACACACACGCAACTTGTTATGGTCAACTTATGCAGAATCAAGGACGTCTTGTGCATAGTTAGCACGACGACCTTGT"
    "TTGTGCATCAGTTGACGGCTATTGGACTACTGGTGCAGAAACTAGGACGTCTTGTTAATCTCGTCACAGGGGTTTTATCTT"
    "CC",
)
"""The same, but each holds two such hairpins that share an arm, so that one displaces the other."""

_HITS_CONTIGS = {
    "chr1": 16_000, "chr2": 8_000, "scaffold": 300, "tiny": 7, "chr3": 12_200, "chr4": 6_000,
}  # fmt: skip
_HITS_PLACES = [
    ("chr1", 0, 0, "+"),
    ("chr1", TILE - 64, 1, "-"),
    ("chr1", TILE + 2_000, 2, "+"),
    ("chr1", TILE + 2_300, 2, "-"),
    ("chr1", -1, 3, "-"),
    ("chr1", 2_000, 8, "+"),
    ("chr1", 4_000, 9, "-"),
    ("chr1", 6_000, 10, "+"),
    ("chr2", 5_100, 4, "+"),
    ("chr2", 7_000, 5, "-"),
    ("scaffold", 90, 6, "-"),
    ("chr3", 12_060, 7, "+"),
]
"""Contig, start (-1: at its end), which of ``PRE_MIRNAS`` and ``RIVALS``, strand."""

_COMPLEMENT = str.maketrans("ACGTUacgtu", "TGCAAtgcaa")
_WOBBLE = {"G": "T", "T": "G"}  # the partners of G and T that are not their complements


def reverse_complement(sequence: str) -> str:
    """The opposite strand in DNA letters, case kept; all but A, C, G, T, U stays as it is."""
    return sequence.translate(_COMPLEMENT)[::-1]


def random_sequence(rng: np.random.Generator, n: int, gc: float = 0.5) -> str:
    weights = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    return "".join(rng.choice(list("ACGT"), size=n, p=weights))


def hairpin(
    rng: np.random.Generator, stem: int = 30, loop: int = 10, mismatches: int = 3, gc: float = 0.5
) -> str:
    """A pre-miRNA-like stem-loop in DNA letters, ``2 * stem + loop`` nt long.

    Mismatches are single and lie apart inside the stem, a few pairs are G-U, the ends are C-G.
    The loop holds A and C only, so that it adds no pairs of its own.
    """
    left = list(random_sequence(rng, stem, gc))
    left[0], left[-1] = "G", "C"
    right = list(reverse_complement("".join(left)))
    inner = np.arange(3, stem - 3, 3)
    for k in rng.choice(inner, size=min(mismatches, inner.size), replace=False):
        right[stem - 1 - k] = left[k]  # no base pairs with itself
    for k in range(1, stem - 1):
        paired = right[stem - 1 - k] == reverse_complement(left[k])
        if paired and left[k] in _WOBBLE and rng.random() < 0.1:
            right[stem - 1 - k] = _WOBBLE[left[k]]
    middle = "".join(rng.choice(list("AC"), size=loop))
    return "".join(left) + middle + "".join(right)


def planted_genome(
    seed: int = 0, contigs: Mapping[str, int] | None = None, gc: float = 0.45
) -> tuple[dict[str, str], list[Locus]]:
    """A genome with hairpins at known places.

    In contigs of 5 kb and more: at both ends of the contig, beside both ends of an N run, one in
    lower case, and at each multiple of ``TILE`` one across it and one on either side, strands in
    turn. Contigs of 100 to 5,000 nt get one in their middle; contigs of 46 to 99 nt consist of one
    and a few nucleotides; shorter ones are random.

    Args:
        seed: everything follows from it.
        contigs: name -> length; ``CONTIGS`` by default.
        gc: share of G and C outside the hairpins.

    Returns:
        Sequences by name, and the truth in the order of contigs and positions.
    """
    rng = np.random.default_rng(seed)
    genome: dict[str, list[str]] = {}
    truth: list[Locus] = []

    def plant(contig: str, start: int, insert: str, strand: str) -> None:
        end = start + len(insert)
        assert 0 <= start
        assert end <= len(genome[contig])
        for other, a, b, _, _ in truth:
            assert other != contig or end <= a or start >= b, f"two hairpins at {contig}:{start}"
        genome[contig][start:end] = insert if strand == "+" else reverse_complement(insert)
        truth.append((contig, start, end, f"hp{len(truth) + 1}", strand))

    for contig, length in (CONTIGS if contigs is None else contigs).items():
        genome[contig] = list(random_sequence(rng, length, gc))
        if length >= 5_000:
            gap = min(TILE, length) // 2
            genome[contig][gap : gap + 100] = "N" * 100
            size = len(hairpin(rng))
            plant(contig, 0, hairpin(rng), "+")
            plant(contig, length - size, hairpin(rng), "-")
            plant(contig, gap - size, hairpin(rng), "+")
            plant(contig, gap + 100, hairpin(rng), "-")
            plant(contig, gap + 1_000, hairpin(rng).lower(), "+")
            for number, border in enumerate(range(TILE, length - TILE // 2, TILE)):
                one, two = ("+", "-") if number % 4 < 2 else ("-", "+")
                # Mid-points on the border and on the last position before it, in turn.
                plant(contig, border - size // 2 - number % 2, hairpin(rng), one)
                plant(contig, border - 200 - size, hairpin(rng), two)
                plant(contig, border + 200, hairpin(rng), one)
        elif length >= 100:
            insert = hairpin(rng)
            plant(contig, (length - len(insert)) // 2, insert, "-")
        elif length >= 46:
            plant(contig, (length - 46) // 2, hairpin(rng, stem=20, loop=6, mismatches=1), "+")
    names = list(genome)
    truth.sort(key=lambda locus: (names.index(locus[0]), locus[1]))
    return {name: "".join(letters) for name, letters in genome.items()}, truth


def default_hits_genome(seed: int = 0) -> tuple[dict[str, str], list[Locus]]:
    """A genome with hits for the default command: shipped network, its threshold, its gates.

    Among the hits are hairpins at both ends of a contig, across a multiple of ``TILE``, beside an N
    run, in lower case, twice in the genome, in a scaffold that holds nothing else, and some that
    displace another, on both strands. Versions of them with some letters changed lie around the
    threshold, and random hairpins below it, so that gates, scores and threshold all have something
    to drop.

    Returns:
        Sequences by name (about 42 kb), and the places of ``PRE_MIRNAS`` and ``RIVALS``,
        each of which holds a hit.
    """
    rng = np.random.default_rng(seed)
    genome = {name: list(random_sequence(rng, n, 0.4)) for name, n in _HITS_CONTIGS.items()}
    truth: list[Locus] = []

    def plant(contig: str, start: int, insert: str, strand: str) -> None:
        letters = insert if strand == "+" else reverse_complement(insert)
        genome[contig][start : start + len(insert)] = letters

    genome["chr2"][5_000:5_100] = "N" * 100
    for contig, position, number, strand in _HITS_PLACES:
        insert = (PRE_MIRNAS + RIVALS)[number]
        start = position if position >= 0 else _HITS_CONTIGS[contig] + position + 1 - len(insert)
        plant(contig, start, insert.lower() if contig == "chr2" else insert, strand)
        truth.append((contig, start, start + len(insert), f"mir{number + 1}", strand))
    for k in range(48):
        changed = list(PRE_MIRNAS[k % len(PRE_MIRNAS)])
        for place in rng.choice(len(changed), size=4 + 3 * (k // 8), replace=False):
            changed[place] = "ACGT"[int(rng.integers(4))]
        plant("chr3", 100 + 250 * k, "".join(changed), "+-"[k // 8 % 2])
        plant("chr4", 100 + 120 * k, hairpin(rng), "+-"[k % 2])
    return {name: "".join(letters) for name, letters in genome.items()}, truth


def write_fasta(
    path: Path, sequences: Mapping[str, str], width: int = 60, *, bgzip: bool = False
) -> Path:
    """Write FASTA; ``.gz`` means gzip, or bgzip on request. Width 0 puts a record on one line."""
    lines: list[str] = []
    for name, sequence in sequences.items():
        lines.append(f">{name}")
        step = width or max(1, len(sequence))
        lines += [sequence[i : i + step] for i in range(0, len(sequence), step)]
    data = ("\n".join(lines) + "\n").encode("ascii")
    if bgzip:
        with pysam.BGZFile(str(path), "wb") as stream:  # type: ignore[call-arg]  # pysam's stub
            stream.write(data)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(data, mtime=0))
    else:
        path.write_bytes(data)
    return path


def random_pairs(rng: np.random.Generator, length: int, *, min_loop: int = 3) -> list[int]:
    """A random nested pair table (-1 is unpaired), branches and bulges included."""
    pairs = [-1] * length
    todo = [(0, length)]
    while todo:
        first, last = todo.pop()
        if last - first < min_loop + 2:
            continue
        if rng.random() < 0.15:  # leave one end unpaired
            side = rng.random() < 0.5
            todo.append((first + side, last - 1 + side))
        elif rng.random() < 0.08:  # branch
            cut = int(rng.integers(first + 1, last))
            todo += [(first, cut), (cut, last)]
        else:
            pairs[first], pairs[last - 1] = last - 1, first
            todo.append((first + 1, last - 1))
    return pairs


def random_hairpins(
    rng: np.random.Generator, lengths: Iterable[int], unknown: float = 0.0
) -> Hairpins:
    """Random folds of these lengths (0 is allowed), packed; paired letters fit each other.

    About so large a share of the unpaired letters is unknown. The MFE is negative where anything is
    paired and 0 otherwise, as in folds.
    """
    sizes = [int(length) for length in lengths]
    codes = np.zeros(sum(sizes), np.uint8)
    partners = np.full(sum(sizes), -1, np.int16)
    mfe = np.zeros(len(sizes), np.int32)
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    for n, size in enumerate(sizes):
        own = rng.integers(0, 4, size).astype(np.uint8)
        pairs = random_pairs(rng, size)
        for i, j in enumerate(pairs):
            if j > i:
                own[j] = 3 - own[i]
        codes[offsets[n] : offsets[n + 1]] = own
        partners[offsets[n] : offsets[n + 1]] = pairs
        if max(pairs, default=-1) >= 0:
            mfe[n] = -int(rng.integers(10, 9_000))
    if unknown:
        codes[(partners < 0) & (rng.random(codes.size) < unknown)] = UNKNOWN
    return Hairpins(codes, partners, mfe, offsets)


def with_unknown(rng: np.random.Generator, text: str, share: float) -> str:
    """A sequence with about so many of its letters unknown."""
    return "".join("N" if hit else letter for hit, letter in zip(
        rng.random(len(text)) < share, text, strict=True
    ))  # fmt: skip
