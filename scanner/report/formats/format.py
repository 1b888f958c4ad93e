"""What a format is: how hits are written as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TextIO

from premir.scanner.report.hits import Hits


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that holds hits.

    Attributes:
        name: what such files end in, but for ``.gz`` and the like; the longest end counts.
        write: writes hits as text, piece by piece.
        tabix: as what tabix indexes it where it is compressed; empty for not at all.
        also: what else such files end in.
        details: whether it has columns that only formats with room for everything have.
    """

    name: str
    write: Callable[[TextIO, Hits], None]
    tabix: Literal["", "bed", "gff"] = ""
    also: tuple[str, ...] = ()
    details: bool = False
