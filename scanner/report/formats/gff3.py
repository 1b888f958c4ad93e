"""GFF3: hits as features pre_miRNA (SO:0001244), their matures as miRNA (SO:0000276)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO
from urllib.parse import quote

from premir.scanner.report.columns import NOTHING
from premir.scanner.report.evidence.reads.matures import matures
from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import BED12, Hits

_SEQID = ".:^*$@!+_?-|"
"""What beside letters and digits stands in column 1 as it is (GFF3 specification 1.26)."""
_VALUE = _SEQID + " ()<>[]{}/\\#'\"`~"
"""And in attributes; what is left is written as %XX, above all tab, ``;``, ``=``, ``&``, ``,``."""


def write(handle: TextIO, hits: Hits) -> None:
    """Write a feature for each hit, and for each of its matures by reads.

    Columns that BED itself does not have are attributes.
    """
    handle.write("##gff-version 3\n")
    handle.writelines(f"# {line}\n" for line in hits.header)
    names = [column.name for column in hits.columns]
    optional = {column.name for column in hits.columns if column.optional}
    shown = names[len(BED12) :]
    for chunk in hits.chunks():
        lines = zip(*(column.texts(chunk) for column in hits.columns), strict=True)
        for line, products in zip(lines, matures(chunk.hits), strict=True):
            hit = dict(zip(names, line, strict=True))
            attributes = {
                name: hit[name] for name in shown if name not in optional or hit[name] != NOTHING
            }
            name, score = hit["name"], hit["score"]
            start, end = int(hit["start"]), int(hit["end"])
            handle.write(_feature(hit, "pre_miRNA", start, end, score, {"ID": name, **attributes}))
            for arm, first, last, reads in products:
                attributes = {"ID": f"{name}-{arm}", "Parent": name, "reads": f"{reads:.2f}"}
                handle.write(_feature(hit, "miRNA", first, last, NOTHING, attributes))


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


FORMAT = Format(name="gff3", write=write, also=("gff",))
