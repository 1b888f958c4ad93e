"""Matures: what the arms of hits give, as far as it is known or predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from premir.scanner.report.columns import NO_INT
from premir.scanner.report.evidence.reads.pattern import ARMS
from premir.scanner.report.table import HitTable

READS, KNOWN, FOLD = "reads", "known", "fold"
"""What says where a mature lies: the best that there is."""


class Mature(NamedTuple):
    """The product of an arm.

    Attributes:
        arm: ``5p`` or ``3p``.
        start: first position, 0-based on the plus strand.
        end: position after the last.
        origin: what says so: ``READS``, ``KNOWN`` or ``FOLD``.
        reads: of the arm, None where they do not say it.
    """

    arm: str
    start: int
    end: int
    origin: str
    reads: float | None


def matures(table: HitTable) -> Iterator[list[Mature]]:
    """Give the products of one hit after another.

    Args:
        table: hits, with or without the columns of arms and of reads.
    """
    columns = table.columns
    arms = [arm for arm in ARMS if f"mature_{arm}_start" in columns]
    for n in range(len(table)):
        products = []
        for arm in arms:
            start = int(columns[f"mature_{arm}_start"][n])
            if start == NO_INT:
                continue
            end, origin = int(columns[f"mature_{arm}_end"][n]), columns[f"arms_from_{arm}"][n]
            reads = float(columns[f"reads_{arm}"][n]) if origin == READS else None
            products.append(Mature(arm, start, end, origin, reads))
        yield products
