"""BED: hits as lines of BED12 with named columns behind it (docs/formats.md)."""

from __future__ import annotations

from typing import TextIO

from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits

NAME, VERSION = "premir-hits", 2
"""Of the file's format: version 1 had BED6, and no line that said so; 2 has BED12."""


def write(handle: TextIO, hits: Hits) -> None:
    """Write hits below the lines that say where they come from and what the columns are.

    No interval of BED ends beyond its contig: of a hit across the cut of a circular one it has the
    longer piece.
    """
    hits = hits.in_pieces()
    handle.writelines(f"## {line}\n" for line in (f"format {NAME} {VERSION}", *hits.header))
    handle.write("#" + "\t".join(column.name for column in hits.columns) + "\n")
    handle.writelines("\t".join(line) + "\n" for line in hits.lines())


FORMAT = Format(name="bed", write=write, tabix="bed")
