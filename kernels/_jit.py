"""The one way in which a kernel is compiled."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(signature: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Compile a function for one explicit signature, without the GIL.

    One signature per kernel keeps numba's on-disk cache safe: the cache has no lock, and two
    processes that write two signatures of one function can swap machine code. Where there is no
    place to write a cache (read-only install, no usable home) the kernel is compiled in memory.

    Args:
        signature: numba signature, for example ``"void(uint8[::1], int16[::1])"``.

    Returns:
        A decorator that keeps the function's Python signature.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        try:
            compiled = numba.njit(signature, cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            _warn_without_cache()
            compiled = numba.njit(signature, **options)(function)
        return cast("Callable[_P, _R]", compiled)

    return decorate


@cache
def _warn_without_cache() -> None:
    """Warn once, not for each kernel: numba resets Python's own memory of warnings shown."""
    warnings.warn(
        "premir: no writable cache for compiled kernels (set NUMBA_CACHE_DIR); compiling in memory",
        RuntimeWarning,
        stacklevel=3,
    )
