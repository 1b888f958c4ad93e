"""Where premir keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from premir.scanner.errors import InputError


def cache_dir(name: str) -> Path:
    """Return (and make) a folder in the user's cache, or in ``$PREMIR_CACHE`` where that is set.

    Raises:
        InputError: it cannot be written, or there is no home.
    """
    chosen = os.environ.get("PREMIR_CACHE")
    path = (Path(chosen) if chosen else user_cache_path("premir")) / name
    try:
        if not chosen and not path.is_absolute():  # "~", which nobody could make sense of
            raise FileNotFoundError(None, "there is no home folder")
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(None, "closed to us")
    except OSError as error:
        raise InputError(
            f"{path}: the cache cannot be written: {error.strerror}; set PREMIR_CACHE to a folder "
            "that can"
        ) from error
    return path
