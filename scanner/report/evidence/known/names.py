"""Names of known hairpins and matures: what family one is of, as users call it."""

from __future__ import annotations

import re

_KINDS = frozenset(("mir", "let", "lin", "lsy"))
"""What families that have a number are called by; others go by their whole name."""
_NAMED = frozenset(("iab", "bantam"))
"""Families with names of their own, which some call ``mir-iab-4``."""
_TAIL = re.compile(r"(-[35]p\*?|\*)$")
_PLANT = re.compile(r"mir(\d+)")
_NUMBER = re.compile(r"\d+")
_CURATED = re.compile(r"(P|o|v|as)\d+[a-z]*\d*")
"""What tells paralogues, orthologues and variants apart in MirGeneDB: P2a1, o17, v2."""


def species_of(name: str) -> str:
    """Return the organism's code that a name begins with, in lower case."""
    return name.partition("-")[0].lower()


def family_of(name: str) -> str:
    """Return the family of a known hairpin or mature.

    Args:
        name: as miRBase or MirGeneDB writes it (``hsa-let-7a-1``, ``Hsa-Let-7-P1a_pre``,
            ``ath-MIR156a``, ``ath-miR156a-5p``); what has no ``-`` counts as a family itself.

    Returns:
        ``let-7``, ``mir-9``, ``MIR156``, ``bantam``; letters that tell paralogues apart are left
        out.
    """
    text = _TAIL.sub("", name.removesuffix("_pre"))
    parts = text.split("-")
    if parts[0].lower() not in _KINDS:
        parts = parts[1:]
    if not parts:
        return text
    kept = [parts[0], *(part for part in parts[1:] if not _CURATED.fullmatch(part))]
    first, *others = [part.lower() for part in kept]
    if plant := _PLANT.match(first):
        return f"MIR{plant[1]}"
    if first == "novel":  # numbered by species anew
        return "-".join([species_of(name), first, *others[:1]])
    if first in _KINDS and others and (number := _NUMBER.match(others[0])):
        return f"{first}-{number[0]}"
    if first == "mir" and others and others[0] in _NAMED:
        first, *others = others
    return "-".join([first, *others])
