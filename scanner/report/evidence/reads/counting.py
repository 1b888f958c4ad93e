"""Counting: one pass over a library, from records to stacks, in bounded memory."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from premir.kernels.alignments import ABSENT, NO_NUMBER, Alignments, read_alignments
from premir.scanner.errors import InputError, printable
from premir.scanner.files import whole_file
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.evidence.reads.records import TAGS, Records, open_records
from premir.scanner.report.evidence.reads.stacks import LONGEST, STACK, UNIT, combined
from premir.scanner.run.rundir import RunDirectory

_log = logging.getLogger(__name__)

_I64 = npt.NDArray[np.int64]

_UNMAPPED, _REVERSE = 0x4, 0x10
_SKIPPED = _UNMAPPED | 0x80 | 0x200 | 0x800
"""Flags of records that are no read of their own here: unmapped, second of a pair, of bad quality,
supplementary. (Duplicates count: equal small RNAs are no artefact.)"""
_MOST = 10**8
"""Reads of a record: sums of units of so many stay below 2**63."""
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
    with open_records(path) as library:
        counter = _Counter(path, library, counted)
        columns = (contigs.offsets, contigs.lengths, contigs.lines)
        for name, offset, length, line in zip(
            contigs.names, *(column.tolist() for column in columns), strict=True
        ):
            if name not in library.contigs or library.mapped.get(name) == 0:
                continue
            first = []
            for stacks in counter.stacks(name):
                first.append(stacks[stacks["start"] < line - length])
                out.write(_moved(stacks, offset))
            for turn in range(length, line, length):
                for stacks in first:
                    out.write(_moved(stacks[stacks["start"] < line - turn], offset + turn))
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """What :func:`count_reads` will take.

    Attributes:
        seconds: on one core.
        stored: bytes of the stacks.
    """

    seconds: float
    stored: float


def estimate(path: Path, contigs: Contigs) -> Estimate | None:
    """Estimate what :func:`count_reads` will take, from some records.

    Returns:
        None for a CRAM file, whose index does not say how many records there are.
    """
    with open_records(path) as library:
        if not library.mapped:
            return None
        mapped = {name: library.mapped.get(name, 0) for name in contigs.names}
        most = max(mapped, key=mapped.__getitem__)
        if not mapped[most]:
            return Estimate(0.0, 0.0)
        nothing = np.empty(0, np.int64)
        counter = _Counter(path, library, Counted(), names=_Names(nothing, nothing))
        read_alignments(np.empty(0, np.uint8), 0, tags=TAGS)  # which may be to compile it
        started = time.process_time()
        stacks = sum(map(len, itertools.islice(counter.stacks(most), 2)))
        took = time.process_time() - started
        each = 1 / max(counter.counted.records, 1)
        records = np.array(list(mapped.values()))
        again = contigs.lines / np.maximum(contigs.lengths, 1)  # more than one of circles
        stored = records @ again
        size = stacks * STACK.itemsize
        return Estimate(took * each * int(records.sum()), size * each * float(stored))


def _moved(stacks: npt.NDArray[Any], by: int) -> bytes:
    """Return stacks as files hold them, at other places."""
    stacks = stacks.copy()
    stacks["start"] += by
    return stacks.tobytes()


@dataclass
class _Counter:
    """Makes stacks of the records of one contig after another.

    Attributes:
        path: of the library.
        library: the same, open.
        counted: is told what was found.
        names: how often names occur, read when the first record asks for it.
    """

    path: Path
    library: Records
    counted: Counted
    names: _Names | None = None

    def stacks(self, contig: str) -> Iterator[npt.NDArray[Any]]:
        """Yield the stacks of a contig by position in it, in pieces."""
        mapped, before = 0, 0
        carried = np.empty(0, STACK)
        for found in self.library.of(contig):
            mapped += int(((found.flag & _UNMAPPED) == 0).sum())
            kept = (found.flag & _SKIPPED) == 0
            found = found if kept.all() else found.take(kept)
            if (found.start < 0).any() or (found.start >= self.library.contigs[contig]).any():
                raise InputError(
                    f"{self.path}: damaged at {printable(contig)}: reads begin outside of it"
                )
            starts = np.append(before, found.start)
            if (starts[1:] < starts[:-1]).any():
                raise InputError(f"{self.path}: is not sorted, whatever its header says")
            before = int(starts[-1])
            carried = combined(np.concatenate([carried, self._stacks(found, contig)]))
            # What begins where the last one does may go on in the next records.
            complete = np.searchsorted(carried["start"], before)
            yield carried[:complete]
            carried = carried[complete:]
        yield carried
        if mapped != self.library.mapped.get(contig, mapped):
            raise InputError(
                f"{self.path}: the index belongs to another file; make it anew: samtools index"
            )

    def _stacks(self, found: Alignments, contig: str) -> npt.NDArray[Any]:
        places = self._places(found)
        weight = self._copies(found, contig) * (UNIT // places)
        self.counted.records += len(found)
        self.counted.reads += int(weight.sum())
        self.counted.long += int(weight[found.length > _LONG].sum())
        stacks = np.empty(len(found), STACK)
        stacks["start"] = found.start
        stacks["length"] = np.minimum(found.length, LONGEST)
        stacks["strand"] = np.where(found.flag & _REVERSE, -1, 1)
        stacks["weight"] = weight
        stacks["shared"] = np.where(places > 1, weight, 0)
        return stacks[found.length <= LONGEST]

    def _places(self, found: Alignments) -> _I64:
        """Return how many places the reads have, int64 (N,)."""
        nh, x0, xm, _ = found.tags
        places = np.where(nh > NO_NUMBER, nh, x0)
        if self.library.bowtie:
            at_random = (places <= NO_NUMBER) & (found.quality == 0)
            places = np.where(at_random, xm, places)
        unsaid = np.flatnonzero(places <= NO_NUMBER)
        if unsaid.size:
            self.names = self.names or _Names.of(self.path)
            places[unsaid] = self.names.count(found.name[unsaid])
            self.counted.named += unsaid.size
        result: _I64 = np.maximum(places, 1)
        return result

    def _copies(self, found: Alignments, contig: str) -> _I64:
        """Return for how many equal reads records stand."""
        xw = found.tags[-1]
        copies = np.where(xw != ABSENT, xw, np.where(found.number != ABSENT, found.number, 1))
        wrong = np.flatnonzero((copies == NO_NUMBER) | (copies > _MOST))
        if wrong.size:
            place = f"{printable(contig)}:{found.start[wrong[0]] + 1}"
            raise InputError(
                f"{self.path}: a record at {place} does not "
                f"stand for a number of reads up to {_MOST:,} (tag XW, or the name's end _xN)"
            )
        result: _I64 = np.maximum(copies, 0)
        return result


@dataclass(frozen=True, slots=True)
class _Names:
    """How many records have the same name, of those names that have several.

    Names are known by 64 bits; of 10 million names two are taken for one with a probability of 3 in
    a million.

    Attributes:
        keys: int64 (M,), rising.
        counts: int64 (M,).
    """

    keys: _I64
    counts: _I64

    @classmethod
    def of(cls, path: Path) -> _Names:
        """Read the names of all mapped records of a library."""
        found = bytearray()
        with open_records(path) as library:
            for contig in library.contigs:
                if library.mapped.get(contig) != 0:
                    for some in library.of(contig):
                        found += some.name[(some.flag & _SKIPPED) == 0].tobytes()
        keys = np.frombuffer(found, np.int64)
        keys.sort()
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: keys.size])
        counts = np.diff(np.append(first, keys.size))
        several = counts > 1
        return cls(keys[first[several]], counts[several])

    def count(self, names: _I64) -> _I64:
        """Return how many records have each of these names, int64 (N,)."""
        at = np.minimum(np.searchsorted(self.keys, names), max(self.keys.size - 1, 0))
        if not self.keys.size:
            return np.ones(names.size, np.int64)
        return np.where(self.keys[at] == names, self.counts[at], 1)
