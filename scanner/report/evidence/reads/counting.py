"""Counting: one pass over a library, from records to stacks, in bounded memory."""

from __future__ import annotations

import itertools
import logging
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from premir.scanner.errors import InputError, line_of, printable
from premir.scanner.files import whole_file
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.evidence.reads.library import open_library
from premir.scanner.report.evidence.reads.stacks import LONGEST, STACK, UNIT, combined
from premir.scanner.run.rundir import RunDirectory

_log = logging.getLogger(__name__)

_SKIPPED = 0x4 | 0x80 | 0x200 | 0x800
"""Flags of records that are no read of their own here: unmapped, second of a pair, of bad quality,
supplementary. (Duplicates count: equal small RNAs are no artefact.)"""
_CHUNK = 1 << 16
_LONG = 30
"""Longer alignments than this, in nt, are hardly ever products of Dicer."""
_UNTRIMMED = 0.5
"""Share of reads above which long ones speak for adapters that were left on."""


@dataclass(slots=True)
class Counted:
    """What a pass over a library found.

    Attributes:
        records: alignments that count.
        reads: units of reads on the genome.
        long: units of those longer than 30 nt, whether they count or not.
        named: records whose number of places was not said, and was counted by name.
    """

    records: int = 0
    reads: int = 0
    long: int = 0
    named: int = 0


def commit_libraries(run: RunDirectory, libraries: Sequence[Path], contigs: Contigs) -> None:
    """Count the reads of libraries, unless the run directory has them already.

    Args:
        run: gets the stacks of each library.
        libraries: BAM or CRAM files.
        contigs: of the genome.

    Raises:
        InputError: as :func:`count_reads`.
    """
    for number, path in enumerate(libraries):
        file = run.stacks(number)
        if run.committed(file) is not None:
            continue
        started = time.monotonic()
        with whole_file(file) as temporary, temporary.open("wb") as out:
            counted = count_reads(path, contigs, out)
        took = time.monotonic() - started
        _log.info(
            "%s: %.0f reads at %d places in %.1f s",
            path, counted.reads / UNIT, file.stat().st_size // STACK.itemsize, took,
        )  # fmt: skip
        run.commit(
            file,
            {
                "records": counted.records,
                "reads": counted.reads / UNIT,
                "long": counted.long / UNIT,
                "seconds": {"reads": took},
            },
        )


def count_reads(path: Path, contigs: Contigs, out: BinaryIO) -> Counted:
    """Write the stacks of a library, by position in the genome's store.

    What of a circular contig is stored once more has its reads once more, which are not counted.

    A record stands for as many reads as its tag ``XW`` says, or its name's end ``_xN``, or one; of
    a read with N places, each has the N-th part. N is tag ``NH``, ``X0``, or where bowtie 1 wrote
    the file and placed the read at random (MAPQ 0) ``XM``; without them it is the number of records
    of that name.

    Args:
        path: BAM or CRAM file that :func:`check_library` and :func:`check_contigs` let pass.
        contigs: of the genome.
        out: gets :data:`~premir.scanner.report.evidence.reads.stacks.STACK` records.

    Raises:
        InputError: damaged, not sorted, or the index is another file's.
    """
    counted = Counted()
    with open_library(path) as file:
        there = set(file.references)
        bowtie = any(
            "bowtie" in (each.get("ID", "").lower(), each.get("PN", "").lower())
            for each in file.header.to_dict().get("PG", [])
        )
        indexed = {each.contig: each.mapped for each in _statistics(file)}
        reader = _Reader(path, counted, bowtie=bowtie)
        columns = (contigs.offsets, contigs.lengths, contigs.lines)
        for name, offset, length, line in zip(
            contigs.names, *(column.tolist() for column in columns), strict=True
        ):
            if name not in there or indexed.get(name) == 0:
                continue
            try:
                seen = reader.read(file.fetch(name), offset, out)
                again = replace(reader, counted=Counted())
                for turn in range(length, line, length):
                    start = file.fetch(name, 0, min(length, line - turn))
                    again.read(start, offset + turn, out)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"{path}: damaged at {printable(name)}: {line_of(error)}"
                ) from error
            if seen != indexed.get(name, seen):
                raise InputError(
                    f"{path}: the index belongs to another file; make it anew: samtools index"
                )
    if counted.named:
        _log.warning(
            "%s: %d records do not say how many places their read has (tag NH); counted by name",
            path, counted.named,
        )  # fmt: skip
    if counted.reads and counted.long > _UNTRIMMED * counted.reads:
        _log.warning(
            "%s: %.0f %% of the reads are longer than %d nt: adapters seem to be left on",
            path, 100 * counted.long / counted.reads, _LONG,
        )  # fmt: skip
    return counted


def counting_seconds(path: Path) -> float | None:
    """Estimate what :func:`count_reads` takes on one core, from some records.

    Returns:
        None for a CRAM file, whose index does not say how many records there are.
    """
    with open_library(path) as file:
        mapped = {each.contig: each.mapped for each in _statistics(file)}
        if not mapped:
            return None
        nobody = _Names(np.empty(0, np.int64), np.empty(0, np.int64))
        reader = _Reader(path, Counted(), bowtie=False, names=nobody)
        most = max(mapped, key=mapped.__getitem__)
        started = time.process_time()
        seen = reader.read(itertools.islice(file.fetch(most), _CHUNK), 0, BytesIO())
        took = time.process_time() - started
        return took * float(sum(mapped.values())) / max(seen, 1)


def _statistics(file: Any) -> list[Any]:
    """What the index of a BAM file says of each contig; that of a CRAM file says nothing."""
    return list(file.get_index_statistics()) if file.is_bam else []


