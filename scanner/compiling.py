"""Compiling all kernels beforehand, as where a container is built."""

from __future__ import annotations

import importlib
import logging
import pkgutil

from premir import kernels
from premir.kernels._jit import COMPILATION

_log = logging.getLogger(__name__)
_PROGRAMS = frozenset({"__main__", "check_fold"})
"""Modules that are run, and hold no kernel."""


def compile_kernels() -> None:
    """Compile every kernel that no cache holds, and say how many there were."""
    for module in pkgutil.iter_modules(kernels.__path__):
        if module.name not in _PROGRAMS:
            importlib.import_module(f"{kernels.__name__}.{module.name}")
    if COMPILATION.kernels:
        _log.info("%d kernels compiled in %.1f s", COMPILATION.kernels, COMPILATION.seconds)
    else:
        _log.info("all kernels are in the cache")
