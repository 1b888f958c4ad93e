"""The machines of a Ray cluster: asked before work starts, and waited for aloud."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from premir.scanner.errors import NodeError, line_of
from premir.scanner.run.executors.probe import Fingerprint, Token, differing, probe
from premir.scanner.score.model import Model

_log = logging.getLogger(__name__)

_SAY_AGAIN = 15.0
"""Seconds between reminders of what we wait for."""


def probe_nodes(
    ray: Any, expected: Fingerprint, model: Model | None, token: Token, patience: float
) -> None:
    """Ask every node of the cluster what it would compute with, and whether it sees our files.

    Args:
        ray: the module, connected.
        expected: what every node must have.
        model: the model of the scan.
        token: file in the run directory.
        patience: seconds to wait; an idle node answers within a few.

    Raises:
        NodeError: names the node and what differs there.
    """
    asked: dict[Future[Any], tuple[str, str]] = {}
    for node in _alive(ray):
        where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            node["NodeID"], soft=False
        )
        task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=where)(probe)
        name = f"Ray node {node['NodeManagerAddress']}"
        asked[task.remote(model, token).future()] = (node["NodeID"], name)
    started = time.monotonic()
    while silent := wait(asked, min(_SAY_AGAIN, patience)).not_done:
        waited = time.monotonic() - started
        if waited >= patience:
            break
        name = asked[next(iter(silent))][1]
        _log.info("waiting for %d of %d nodes: %s ...", len(silent), len(asked), name)
    alive = {node["NodeID"] for node in _alive(ray)}
    for future, (node_id, name) in asked.items():
        try:
            host, found, complaint = future.result(timeout=0)
        except TimeoutError as error:
            raise NodeError(
                f"{name}: no answer within {patience:g} s; if that machine is gone, Ray will "
                "notice: run again in a minute"
            ) from error
        except ray.exceptions.RayTaskError as error:
            reason = line_of(error, -1)
            raise NodeError(
                f"{name}: cannot run premir ({reason}); install the same version there"
            ) from error
        except ray.exceptions.RayError as error:
            if node_id not in alive:
                continue  # gone meanwhile
            reason = line_of(error)
            raise NodeError(f"{name}: lost while it was asked: {reason}") from error
        complaint = differing(expected, found) or complaint
        if complaint is not None:
            raise NodeError(f"{name} ({host}): {complaint}")
    _log.debug("%d Ray nodes answered", len(asked))


def first_of(futures: Collection[Future[Any]], kind: str, ray: Any, patience: float) -> bool:
    """Wait for one of some tasks to end, and say what for.

    Args:
        futures: tasks that each need a CPU or a GPU.
        kind: ``CPU`` or ``GPU``.
        ray: the module, connected.
        patience: seconds to wait.

    Returns:
        Whether one ended in time.
    """
    started = time.monotonic()
    pause = min(2.0, patience)
    while not wait(futures, pause, FIRST_COMPLETED).done:
        waited = time.monotonic() - started
        if waited >= patience:
            return False
        _log.info(
            "waiting for a %s: the Ray cluster has %g, of which %g free; %.0f of at most %g s",
            kind,
            ray.cluster_resources().get(kind, 0),
            ray.available_resources().get(kind, 0),
            waited,
            patience,
        )
        pause = min(_SAY_AGAIN, patience - waited)
    return True


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]
