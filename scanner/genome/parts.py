"""Parts of a scan: what one of several machines that share a run directory answers for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from premir.scanner.genome.tiles import Tile


@dataclass(frozen=True, slots=True)
class Part:
    """One of several parts of a scan.

    Attributes:
        number: which, from 1.
        count: of how many.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read ``i/N``.

        Raises:
            ValueError: it is something else, or i is not between 1 and N.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text} is not i/N with i from 1 to N")
        return cls(int(match[1]), int(match[2]))

    def choose(self, tiles: Iterable[Tile]) -> list[Tile]:
        """Return every N-th tile: neighbours go to different parts, so that all take as long."""
        return [tile for tile in tiles if tile.index % self.count == self.number - 1]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
