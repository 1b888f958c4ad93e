"""Tracks: columns that evidence beside the model adds to hits, in their order."""

from __future__ import annotations

from premir.scanner.report.evidence import alone, copies, mirror
from premir.scanner.report.evidence.track import Track

TRACKS: tuple[Track, ...] = (alone.TRACK, copies.TRACK, mirror.TRACK)
