"""Which hits of a table are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np

from premir.scanner.report.evidence.track import Track
from premir.scanner.report.table import HitTable
from premir.scanner.score.model import probabilities

Limits: TypeAlias = Mapping[str, float]
"""By column of a track: the highest value of a hit that is written."""


def at_least(table: HitTable, min_prob: float, tracks: Iterable[Track] = ()) -> HitTable:
    """Return hits at or above a threshold, by all that is known of them.

    Args:
        table: hits with the columns of tracks.
        min_prob: threshold.
        tracks: some may set a lower one for some hits.
    """
    threshold = np.full(len(table), min_prob)
    for track in tracks:
        if track.threshold is not None:
            threshold = np.minimum(threshold, track.threshold(table))
    return table.take(probabilities(table.total) >= threshold)


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
