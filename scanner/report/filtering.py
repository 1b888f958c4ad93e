"""Which hits of a table are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from premir.scanner.report.table import HitTable
from premir.scanner.score.model import probabilities

Limits: TypeAlias = Mapping[str, float]
"""By column of a track: the highest value of a hit that is written."""


def at_least(table: HitTable, min_prob: float) -> HitTable:
    """Return hits at or above a threshold, by all that is known of them."""
    return table.take(probabilities(table.total) >= min_prob)


def within(table: HitTable, limits: Limits, counts: dict[str, int]) -> HitTable:
    """Return hits within all limits; a hit without a value is within.

    Args:
        table: hits with the columns that the limits are of.
        limits: see :data:`Limits`.
        counts: is told how many hits each limit left out, as ``over_max_COLUMN``.
    """
    for name, limit in limits.items():
        over = table.columns[name] > limit
        counts[f"over_max_{name}"] = int(over.sum())
        table = table.take(~over)
    return table
