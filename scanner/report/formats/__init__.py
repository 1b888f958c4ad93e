"""Formats: kinds of files that hold hits; the first is written where a name tells none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from premir.scanner.outputs import is_compressed, writing
from premir.scanner.report.formats import bed, fasta, gff3, jsonl, tsv, vienna
from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits

FORMATS: tuple[Format, ...] = tuple(kind.FORMAT for kind in (bed, gff3, tsv, jsonl, fasta, vienna))


def format_of(path: Path) -> Format:
    """Return the format that the name of a file asks for."""
    name = path.with_suffix("") if is_compressed(path) else path
    for each in FORMATS:
        if name.suffix.lower().removeprefix(".") in (each.name, *each.also):
            return each
    return FORMATS[0]


def write_hits(path: Path, hits: Hits) -> None:
    """Write hits to a file, whole or not at all, or to a stream, as its name asks for."""
    kind = format_of(path)
    longest = hits.material.genome.longest if kind.indexed else None
    if not kind.details:
        hits = replace(hits, columns=[each for each in hits.columns if not each.detail])
    with writing(path, longest_contig=longest) as handle:
        kind.write(handle, hits)
