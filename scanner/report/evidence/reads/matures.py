"""Matures: what the arms of hits give by their reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from premir.scanner.report.columns import NO_INT
from premir.scanner.report.evidence.reads.verdict import SPEAKING
from premir.scanner.report.table import HitTable

ARMS = ("5p", "3p")
_FEWEST = 2
"""Reads of an arm of which one may say that they are its product."""


class Mature(NamedTuple):
    """The product of an arm.

    Attributes:
        arm: ``5p`` or ``3p``.
        start: first position, 0-based on the plus strand.
        end: position after the last.
        reads: of the arm.
    """

    arm: str
    start: int
    end: int
    reads: float


def matures(table: HitTable) -> Iterator[list[Mature]]:
    """Give the products of one hit after another; none where reads do not speak for it.

    Args:
        table: hits, with or without the columns of reads.
    """
    columns = table.columns
    speaking = np.zeros(len(table), np.bool_)
    if "read_verdict" in columns:
        speaking = np.isin(columns["read_verdict"], SPEAKING)
    for n, speaks in enumerate(speaking.tolist()):
        products = []
        for arm in ARMS if speaks else ():
            start = int(columns[f"mature_{arm}_start"][n])
            reads = columns[f"reads_{arm}"][n]
            if start != NO_INT and reads >= _FEWEST:
                end = int(columns[f"mature_{arm}_end"][n])
                products.append(Mature(arm, start, end, float(reads)))
        yield products
