"""Regions as users write them, and sets of intervals per contig."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from premir.scanner.errors import InputError
from premir.scanner.genome.letters import Contigs

Intervals: TypeAlias = dict[int, list[tuple[int, int]]]
"""By contig index: sorted, disjoint, 0-based half-open intervals."""

_RANGE = re.compile(r"([\d,]{1,30})(?:-([\d,]{0,30}))?")


def parse_regions(texts: Sequence[str], contigs: Contigs) -> Intervals:
    """Turn ``chr1``, ``chr1:1000-2000`` or ``chr1:1,000-`` into intervals.

    Args:
        texts: regions, 1-based inclusive, as samtools reads them.
        contigs: contigs of the genome; a name may itself hold colons.

    Returns:
        The union of the regions.

    Raises:
        InputError: unknown contig, or a range that is not inside it.
    """
    index = {name: number for number, name in enumerate(contigs.names)}
    intervals: Intervals = {}
    for text in texts:
        number, start, end = _parse(text, index, contigs)
        intervals.setdefault(number, []).append((start, end))
    return {number: merge_intervals(intervals[number]) for number in sorted(intervals)}


def _parse(text: str, index: dict[str, int], contigs: Contigs) -> tuple[int, int, int]:
    if text in index:
        return index[text], 0, int(contigs.lengths[index[text]])
    name, colon, numbers = text.rpartition(":")
    match = _RANGE.fullmatch(numbers)
    if name in index and match is None:
        raise InputError(f"--regions {text}: expected CONTIG:START-END, 1-based inclusive")
    if name not in index or match is None:
        wanted = name if colon and match else text
        known = ", ".join(list(index)[:5]) + (", ..." if len(index) > 5 else "")
        raise InputError(f"--regions {text}: no contig {wanted!r} in the genome; it has {known}")
    length = int(contigs.lengths[index[name]])
    first = int(match[1].replace(",", "") or 0)
    last = int((match[2] or "").replace(",", "") or length)
    if not 1 <= first <= last <= length:
        raise InputError(f"--regions {text}: not inside {name}, which has positions 1 to {length}")
    return index[name], first - 1, last


def merge_intervals(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the union of intervals, sorted and disjoint."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def grow(intervals: Intervals, margin: int, contigs: Contigs) -> Intervals:
    """Extend intervals by ``margin`` nt on both sides, as far as the contigs go."""
    return {
        number: merge_intervals(
            [(max(0, a - margin), min(int(contigs.lengths[number]), b + margin)) for a, b in parts]
        )
        for number, parts in intervals.items()
    }


def subtract(intervals: Intervals, taken: Intervals) -> Intervals:
    """Return what of ``intervals`` is not in ``taken``."""
    rest: Intervals = {}
    for number, parts in intervals.items():
        pieces = []
        for start, end in parts:
            position = start
            for a, b in taken.get(number, []):
                if b <= position or a >= end:
                    continue
                if a > position:
                    pieces.append((position, a))
                position = max(position, b)
            if position < end:
                pieces.append((position, end))
        if pieces:
            rest[number] = pieces
    return rest
