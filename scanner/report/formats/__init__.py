"""Formats: kinds of files that hold hits; the first is written where a name tells none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.options import HitFormat, Outputs
from premir.scanner.outputs import Tabix, is_compressed, writing
from premir.scanner.report.formats import bed, fasta, gff3, jsonl, matures, tsv, vienna
from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits

FORMATS: tuple[Format, ...] = tuple(
    kind.FORMAT for kind in (bed, gff3, tsv, jsonl, fasta, vienna, matures)
)


def format_of(path: Path, otherwise: HitFormat | None = None) -> Format:
    """Return the format that the name of a file asks for, or the one for names that tell none."""
    name = f".{(path.with_suffix('') if is_compressed(path) else path).name}".lower()
    ends = {f".{end}": each for each in FORMATS for end in (each.name, *each.also)}
    if found := [end for end in ends if name.endswith(end)]:
        return ends[max(found, key=len)]
    return next((each for each in FORMATS if each.name == otherwise), FORMATS[0])


def check_format(outputs: Outputs) -> None:
    """Refuse a format that no file would have.

    Raises:
        InputError: all files have others, by their names.
    """
    wanted = outputs.format
    if wanted and not any(format_of(out, wanted).name == wanted for out in outputs.out):
        raise InputError(
            f"--format {wanted}: every --out asks for another by its name; leave --format out, or "
            "give a name that tells none"
        )


def write_hits(path: Path, hits: Hits, otherwise: HitFormat | None = None) -> None:
    """Write hits to a file, whole or not at all, or to a stream.

    Args:
        path: where; the format is the one that its name asks for.
        hits: what is written.
        otherwise: format where the name tells none.
    """
    kind = format_of(path, otherwise)
    tabix = Tabix(kind.tabix, hits.material.genome.longest) if kind.tabix else None
    if not kind.details:
        hits = replace(hits, columns=[each for each in hits.columns if not each.detail])
    with writing(path, tabix=tabix) as handle:
        kind.write(handle, hits)
