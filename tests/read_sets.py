"""Small-RNA libraries for tests: BAM and CRAM files of reads at given places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pysam

from premir.scanner.report.evidence.reads.stacks import UNIT


class Read(NamedTuple):
    """A record: where it lies, how often it stands for a read, what else it says."""

    contig: str
    start: int
    length: int
    strand: str
    name: str = "read"
    tags: Mapping[str, int] = {"NH": 1}
    flag: int = 0
    mapq: int = 255


def write_library(
    path: Path,
    contigs: Mapping[str, int],
    reads: Iterable[Read],
    *,
    order: str = "coordinate",
    programs: Iterable[Mapping[str, str]] = (),
    index: bool = True,
    genome: Path | None = None,
) -> Path:
    """Write records, sorted; a CRAM file where the name ends so, which takes the genome."""
    header: dict[str, Any] = {
        "HD": {"VN": "1.6", "SO": order},
        "SQ": [{"SN": name, "LN": length} for name, length in contigs.items()],
        "PG": list(programs),
    }
    rank = {name: n for n, name in enumerate(contigs)}
    mode = "wc" if path.suffix == ".cram" else "wb" if path.suffix == ".bam" else "w"
    reference = str(genome) if genome is not None else None
    with pysam.AlignmentFile(str(path), mode, header=header, reference_filename=reference) as file:
        for read in sorted(reads, key=lambda read: (rank[read.contig], read.start)):
            record = pysam.AlignedSegment(file.header)
            record.query_name = read.name
            record.flag = read.flag | (16 if read.strand == "-" else 0)
            record.reference_id = rank[read.contig]
            record.reference_start = read.start
            record.mapping_quality = read.mapq
            record.cigartuples = [(0, read.length)]
            record.query_sequence = "A" * read.length
            record.query_qualities = pysam.qualitystring_to_array("I" * read.length)
            record.set_tags(list(read.tags.items()))
            file.write(record)
    if index:
        pysam.index(str(path))
    return path


def in_reads(units: int) -> float:
    """Units as reads."""
    return units / UNIT
