"""Records of a library, thousands at a time: what BAM holds is read as it stands in the file."""

from __future__ import annotations

import itertools
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pysam

from premir.kernels.alignments import Alignments, read_alignments
from premir.scanner.errors import InputError, PremirError, line_of, printable
from premir.scanner.report.evidence.reads.library import open_library

TAGS = ("NH", "X0", "XM", "XW")
_PIECE = 1 << 22
"""Bytes that are decompressed at a time, but for those at a place that was looked up."""
_FIRST_PIECE = 1 << 16
"""Bytes that are decompressed there."""
_CHUNK = 1 << 16
"""Most records that are looked at together."""
_ONE_CONTIG = pysam.AlignmentHeader.from_references(["all"], [1])
"""Written with each of these times, however many contigs there are."""
_NOTHING = np.empty(0, np.uint8)


class Records:
    """The records of a library, of one contig after another.

    Args:
        path: of the library.
        file: the same, open.

    Attributes:
        contigs: lengths of those that the file knows, by name.
        mapped: how many mapped records the index has of each contig; that of a CRAM file says
            nothing.
        bowtie: whether bowtie is among the programs that made it.
    """

    def __init__(self, path: Path, file: Any) -> None:
        statistics = file.get_index_statistics() if file.is_bam else ()
        self.contigs = dict(zip(file.references, file.lengths, strict=True))
        self.mapped: dict[str, int] = {each.contig: each.mapped for each in statistics}
        self.bowtie = any(
            "bowtie" in (each.get("ID", "").lower(), each.get("PN", "").lower())
            for each in file.header.to_dict().get("PG", [])
        )
        self._path, self._file = path, file
        self._filled = [n for n, each in enumerate(statistics) if each.total]
        self._first = file.tell() if file.is_bam else 0
        self._data = pysam.BGZFile(str(path), "rb", None) if file.is_bam else None
        self._rest = _NOTHING  # of what was decompressed, what no contig has been given
        self._size = _FIRST_PIECE
        self._behind: int | None = None  # the contig that was read last, if to its end

    def close(self) -> None:
        """Let go of the file."""
        if self._data is not None:
            with suppress(OSError):  # of a damaged file, which has been told
                self._data.close()

    def of(self, contig: str) -> Iterator[Alignments]:
        """Read all records of a contig.

        Yields:
            Some thousand that follow each other in the file, with :data:`TAGS`.

        Raises:
            InputError: damaged.
        """
        try:
            yield from self._of(self._file.get_tid(contig))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self._path}: damaged at {printable(contig)}: {line_of(error)}"
            ) from error

    def _of(self, contig: int) -> Iterator[Alignments]:
        pieces, self._behind = self._pieces(contig), None
        number, ended = contig if self._data is not None else 0, False
        while not ended:
            found, used, ended = read_alignments(self._rest, number, tags=TAGS, most=_CHUNK)
            self._rest = self._rest[used:]
            if len(found):
                yield found
            elif not ended:
                more = np.frombuffer(next(pieces, b""), np.uint8)
                if self._rest.size and not more.size:
                    raise ValueError("it ends within a record")
                ended, self._rest = not more.size, np.concatenate([self._rest, more])
        self._behind = contig

    def _pieces(self, contig: int) -> Iterator[bytes]:
        """Return what follows :attr:`_rest` as BAM."""
        if self._data is None:
            self._rest = _NOTHING
            return _as_bam(self._file.fetch(tid=contig))
        at = bisect_left(self._filled, contig)
        before = self._filled[at - 1] if at else -1
        if self._behind != before:
            self._data.seek(self._place_in(before) if at else self._first)
            self._rest, self._size = _NOTHING, _FIRST_PIECE
        return iter(partial(self._decompress, self._data), b"")

    def _decompress(self, file: pysam.BGZFile) -> bytes:
        """Decompress the next piece, twice as large as the one before it."""
        size = min(self._size, _PIECE)
        self._size = 2 * size
        return file.read(size)

    def _place_in(self, contig: int) -> int:
        """Return where in the file the second record of a contig begins, or the next one's first.

        Where the first one begins nobody tells, so that who wants a contig passes by those of the
        one before it.
        """
        next(self._file.fetch(tid=contig), None)
        return int(self._file.tell())


def _as_bam(records: Iterator[Any]) -> Iterator[bytes]:
    """Turn records of a contig into bytes of BAM in which it is the only one."""
    records = _read(records)
    for first in records:
        with ExitStack() as stack:
            try:
                path = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".bam")).name
                with pysam.AlignmentFile(path, "wbu", header=_ONE_CONTIG) as out:
                    begin = out.tell()
                    # A list of them would have the garbage collector look at each.
                    for record in itertools.chain([first], itertools.islice(records, _CHUNK - 1)):
                        record.reference_id = 0
                        out.write(record)
            except OSError as error:
                raise PremirError(
                    f"{tempfile.gettempdir()}: CRAM cannot be turned into BAM there: "
                    f"{error.strerror or line_of(error)}"
                ) from error
            data = stack.enter_context(pysam.BGZFile(path, "rb", None))
            data.seek(begin)
            yield data.read()


def _read(records: Iterator[Any]) -> Iterator[Any]:
    """Pass records on; what cannot be read is no fault of the disk that is written to."""
    try:
        yield from records
    except OSError as error:
        raise ValueError(line_of(error)) from error


@contextmanager
def open_records(path: Path) -> Iterator[Records]:
    """Open a library, to read all records of some contigs.

    Raises:
        InputError: it cannot be read.
    """
    with open_library(path) as file:
        records = Records(path, file)
        try:
            yield records
        finally:
            records.close()
