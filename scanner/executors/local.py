"""Threads in this process: no sockets, no set-up."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import cast

import torch

from premir.scanner.folding import make_folder
from premir.scanner.inference import choose_device
from premir.scanner.tasks import Job, Record, Scorer, fold_tile
from premir.scanner.tiles import Tile


class LocalExecutor:
    """Folds and scores tiles in threads, each of which computes on one core.

    Our kernels, torch and zlib release the GIL; the ViennaRNA bindings do not, and run in
    processes of their own.
    """

    def __init__(self, job: Job, *, threads: int) -> None:
        self.window = threads + 1
        self._job = job
        self._folder = make_folder(job.folder, processes=threads) if job.folder else None
        self._folding = ThreadPoolExecutor(threads, thread_name_prefix="fold")
        self._scoring = ThreadPoolExecutor(threads, thread_name_prefix="score")
        self._scorer: Scorer | None = None
        if job.model is not None:
            # Maps are small: a second thread inside an operation costs more than it brings.
            torch.set_num_threads(1)
            self._scorer = Scorer(job.model, choose_device(job.device))

    def fold(self, tile: Tile) -> Hashable:
        """Start folding a tile."""
        return self._folding.submit(fold_tile, self._job, tile, self._folder)

    def score(self, tile: Tile) -> Hashable:
        """Start scoring a tile."""
        assert self._scorer is not None
        return self._scoring.submit(self._scorer.score_tile, self._job, tile)

    def wait(self, handles: Collection[Hashable], timeout: float) -> list[Hashable]:
        """Wait for the first task to end."""
        futures = cast("Collection[Future[Record]]", handles)
        return list(wait(futures, timeout, FIRST_COMPLETED).done)

    def result(self, handle: Hashable) -> Record:
        """Return a task's record."""
        return cast("Future[Record]", handle).result()

    def close(self) -> None:
        """Drop what has not started, end threads and processes."""
        for pool in (self._folding, self._scoring):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._folder is not None:
            self._folder.close()
        for pool in (self._folding, self._scoring):
            pool.shutdown(wait=True)
