"""GFF3: hits as features of the type pre_miRNA (SO:0001244)."""

from __future__ import annotations

from typing import TextIO
from urllib.parse import quote, unquote

from premir.scanner.report.columns import NOTHING
from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import BED12, Hits

_SEQID = ".:^*$@!+_?-|"
"""What beside letters and digits stands in column 1 as it is (GFF3 specification 1.26)."""
_VALUE = _SEQID + " ()<>[]{}/\\#'\"`~"
"""And in attributes; what is left is written as %XX, above all tab, ``;``, ``=``, ``&``, ``,``."""


COLUMNS = "# columns "
"""Begins the line that names what :func:`read` gives."""
_PLACE = ("chrom", "start", "end", "name", "score", "strand")


def write(handle: TextIO, hits: Hits) -> None:
    """Write a feature for each hit; columns that BED itself does not have are attributes."""
    handle.write("##gff-version 3\n")
    handle.writelines(f"# {line}\n" for line in hits.header)
    names = [column.name for column in hits.columns]
    optional = {column.name for column in hits.columns if column.optional}
    shown = names[len(BED12) :]
    handle.write(f"{COLUMNS}{' '.join([*_PLACE, *shown])}\n")
    for line in hits.lines():
        hit = dict(zip(names, line, strict=True))
        attributes = [f"ID={quote(hit['name'], safe=_VALUE)}"] + [
            f"{name}={quote(hit[name], safe=_VALUE)}"
            for name in shown
            if name not in optional or hit[name] != NOTHING
        ]
        place = (quote(hit["chrom"], safe=_SEQID), "premir", "pre_miRNA", int(hit["start"]) + 1)
        fields = (*place, hit["end"], hit["score"], hit["strand"], ".", ";".join(attributes))
        handle.write("\t".join(map(str, fields)) + "\n")


def read(fields: list[str]) -> dict[str, str] | None:
    """Return the columns of a feature as BED has them, None where it is no hit.

    Args:
        fields: of one line; columns without a value are missing.
    """
    if len(fields) != 9 or fields[2] != "pre_miRNA":
        return None
    chrom, _, _, start, end, score, strand, _, attributes = fields
    named = (each.partition("=") for each in attributes.split(";"))
    hit = {name: unquote(value) for name, _, value in named}
    place = (unquote(chrom), str(int(start) - 1), end, hit.pop("ID", ""), score, strand)
    return {**hit, **dict(zip(_PLACE, place, strict=True))}


FORMAT = Format(name="gff3", write=write, tabix="gff", also=("gff",))
