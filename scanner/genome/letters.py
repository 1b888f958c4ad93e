"""A genome: one validating pass over a FASTA file into a store of our own.

The store holds the letters of all contigs one after another, one byte each, as they stand in the
file (case included) and without line ends; those of a circular contig are followed by some of them
once more (:mod:`premir.scanner.genome.circular`). It serves any compression alike, is read by
position through the page cache, costs no set-up however many contigs there are, and cannot be
stale: it lives in the run directory and is made by the pass that validates. That pass reads the
source once, so that it may be a pipe.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import IO, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from premir.scanner.errors import InputError
from premir.scanner.files import naming, temporary_name
from premir.scanner.genome.bed_names import lost_in_bed
from premir.scanner.genome.circular import REACH, Circles, once_more
from premir.scanner.genome.fasta import fasta_pieces
from premir.scanner.genome.findings import Accepted

_COPY = 1 << 20
_HELD = 1 << 26
"""Letters of a genome that :func:`open_genome` holds in memory before it takes to the disk."""
_NONE = Circles()


@dataclass(frozen=True, slots=True)
class Contig:
    """One sequence of a genome.

    Attributes:
        name: up to the first blank of the FASTA header.
        length: in nt.
        offset: where its letters begin in the store.
        sha256: of its letters as they stand in the file, in hexadecimal digits.
    """

    name: str
    length: int
    offset: int
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Contigs(Sequence[Contig]):
    """The sequences of a genome, of which there may be millions, as parallel columns.

    Attributes:
        names: of all of them.
        lengths: int64 (N,), in nt.
        offsets: int64 (N,), where their letters begin in the store.
        digests: uint8 (N, 32), SHA-256 of their letters.
        circular: bool (N,), whether their ends are joined.
    """

    names: list[str]
    lengths: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint8]
    circular: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        names: list[str],
        lengths: npt.ArrayLike,
        digests: bytes | bytearray,
        circular: npt.ArrayLike = False,
    ) -> Contigs:
        """Put columns together; lines stand in the store in the same order, without gaps."""
        sizes = np.asarray(lengths, np.int64)
        sha256 = np.frombuffer(digests, np.uint8).reshape(sizes.size, 32)
        joined = np.broadcast_to(np.asarray(circular, np.bool_), sizes.shape)
        lines = sizes + 2 * REACH * joined
        return cls(names, sizes, np.cumsum(lines) - lines, sha256, joined)

    def turn(self, n: int) -> tuple[int, int]:
        """Return where on its line the turn of a contig that is scanned begins and ends."""
        first = REACH if self.circular[n] else 0
        return first, first + int(self.lengths[n])

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """Where the turn that is scanned begins on each line, int64 (N,): 0 of linear contigs."""
        return REACH * self.circular

    @property
    def lines(self) -> npt.NDArray[np.int64]:
        """Letters that the store holds of each contig, int64 (N,): its own, and some once more."""
        return self.lengths + 2 * self.first

    @property
    def stored(self) -> int:
        """Letters in the store."""
        return int(self.lines.sum())

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, n: int) -> Contig: ...
    @overload
    def __getitem__(self, n: slice) -> list[Contig]: ...
    def __getitem__(self, n: int | slice) -> Contig | list[Contig]:
        if isinstance(n, slice):
            return [self[k] for k in range(*n.indices(len(self)))]
        digest = self.digests[n].tobytes().hex()
        return Contig(self.names[n], int(self.lengths[n]), int(self.offsets[n]), digest)


@dataclass(frozen=True, slots=True)
class Genome:
    """A validated genome.

    Attributes:
        source: the FASTA file.
        store: file with the letters of all contigs.
        contigs: in the order of the FASTA file.
        accepted: what of the file was out of the ordinary.
    """

    source: Path
    store: Path
    contigs: Contigs
    accepted: Accepted = field(default_factory=Accepted)

    @property
    def length(self) -> int:
        """Nucleotides in all contigs."""
        return int(self.contigs.lengths.sum())

    @property
    def longest(self) -> int:
        """Nucleotides in the longest contig."""
        return int(self.contigs.lengths.max())

    def digest(self) -> str:
        """SHA-256 over names, lengths and digests of all contigs."""
        table = hashlib.sha256()
        columns = zip(self.contigs.names, self.contigs.lengths, self.contigs.digests, strict=True)
        for name, length, digest in columns:
            table.update(f"{name}\t{length}\t{digest.tobytes().hex()}\n".encode())
        return table.hexdigest()


class OpenStore(Protocol):
    """A store that is open for reading by one thread: a file, or memory that looks like one."""

    def seek(self, offset: int, /) -> int:
        """Go to a position."""
        ...

    def readinto(self, into: memoryview, /) -> int | None:
        """Fill memory from there; return how much was filled."""
        ...


Store: TypeAlias = Path | OpenStore


@dataclass(frozen=True, slots=True)
class OpenGenome:
    """A genome whose letters are at hand without a run directory, for one thread at a time.

    Attributes:
        contigs: its sequences, in their order.
        store: their letters, one after another.
    """

    contigs: Contigs
    store: OpenStore

    @classmethod
    def of(cls, sequences: Mapping[str, str | bytes]) -> OpenGenome:
        """Take sequences that are in memory, by name; whatever their letters, all are read."""
        letters = [
            text.encode("latin-1", "replace") if isinstance(text, str) else text
            for text in sequences.values()
        ]
        digests = b"".join(hashlib.sha256(each).digest() for each in letters)
        contigs = Contigs.of(list(sequences), [len(each) for each in letters], digests)
        return cls(contigs, BytesIO(b"".join(letters)))


@contextmanager
def open_genome(source: Path) -> Iterator[OpenGenome]:
    """Validate a FASTA file, and hold its letters as long as the context lasts.

    A large genome's letters lie in a temporary file without a name, a small one's in memory.

    Args:
        source: FASTA (see :func:`premir.scanner.genome.fasta.fasta_pieces`).

    Raises:
        InputError: as :func:`read_genome`.
        OSError: the folder for temporary files is full.
    """
    scratch = Path(tempfile.gettempdir())
    with tempfile.SpooledTemporaryFile(_HELD) as store:

        def take(letters: bytes) -> None:
            with naming(scratch, scratch):
                store.write(letters)

        yield OpenGenome(read_contigs(source, take), store)


def read_genome(source: Path, store: Path, circles: Circles = _NONE) -> Genome:
    """Validate a FASTA file, and write its letters unless they are in the store already.

    Args:
        source: FASTA (see :func:`premir.scanner.genome.fasta.fasta_pieces`).
        store: file that may hold the very same letters. It is compared and never changed.
        circles: which contigs are circular.

    Returns:
        The genome. Its ``store`` is the one given, or a new file beside it where that was missing
        or different; :meth:`premir.scanner.run.rundir.RunDirectory.adopt` puts it in place.

    Raises:
        InputError: all faults of the file, among them contig names that BED readers take for
            comments; or a circular contig is named that it does not have.
        OSError: the letters cannot be written.
    """
    with _StoreWriter(store) as writer:
        accepted = Accepted()
        contigs = read_contigs(source, writer.write, accepted, circles)
        return Genome(source, writer.finish(), contigs, accepted)


def read_contigs(
    source: Path,
    take: Callable[[bytes], object],
    accepted: Accepted | None = None,
    circles: Circles = _NONE,
) -> Contigs:
    """Validate a FASTA file; records without sequence are no contigs.

    Args:
        source: FASTA (see :func:`premir.scanner.genome.fasta.fasta_pieces`).
        take: is given all letters, a piece of one contig's line at a time.
        accepted: counts what was out of the ordinary.
        circles: which contigs are circular.

    Raises:
        InputError: as :func:`read_genome`.
    """
    names: list[str] = []
    lengths = array("q")
    digests = bytearray()
    circular = bytearray()
    pieces = fasta_pieces(source, accepted=accepted, check_name=lost_in_bed)
    for name, group in itertools.groupby(pieces, key=itemgetter(0)):
        digest, length, start = hashlib.sha256(), 0, b""
        asked = circles.asked(name)
        for _, letters in group:
            digest.update(letters)
            length += len(letters)
            take(letters)
            if asked and len(start) < 2 * REACH:
                start += letters
        if not length:
            continue
        circular.append(asked and length >= circles.least)
        if circular[-1]:
            for letters in once_more(start):
                take(letters)
        names.append(name)
        lengths.append(length)
        digests += digest.digest()
    circles.check(names)
    return Contigs.of(names, lengths, digests, np.frombuffer(circular, np.bool_))


class _StoreWriter:
    """Compares letters with those of an old store, and writes a new one from where they differ."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._fresh = temporary_name(store)
        self._old: IO[bytes] | None = None
        self._new: IO[bytes] | None = None
        self._same = 0

    def __enter__(self) -> _StoreWriter:
        if self._store.exists():
            self._old = self._store.open("rb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for handle in (self._old, self._new):
            if handle is not None:
                handle.close()
        if kind is not None:
            self._fresh.unlink(missing_ok=True)

    def write(self, letters: bytes) -> None:
        """Take the next letters."""
        if self._new is None and self._old is not None:
            if self._old.read(len(letters)) == letters:
                self._same += len(letters)
                return
        with naming(self._store, self._fresh):
            self._begin().write(letters)

    def finish(self) -> Path:
        """Return the file that holds all letters, and nothing else."""
        if self._new is None and self._old is not None and not self._old.read(1):
            return self._store
        with naming(self._store, self._fresh):
            handle = self._begin()
            handle.flush()
            os.fsync(handle.fileno())
        return self._fresh

    def _begin(self) -> IO[bytes]:
        """Open the new store, with the letters that were the same up to here."""
        if self._new is None:
            self._new = self._fresh.open("wb")
            if self._old is not None:
                self._old.seek(0)
                for first in range(0, self._same, _COPY):
                    self._new.write(self._old.read(min(_COPY, self._same - first)))
        return self._new


def read_letters(store: Path, start: int, end: int) -> npt.NDArray[np.uint8]:
    """Read letters from a store by position.

    Args:
        store: file made by :func:`read_genome`.
        start: first position in the store.
        end: position after the last.

    Returns:
        uint8 (end - start,), ASCII.
    """
    return read_pieces(store, np.array([start]), np.array([end]))


def read_pieces(
    store: Store, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Read pieces of a store, one after another; neighbours are read at once.

    Args:
        store: file made by :func:`read_genome`, or an open store.
        starts: int64 (M,), first positions in the store.
        ends: int64 (M,), positions after the last.

    Returns:
        uint8 (sum of lengths,), ASCII.
    """
    letters = np.empty(int((ends - starts).sum()), np.uint8)
    apart = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    firsts, lasts = np.append(0, apart), np.append(apart, starts.size)
    filled = 0
    with _opened(store) as handle:
        for first, last in zip(firsts, lasts, strict=True):
            handle.seek(int(starts[first]))
            size = int(ends[last - 1] - starts[first])
            if not read_whole(handle, letters[filled : filled + size]):
                raise InputError(f"{store}: shorter than the genome it was made from")
            filled += size
    return letters


def soft_masked(genome: Genome) -> bool:
    """Whether any letter of a genome is in lower case; reads up to the first."""
    stored = genome.contigs.stored
    pieces = range(0, stored, _COPY)
    return any(
        (read_letters(genome.store, first, min(first + _COPY, stored)) >= ord("a")).any()
        for first in pieces
    )


def _opened(store: Store) -> AbstractContextManager[OpenStore]:
    return store.open("rb", buffering=0) if isinstance(store, Path) else nullcontext(store)


def read_whole(handle: OpenStore, into: npt.NDArray[np.uint8]) -> bool:
    """Fill an array from an unbuffered file; False where the file ends before.

    A system may give less than was asked for; Linux gives at most 2^31 - 4096 bytes at a time.
    """
    filled = 0
    while filled < into.size:
        count = handle.readinto(into[filled:].data)
        if not count:
            return False
        filled += count
    return True
