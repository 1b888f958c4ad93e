"""FASTA: the sequences of hits, as they were folded, with the hairpin in upper case."""

from __future__ import annotations

from typing import TextIO

from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits

_SHOWN = ("score", "prob", "log_odds", "fp_per_mb", "mfe", "mfe_hairpin")


def write(handle: TextIO, hits: Hits) -> None:
    """Write a record of two lines for each hit: its name, some numbers, and its sequence."""
    names = [column.name for column in hits.columns]
    for line in hits.lines():
        hit = dict(zip(names, line, strict=True))
        shown = " ".join(f"{name}={hit[name]}" for name in _SHOWN if name in hit)
        handle.write(f">{hit['name']} {shown}\n{hit['sequence']}\n")


FORMAT = Format(name="fasta", write=write, also=("fa",))
