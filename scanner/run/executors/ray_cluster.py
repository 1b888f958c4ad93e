"""Ray: tasks for tiles, actors for GPUs. Ray schedules; the run directory is the truth."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from pathlib import Path
from typing import cast

from premir.scanner.errors import ClusterError, InputError, line_of
from premir.scanner.genome.tiles import Tile
from premir.scanner.options import Execution
from premir.scanner.run.executors import WorkerLostError, ray_workers
from premir.scanner.run.executors.probe import fingerprint, host_name, shown_token
from premir.scanner.run.executors.ray_instance import JoinedCluster, PrivateInstance
from premir.scanner.run.executors.ray_nodes import first_of, probe_nodes
from premir.scanner.run.rundir import Record, RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.feeding import FEEDING
from premir.scanner.score.model import Model

_log = logging.getLogger(__name__)

_LOOK_AGAIN = 10.0
"""Seconds between looks at how large the cluster is."""


class RayExecutor:
    """Folds and scores tiles in Ray tasks of one CPU; with GPUs, scores them in actors.

    Ray itself repeats no task: a lost worker is reported to the engine, which starts the tile
    again and counts. Handles are Python's futures, because a signal that arrives inside one of
    Ray's own waits is lost or comes out as a SystemError.
    """

    def __init__(self, model: Model | None, execution: Execution) -> None:
        self._model = model
        self._device = execution.device
        self._patience = execution.ray_timeout
        self._expected = fingerprint(model)
        address = execution.ray_address
        if address in (None, "local"):  # what Ray itself would start there is open to others
            self._instance: JoinedCluster | PrivateInstance = PrivateInstance(
                execution.threads, execution.ray_timeout
            )
        else:
            self._instance = JoinedCluster(address)
        self._ray = ray = self._instance.ray
        self._fold = ray.remote(num_cpus=1, max_retries=0)(ray_workers.fold)
        self._score = ray.remote(num_cpus=1, max_retries=0)(ray_workers.score)
        self._gpus = ray_workers.GpuActors(ray, model, execution.device)
        self._cpus = 1
        self._looked = float("-inf")
        self._well = time.monotonic()
        self._lock = threading.Lock()

    @property
    def window(self) -> int:
        """Twice the CPUs of the cluster: tasks that wait are what an autoscaler acts upon."""
        self._look()
        return 2 * self._cpus

    @property
    def together(self) -> int:
        """What a GPU wants where there are any."""
        return FEEDING["cuda" if self._gpus else "cpu"].tiles

    def check(self, shared: Path) -> None:
        """Ask every node what it has, then wait for the first CPU and the first GPU."""
        with shown_token(shared) as token:
            probe_nodes(self._ray, self._expected, self._model, token, self._patience)
        task = self._ray.remote(num_cpus=1, max_retries=0)(host_name)
        if not first_of([task.remote().future()], "CPU", self._ray, self._patience):
            raise InputError(
                f"no CPU of the Ray cluster came free within {self._patience:g} s "
                "(a longer --ray-timeout waits longer)"
            )
        if self._model is not None and self._device != "cpu":
            self._find_gpus()

    def _find_gpus(self) -> None:
        total = int(self._ray.cluster_resources().get("GPU", 0))
        if not total and self._device == "auto":
            return
        if not total and isinstance(self._instance, PrivateInstance):
            raise InputError("--device cuda: this machine has no GPU; use --device cpu")
        self._gpus.fill(max(1, total))
        if first_of(self._gpus.coming, "GPU", self._ray, self._patience):
            return
        if self._device == "cuda":
            raise InputError(
                f"--device cuda: no GPU of the Ray cluster came free within {self._patience:g} s; "
                "use --device cpu, or a longer --ray-timeout"
            )
        _log.warning("no GPU came free within %g s: scoring on CPUs", self._patience)
        self._gpus.clear()

    def _look(self) -> None:
        """See, every now and then, how large the cluster is; it may grow, shrink or vanish."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked < _LOOK_AGAIN:
                return
            self._looked = now
            resources = self._ray.cluster_resources()
            self._cpus = max(1, int(resources.get("CPU", 0)))
            gpus = int(resources.get("GPU", 0))
            if self._gpus:
                self._gpus.fill(gpus)
            missing = "GPU" if self._gpus and not gpus else ""
            missing = missing if resources.get("CPU") else "CPU"
            if not missing:
                self._well = now
            elif now - self._well > self._patience:
                raise ClusterError(
                    f"the Ray cluster has had no {missing} for {self._patience:g} s; "
                    "run the same command again to go on"
                )
            else:
                _log.warning("the Ray cluster has no %s at the moment: waiting", missing)

    def fold(self, job: Job, tile: Tile) -> Hashable:
        """Start folding a tile."""
        return cast("Hashable", self._fold.remote(self._expected, _absolute(job), tile).future())

    def score(self, job: Job, tiles: Sequence[Tile]) -> Hashable:
        """Start scoring tiles, on the least busy GPU where there are any."""
        if self._gpus:
            return self._gpus.score(self._expected, _absolute(job), tiles)
        return cast("Hashable", self._score.remote(self._expected, _absolute(job), tiles).future())

    def wait(self, handles: Collection[Hashable], timeout: float) -> Collection[Hashable]:
        """Wait for the first task to end."""
        self._look()
        futures = cast("Collection[Future[list[Record]]]", handles)
        return wait(futures, timeout, FIRST_COMPLETED).done

    def result(self, handle: Hashable) -> list[Record]:
        """Return a task's records."""
        errors = self._ray.exceptions
        try:
            return cast("Future[list[Record]]", handle).result()
        except errors.RayTaskError as error:
            raise error.cause from error  # which holds the traceback of the worker
        except errors.RayError as error:
            reason = line_of(error).partition(". ")[0]
            raise WorkerLostError(f"{type(error).__name__}: {reason}") from error

    def close(self) -> None:
        """Leave the cluster, or end the private instance."""
        self._instance.close()


def _absolute(job: Job) -> Job:
    """Return the job with a path that means the same in processes that work elsewhere."""
    return replace(job, run=RunDirectory(job.run.path.absolute()))
