"""Libraries of small-RNA reads: sorted, indexed BAM or CRAM files on the genome of the scan."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pysam

from premir.scanner.errors import InputError, line_of, printable
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.genome.letters import Contigs
from premir.scanner.streams import is_stream

_log = logging.getLogger(__name__)

_FIELDS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x800
"""Of CRAM records: name, flags, contig, position, quality, CIGAR and tags (SAM columns; htslib's
SAM_QNAME and so on). Without letters no reference sequence is needed."""
_ALIGN = (
    "bowtie -S -a --best --strata -v 1 -m 50 INDEX {name} | samtools sort -o reads.bam && "
    "samtools index reads.bam"
)


@contextmanager
def open_library(path: Path) -> Iterator[Any]:
    """Open a BAM or CRAM file, as a ``pysam.AlignmentFile``.

    Raises:
        InputError: it is none, or cannot be read.
    """
    verbosity = pysam.set_verbosity(0)  # htslib writes to stderr by itself
    try:
        options = [f"required_fields=0x{_FIELDS:x}", "decode_md=0"]
        try:
            file = pysam.AlignmentFile(str(path), format_options=options, check_sq=False)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or line_of(error)}") from error
        except ValueError as error:
            raise InputError(f"{path}: no BAM or CRAM file: {line_of(error)}") from error
        try:
            yield file
        finally:
            with suppress(OSError):  # of a damaged file, which has been told
                file.close()
    finally:
        pysam.set_verbosity(verbosity)


def check_library(path: Path) -> None:
    """Refuse what is no sorted and indexed BAM or CRAM file; the genome is not needed for it.

    Raises:
        InputError: says what it is, and what to do.
    """
    if is_stream(path):
        raise InputError(f"{path}: is a stream; reads are looked up by position, so give a file")
    _refuse_sequences(path)
    with open_library(path) as file:
        if not (file.is_bam or file.is_cram):
            raise InputError(
                f"{path}: is SAM text; sort and index it: samtools sort -o reads.bam "
                f"{printable(path.name)} && samtools index reads.bam"
            )
        order = file.header.to_dict().get("HD", {}).get("SO", "unknown")
        if order != "coordinate":
            raise InputError(
                f"{path}: is not sorted by coordinate (SO is {printable(order)}); samtools sort "
                "and samtools index do that"
            )
        if not file.has_index():
            raise InputError(f"{path}: has no index; make one: samtools index {path}")


def _refuse_sequences(path: Path) -> None:
    start = next(read_blocks(path, expected="BAM or CRAM"), b"")
    fasta = start.startswith(b">")
    if fasta or (start.startswith(b"@") and start[1:4] not in (b"HD\t", b"SQ\t", b"PG\t", b"CO\t")):
        name = f"{'-f ' if fasta else ''}{printable(path.name)}"
        raise InputError(
            f"{path}: holds sequences, and premir does not align; align them to the genome, "
            f"adapters removed, for example: {_ALIGN.format(name=name)}"
        )


def lies_on(path: Path, contigs: Contigs) -> bool:
    """Whether the reads of a library lie on a genome: on contigs of its names and lengths.

    Raises:
        InputError: it cannot be read.
    """
    with open_library(path) as file:
        there = dict(zip(file.references, file.lengths, strict=True))
    own = dict(zip(contigs.names, contigs.lengths.tolist(), strict=True))
    shared = there.keys() & own.keys()
    return bool(shared) and all(there[name] == own[name] for name in shared)


def check_contigs(path: Path, contigs: Contigs) -> None:
    """Refuse a library on another genome, and warn of contigs that only one of them has.

    Raises:
        InputError: names a contig that has another length, or that no contig is shared.
    """
    with open_library(path) as file:
        there = dict(zip(file.references, file.lengths, strict=True))
    own = dict(zip(contigs.names, contigs.lengths.tolist(), strict=True))
    shared = [name for name in there if name in own]
    if not shared:
        raise InputError(
            f"{path}: its reads lie on other contigs ({_some(list(there))}) than the genome has "
            f"({_some(contigs.names)}); align them to this genome"
        )
    for name in shared:
        if there[name] != own[name]:
            raise InputError(
                f"{path}: {printable(name)} has {there[name]} nt there and {own[name]} in the "
                "genome; align the reads to this genome"
            )
    missing = len(own) - len(shared)
    foreign = len(there) - len(shared)
    if missing or foreign:
        _log.warning(
            "%s: reads were aligned to a genome that lacks %d of %d contigs of this one and has "
            "%d others, whose reads count for nothing",
            path, missing, len(own), foreign,
        )  # fmt: skip


def _some(names: list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown or "none"
