"""Ray: tasks for tiles, actors for scoring. Ray schedules; the run directory is the truth."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Collection, Hashable
from pathlib import Path
from typing import Any, cast

import torch

from premir.scanner.errors import InputError
from premir.scanner.folding import make_folder
from premir.scanner.inference import choose_device
from premir.scanner.model_store import ModelSpec
from premir.scanner.tasks import Job, Record, Scorer, fold_tile
from premir.scanner.tiles import Tile


class RayExecutor:
    """Folds tiles in Ray tasks and scores them in Ray actors.

    Without an address a private instance is started: loopback listeners only, no dashboard, no
    usage reports, a session folder that only this user can enter, and gone when closed.
    """

    def __init__(self, job: Job, *, threads: int, address: str | None) -> None:
        self._session: Path | None = None
        self._ray = self._start(threads, address)
        ray = self._ray
        resources = ray.cluster_resources()
        cpus = max(1, int(resources.get("CPU", 1)))
        gpus = int(resources.get("GPU", 0))
        on_gpu = job.device == "cuda" or (job.device == "auto" and gpus > 0)
        if on_gpu and not gpus:
            self.close()
            raise InputError("--device cuda: the Ray cluster has no GPU; use --device cpu")
        self.window = 2 * cpus
        self._job = ray.put(job)
        self._fold = ray.remote(num_cpus=1, max_retries=3)(_fold)
        actor = ray.remote(
            num_cpus=0, num_gpus=1 if on_gpu else 0, max_restarts=3, max_task_retries=3
        )(_ScoringActor)
        self._actors: list[Any] = []
        if job.model is not None:
            count = gpus if on_gpu else max(1, cpus // 4)
            device = "cuda" if on_gpu else "cpu"
            # By value: an actor that restarts must not depend on the driver's object store.
            self._actors = [actor.remote(job.model, device) for _ in range(count)]
        self._next = 0

    def _start(self, threads: int, address: str | None) -> Any:
        # Before ray is imported: these are read then.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address is None:
            # Keeps every listener of a local instance on the loopback interface.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        else:
            _check_reachable(address)
        import ray

        options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
        if address is not None:
            try:
                ray.init(address=address, **options)
            except (ConnectionError, ValueError, RuntimeError) as error:
                reason = str(error).strip().splitlines()[0]
                raise InputError(
                    f"--ray-address {address}: no Ray cluster there: {reason}"
                ) from error
            return ray
        # Socket names below it must stay under 107 bytes: a short folder, for this user only.
        self._session = Path(tempfile.mkdtemp(prefix="premir-", dir="/tmp"))
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))
        ray.init(
            address="local",
            num_cpus=threads,
            include_dashboard=False,
            _temp_dir=str(self._session),
            **options,
        )
        return ray

    def fold(self, tile: Tile) -> Hashable:
        """Start folding a tile."""
        return cast("Hashable", self._fold.remote(self._job, tile))

    def score(self, tile: Tile) -> Hashable:
        """Start scoring a tile on the next actor in turn."""
        self._next = (self._next + 1) % len(self._actors)
        return cast("Hashable", self._actors[self._next].score.remote(self._job, tile))

    def wait(self, handles: Collection[Hashable], timeout: float) -> list[Hashable]:
        """Wait for the first task to end."""
        done, _ = self._ray.wait(list(handles), num_returns=1, timeout=timeout)
        return list(done)

    def result(self, handle: Hashable) -> Record:
        """Return a task's record."""
        return cast("Record", self._ray.get(handle))

    def close(self) -> None:
        """Leave the cluster, or end the private instance and remove its session folder."""
        self._ray.shutdown()
        if self._session is not None:
            shutil.rmtree(self._session, ignore_errors=True)


def _check_reachable(address: str) -> None:
    """Fail within seconds where nothing listens; Ray itself would try for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"--ray-address {address}: no Ray cluster there: {reason}") from error


def _fold(job: Job, tile: Tile) -> Record:
    return fold_tile(job, tile, make_folder(job.folder, processes=0) if job.folder else None)


class _ScoringActor:
    """A scorer in a process of its own."""

    def __init__(self, model: ModelSpec, device: str) -> None:
        # Ray sets the number of OpenMP threads to the task's CPUs; say it to torch ourselves.
        torch.set_num_threads(1)
        self.scorer = Scorer(model, choose_device(device))

    def score(self, job: Job, tile: Tile) -> Record:
        """Score one tile."""
        return self.scorer.score_tile(job, tile)
