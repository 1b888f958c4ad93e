"""Threads in this process: no sockets, no set-up."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import torch

from premir.scanner.find.folding import Folder, make_folder
from premir.scanner.genome.tiles import Tile
from premir.scanner.options import Execution
from premir.scanner.run.rundir import Record
from premir.scanner.run.tasks import Job, fold_tile, score_tiles
from premir.scanner.score.feeding import FEEDING
from premir.scanner.score.inference import choose_device, one_thread
from premir.scanner.score.model import Model


class LocalExecutor:
    """Folds and scores tiles in threads, each of which computes on one core.

    With a GPU there are half as many again, which feed it and wait for it while the others fold.

    Our kernels, torch and zlib release the GIL; the ViennaRNA bindings do not, and run in
    processes of their own.
    """

    def __init__(self, model: Model | None, folder: str, execution: Execution) -> None:
        threads = execution.threads
        self.window, self.together = threads + 1, 1
        self._state = ExitStack()
        self._model, self._device = model, torch.device("cpu")
        self._folder: Folder | None = None
        self._folding = self._scoring = ThreadPoolExecutor(threads, thread_name_prefix="tiles")
        if model is None:
            return
        self._state.enter_context(one_thread())
        self._device = choose_device(execution.device)
        model.load(self._device)
        self._folder = make_folder(folder, processes=threads)
        self.together = FEEDING[self._device.type].tiles
        if self.together > 1:
            self._scoring = ThreadPoolExecutor((threads + 1) // 2, thread_name_prefix="gpu")

    def check(self, shared: Path) -> None:
        """Do nothing: threads compute what their process computes."""

    def fold(self, job: Job, tile: Tile) -> Hashable:
        """Start folding a tile."""
        return self._folding.submit(lambda: [fold_tile(job, tile, self._folder)])

    def score(self, job: Job, tiles: Sequence[Tile]) -> Hashable:
        """Start scoring tiles."""
        assert self._model is not None
        return self._scoring.submit(score_tiles, job, tiles, self._model, self._device)

    def wait(self, handles: Collection[Hashable], timeout: float) -> Collection[Hashable]:
        """Wait for the first task to end."""
        futures = cast("Collection[Future[list[Record]]]", handles)
        return wait(futures, timeout, FIRST_COMPLETED).done

    def result(self, handle: Hashable) -> list[Record]:
        """Return a task's records."""
        return cast("Future[list[Record]]", handle).result()

    def close(self) -> None:
        """Drop what has not started, end threads and processes."""
        for pool in (self._folding, self._scoring):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._folder is not None:
            self._folder.close()
        for pool in (self._folding, self._scoring):
            pool.shutdown(wait=True)
        self._state.close()
