"""How devices are fed: what a GPU wants together, a core wants apart."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Feeding:
    """How a type of device is fed with hairpins.

    Attributes:
        kind: by which of a network's ``cells`` its batches are cut.
        tiles: most tiles whose hairpins are scored together.
        mixed: whether hairpins with maps of different sizes share batches: padding costs a GPU less
            than small batches do, and a core more.
        in_flight: batches of a call that are on their way: while a GPU works on one, the next is
            packed and copied.
        turns: held by a call while it is at work: so many at a time, whatever the number of
            threads, since each takes a device's memory.
    """

    kind: str
    tiles: int = 1
    mixed: bool = False
    in_flight: int = 1
    turns: AbstractContextManager[object] = field(default_factory=nullcontext)


FEEDING = {
    "cpu": Feeding("cpu"),
    "cuda": Feeding("cuda", tiles=8, mixed=True, in_flight=2, turns=threading.Semaphore(2)),
}
"""By type of device. Eight tiles of 1 Mb leave the last network of the default model some 7,000
hairpins, in four batches."""
