"""Folding packed batches of sequences: codes in, pair tables and MFE out."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import resource
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from typing import Protocol, TypeAlias

import numpy as np

from premir.kernels.codes import UNKNOWN, Codes, decode, encode
from premir.kernels.energies import current_parameters
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import Offsets, pack, pair_table
from premir.scanner.cores import available_cores
from premir.scanner.errors import FoldError, InputError
from premir.scanner.find import viennarna
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.processes import start_worker
from premir.scanner.genome.fasta import AMBIGUOUS
from premir.scanner.genome.hairpin_records import LONGEST

_log = logging.getLogger(__name__)

_CHUNK_NT = 5000
"""Nucleotides sent to a folding process at a time: some 0.3 s of work."""
_FILES = 8
"""Open files that a process costs (seven in CPython 3.11), rounded up."""

_NO_PROCESS = (OSError, ImportError, NotImplementedError)
"""What CPython raises where semaphores are missing, or a process cannot be started."""

_Folds: TypeAlias = list[tuple[str, int]]
_Job: TypeAlias = Future[_Folds]


class Folder(Protocol):
    """Whatever folds a packed batch of sequences.

    Attributes:
        name: as ``--folder`` calls it.
        clock: counts the seconds of work that a thread causes by folding: those of its own CPU, or
            those that it waits where others work for it.
    """

    name: str
    clock: Callable[[], float]

    def fold(self, codes: Codes, offsets: Offsets) -> Hairpins:
        """Fold each sequence ``codes[offsets[n]:offsets[n + 1]]``; unknown letters do not pair."""
        ...

    def close(self) -> None:
        """Give back processes, if there are any."""
        ...


class KernelFolder:
    """Folds with :mod:`premir.kernels.mfe`: same energies and structures as ViennaRNA, no GIL.

    The energy parameters are those that ViennaRNA has in force when the folder is made.
    """

    name = "kernel"
    clock = staticmethod(time.thread_time)

    def __init__(self) -> None:
        self._parameters = current_parameters()

    def fold(self, codes: Codes, offsets: Offsets) -> Hairpins:
        """Fold each sequence of the batch."""
        pairs, mfe = fold_batch(codes, offsets, self._parameters)
        return Hairpins(codes, pairs, mfe, offsets)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class InlineViennaFolder:
    """Folds with the bindings in this process: for workers that are processes themselves."""

    name = "viennarna"
    clock = staticmethod(time.thread_time)

    def fold(self, codes: Codes, offsets: Offsets) -> Hairpins:
        """Fold each sequence of the batch."""
        return _hairpins(codes, offsets, viennarna.fold(_sequences(codes, offsets)))

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class PoolViennaFolder:
    """Folds with the bindings in spawned processes, because they never release the GIL.

    Many threads may call :meth:`fold` at once; the processes are shared, and made when there is
    work for them. When one of them is killed, it is made anew, and every call that lost work with
    it does that work once more in a process of its own, so that only a batch that kills its
    process fails. Where no process can be made (without /dev/shm), this one folds by itself.

    Each process is an executor of its own: in CPython, an executor of several that breaks while
    it starts one more waits forever for that one to end.

    Args:
        processes: how many to have at most.
    """

    name = "viennarna"
    clock = staticmethod(time.monotonic)

    def __init__(self, processes: int) -> None:
        self._most = max(1, min(processes, _most_processes()))
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._alone: InlineViennaFolder | None = None

    def fold(self, codes: Codes, offsets: Offsets) -> Hairpins:
        """Fold each sequence of the batch, spread over the processes.

        Raises:
            FoldError: a process died on this batch, and then another one.
        """
        sequences = _sequences(codes, offsets)
        if not sequences:  # a process takes longer to start than a small scan lasts
            return _hairpins(codes, offsets, [])
        cut = offsets[:-1] // _CHUNK_NT
        borders = [0, *(np.flatnonzero(np.diff(cut)) + 1).tolist(), len(sequences)]
        chunks = [sequences[first:last] for first, last in itertools.pairwise(borders)]
        if self._alone is None:
            try:
                jobs = [self._submit(chunk) for chunk in chunks]
            except _NO_PROCESS as error:
                _log.warning(
                    "ViennaRNA processes cannot be started (%s), is there no /dev/shm? Folding "
                    "with ViennaRNA on one core",
                    error,
                )
                self._alone = InlineViennaFolder()
        if self._alone is not None:
            return self._alone.fold(codes, offsets)
        folded: dict[int, _Folds] = {}
        for number, job in enumerate(jobs):
            with contextlib.suppress(BrokenExecutor):
                folded[number] = job.result()
        lost = [number for number in range(len(chunks)) if number not in folded]
        if lost:
            _log.warning("a ViennaRNA process died; folding its batch once more in a new one")
            folded |= zip(lost, _fold_alone([chunks[number] for number in lost]), strict=True)
        records = [record for number in range(len(chunks)) for record in folded[number]]
        return _hairpins(codes, offsets, records)

    def _submit(self, chunk: Sequence[str]) -> _Job:
        """Give work to the process with the least of it, or to a new one where all have some."""
        with self._lock:
            least = min(self._workers, key=_Worker.load, default=None)
            if least is None or (least.load() and len(self._workers) < self._most):
                try:
                    new = _Worker()
                    job = new.submit(chunk)
                except _NO_PROCESS:
                    if least is None:
                        raise
                    self._most = len(self._workers)  # no room for more; those here will do
                else:
                    self._workers.append(new)
                    return job
            return least.submit(chunk)

    def close(self) -> None:
        """End the processes; work not started yet is dropped."""
        with self._lock:
            for worker in self._workers:
                worker.executor.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """A process, made anew where it was killed, and the work that it has not done yet."""

    def __init__(self) -> None:
        self.executor = _executor()
        self._jobs: set[_Job] = set()

    def load(self) -> int:
        self._jobs = {job for job in self._jobs if not job.done()}
        return len(self._jobs)

    def submit(self, chunk: Sequence[str]) -> _Job:
        try:
            job = self.executor.submit(viennarna.fold, chunk)
        except BrokenExecutor:
            self.executor = _executor()
            job = self.executor.submit(viennarna.fold, chunk)
        self._jobs.add(job)
        return job


def _most_processes() -> int:
    """As many as there are cores for, and as open files allow beside those of the scan."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = available_cores() if files == resource.RLIM_INFINITY else files // (2 * _FILES)
    return min(available_cores(), spare)


