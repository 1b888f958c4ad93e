"""Tracks: columns that evidence beside the model adds to hits, in their order."""

from __future__ import annotations

from collections.abc import Iterable

from premir.scanner.options import Search
from premir.scanner.report.evidence import alone, copies, kin, letters, mirror, wraps
from premir.scanner.report.evidence.arms import track as arms
from premir.scanner.report.evidence.features import track as features
from premir.scanner.report.evidence.known import track as known
from premir.scanner.report.evidence.reads import track as reads
from premir.scanner.report.evidence.track import Track
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.lift import Lift

TRACKS: tuple[Track, ...] = (
    letters.TRACK,
    alone.TRACK,
    copies.TRACK,
    mirror.TRACK,
    features.MARK,
    features.EXCLUDE,
    kin.TRACK,
    known.TRACK,
    reads.TRACK,
    arms.TRACK,
    wraps.TRACK,
)
"""All that there are."""


def tracks_for(search: Search) -> tuple[Track, ...]:
    """Return those that a scan wants."""
    return tuple(track for track in TRACKS if track.asked(search))


def lowest_prob(search: Search) -> float:
    """Return the least probability by the model of what may become a hit, given the evidence."""
    return _lowest(search, tracks_for(search))


def lowest_past_gates(search: Search) -> float:
    """Return the least one of what no gate for a higher threshold may reject.

    Gates lose few of the hairpins below their threshold that resemble known ones
    (docs/known-families.md); of what other evidence may lift nothing is known.
    """
    return _lowest(search, [track for track in tracks_for(search) if track.lift is None])


def lift_of(search: Search) -> Lift | None:
    """Return what says how far evidence lifts a hairpin; None where it is known only in the end."""
    lifting = [track for track in tracks_for(search) if track.lowest is not None]
    lifts = [track.lift(search) if track.lift is not None else None for track in lifting]
    return lifts[0] if len(lifts) == 1 else None


def rates_of(search: Search) -> FalseCalls | None:
    """Return the false calls of model and evidence together; None where the card knows none."""
    rates = search.model.false_calls if search.model is not None else None
    for track in tracks_for(search):
        if rates is not None and track.rates is not None:
            rates = track.rates(search, rates)
    return rates


def _lowest(search: Search, tracks: Iterable[Track]) -> float:
    lowest = (track.lowest(search) for track in tracks if track.lowest is not None)
    return min([search.min_prob, *lowest])
