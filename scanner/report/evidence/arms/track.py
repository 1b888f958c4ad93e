"""The track of arms: where the matures of hits lie, and what says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.pairing import Pairs, terminal_loop
from premir.scanner.find.candidates import KINDS
from premir.scanner.report.columns import NO_INT, Column
from premir.scanner.report.evidence.arms.cuts import Cuts, Interval, shipped
from premir.scanner.report.evidence.arms.laying import laid
from premir.scanner.report.evidence.arms.matures import FOLD, KNOWN, READS
from premir.scanner.report.evidence.known.library import KnownHairpin
from premir.scanner.report.evidence.reads.pattern import ARMS
from premir.scanner.report.evidence.reads.verdict import SPEAKING
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable

_FEWEST = 2
"""Reads of an arm of which one may say that they are its product."""

_Found = tuple[Interval, str]


def _columns() -> list[Column]:
    columns = []
    for arm in ARMS:
        side = f"{arm[0]}' arm"
        columns += [
            Column(f"mature_{arm}_start", int, f"where the mature of the {side} begins: 0-based, "
                   "on the plus strand", optional=True, detail=True, begins=f"mature_{arm}_start"),
            Column(f"mature_{arm}_end", int, f"where the mature of the {side} ends, exclusive",
                   optional=True, detail=True, begins=f"mature_{arm}_start"),
            Column(f"arms_from_{arm}", str, f"what says so: {READS}, a {KNOWN} hairpin, or the "
                   f"{FOLD}, which is a prediction", optional=True, detail=True),
        ]  # fmt: skip
    return columns


def _compute(table: HitTable, material: Material) -> list[npt.NDArray[Any]]:
    """Return an array for each column."""
    count, search = len(table), material.search
    places = np.full((count, 2, 2), NO_INT)
    origins = np.full((count, 2), None, object)
    library = search.known.known if search.known is not None else ()
    known = {each.name: each for each in library}
    cuts = shipped() if KINDS[search.preset] == "animal" else None  # plants have other enzymes
    at = 0
    for chunk in material.chunks(table):
        loci = chunk.hits.loci
        for n in range(len(loci)):
            codes, pairs, _ = chunk.hairpins[n]
            low, high = int(loci.folded_start[n]), int(loci.folded_end[n])
            forward = bool(loci.strand[n] > 0)
            by_reads = _by_reads(chunk.hits.columns, n, low, high, forward=forward)
            nearest = known.get(chunk.hits.columns["nearest"][n]) if known else None
            for arm, found in enumerate(arms_of(codes, pairs, by_reads, nearest, cuts)):
                if found is not None:
                    (start, end), origins[at, arm] = found
                    place = (low + start, low + end) if forward else (high - end, high - start)
                    places[at, arm] = place
            at += 1
    return [
        array
        for arm in range(2)
        for array in (places[:, arm, 0].copy(), places[:, arm, 1].copy(), origins[:, arm].copy())
    ]


def arms_of(
    codes: Codes,
    pairs: Pairs,
    by_reads: tuple[Interval | None, Interval | None] = (None, None),
    nearest: KnownHairpin | None = None,
    cuts: Cuts | None = None,
) -> list[_Found | None]:
    """Return where both matures lie in a hairpin, and what says so: the best that there is.

    Args:
        codes: uint8 (L,), as it was folded.
        pairs: int16 (L,), pair table.
        by_reads: what reads say of either arm.
        nearest: the known hairpin that it resembles.
        cuts: predict what neither says, None for not at all.
    """
    loop = terminal_loop(pairs)
    if loop is None:
        return [None, None]
    of_known = laid(nearest, codes, loop) if nearest is not None else (None, None)
    found: list[_Found | None] = [None, None]
    for origin, intervals in ((KNOWN, of_known), (READS, by_reads)):
        for arm, interval in enumerate(intervals):
            if interval is not None:
                found[arm] = interval, origin
    if cuts is not None and None in found:
        five, three = (each[0][0] if each is not None else None for each in found)
        predicted = cuts.predict(codes, pairs, (five, three))
        for arm, interval in enumerate(predicted or ()):
            found[arm] = found[arm] or (interval, FOLD)
    return found


def _by_reads(
    columns: Mapping[str, npt.NDArray[Any]], n: int, low: int, high: int, *, forward: bool
) -> tuple[Interval | None, Interval | None]:
    """Return the products of a hit in its hairpin, as far as its reads speak for it."""
    found: list[Interval | None] = [None, None]
    if "read_verdict" in columns and columns["read_verdict"][n] in SPEAKING:
        for arm, name in enumerate(ARMS):
            start, end = (int(columns[f"product_{name}_{side}"][n]) for side in ("start", "end"))
            if start != NO_INT and columns[f"reads_{name}"][n] >= _FEWEST:
                found[arm] = (start - low, end - low) if forward else (high - end, high - start)
    return found[0], found[1]


TRACK = Track(name="arms", columns=tuple(_columns()), compute=_compute, late=True)