def _executor() -> ProcessPoolExecutor:
    """One process, started with its first work."""
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=start_worker
    )


def _fold_alone(chunks: Sequence[Sequence[str]]) -> list[_Folds]:
    executor = _executor()
    try:
        return [job.result() for job in [executor.submit(viennarna.fold, c) for c in chunks]]
    except BrokenExecutor as error:
        raise FoldError("the ViennaRNA process died twice on the same batch") from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def make_folder(name: str, *, processes: int) -> Folder:
    """Return the folder that ``--folder`` names.

    Args:
        name: ``kernel`` or ``viennarna``.
        processes: processes that the bindings are spread over; 0 for none but this one.
    """
    if name == "kernel":
        return KernelFolder()
    return PoolViennaFolder(processes) if processes else InlineViennaFolder()


def fold(sequences: Iterable[str], folder: str = "kernel") -> Hairpins:
    """Fold sequences as they are.

    Args:
        sequences: of A, C, G, U or T, and N or another IUPAC code for a letter that is not known
            and does not pair; in either case.
        folder: what folds them, ``kernel`` or ``viennarna``.

    Returns:
        Their folds, packed, in the order given.

    Raises:
        InputError: a sequence is empty, too long, or has another letter.
    """
    encoded = []
    for number, sequence in enumerate(sequences, 1):
        codes = encode(sequence)
        for place in np.flatnonzero(codes == UNKNOWN):
            if (letter := sequence[int(place)]) not in AMBIGUOUS:
                raise InputError(f"sequence {number}: letter {letter!r} at {place + 1}")
        if not 0 < codes.size <= LONGEST:
            raise InputError(f"sequence {number}: has {codes.size} nt; expected 1 to {LONGEST}")
        encoded.append(codes)
    return make_folder(folder, processes=0).fold(*pack(encoded))


def _sequences(codes: Codes, offsets: Offsets) -> list[str]:
    text = decode(codes)
    return [text[a:b] for a, b in itertools.pairwise(offsets)]


def _hairpins(codes: Codes, offsets: Offsets, folded: list[tuple[str, int]]) -> Hairpins:
    tables = [pair_table(structure) for structure, _ in folded]
    pairs = np.concatenate(tables) if tables else np.empty(0, np.int16)
    return Hairpins(codes, pairs, np.array([mfe for _, mfe in folded], np.int32), offsets)
