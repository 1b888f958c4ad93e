"""Vienna: three lines for each hit, as RNAfold prints them."""

from __future__ import annotations

from typing import TextIO

from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits


def write(handle: TextIO, hits: Hits) -> None:
    """Write name, sequence, and structure with the energy of what was folded."""
    names = [column.name for column in hits.columns]
    for line in hits.lines():
        hit = dict(zip(names, line, strict=True))
        handle.write(
            f">{hit['name']}\n{hit['sequence']}\n{hit['structure']} ({float(hit['mfe']):6.2f})\n"
        )


FORMAT = Format(name="vienna", write=write)
