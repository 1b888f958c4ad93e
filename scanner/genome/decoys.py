"""Decoys: shuffled pieces of a genome, in which whatever is called is a false call.

A genome's letters are shuffled in blocks that begin at multiples of ``BLOCK`` in their contig, so
that composition stays what it is from place to place, and so does how often each letter follows
each other one. A block's shuffle follows from its own letters, its place in the contig and the
number of the shuffle, and from nothing else: neither tiles nor workers make a difference, nor does
case.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.shuffling import shuffle
from premir.scanner.genome.letters import Contigs
from premir.scanner.genome.regions import Intervals
from premir.scanner.genome.tiles import Tile, plan_tiles

BLOCK = 10_000
"""Letters that are shuffled together."""
_STRETCH = 100_000
"""Where a genome is not shuffled whole, it is in stretches of about so many nucleotides."""

_I64 = npt.NDArray[np.int64]


def plan_decoys(contigs: Contigs, length: int, *, tile_size: int) -> list[Tile]:
    """Cut decoys of a genome into tiles.

    The ends of a circular contig are not joined in them: shuffled, they have nothing in common.

    Args:
        contigs: of the genome.
        length: nucleotides of decoys: so many shuffles of the whole genome as fit, and of another
            one evenly spaced stretches.
        tile_size: as of :func:`~premir.scanner.genome.tiles.plan_tiles`.
    """
    whole, rest = divmod(length, int(contigs.lengths.sum()))
    tiles: list[Tile] = []
    for number in range(whole + (rest > 0)):
        tiles += plan_tiles(
            _stretches(contigs, rest) if number == whole else None,
            contigs,
            tile_size=tile_size,
            first_index=len(tiles),
            shuffle=number,
        )
    return tiles


def _stretches(contigs: Contigs, length: int) -> Intervals:
    """Choose evenly spaced stretches of a genome, of so many nucleotides in all."""
    total, count = int(contigs.lengths.sum()), -(-length // _STRETCH)
    before = np.cumsum(contigs.lengths) - contigs.lengths
    intervals: Intervals = {}
    for n in range(count):
        start = n * total // count
        end = start + (n + 1) * length // count - n * length // count
        first = int(np.searchsorted(before, start, side="right")) - 1
        last = int(np.searchsorted(before, end))
        for contig in range(first, last):
            own, own_end = contigs.turn(contig)
            shift = own - int(before[contig])
            interval = (max(own, start + shift), min(own_end, end + shift))
            intervals.setdefault(contig, []).append(interval)
    return intervals


def whole_blocks(start: _I64, end: _I64, line_length: _I64) -> tuple[_I64, _I64]:
    """Extend intervals of lines to all blocks that they have a share in."""
    return start - start % BLOCK, np.minimum(-(-end // BLOCK) * BLOCK, line_length)


def shuffled(codes: Codes, borders: _I64, origin: _I64, number: int) -> Codes:
    """Shuffle pieces of contigs block by block.

    Args:
        codes: uint8 (n,), the pieces one after another.
        borders: int64 (M + 1,), of the pieces.
        origin: int64 (M,), where they begin in their contigs, at multiples of ``BLOCK``; they end
            at such, or with their contig.
        number: of the shuffle.

    Returns:
        uint8 (n,).
    """
    blocks, draws = [np.zeros(1, np.int64)], np.empty(codes.size)
    for piece, first in enumerate(origin // BLOCK):
        begin, end = int(borders[piece]), int(borders[piece + 1])
        starts = np.arange(begin, end, BLOCK)
        for n, start in enumerate(starts.tolist()):
            block = slice(start, min(start + BLOCK, end))
            draws[block] = _draws(codes[block], number, int(first) + n)
        blocks.append(np.append(starts[1:], end))
    return shuffle(codes, np.concatenate(blocks), draws)


def _draws(codes: Codes, number: int, place: int) -> npt.NDArray[np.float64]:
    """Draw numbers from 0 to below 1 that follow from a block's letters, shuffle and place."""
    salt = number.to_bytes(8, "little") + place.to_bytes(8, "little")
    key = hashlib.blake2b(codes.tobytes(), digest_size=16, salt=salt).digest()
    bits = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(codes.size)
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53)
