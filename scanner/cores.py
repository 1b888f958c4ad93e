"""How many cores there are for us, and how many threads are worth having."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)

_WAIT_POLICY = "OMP_WAIT_POLICY"
_PER_CORE = 4
"""Threads for each core of the machine: more of them only take memory and open files."""


def available_cores(root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> int:
    """Return how many cores this process may keep busy.

    That is the least of what the scheduler lets it use (CPU affinity), what its control groups
    grant (quotas of version 1 and 2, rounded up) and what SLURM gave to each task.

    Args:
        root: where ``proc`` and ``sys`` lie.
        environment: instead of that of this process.
    """
    machine = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    slurm = (os.environ if environment is None else environment).get("SLURM_CPUS_PER_TASK", "")
    limits = [affinity, *(math.ceil(quota) for quota in _quotas(root))]
    if slurm.isdecimal():
        limits.append(int(slurm))
    return max(1, min(limits))


def usable_threads(asked: int) -> int:
    """Return the number of threads to use where ``asked`` were asked for; says so if it differs."""
    most = _PER_CORE * (os.cpu_count() or 1)
    if asked > most:
        _log.warning("--threads %d: this machine has use for %d; going on with these", asked, most)
    return min(asked, most)


def _quotas(root: Path) -> Iterator[float]:
    """Cores that the control groups of this process grant, wherever one of them sets a limit."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = (line.split(":", 2) + ["", ""])[:3]
        if not controllers:  # version 2: one hierarchy for all controllers
            mounts = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / "sys/fs/cgroup" / name for name in (controllers, "cpu")]
        else:
            continue
        for mount in mounts:
            # A container may see its own group as the root, and a group obeys all above it.
            inner = mount / group.lstrip("/")
            for folder in (inner, *inner.parents):
                if not folder.is_relative_to(mount):
                    break
                yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    """Cores that one control group grants, if it sets a limit: time over period."""
    fields = _text(folder / "cpu.max").split() or [
        *_text(folder / "cpu.cfs_quota_us").split(),
        *_text(folder / "cpu.cfs_period_us").split(),
    ]
    if len(fields) == 2 and all(field.isdecimal() for field in fields) and int(fields[1]):
        yield int(fields[0]) / int(fields[1])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


@contextmanager
def sleeping_threads() -> Iterator[None]:
    """Have threads of OpenMP that wait for one another sleep, where it is loaded within.

    They spin otherwise, and on a machine with other work take the cores from those that they wait
    for: an epoch of training with two threads on two busy cores took ten minutes, and eleven
    seconds with this. A user's own ``OMP_WAIT_POLICY`` stands.
    """
    if _WAIT_POLICY in os.environ:
        yield
        return
    os.environ[_WAIT_POLICY] = "PASSIVE"
    try:
        yield
    finally:
        del os.environ[_WAIT_POLICY]
