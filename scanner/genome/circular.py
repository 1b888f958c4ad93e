"""Circular contigs: which they are, and how their letters lie on a line.

The *line* of a circular contig of L nt holds its letters, and then again the first 2 ``REACH`` of
them (once and once more where there are fewer): what lies across the place where the file cuts the
circle lies there uncut. A scan answers for the turn of it from position ``REACH`` on and below
``REACH`` + L, on which each place of the circle is once, with its surroundings on either side.
From tiles to evidence positions are those on the line; before hits are written, they are counted
from the cut again. The line of a linear contig is the contig.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from premir.scanner.errors import InputError

ALL = "all"
"""In place of names: every contig."""
REACH = 2_000
"""Letters beside a turn on either side: more than what decides a candidate and is folded, counted
or compared with it reaches, whatever the options (a span of 1,000 nt, a context of 200)."""


@dataclass(frozen=True, slots=True)
class Circles:
    """Which contigs are asked to be circular.

    Attributes:
        names: of them, or ``ALL`` alone; none where empty.
        least: nt of the shortest that can be: in shorter ones a hairpin and its context would hold
            letters twice, and they stay linear.
    """

    names: Set[str] = frozenset()
    least: int = 1

    def asked(self, name: str) -> bool:
        """Whether a contig of this name is asked to be circular."""
        return name in self.names or ALL in self.names

    def check(self, contigs: Sequence[str]) -> None:
        """Refuse names that no contig has.

        Raises:
            InputError: names the first.
        """
        for name in sorted(self.names - {ALL} - set(contigs)):
            raise InputError(
                f"--circular {name}: no contig {name!r} in the genome; it has {some(contigs)}"
            )


def checked_names(names: Sequence[str]) -> Sequence[str]:
    """Return names of circular contigs, or ``ALL``, unless they are no such list.

    Raises:
        InputError: a name stands twice, or ``ALL`` beside others.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"--circular {name}: is named twice")
        seen.add(name)
    if ALL in names and len(names) > 1:
        raise InputError(f"--circular: {ALL} stands for every contig; give it alone, or names")
    return names


def some(names: Sequence[str]) -> str:
    """List some names for a message."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def once_more(start: bytes) -> Iterable[bytes]:
    """Return what follows a turn on the line: its first letters, over again where they are few.

    Args:
        start: at least the first 2 ``REACH`` letters of a contig, or all that it has.
    """
    missing = 2 * REACH
    while missing > 0:
        yield start[:missing]
        missing -= len(start)
