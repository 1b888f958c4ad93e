"""Hairpins that stand for their families: what others hardly differ from is compared with once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from premir.scanner.report.evidence.known.library import KnownHairpin

_ALIKE = 2
"""Letters in which a mature may differ from one that stands for it."""
_COMPARED = 20
"""Letters of a mature that are compared: its 3' end varies."""


def representatives(members: Iterable[KnownHairpin]) -> list[KnownHairpin]:
    """Choose what stands for families.

    Of each family those with most matures come first, then in the order given; one is left out
    when each of its matures is, but for two letters, that of one chosen before it.

    Args:
        members: of all families.

    Returns:
        Some of them, family by family, in the order in which these first occur.
    """
    families: dict[str, list[KnownHairpin]] = defaultdict(list)
    for each in members:
        families[each.family].append(each)
    return [each for own in families.values() for each in _of_family(own)]


def _of_family(members: list[KnownHairpin]) -> list[KnownHairpin]:
    kept: list[KnownHairpin] = []
    matures: list[str] = []
    for each in sorted(members, key=lambda known: -len(known.arms)):
        own = each.matures
        if not all(any(_alike(one, other) for other in matures) for one in own):
            kept.append(each)
            matures += own
    return kept


def _alike(one: str, other: str) -> bool:
    """Whether two matures are the same but for some letters, or for where they begin."""
    for shift in (0, 1, -1):
        a, b = one[max(0, shift) :][:_COMPARED], other[max(0, -shift) :][:_COMPARED]
        if sum(x != y for x, y in zip(a, b, strict=False)) <= _ALIKE:
            return True
    return False
