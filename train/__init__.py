"""Data sets to networks, from Python. docs/api.md explains it, with examples.

What stands here is for users, and loads torch and numba when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from premir.train.api import judge_model, list_protocols, train_genome_network, train_network

__all__ = ["judge_model", "list_protocols", "train_genome_network", "train_network"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from premir.train import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__]
