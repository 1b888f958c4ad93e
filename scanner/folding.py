"""Folding packed batches of sequences: codes in, pair tables and MFE out."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
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
    killed, all work in the pool is lost: the pool is made anew, and every call that lost work does
    it once more in a process of its own, so that only a batch that kills its process fails.
    """

    name = "viennarna"

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = _pool(processes)
        self._lock = threading.Lock()

    def fold(self, codes: Codes, offsets: Offsets) -> Hairpins:
        """Fold each sequence of the batch, spread over the processes.

        Raises:
            FoldError: a process died on this batch, and then another one.
        """
        sequences = _sequences(codes, offsets)
        cut = offsets[:-1] // _CHUNK_NT
        borders = [0, *(np.flatnonzero(np.diff(cut)) + 1).tolist(), len(sequences)]
        chunks = [sequences[first:last] for first, last in itertools.pairwise(borders)]
        pool = self._pool
        try:
            return _hairpins(codes, offsets, _fold_in(pool, chunks))
        except BrokenExecutor:
            self._replace(pool)
        _log.warning("a ViennaRNA process died; folding its batch once more in a new one")
        alone = _pool(1)
        try:
            return _hairpins(codes, offsets, _fold_in(alone, chunks))
        except BrokenExecutor as error:
            raise FoldError("the ViennaRNA process died twice on the same batch") from error
        finally:
            alone.shutdown(wait=True, cancel_futures=True)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = _pool(self._processes)
        broken.shutdown(wait=False)

    def close(self) -> None:
        """End the processes; work not started yet is dropped."""
        with self._lock:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
    )


def _fold_in(pool: ProcessPoolExecutor, chunks: Sequence[Sequence[str]]) -> list[tuple[str, int]]:
    jobs = [pool.submit(viennarna.fold, chunk) for chunk in chunks]
    return [record for job in jobs for record in job.result()]


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
