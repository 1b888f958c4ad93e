"""Known hairpins and synthetic repeats, written as genomes to be scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, decode, reverse_complement
from premir.scanner.errors import InputError
from premir.scanner.files import whole_file
from premir.train.precursors import Interval, Precursor, cut_background, gc_share

FLANK = 160
"""Background on both sides of whatever is planted, in nt."""

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Planted:
    """A genome with one planted thing in each contig.

    Attributes:
        fasta: the genome.
        loci: int64 (N, 2), where in contig n it lies, 0-based half-open, plus strand.
        groups: N names; what shares a name stands on the same side of a split.
    """

    fasta: Path
    loci: npt.NDArray[np.int64]
    groups: tuple[str, ...]


def plant_known(
    path: Path,
    known: Sequence[Precursor],
    genomes: Sequence[Sequence[Codes]],
    rng: np.random.Generator,
) -> Planted:
    """Plant each hairpin in background of much the same composition, one to a contig.

    Args:
        path: FASTA to write.
        known: hairpins.
        genomes: contigs that flanks are cut from: of three random places, the one nearest in GC
            share; longer genomes lend more.
        rng: decides everything.
    """
    contigs = [contig for genome in genomes for contig in genome]
    parts, loci = [], []
    for precursor in known:
        flanks = []
        for _ in range(2):
            tries = [cut_background(contigs, rng, FLANK) for _ in range(_TRIES)]
            own = gc_share(precursor.codes)
            flanks.append(min(tries, key=lambda flank: abs(gc_share(flank) - own)))
        parts.append(np.concatenate([flanks[0], precursor.codes, flanks[1]]))
        loci.append((FLANK + precursor.core[0], FLANK + precursor.core[1]))
    return _written(path, parts, loci, [precursor.family for precursor in known])


def with_flanks(
    known: Sequence[Precursor], least: int, rng: np.random.Generator
) -> list[Precursor]:
    """Give hairpins that miRBase has without their flanks those of others.

    A stem goes on for some ten pairs outside of the curated precursor, whose ends are those of the
    mature arms. Of some species miRBase has no more than that; in random background such a
    hairpin has lost the base of its stem, as no pre-miRNA of a genome has.

    Args:
        known: hairpins.
        least: those with fewer letters of their own on one side of the precursor get both flanks
            of another hairpin, which has as many.
        rng: decides whose.

    Raises:
        InputError: no hairpin has as many.
    """
    lending = [each for each in known if each.own_flank >= least]
    if not lending:
        raise InputError(f"no known hairpin has {least} nt on both sides of its precursor")
    return [
        each
        if each.own_flank >= least
        else _grafted(each, lending[int(rng.integers(len(lending)))])
        for each in known
    ]


def _grafted(own: Precursor, other: Precursor) -> Precursor:
    """Put a precursor between the flanks of another."""
    inner = own.codes[slice(*own.core)]
    before, after = other.codes[: other.core[0]], other.codes[other.core[1] :]
    core = (before.size, before.size + inner.size)
    return replace(own, codes=np.concatenate([before, inner, after]), core=core)


def plant_inverted_repeats(
    path: Path, count: int, genomes: Sequence[Sequence[Codes]], rng: np.random.Generator
) -> Planted:
    """Make inverted repeats of real background, in background.

    Genomes are full of them, far more in some than in those that lend background. Arms have 18 to
    400 nt, spacers 3 to 200 (both uniform in the logarithm), up to 30 % of the letters of one arm
    are exchanged and up to 6 % of its places hold an insertion or deletion. Arms of 24 to 50 nt
    differ by at most 8 %: beyond that they might pass for pre-miRNAs.

    Args:
        path: FASTA to write.
        count: how many.
        genomes: contigs that arms, spacers and flanks are cut from; each genome lends alike.
        rng: decides everything.
    """
    parts: list[Codes] = []
    loci: list[Interval] = []
    while len(parts) < count:
        arm = _log_uniform(rng, 18, 400)
        spacer, exchanged = _log_uniform(rng, 3, 200), rng.uniform(0, 0.3)
        if 24 <= arm <= 50 and exchanged > 0.08:
            continue
        contigs = genomes[int(rng.integers(len(genomes)))]
        first = cut_background(contigs, rng, arm)
        second = _mutated(reverse_complement(first), exchanged, rng.uniform(0, 0.06), rng)
        repeat = np.concatenate([first, cut_background(contigs, rng, spacer), second])
        parts.append(_flanked(repeat, contigs, rng))
        loci.append((FLANK, FLANK + repeat.size))
    return _written(path, parts, loci, [f"inverted-repeat-{n}" for n in range(count)])


def plant_tandem_repeats(
    path: Path, count: int, genomes: Sequence[Sequence[Codes]], rng: np.random.Generator
) -> Planted:
    """Make tandem repeats, in background; many of them fold on themselves.

    Units have 2 to 60 nt and arrays 60 to 400 (both uniform in the logarithm). The units' GC share
    is uniform, every other unit is its own reverse complement, up to 20 % of an array's letters are
    exchanged and up to 3 % of its places hold an insertion or deletion.

    Args:
        path: FASTA to write.
        count: how many.
        genomes: contigs that flanks are cut from; each genome lends alike.
        rng: decides everything.
    """
    parts: list[Codes] = []
    loci: list[Interval] = []
    for _ in range(count):
        unit, size = _log_uniform(rng, 2, 60), _log_uniform(rng, 60, 400)
        gc = rng.uniform()
        shares = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
        letters = rng.choice(4, unit, p=shares).astype(np.uint8)
        if rng.random() < 0.5:
            half = letters[: (unit + 1) // 2]
            letters = np.concatenate([half, reverse_complement(half)])
        array = np.tile(letters, size // letters.size + 1)
        repeat = _mutated(array, rng.uniform(0, 0.2), rng.uniform(0, 0.03), rng)
        contigs = genomes[int(rng.integers(len(genomes)))]
        parts.append(_flanked(repeat, contigs, rng))
        loci.append((FLANK, FLANK + repeat.size))
    return _written(path, parts, loci, [f"tandem-repeat-{n}" for n in range(count)])


def _flanked(codes: Codes, contigs: Sequence[Codes], rng: np.random.Generator) -> Codes:
    before, after = (cut_background(contigs, rng, FLANK) for _ in range(2))
    return np.concatenate([before, codes, after])


def _written(
    path: Path, parts: Sequence[Codes], loci: Sequence[Interval], groups: Sequence[str]
) -> Planted:
    with whole_file(path) as temporary, temporary.open("w", encoding="ascii") as handle:
        for number, (codes, group) in enumerate(zip(parts, groups, strict=True)):
            handle.write(f">{number} {group}\n{decode(codes)}\n")
    return Planted(path, np.array(loci, np.int64).reshape(-1, 2), tuple(groups))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high))))


def _mutated(codes: Codes, exchanged: float, gaps: float, rng: np.random.Generator) -> Codes:
    """Exchange letters and make insertions and deletions of geometric length."""
    codes = codes.copy()
    hit = rng.random(codes.size) < exchanged
    codes[hit] = (codes[hit] + rng.integers(1, 4, hit.sum(), dtype=np.uint8)) % 4
    kept: list[Codes] = []
    done = 0
    for place in np.flatnonzero(rng.random(codes.size) < gaps):
        if place < done:
            continue
        kept.append(codes[done:place])
        size = int(rng.geometric(0.5))
        if rng.random() < 0.5:
            kept.append(rng.integers(0, 4, size, dtype=np.uint8))
            done = int(place)
        else:
            done = int(place) + size
    return np.concatenate([*kept, codes[done:]])
