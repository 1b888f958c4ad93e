"""Folding packed batches of sequences: codes in, pair tables and MFE out."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from typing import Protocol

import numpy as np

from premir.kernels.codes import Codes, decode
from premir.kernels.energies import current_parameters
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import Offsets, pair_table
from premir.scanner import viennarna
from premir.scanner.batches import Hairpins
from premir.scanner.errors import FoldError
from premir.scanner.processes import start_worker

_log = logging.getLogger(__name__)

_CHUNK_NT = 5000
"""Nucleotides sent to a folding process at a time: some 0.3 s of work."""


class Folder(Protocol):
    """Whatever folds a packed batch of sequences."""

    name: str

    def fold(self, codes: Codes, offsets: Offsets) -> Hairpins:
        """Fold each sequence ``codes[offsets[n]:offsets[n + 1]]``; values 0-3 only."""
        ...

    def close(self) -> None:
        """Give back processes, if there are any."""
        ...


class KernelFolder:
    """Folds with :mod:`premir.kernels.mfe`: same energies and structures as ViennaRNA, no GIL.

    The energy parameters are those that ViennaRNA has in force when the folder is made.
    """

    name = "kernel"

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

    def fold(self, codes: Codes, offsets: Offsets) -> Hairpins:
        """Fold each sequence of the batch."""
        return _hairpins(codes, offsets, viennarna.fold(_sequences(codes, offsets)))

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class PoolViennaFolder:
    """Folds with the bindings in spawned processes, because they never release the GIL.

    Many threads may call :meth:`fold` at once; the processes are shared. When one of them is
    killed, it is made anew, and every call that lost work with it does that work once more in a
    process of its own, so that only a batch that kills its process fails.

    Each process is an executor of its own: in CPython, an executor of several that breaks while
    it starts one more waits forever for that one to end.
    """

    name = "viennarna"

    def __init__(self, processes: int) -> None:
        self._executors = [_executor() for _ in range(processes)]
        self._turns = itertools.cycle(range(processes))
        self._lock = threading.Lock()

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
        jobs = [self._submit(chunk) for chunk in chunks]
        folded: dict[int, list[tuple[str, int]]] = {}
        for number, job in enumerate(jobs):
            with contextlib.suppress(BrokenExecutor):
                folded[number] = job.result()
        lost = [number for number in range(len(chunks)) if number not in folded]
        if lost:
            _log.warning("a ViennaRNA process died; folding its batch once more in a new one")
            folded |= zip(lost, _fold_alone([chunks[number] for number in lost]), strict=True)
        records = [record for number in range(len(chunks)) for record in folded[number]]
        return _hairpins(codes, offsets, records)

    def _submit(self, chunk: Sequence[str]) -> Future[list[tuple[str, int]]]:
        with self._lock:
            number = next(self._turns)
            try:
                return self._executors[number].submit(viennarna.fold, chunk)
            except BrokenExecutor:
                self._executors[number] = _executor()
                return self._executors[number].submit(viennarna.fold, chunk)

    def close(self) -> None:
        """End the processes; work not started yet is dropped."""
        with self._lock:
            for executor in self._executors:
                executor.shutdown(wait=True, cancel_futures=True)


def _executor() -> ProcessPoolExecutor:
    """One process, started with its first work."""
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=start_worker
    )


def _fold_alone(chunks: Sequence[Sequence[str]]) -> list[list[tuple[str, int]]]:
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


def _sequences(codes: Codes, offsets: Offsets) -> list[str]:
    text = decode(codes)
    return [text[a:b] for a, b in itertools.pairwise(offsets)]


def _hairpins(codes: Codes, offsets: Offsets, folded: list[tuple[str, int]]) -> Hairpins:
    tables = [pair_table(structure) for structure, _ in folded]
    pairs = np.concatenate(tables) if tables else np.empty(0, np.int16)
    return Hairpins(codes, pairs, np.array([mfe for _, mfe in folded], np.int32), offsets)
