"""Filling the cache of kernels by several processes: numba compiles one at a time in each.

They are helpers and no more: what one of them did not get done, because it was killed or could not
be started, is compiled where it is called, as everything is on a machine with one core.
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from premir import kernels
from premir.kernels._jit import COMPILATION, KERNELS
from premir.kernels._jit_cache import cache_for

_log = logging.getLogger(__name__)
_PROGRAMS = frozenset({"__main__", "check_fold"})
"""Modules that are run, and hold no kernel."""
_SECONDS = {
    **{"mfe_kernel._fold_narrow": 13.0, "mfe_kernel._fold_wide": 11.0, "stems._scan": 2.0},
    **{"stemwise._fill_numbers": 2.8, "stemwise.fill_columns": 1.0, "kmers._copies": 2.0},
    **{"alignments._read": 2.6, "fixedpoint._pool_stems": 2.0},
    **{"tensorconv._convolve": 1.9, "tensorconv._convolve_wide": 1.9, "tensorconv._backward": 1.8},
    **{"similarity._nearest": 1.7, "gate_features._fold_features": 1.5, "shuffling._shuffle": 1.2},
    **{"gate_features._stem_features": 0.9, "kin._count": 0.9, "sites._fill_cells": 0.8},
}
"""CPU seconds to compile a kernel on a busy machine, those that it calls included."""
_OTHERS = 0.3
_LEAST = 1.5
"""CPU seconds that a process takes until it compiles anything: less is not worth one."""
_MOST = 4
"""Processes: the fold kernel alone takes a third of the time."""


def import_kernels() -> None:
    """Import every module that holds kernels, which compiles none."""
    for module in pkgutil.iter_modules(kernels.__path__):
        if module.name not in _PROGRAMS:
            importlib.import_module(f"{kernels.__name__}.{module.name}")


def fill_cache(names: Sequence[str], most: int) -> None:
    """Take kernels from the cache, and compile what it lacks in processes if that is faster.

    Args:
        names: of kernels, as in :data:`premir.kernels._jit.KERNELS`.
        most: processes at a time.
    """
    missing = [name for name in names if not KERNELS[name].load()]
    shares = share_out(missing, min(most, _MOST))
    if len(shares) < 2 or cache_for(KERNELS[missing[0]].py_func, lambda: None) is None:
        return
    COMPILATION.announce(f": {len(missing)} of them in {len(shares)} processes, 5 to 40 s")
    started = time.perf_counter()
    try:
        for process in [_start(share) for share in shares]:
            process.wait()
    except OSError as error:
        _log.debug("no process to compile in: %s", error)
    compiled = sum(KERNELS[name].load() for name in missing)
    COMPILATION.count(compiled, time.perf_counter() - started)


def share_out(names: Sequence[str], most: int) -> list[list[str]]:
    """Share kernels out to at most so many processes, so that all end at about the same time."""
    cost = {name: _SECONDS.get(name, _OTHERS) for name in names}
    shares: list[list[str]] = [[] for _ in range(min(most, int(sum(cost.values()) / _LEAST)))]
    for name in sorted(names, key=cost.__getitem__, reverse=True) if shares else ():
        min(shares, key=lambda share: sum(cost[each] for each in share)).append(name)
    return [share for share in shares if share]


def _start(names: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__, *names],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # until nobody can write any more
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import_kernels()
    for wanted in sys.argv[1:]:
        KERNELS[wanted].ready()
