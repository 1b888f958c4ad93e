"""The one way in which a kernel is compiled."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numba

from premir.kernels._jit_cache import cache_for

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
    processes that write two signatures of one function can swap machine code. What is damaged
    there is compiled anew (:mod:`premir.kernels._jit_cache`). Where there is no place to write a
    cache (read-only install, no usable home) the kernel is compiled in memory.

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
        if name is not None:
            function = _renamed(function, name)
        started = time.perf_counter()
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
        if compiled is function:  # NUMBA_DISABLE_JIT
            return function
        # As with cache=True and a signature, but for the cache.
        own = cache_for(function, _warn_without_cache)
        if own is not None:
            compiled._cache = own  # type: ignore[attr-defined]
        compiled.compile(signature)
        compiled.disable_compile()
        _count(compiled, time.perf_counter() - started)
        return cast("Callable[_P, _R]", compiled)

    return decorate


def part(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function as a part of the kernels that call it, for whatever types they do.

    It has no machine code of its own on disk: that of a kernel holds its parts. It takes arrays and
    views of them, but makes and returns none: numba is told not to count references, which in a
    function that is called for each row takes longer than the row.
    """
    return cast(
        "Callable[_P, _R]", numba.njit(nogil=True, error_model="numpy", **_UNCOUNTED)(function)
    )


_UNCOUNTED: dict[str, Any] = {"_nrt": False}
_CONST = re.compile(r"const (\w+)\[([^]]*)::1\]")


def _read_only(array: re.Match[str]) -> str:
    """Write the type of a contiguous array that is only read as numba's signatures have it."""
    dtype, leading = array.groups()
    return f"Array({dtype}, {leading.count(',') + 1}, 'C', readonly=True)"


def _count(compiled: Any, seconds: float) -> None:
    """Count a kernel that was compiled, and say so the first time."""
    if sum(compiled.stats.cache_hits.values()):
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
    """Warn once, not for each kernel."""
    _log.warning(
        "no writable cache for compiled kernels (set NUMBA_CACHE_DIR to a folder that can be "
        "written); compiling in memory"
    )
