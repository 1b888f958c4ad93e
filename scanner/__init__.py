"""Precursor microRNAs in genomes, from Python. docs/api.md explains it, with examples.

What stands here is for users, and loads torch, numba and ViennaRNA when it is first used. The
packages below are premir's own house: letters (``genome``), candidates and folds (``find``),
models (``score``), runs (``run``) and what is written (``report``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from premir.scanner.api import (
        Candidate,
        Hairpins,
        Model,
        PremirError,
        Shard,
        Summary,
        candidates,
        fold,
        load_model,
        read_hits,
        read_shard,
        scan,
    )

__version__ = "0.2.0"
__all__ = [
    "Candidate",
    "Hairpins",
    "Model",
    "PremirError",
    "Shard",
    "Summary",
    "candidates",
    "fold",
    "load_model",
    "read_hits",
    "read_shard",
    "scan",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from premir.scanner import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
