"""GFF3: hits as features pre_miRNA (SO:0001244), their matures as miRNA (SO:0000276)."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping
from typing import TextIO
from urllib.parse import quote, unquote

import numpy as np

from premir.scanner.report.columns import NOTHING
from premir.scanner.report.evidence.arms.matures import matures
from premir.scanner.report.evidence.reads.stacks import LONGEST
from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import BED12, Hits
from premir.scanner.report.origin import across

_SEQID = ".:^*$@!+_?-|"
"""What beside letters and digits stands in column 1 as it is (GFF3 specification 1.26)."""
_VALUE = _SEQID + " ()<>[]{}/\\#'\"`~"
"""And in attributes; what is left is written as %XX, above all tab, ``;``, ``=``, ``&``, ``,``."""


COLUMNS = "# columns "
"""Begins the line that names what :func:`read` gives."""
_PLACE = ("chrom", "start", "end", "name", "score", "strand")


def write(handle: TextIO, hits: Hits) -> None:
    """Write a feature for each hit, and for each of its matures.

    Columns that BED itself does not have are attributes. Circular contigs on which hits lie are
    features ``region``; what lies across their cut ends beyond their length.
    """
    hits, circles = _across_first(hits), _circles(hits)
    handle.write("##gff-version 3\n")
    for contig, length in circles.items():
        handle.write(f"##sequence-region {quote(contig, safe=_SEQID)} 1 {length}\n")
    handle.writelines(f"# {line}\n" for line in hits.header)
    names = [column.name for column in hits.columns]
    optional = {column.name for column in hits.columns if column.optional}
    shown = names[len(BED12) :]
    handle.write(f"{COLUMNS}{' '.join([*_PLACE, *shown])}\n")
    waiting = _Waiting(handle)
    # Matures begin in what was folded, or by reads that have their mid-points in the hit.
    loci = hits.table.loci
    lead = max(LONGEST, int((loci.start - loci.folded_start).max(initial=0)))
    for chunk in hits.chunks():
        lines = zip(*(column.texts(chunk) for column in hits.columns), strict=True)
        lengths = chunk.genome.contigs.lengths[chunk.hits.loci.contig].tolist()
        for line, products, length in zip(lines, matures(chunk.hits), lengths, strict=True):
            hit = dict(zip(names, line, strict=True))
            attributes = {
                name: hit[name] for name in shown if name not in optional or hit[name] != NOTHING
            }
            name, score = hit["name"], hit["score"]
            start, end = int(hit["start"]), int(hit["end"])
            # What lies across the cut has matures at the beginning of the contig, too.
            waiting.write_before(hit["chrom"], start - lead - (length if end > length else 0))
            if circles.pop(hit["chrom"], None):
                waiting.add(0, _landmark(hit["chrom"], length))
            feature = _feature(hit, "pre_miRNA", start, end, score, {"ID": name, **attributes})
            waiting.add(start, feature)
            for arm, first, last, origin, reads in products:
                attributes = {"ID": f"{name}-{arm}", "Parent": name, "arms_from": origin}
                if reads is not None:
                    attributes["reads"] = f"{reads:.2f}"
                begin, stop = first % length, last - first // length * length
                waiting.add(begin, _feature(hit, "miRNA", begin, stop, NOTHING, attributes))
    waiting.write_all()


def _across_first(hits: Hits) -> Hits:
    """Return hits, of each contig those across its cut before the others."""
    loci, contigs = hits.table.loci, hits.material.genome.contigs
    cut = across(loci, contigs)
    back = np.where(cut, contigs.lengths[loci.contig], 0)
    return hits.in_order(loci.start - back, loci.end - back) if cut.any() else hits


def _circles(hits: Hits) -> dict[str, int]:
    """Return the lengths of circular contigs on which hits lie, by name, in the order of these."""
    contigs, contig = hits.material.genome.contigs, hits.table.loci.contig
    here = dict.fromkeys(contig[contigs.circular[contig]].tolist())
    return {contigs.names[number]: int(contigs.lengths[number]) for number in here}


def _landmark(contig: str, length: int) -> str:
    attributes = {"ID": contig, "Name": contig, "Is_circular": "true"}
    return _feature({"chrom": contig, "strand": "+"}, "region", 0, length, NOTHING, attributes)


class _Waiting:
    """Features that others may begin before: files are sorted by start, hits before matures."""

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle
        self._contig = ""
        self._features: list[tuple[int, int, str]] = []
        self._order = itertools.count()

    def add(self, start: int, line: str) -> None:
        """Keep a feature of the contig that was named last."""
        heapq.heappush(self._features, (start, next(self._order), line))

    def write_before(self, contig: str, start: int) -> None:
        """Write what begins before a place."""
        if contig != self._contig:
            self.write_all()
            self._contig = contig
        while self._features and self._features[0][0] < start:
            self._handle.write(heapq.heappop(self._features)[-1])

    def write_all(self) -> None:
        """Write what is left of a contig."""
        while self._features:
            self._handle.write(heapq.heappop(self._features)[-1])


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
