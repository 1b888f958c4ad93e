"""Regions as users write them, and sets of intervals per contig."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from premir.scanner.errors import InputError
from premir.scanner.genome.circular import some
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.genome.letters import Contigs

Intervals: TypeAlias = dict[int, list[tuple[int, int]]]
"""By contig index: sorted, disjoint, 0-based half-open intervals of its line, which is the contig
unless that is circular (:mod:`premir.scanner.genome.circular`)."""

_RANGE = re.compile(r"(?=.*\d)([\d,]{0,30})(?:-([\d,]{0,30}))?")
_BRACED = re.compile(r"\{(.*)\}(?::([^:]*))?", re.DOTALL)
"""How samtools writes a name that a colon might end."""
_NO_INTERVAL = re.compile(r"\s*$|#|browser\s|track\s")
"""Lines of a BED file that hold none."""


def parse_regions(texts: Sequence[str], contigs: Contigs) -> Intervals:
    """Turn ``chr1``, ``chr1:1000-2000``, ``chr1:1,000-`` or ``{chr1}:-2000`` into intervals.

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
        intervals.setdefault(number, []).extend(_on_line(number, start, end, contigs))
    return {number: merge_intervals(intervals[number]) for number in sorted(intervals)}


def _parse(text: str, index: dict[str, int], contigs: Contigs) -> tuple[int, int, int]:
    if text in index:
        return index[text], 0, int(contigs.lengths[index[text]])
    name, colon, numbers = text.rpartition(":")
    if name not in index and (braced := _BRACED.fullmatch(text)):
        name, colon, numbers = braced[1], ":", "1" if braced[2] is None else braced[2]
    match = _RANGE.fullmatch(numbers)
    if name in index and match is None:
        raise InputError(f"--regions {text}: expected CONTIG:START-END, 1-based inclusive")
    if name not in index or match is None:
        wanted = name if colon and match else text
        raise InputError(
            f"--regions {text}: no contig {wanted!r} in the genome; it has {some(contigs.names)}"
        )
    length = int(contigs.lengths[index[name]])
    first = int(match[1].replace(",", "") or 1)
    last = int((match[2] or "").replace(",", "") or length)
    if not 1 <= first <= last <= length:
        raise InputError(f"--regions {text}: not inside {name}, which has positions 1 to {length}")
    return index[name], first - 1, last


def _on_line(number: int, start: int, end: int, contigs: Contigs) -> list[tuple[int, int]]:
    """Return where an interval of a contig lies on the turn of its line that is scanned."""
    first, last = contigs.turn(number)
    begin = first + (start - first) % (last - first)
    over = begin + end - start - last
    if over <= 0:
        return [(begin, begin + end - start)]
    return [(begin, last), (first, first + over)]


def regions_of_bed(path: Path | None) -> list[str]:
    """Read the intervals of a BED file as regions that :func:`parse_regions` takes.

    Args:
        path: the file, plain or compressed; ``-`` is stdin; None for no regions.

    Raises:
        InputError: names the line that has no contig, start and end, or the file that has none.
    """
    if path is None:
        return []
    text = b"".join(read_blocks(path, expected="BED")).decode("utf-8", "surrogateescape")
    regions = []
    for number, line in enumerate(text.splitlines(), 1):
        if _NO_INTERVAL.match(line):
            continue
        fields = line.split("\t")
        if len(fields) < 3 or not (_whole(fields[1]) and _whole(fields[2])):
            raise InputError(
                f"{path}: line {number}: expected contig, start and end, with tabs between them"
            )
        start, end = int(fields[1]), int(fields[2])
        if start >= end:
            raise InputError(f"{path}: line {number}: ends at {end}, before its start {start}")
        regions.append(f"{{{fields[0]}}}:{start + 1}-{end}")
    if not regions:
        raise InputError(f"{path}: holds no interval: nothing would be reported")
    return regions


def _whole(text: str) -> bool:
    return re.fullmatch("[0-9]{1,18}", text) is not None


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
    """Extend intervals by ``margin`` nt on both sides, as far as the contigs go.

    A circular contig goes on without end: it is taken as a whole.
    """
    grown: Intervals = {}
    for number, parts in intervals.items():
        first, last = contigs.turn(number)
        grown[number] = (
            [(first, last)]
            if contigs.circular[number]
            else merge_intervals([(max(0, a - margin), min(last, b + margin)) for a, b in parts])
        )
    return grown


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
