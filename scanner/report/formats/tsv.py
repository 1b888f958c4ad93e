"""TSV: all columns of hits below their names, and nothing else."""

from __future__ import annotations

from typing import TextIO

from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits


def write(handle: TextIO, hits: Hits) -> None:
    """Write a line of names, then a line for each hit."""
    handle.write("\t".join(column.name for column in hits.columns) + "\n")
    handle.writelines("\t".join(line) + "\n" for line in hits.lines())


FORMAT = Format(name="tsv", write=write, details=True)
