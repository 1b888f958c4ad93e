"""Matures of a known hairpin, laid on a hit that resembles it."""

from __future__ import annotations

import numpy as np

from premir.kernels.codes import Codes, encode
from premir.scanner.report.evidence.arms.cuts import Interval
from premir.scanner.report.evidence.known.library import KnownHairpin

_ALIKE = 0.8
"""Least share of a mature's letters that agree. Of hairpins of other species with fewer, the fold
tells matures as well (docs/arms.md)."""


def laid(
    known: KnownHairpin, codes: Codes, loop: tuple[int, int]
) -> tuple[Interval | None, Interval | None]:
    """Lay each mature where most of its letters agree, without gaps.

    Args:
        known: what the hit resembles.
        codes: uint8 (L,), the hit as it was folded.
        loop: its terminal loop.

    Returns:
        Where matures lie on the 5' arm and on the 3' arm, None where none agrees; of two the one
        that agrees better.
    """
    best: list[tuple[int, Interval] | None] = [None, None]
    for letters in map(encode, known.matures):
        if letters.size > codes.size:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(codes, letters.size)
        agreeing = (windows == letters).sum(axis=1)
        start = int(agreeing.argmax())
        count, end = int(agreeing[start]), start + letters.size
        arm = _arm(start, end, loop)
        if arm is None or count < _ALIKE * letters.size:
            continue
        before = best[arm]
        if before is None or count > before[0]:
            best[arm] = count, (start, end)
    five, three = (each[1] if each is not None else None for each in best)
    return five, three


def _arm(start: int, end: int, loop: tuple[int, int]) -> int | None:
    """Return on which side of the loop a mid-point lies, None for in it."""
    centre = start + end - 1
    return 0 if centre < 2 * loop[0] else 1 if centre > 2 * (loop[1] - 1) else None
