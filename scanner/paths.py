"""Where premir keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_dir(name: str) -> Path:
    """Return (and make) a folder in the user's cache, or in ``$PREMIR_CACHE`` where that is set."""
    chosen = os.environ.get("PREMIR_CACHE")
    path = (Path(chosen) if chosen else user_cache_path("premir")) / name
    path.mkdir(parents=True, exist_ok=True)
    return path
