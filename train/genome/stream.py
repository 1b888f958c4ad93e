"""Hairpins for training, drawn from any number of shards with flat memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes
from premir.kernels.pairing import pack
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins, concatenate
from premir.scanner.find.shards import read_hairpins, read_loci
from premir.scanner.score.crossfit import CrossFit, Places
from premir.train.genome.cuts import Cuts
from premir.train.genome.sources import KnownCuts, Negatives

WINDOW = 400_000
"""Hairpins of one kind held in memory at a time: some 150 MB."""

ADAPTED_SHARE = 0.75
"""Share of the negatives that come from the genome that a network adapts to."""

_PAIRS = np.array([[0, 3], [3, 0], [1, 2], [2, 1], [2, 3], [3, 2]], np.uint8)
_PAIR_SHARES = (0.27, 0.27, 0.18, 0.18, 0.05, 0.05)
"""AU, UA, CG, GC, GU, UG and how often a mutated pair becomes each; about as in pre-miRNAs."""


@dataclass
class Stream:
    """Shards of one kind of hairpin.

    As long as they fit, all shards stay in memory; else each round reads as many as fit, in an
    order that the round's generator decides.

    Attributes:
        shards: files.
        weights: how often each hairpin is drawn relative to the others, by shard; None for alike.
        window: most hairpins in memory at a time (a single shard may exceed it).
    """

    shards: Sequence[Path]
    weights: Sequence[npt.NDArray[np.float64]] | None = None
    window: int = WINDOW
    _whole: Hairpins | None = field(default=None, init=False)

    def load(self, rng: np.random.Generator) -> tuple[Hairpins, npt.NDArray[np.float64] | None]:
        """Return the hairpins that a round draws from, and the share of each (None for alike)."""
        order = rng.permutation(len(self.shards)).tolist()
        if self._whole is not None:
            chosen, hairpins = list(range(len(self.shards))), self._whole
        else:
            chosen, hairpins = self._read(order)
        if self.weights is None:
            return hairpins, None
        weights = np.concatenate([self.weights[number] for number in chosen])
        return hairpins, weights / weights.sum()

    def _read(self, order: list[int]) -> tuple[list[int], Hairpins]:
        """Read as many shards as fit, in ascending order, and keep them if they are all."""
        chosen: list[int] = []
        size = 0
        for number in order:
            size += len(read_loci(self.shards[number]))
            if chosen and size > self.window:
                break
            chosen.append(number)
        chosen.sort()
        hairpins = concatenate([read_hairpins(self.shards[number]) for number in chosen])
        if len(chosen) == len(self.shards):
            self._whole = hairpins
        return chosen, hairpins


def balanced(
    known: Sequence[KnownCuts], family_balance: float, phylum_balance: float = 0.0
) -> Stream:
    """Return a stream of known hairpins in which large families, and phyla, count less.

    Args:
        known: cuts of known hairpins.
        family_balance: each is drawn in proportion to its family's number of cuts to minus this
            power;
        phylum_balance: and to what of that its phylum has in all to minus this one.
    """
    shards: list[Path] = []
    families: list[npt.NDArray[np.str_]] = []
    phyla: list[npt.NDArray[np.str_]] = []
    for each in known:
        for path in each.cuts.shards:
            contigs = read_loci(path).contig
            shards.append(path)
            families.append(np.array(each.groups)[contigs])
            phyla.append(np.array(each.phyla)[contigs])
    ends = np.cumsum([names.size for names in families])
    weights = np.ones(ends[-1])
    for names, power in ((families, family_balance), (phyla, phylum_balance)):
        _, group = np.unique(np.concatenate(names), return_inverse=True)
        weights *= np.bincount(group, weights)[group] ** -power
    return Stream(shards, np.split(weights, ends[:-1]))


def background(
    negatives: Sequence[Negatives],
    adapted: Sequence[Cuts],
    power: float = 0.0,
    *,
    cross_fit: CrossFit | None = None,
    unseen: int = 0,
) -> Stream:
    """Return a stream of negatives, most of them from the genome to adapt to if there is one.

    Args:
        negatives: candidates, genome by genome.
        adapted: candidates of the genome to adapt to.
        power: each is drawn in proportion to its genome's number of candidates to minus this power.
        cross_fit: how the genome to adapt to is divided; None for not at all.
        unseen: the part of it that is not drawn from.
    """
    drawn = [
        (path, np.full(len(read_loci(path)), float(max(1, each.candidates) ** -power)))
        for each in negatives
        for path in each.shards
    ]
    seen: list[tuple[Path, npt.NDArray[np.float64]]] = []
    for cuts in adapted:
        for path in cuts.shards:
            loci = read_loci(path)
            share = np.ones(len(loci))
            if cross_fit is not None:
                share[cross_fit.fold(Places.of(loci, cuts.contigs.lengths)) == unseen] = 0
            seen.append((path, share))
    if seen:
        others = sum(max(1, each.candidates) ** (1 - power) for each in negatives)
        own = max(1.0, sum(float(share.sum()) for _, share in seen))
        factor = others * ADAPTED_SHARE / (1 - ADAPTED_SHARE) / own
        drawn += [(path, factor * share) for path, share in seen]
    return Stream([path for path, _ in drawn], [weights for _, weights in drawn])


def shortened(
    hairpins: Hairpins, share: float, context: int, folder: Folder, rng: np.random.Generator
) -> Hairpins:
    """Cut back the context of some hairpins on both sides, and fold them anew.

    So are candidates cut that lie near the end of a sequence or near unknown letters.

    Args:
        hairpins: N hairpins.
        share: of hairpins that are cut back.
        context: most nt that may go on each side; how many do is uniform.
        folder: folds them.
        rng: decides everything.
    """
    count = len(hairpins)
    chosen = rng.random(count) < share
    gone = rng.integers(0, context + 1, (2, count)) * chosen
    first, last = hairpins.offsets[:-1] + gone[0], hairpins.offsets[1:] - gone[1]
    chosen &= (gone.sum(axis=0) > 0) & (last > first)
    if not chosen.any():
        return hairpins
    pieces = [hairpins.codes[a:b] for a, b in zip(first[chosen], last[chosen], strict=True)]
    return _replaced(hairpins, chosen, pieces, folder)


def with_unknown_letters(
    hairpins: Hairpins, most: float, folder: Folder, rng: np.random.Generator
) -> Hairpins:
    """Make some letters of every other hairpin unknown, and fold these hairpins anew.

    Args:
        hairpins: N hairpins.
        most: largest share of unknown letters; how many there are is uniform, from none on.
        folder: folds them.
        rng: decides everything.
    """
    lengths = hairpins.lengths
    number = rng.integers(0, np.floor(most * lengths).astype(np.int64) + 1)
    number *= rng.random(len(hairpins)) < 0.5
    chosen = number > 0
    if not chosen.any():
        return hairpins
    pieces = []
    for n in np.flatnonzero(chosen).tolist():
        codes = hairpins[n][0].copy()
        codes[rng.choice(codes.size, number[n], replace=False)] = UNKNOWN
        pieces.append(codes)
    return _replaced(hairpins, chosen, pieces, folder)


def _replaced(
    hairpins: Hairpins, chosen: npt.NDArray[np.bool_], pieces: Sequence[Codes], folder: Folder
) -> Hairpins:
    """Put folds of other sequences in the places of those that are chosen."""
    whole, anew = hairpins.take(np.flatnonzero(~chosen)), folder.fold(*pack(pieces))
    place = np.empty(chosen.size, np.int64)
    place[~chosen], place[chosen] = np.arange(len(whole)), len(whole) + np.arange(len(anew))
    return concatenate([whole, anew]).take(place)


def mutated(hairpins: Hairpins, most: float, rng: np.random.Generator) -> Hairpins:
    """Draw some letters of every other hairpin anew, unpaired ones freely and pairs as pairs.

    Unknown letters stay unknown. The fold is kept as it is, so that what is learned is the shape
    rather than the letters.

    Args:
        hairpins: N hairpins.
        most: share of letters drawn anew in those that change most.
        rng: decides everything.
    """
    codes = hairpins.codes.copy()
    count, lengths = len(hairpins), hairpins.lengths
    share = np.where(rng.random(count) < 0.5, rng.uniform(0, most, count), 0.0)
    hit = rng.random(codes.size) < np.repeat(share, lengths)
    base = np.repeat(hairpins.offsets[:-1], lengths)
    partner = base + hairpins.pairs
    alone = hit & (hairpins.pairs < 0) & (codes < UNKNOWN)
    codes[alone] = rng.integers(0, 4, int(alone.sum()), dtype=np.uint8)
    first = np.flatnonzero(hit & (hairpins.pairs >= 0) & (partner > np.arange(codes.size)))
    drawn = _PAIRS[rng.choice(len(_PAIRS), first.size, p=_PAIR_SHARES)]
    codes[first], codes[partner[first]] = drawn[:, 0], drawn[:, 1]
    return Hairpins(codes, hairpins.pairs, hairpins.mfe, hairpins.offsets)
