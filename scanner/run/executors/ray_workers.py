"""What runs inside Ray's workers: tasks on CPUs, and one actor for each GPU."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import torch

from premir.scanner.errors import InputError, line_of
from premir.scanner.find.folding import Folder, make_folder
from premir.scanner.genome.tiles import Tile
from premir.scanner.run.executors.probe import Fingerprint, check_worker, host_name
from premir.scanner.run.rundir import Record
from premir.scanner.run.tasks import Job, fold_tile, score_tiles
from premir.scanner.score.inference import choose_device
from premir.scanner.score.model import Model

_log = logging.getLogger(__name__)

_AT_ONCE = 4
"""Tasks of an actor: while one has the GPU, the others read, compare, write."""

_models: dict[str, Model] = {}
"""Models of this worker process, by key: it serves one scan after another."""


def fold(expected: Fingerprint, job: Job, tile: Tile) -> list[Record]:
    """Fold one tile."""
    check_worker(expected, job.run)
    return [fold_tile(job, tile, _folder(job.folder) if job.folder else None)]


def score(expected: Fingerprint, job: Job, tiles: Sequence[Tile]) -> list[Record]:
    """Score tiles on the CPU."""
    check_worker(expected, job.run)
    assert job.model is not None
    model, device = _load(job.model, "cpu")
    return score_tiles(job, tiles, model, device)


class ScoringActor:
    """A scorer in a process of its own, with a GPU of its own."""

    def __init__(self, model: Model, device: str) -> None:
        self._model, self._device = _load(model, device)

    def ready(self) -> tuple[str, str]:
        """Return the names of this machine and of the device: an answer means a GPU was free."""
        return host_name(), self._device.type

    def score(self, expected: Fingerprint, job: Job, tiles: Sequence[Tile]) -> list[Record]:
        """Score tiles."""
        check_worker(expected, job.run)
        return score_tiles(job, tiles, self._model, self._device)


class GpuActors:
    """Scoring actors, one per GPU; false where there are none."""

    def __init__(self, ray: Any, model: Model | None, device: str) -> None:
        self._ray, self._model, self._device = ray, model, device
        # Restarted for ever: Ray finds them another GPU when a machine is lost.
        self._make = ray.remote(
            num_cpus=0, num_gpus=1, max_restarts=-1, max_task_retries=3, max_concurrency=_AT_ONCE
        )(ScoringActor)
        self._coming: dict[Future[tuple[str, str]], Any] = {}
        self._load: dict[Any, int] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._coming or self._load)

    @property
    def coming(self) -> list[Future[tuple[str, str]]]:
        """Tasks that end when actors have got their GPUs."""
        return list(self._coming)

    def fill(self, count: int) -> None:
        """Ask for actors until there are so many."""
        with self._lock:
            while len(self._coming) + len(self._load) < count:
                actor = self._make.remote(self._model, self._device)
                self._coming[actor.ready.remote().future()] = actor

    def clear(self) -> None:
        """Give all of them up."""
        for actor in [*self._coming.values(), *self._load]:
            self._ray.kill(actor)
        self._coming, self._load = {}, {}

    def score(self, expected: Fingerprint, job: Job, tiles: Sequence[Tile]) -> Hashable:
        """Start scoring tiles on the least busy actor."""
        with self._lock:
            if self._coming:
                self._welcome()
            actor = min(self._load, key=self._load.__getitem__)
            self._load[actor] += 1
        future: Future[list[Record]] = actor.score.remote(expected, job, tiles).future()
        future.add_done_callback(lambda _: self._ended(actor))
        return future

    def _ended(self, actor: Any) -> None:
        with self._lock:
            self._load[actor] -= 1

    def _welcome(self) -> None:
        """Take in actors that have got their GPU meanwhile; wait for the first one."""
        if not self._load:
            wait(self._coming, return_when=FIRST_COMPLETED)
        for future in [future for future in self._coming if future.done()]:
            try:
                host, device = future.result()
            except self._ray.exceptions.RayError as error:
                reason = line_of(error, -1)
                raise InputError(f"a Ray node with a GPU cannot score: {reason}") from error
            self._load[self._coming.pop(future)] = 0
            if device == "cpu":
                _log.warning("Ray node %s: torch finds no GPU there; scoring on its CPU", host)


def _load(model: Model, device_name: str) -> tuple[Model, torch.device]:
    """Return the model as this process holds it, and the device."""
    # Ray sets the number of OpenMP threads to the task's CPUs; say it to torch ourselves.
    torch.set_num_threads(1)
    device = choose_device(device_name)
    held = _models.setdefault(model.key, model.here())
    held.load(device)
    return held, device


@functools.lru_cache(maxsize=1)
def _folder(name: str) -> Folder:
    return make_folder(name, processes=0)
