"""Tracks: columns that evidence beside the model adds to hits, in their order."""

from __future__ import annotations

from premir.scanner.options import Search
from premir.scanner.report.evidence import copies
from premir.scanner.report.evidence.track import Track

TRACKS: tuple[Track, ...] = (copies.TRACK,)
"""All that there are."""


def tracks_for(search: Search) -> tuple[Track, ...]:
    """Return those that a scan wants."""
    return tuple(track for track in TRACKS if track.asked(search))


def lowest_prob(search: Search) -> float:
    """Return the least probability by the model of what may become a hit, given the evidence."""
    lowest = (track.lowest(search) for track in tracks_for(search) if track.lowest is not None)
    return min([search.min_prob, *lowest])
