"""GFF3: hits as features pre_miRNA (SO:0001244), their matures as miRNA (SO:0000276)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import TextIO
from urllib.parse import quote, unquote

from premir.scanner.report.columns import NOTHING
from premir.scanner.report.evidence.reads.matures import matures
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
    """Write a feature for each hit, and for each of its matures by reads.

    Columns that BED itself does not have are attributes.
    """
    handle.write("##gff-version 3\n")
    handle.writelines(f"# {line}\n" for line in hits.header)
    names = [column.name for column in hits.columns]
    optional = {column.name for column in hits.columns if column.optional}
    shown = names[len(BED12) :]
    handle.write(f"{COLUMNS}{' '.join([*_PLACE, *shown])}\n")
    waiting, before = list[tuple[int, str]](), ("", 0)
    for chunk in hits.chunks():
        lines = zip(*(column.texts(chunk) for column in hits.columns), strict=True)
        for line, products in zip(lines, matures(chunk.hits), strict=True):
            hit = dict(zip(names, line, strict=True))
            start, end = int(hit["start"]), int(hit["end"])
            # Features stay sorted where hits are: a mature may begin behind the next hits.
            sorted_so_far = before <= (hit["chrom"], start) and before[0] == hit["chrom"]
            waiting = _write_up_to(handle, waiting, start if sorted_so_far else None)
            before = hit["chrom"], start
            name, score = hit["name"], hit["score"]
            attributes = {"ID": name} | {
                name: hit[name] for name in shown if name not in optional or hit[name] != NOTHING
            }
            handle.write(_feature(hit, "pre_miRNA", start, end, score, attributes))
            for arm, first, last, reads in products:
                attributes = {"ID": f"{name}-{arm}", "Parent": name, "reads": f"{reads:.2f}"}
                waiting.append((first, _feature(hit, "miRNA", first, last, NOTHING, attributes)))
    _write_up_to(handle, waiting, None)


def _write_up_to(
    handle: TextIO, waiting: list[tuple[int, str]], start: int | None
) -> list[tuple[int, str]]:
    """Write features that begin before ``start``, all where it is None; return the others."""
    waiting = sorted(waiting)
    count = len(waiting) if start is None else bisect_left(waiting, (start, ""))
    handle.writelines(line for _, line in waiting[:count])
    return waiting[count:]


def _feature(
    hit: Mapping[str, str],
    kind: str,
    start: int,
    end: int,
    score: str,
    attributes: Mapping[str, str],
) -> str:
    """Return a line; what of attributes the specification does not allow is escaped."""
    told = ";".join(f"{name}={quote(value, safe=_VALUE)}" for name, value in attributes.items())
    place = (quote(hit["chrom"], safe=_SEQID), "premir", kind, start + 1, end)
    return "\t".join(map(str, (*place, score, hit["strand"], ".", told))) + "\n"


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
