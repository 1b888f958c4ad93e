"""The one way in which a kernel is compiled."""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")
_log = logging.getLogger(__name__)


class Compilation:
    """What this process had to compile because no cache held it.

    Attributes:
        kernels: how many kernels.
        seconds: how long it took.
    """

    def __init__(self) -> None:
        self.kernels = 0
        self.seconds = 0.0


COMPILATION = Compilation()


def kernel(
    signature: str, *, name: str | None = None
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Compile a function for one explicit signature, without the GIL.

    One signature per kernel keeps numba's on-disk cache safe: the cache has no lock, and two
    processes that write two signatures of one function can swap machine code. Where there is no
    place to write a cache (read-only install, no usable home) the kernel is compiled in memory.

    Args:
        signature: numba signature in which ``const`` stands before every array that the kernel
            only reads, for example ``"void(const uint8[::1], int16[::1])"``. Such arrays are taken
            writable or read-only, as those from Ray's object store or a memory map are.
        name: where one function makes two kernels, of two signatures, the name that the second
            one has in the cache.

    Returns:
        A decorator that keeps the function's Python signature.
    """
    signature = _CONST.sub(_read_only, signature)

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if name is not None:
            function = _renamed(function, name)
        started = time.perf_counter()
        try:
            compiled = numba.njit(signature, cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            _warn_without_cache()
            compiled = numba.njit(signature, **options)(function)
        _count(compiled, time.perf_counter() - started)
        return cast("Callable[_P, _R]", compiled)

    return decorate


_CONST = re.compile(r"const (\w+)\[([^]]*)::1\]")


def _read_only(array: re.Match[str]) -> str:
    """Write the type of a contiguous array that is only read as numba's signatures have it."""
    dtype, leading = array.groups()
    return f"Array({dtype}, {leading.count(',') + 1}, 'C', readonly=True)"


def _count(compiled: Any, seconds: float) -> None:
    """Count a kernel that was compiled, and say so the first time."""
    stats = getattr(compiled, "stats", None)
    if stats is None or sum(stats.cache_hits.values()):
        return
    if not COMPILATION.kernels:
        _log.info("compiling kernels for this machine, which happens once")
    COMPILATION.kernels += 1
    COMPILATION.seconds += seconds


def _renamed(function: Callable[_P, _R], name: str) -> Callable[_P, _R]:
    """Return a copy of a function, which numba tells apart by its name."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(function.__code__, function.__globals__, name)
    copy.__qualname__, copy.__module__, copy.__doc__ = name, function.__module__, function.__doc__
    return cast("Callable[_P, _R]", copy)


@cache
def _warn_without_cache() -> None:
    """Warn once, not for each kernel: numba resets Python's own memory of warnings shown."""
    warnings.warn(
        "premir: no writable cache for compiled kernels (set NUMBA_CACHE_DIR); compiling in memory",
        RuntimeWarning,
        stacklevel=3,
    )
