"""numba's cache on disk, with digests: what is damaged there is found and compiled anew."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

from numba.core import caching, serialize


def cache_for(function: Callable[..., Any], warn: Callable[[], None]) -> Any | None:
    """Return the cache of one function.

    Args:
        function: what is compiled.
        warn: called where nothing can be written.

    Returns:
        The cache, None where there is no place for one.
    """
    try:
        cache: Any = caching.FunctionCache(function)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        warn()
        return None
    cache._cache_file = _CheckedFile(cache._cache_file, warn)
    return cache


class _CheckedFile:
    """What numba stores for one function, and its SHA-256.

    numba unpickles whatever it finds: a truncated file raises, in every process from then on,
    and a changed bit in machine code is executed.
    """

    def __init__(self, stored: Any, warn: Callable[[], None]) -> None:
        self._stored = stored
        self._warn = warn

    def load(self, key: Any) -> Any:
        """Return what was saved under a key; None where there is nothing sound."""
        try:
            found = self._stored.load(key)
            if found is None:
                return None
            digest, content = found
            if hashlib.sha256(content).digest() == digest:
                return pickle.loads(content)
        except Exception:  # unpickling damaged bytes raises whatever it likes
            pass
        self.flush()
        return None

    def save(self, key: Any, value: Any) -> None:
        """Keep a value for later processes, if that can be done."""
        content: bytes = serialize.dumps(value)  # type: ignore[no-untyped-call]
        try:
            self._stored.save(key, (hashlib.sha256(content).digest(), content))
        except Exception:  # a full or read-only disk; a damaged index that flush could not replace
            self._warn()

    def flush(self) -> None:
        """Forget everything."""
        try:
            self._stored.flush()
        except OSError:
            self._warn()
