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
from numba.core import config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from premir.kernels._jit_cache import cache_for

_P = ParamSpec("_P")
_R = TypeVar("_R")
_log = logging.getLogger(__name__)
_PACKAGE = "premir.kernels."
_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


class Compilation:
    """What this process, or others for it, had to compile because no cache held it.

    Attributes:
        kernels: how many kernels.
        seconds: how long it took.
    """

    def __init__(self) -> None:
        self.kernels = 0
        self.seconds = 0.0
        self._announced = False

    def announce(self, more: str = "") -> None:
        """Say, the first time, that kernels are compiled."""
        if not self._announced:
            _log.info("compiling kernels for this machine, which happens once%s", more)
        self._announced = True

    def count(self, kernels: int, seconds: float) -> None:
        """Add to what was compiled."""
        self.kernels += kernels
        self.seconds += seconds


COMPILATION = Compilation()


class Kernel(CPUDispatcher):
    """What numba makes of a function, once it is called: until then it costs nothing.

    numba asks its dispatchers in Python where none of their compiled signatures fits a call, and
    where a function that it compiles calls them. There the one signature is compiled, or taken
    from the cache, and from then on calls take the same way as those of any dispatcher.

    Args:
        function: what to compile.
        signature: for which types.
    """

    def __init__(self, function: Callable[..., Any], signature: str) -> None:
        super().__init__(function, targetoptions={"nopython": True, **_FLAGS})
        self._can_compile = False
        self._signature = signature
        self._compiler_of_it: Any = None

    def load(self) -> bool:
        """Take it from the cache, unless it is there; returns whether it now is."""
        with global_compiler_lock:
            return bool(self.overloads) or self._load(cache_for(self.py_func, warn_without_cache))

    def ready(self) -> None:
        """Take it from the cache, or compile it and keep it there, unless that was done."""
        with global_compiler_lock:
            if self.overloads:
                return
            cache = cache_for(self.py_func, warn_without_cache)
            if not self._load(cache):
                self._compile(cache)

    def _load(self, cache: Any) -> bool:
        found = cache and cache.load_overload(self._signature, self.targetctx)
        if not found:
            return False
        known = self.targetctx.insert_user_function
        known(found.entry_point, found.fndesc, [found.library])  # type: ignore[no-untyped-call]
        self.add_overload(found)
        return True

    def _compile(self, cache: Any) -> None:
        COMPILATION.announce()
        started = time.perf_counter()
        # A dispatcher that may compile does so for whatever another thread calls it with
        # meanwhile: one that nobody else knows does it, and is kept, since what it has compiled
        # is forgotten with it.
        self._compiler_of_it = numba.njit(**_FLAGS)(self.py_func)
        self._compiler_of_it.compile(self._signature)
        (compiled,) = self._compiler_of_it.overloads.values()
        if cache:
            cache.save_overload(self._signature, compiled)
        self.add_overload(compiled)
        COMPILATION.count(1, time.perf_counter() - started)

    def _search_new_conversions(self, *args: Any, **kws: Any) -> bool:
        self.ready()
        super()._search_new_conversions(*args, **kws)  # type: ignore[misc]
        return True  # look once more: another thread may have compiled it since the first look

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Tell a function that numba compiles how to call this one."""
        self.ready()
        return super().get_call_template(args, kws)


KERNELS: dict[str, Kernel] = {}
"""All kernels of the modules loaded so far, by module (within this package) and name."""


def kernel(
    signature: str, *, name: str | None = None
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Compile a function for one explicit signature at its first call, without the GIL.

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
        if config.DISABLE_JIT:  # type: ignore[attr-defined]
            return function
        lazy = Kernel(function, signature)
        KERNELS[f"{function.__module__.removeprefix(_PACKAGE)}.{function.__name__}"] = lazy
        return cast("Callable[_P, _R]", lazy)

    return decorate


def part(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function as a part of the kernels that call it, for whatever types they do.

    It has no machine code of its own on disk: that of a kernel holds its parts. It takes arrays and
    views of them, but makes and returns none: numba is told not to count references, which in a
    function that is called for each row takes longer than the row.
    """
    return cast("Callable[_P, _R]", numba.njit(**_FLAGS, **_UNCOUNTED)(function))


_UNCOUNTED: dict[str, Any] = {"_nrt": False}
_CONST = re.compile(r"const (\w+)\[([^]]*)::1\]")


def _read_only(array: re.Match[str]) -> str:
    """Write the type of a contiguous array that is only read as numba's signatures have it."""
    dtype, leading = array.groups()
    return f"Array({dtype}, {leading.count(',') + 1}, 'C', readonly=True)"


def _renamed(function: Callable[_P, _R], name: str) -> Callable[_P, _R]:
    """Return a copy of a function, which numba tells apart by its name."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(function.__code__, function.__globals__, name)
    copy.__qualname__, copy.__module__, copy.__doc__ = name, function.__module__, function.__doc__
    return cast("Callable[_P, _R]", copy)


@cache
def warn_without_cache() -> None:
    """Warn once, not for each kernel."""
    _log.warning(
        "no writable cache for compiled kernels (set NUMBA_CACHE_DIR to a folder that can be "
        "written); compiling in memory"
    )
