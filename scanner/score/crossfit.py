"""Cross-fitted models: a place of a genome is scored by networks that have not learned from it.

What a network adapts to are the unlabelled candidates of a genome, its pre-miRNAs among them. So
that these are not unlearned, there are several networks, each of which has seen all but some blocks
of the genome; and a block is scored by those that have not seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.genome.tiles import Tile

if TYPE_CHECKING:
    from premir.scanner.score.networks.network import Network

_I64: TypeAlias = npt.NDArray[np.int64]
_Network = TypeVar("_Network", bound="Network")

Wanted: TypeAlias = Callable[
    [npt.NDArray[np.int64], npt.NDArray[np.float64]], npt.NDArray[np.float64]
]
"""Gives the log odds below which nobody asks what hairpins have, for the hairpins at an index, and
the most that each may have yet."""

_SMALLEST, _LARGEST = 100_000, 5_000_000
"""Nucleotides of a block: large beside a cluster of pre-miRNAs, small beside a chromosome."""
_TURNS = 8
"""Blocks of each part that a genome has at least, unless it is too small for that."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where hairpins lie, as far as it decides which networks score them.

    Attributes:
        middle: int64 (N,), position on the contig.
        contig_length: int64 (N,), of the contigs that they lie on.
    """

    middle: _I64
    contig_length: _I64

    @classmethod
    def of(cls, loci: Loci, contig_lengths: _I64) -> Places:
        """Return the places of loci, from the lengths of all contigs."""
        return cls._at(loci, contig_lengths[loci.contig])

    @classmethod
    def in_tile(cls, loci: Loci, tile: Tile) -> Places:
        """Return the places of the candidates of a tile."""
        span = np.searchsorted(tile.spans.contig, loci.contig)
        return cls._at(loci, tile.spans.contig_length[span])

    @classmethod
    def _at(cls, loci: Loci, contig_length: _I64) -> Places:
        # Circular contigs lie on lines that are longer than they.
        return cls((loci.start + loci.end) // 2 % contig_length, contig_length)

    @classmethod
    def concatenate(cls, parts: Sequence[Places]) -> Places:
        """Return the places of several sets one after another."""
        return cls(
            np.concatenate([part.middle for part in parts]),
            np.concatenate([part.contig_length for part in parts]),
        )

    def take(self, index: npt.NDArray[np.int64]) -> Places:
        """Return those that an index selects."""
        return Places(self.middle[index], self.contig_length[index])


@dataclass(frozen=True, slots=True)
class CrossFit:
    """How genomes are divided.

    Attributes:
        folds: into so many parts; a model has as many sets of networks, in this order.
        block_nt: blocks of so many nucleotides take turns, contig by contig.
    """

    folds: int
    block_nt: int

    @classmethod
    def of_genome(cls, nucleotides: int, folds: int) -> CrossFit:
        """Divide a genome of a size."""
        wanted = nucleotides // (_TURNS * folds)
        return cls(folds, max(_SMALLEST, min(_LARGEST, wanted)))

    def fold(self, places: Places) -> _I64:
        """Return the part that each place belongs to, int64 (N,).

        It depends on the contig's length and the position alone: neither names nor the order of a
        file's contigs matter, nor which of them are scanned.
        """
        return (places.contig_length + places.middle // self.block_nt) % self.folds


def mean_log_odds(
    networks: Sequence[_Network],
    hairpins: Hairpins,
    score: Callable[[_Network, Hairpins], npt.NDArray[np.floating]],
    cross_fit: CrossFit | None = None,
    places: Places | None = None,
    least: Wanted | None = None,
    floor: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.float64]:
    """Return the mean log odds of the networks that score each hairpin, float64 (N,).

    Args:
        networks: of a model; those that have not seen a part stand together. The first is asked
            first, then those without a bound of their log odds (:attr:`Network.most`).
        hairpins: N hairpins.
        score: gives log odds by one network, (N,).
        cross_fit: how the networks are divided; None where all score everything.
        places: where the hairpins lie; None where they lie in no genome, and all networks count.
        least: what is wanted of hairpins, asked for when only networks with a bound are to come:
            one that can't reach it, whatever these say, is not shown to them and has minus
            infinity. None for all.
        floor: float64 (N,); likewise a hairpin that has less by the first network. None for none.
    """
    if cross_fit is None or places is None:
        return _mean(networks, hairpins, score, least, floor)
    result = np.empty(len(hairpins))
    fold, size = cross_fit.fold(places), len(networks) // cross_fit.folds
    for number in range(cross_fit.folds):
        own = np.flatnonzero(fold == number)
        members = networks[number * size : (number + 1) * size]
        wanted = _of_some(least, own) if least is not None else None
        floors = floor[own] if floor is not None else None
        result[own] = _mean(members, hairpins.take(own), score, wanted, floors)
    return result


def _of_some(least: Wanted, own: _I64) -> Wanted:
    return lambda index, most: least(own[index], most)


def _mean(
    networks: Sequence[_Network],
    hairpins: Hairpins,
    score: Callable[[_Network, Hairpins], npt.NDArray[np.floating]],
    least: Wanted | None,
    floor: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    # Only those whose log odds have a bound can be spared a hairpin: they come last.
    first, *others = networks
    others.sort(key=lambda network: network.most, reverse=True)
    total = score(first, hairpins).astype(np.float64)
    reach = np.arange(total.size) if floor is None else np.flatnonzero(total >= floor)
    wanted = None
    for n in range(len(others) + 1):
        to_come = sum(later.most for later in others[n:])
        if least is not None and wanted is None and np.isfinite(to_come):
            wanted = np.full(total.size, -np.inf)
            wanted[reach] = len(networks) * least(reach, (total[reach] + to_come) / len(networks))
        if wanted is not None:
            reach = reach[total[reach] + to_come >= wanted[reach]]
        if n < len(others):
            all_of_them = reach.size == total.size
            total[reach] += score(others[n], hairpins if all_of_them else hairpins.take(reach))
    result = np.full(total.size, -np.inf)
    result[reach] = total[reach] / len(networks)
    return result