@dataclass
class _Reader:
    """Reads records of one contig after another.

    Attributes:
        path: of the library.
        counted: is told what was found.
        bowtie: whether tag XM is bowtie 1's.
        names: how often names occur, read when the first record asks for it.
    """

    path: Path
    counted: Counted
    bowtie: bool
    names: _Names | None = None

    def read(self, records: Iterator[Any], offset: int, out: BinaryIO) -> int:
        """Write the stacks of a contig that begins at ``offset`` in the store.

        Returns:
            How many records were mapped, counted or not.
        """
        seen = 0
        carried = np.empty(0, STACK)
        chunk = _Chunk()
        before = 0
        for record in records:
            seen += 1
            flag = record.flag
            if flag & _SKIPPED:
                seen -= bool(flag & 0x4)
                continue
            start = record.reference_start
            if start < before:
                raise InputError(f"{self.path}: is not sorted, whatever its header says")
            before = start
            places = self._places(record)
            name = record.query_name
            if not places:
                chunk.unnamed.append(len(chunk.start))
                chunk.hashes.append(hash(name))
            chunk.add(start, record.reference_length or 0, flag, _copies(record, name), places)
            if len(chunk.start) == _CHUNK:
                carried = self._write(chunk, carried, offset, before, out)
                chunk = _Chunk()
        self._write(chunk, carried, offset, None, out)
        return seen

    def _places(self, record: Any) -> int:
        """Return of how many places a record says that its read has, 0 where it does not."""
        for tag in ("NH", "X0"):
            try:
                return max(1, int(record.get_tag(tag)))
            except (KeyError, ValueError):
                continue
        if self.bowtie and record.mapping_quality == 0 and record.has_tag("XM"):
            return max(1, int(record.get_tag("XM")))
        return 0

    def _write(
        self,
        chunk: _Chunk,
        carried: npt.NDArray[Any],
        offset: int,
        last: int | None,
        out: BinaryIO,
    ) -> npt.NDArray[Any]:
        """Write what is complete: all before position ``last``; return the rest."""
        stacks = np.concatenate([carried, self._stacks(chunk, offset)])
        stacks = combined(stacks)
        done = stacks.size if last is None else np.searchsorted(stacks["start"], offset + last)
        out.write(stacks[:done].tobytes())
        return stacks[done:]

    def _stacks(self, chunk: _Chunk, offset: int) -> npt.NDArray[Any]:
        start, length, flag, copies, places = chunk.arrays()
        if chunk.unnamed:
            self.names = self.names or _Names.of(self.path)
            hashes = np.frombuffer(chunk.hashes, np.int64)
            places[np.frombuffer(chunk.unnamed, np.int64)] = self.names.count(hashes)
            self.counted.named += len(chunk.unnamed)
        weight = copies * (UNIT // places)
        self.counted.records += start.size
        self.counted.reads += int(weight.sum())
        self.counted.long += int(weight[length > _LONG].sum())
        stacks = np.empty(start.size, STACK)
        stacks["start"] = start + offset
        stacks["length"] = np.minimum(length, LONGEST)
        stacks["strand"] = np.where(flag & 0x10, -1, 1)
        stacks["weight"] = weight
        stacks["shared"] = np.where(places > 1, weight, 0)
        return stacks[length <= LONGEST]


@dataclass(slots=True)
class _Chunk:
    """Some thousand records as columns; those whose places are not known apart."""

    start: array[int] = field(default_factory=lambda: array("q"))
    length: array[int] = field(default_factory=lambda: array("q"))
    flag: array[int] = field(default_factory=lambda: array("q"))
    copies: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    unnamed: array[int] = field(default_factory=lambda: array("q"))
    hashes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, start: int, length: int, flag: int, copies: int, places: int) -> None:
        """Take a record."""
        self.start.append(start)
        self.length.append(length)
        self.flag.append(flag)
        self.copies.append(copies)
        self.places.append(places)

    def arrays(self) -> list[npt.NDArray[np.int64]]:
        """Return the five columns, int64 each."""
        columns = (self.start, self.length, self.flag, self.copies, self.places)
        return [np.array(column, np.int64) for column in columns]


def _copies(record: Any, name: str) -> int:
    """Return for how many equal reads a record stands."""
    if record.has_tag("XW"):
        return max(0, int(record.get_tag("XW")))
    at = name.rfind("_x")
    if at >= 0 and (digits := name[at + 2 :]).isdecimal():
        return int(digits)
    return 1


@dataclass(frozen=True, slots=True)
class _Names:
    """How many records have the same name, of those names that have several.

    Names are known by 64 bits that differ from process to process; of 10 million names two are
    taken for one with a probability of 3 in a million.

    Attributes:
        keys: int64 (M,), rising.
        counts: int64 (M,).
    """

    keys: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, path: Path) -> _Names:
        """Read the names of all mapped records of a library."""
        found = array("q")
        with open_library(path) as file:
            for record in file.fetch():
                if not record.flag & _SKIPPED:
                    found.append(hash(record.query_name))
        keys = np.frombuffer(found, np.int64).copy()
        keys.sort()
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: keys.size])
        counts = np.diff(np.append(first, keys.size))
        several = counts > 1
        return cls(keys[first[several]], counts[several])

    def count(self, hashes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many records have each of these names, int64 (N,)."""
        at = np.minimum(np.searchsorted(self.keys, hashes), max(self.keys.size - 1, 0))
        if not self.keys.size:
            return np.ones(hashes.size, np.int64)
        return np.where(self.keys[at] == hashes, self.counts[at], 1)
