"""Clades of organisms, and libraries of what is known of some of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.report.evidence.known.library import KnownHairpin, Library, count_seeds
from premir.scanner.report.evidence.known.representatives import representatives

TABLE = Path(__file__).with_name("clades.tsv")
"""Codes of the organisms of miRBase 22.1 and MirGeneDB 2.1, by the clades that they are of, the
widest first, as NCBI's taxonomy has them. Of codes that both use for different organisms, that of
MirGeneDB stands with its capital (``Dma``, ``Hvu``)."""
_PHYLA = frozenset(
    "Porifera Cnidaria Xenacoelomorpha Nematoda Arthropoda Annelida Brachiopoda Mollusca Nemertea "
    "Platyhelminthes Rotifera Chordata Echinodermata Hemichordata".split()
)
WITHOUT = "^"
"""Before a clade: leaves it out, as elsewhere in genomics."""


@cache
def lineages() -> dict[str, tuple[str, ...]]:
    """Return the clades, the widest first, by an organism's code."""
    with TABLE.open(encoding="utf-8") as lines:
        return {
            code: tuple(row["clades"].split())
            for row in csv.DictReader(lines, delimiter="\t")
            for code in row["organisms"].split()
        }


def clades_of(name: str) -> tuple[str, ...]:
    """Return what a known hairpin is of: clades, the widest first, and its organism's code.

    Args:
        name: as miRBase or MirGeneDB writes it; one that begins with no code of theirs has but
            what it begins with.
    """
    code = name.partition("-")[0]
    own = code.lower()
    return (*lineages().get(code, lineages().get(own, ())), own)


def phylum_of(name: str) -> str:
    """Return the phylum of a known hairpin of an animal; of others nothing.

    Args:
        name: as :func:`clades_of` reads it.
    """
    return next((clade for clade in clades_of(name) if clade in _PHYLA), "")


def of_clades(library: Library, members: Sequence[KnownHairpin], asked: Sequence[str]) -> Library:
    """Return a library of what another one has of some clades.

    What stands for a family is chosen anew from its members there: one that stood for others may be
    left out, and one that another stood for be wanted. Its resemblances are as much rarer in
    background as it has fewer seeds.

    Args:
        library: the other one.
        members: what that was chosen from; all it has counts where there are none.
        asked: clades, or codes of organisms, in any case, with ``^`` before those to leave out;
            where only such are given, all the rest is taken.

    Raises:
        InputError: it has nothing of one of them, or nothing is left.
    """
    everything = members or library.known
    own = [clades_of(each.name) for each in everything]
    there = {clade.lower(): clade for clades in own for clade in clades}
    taken: set[str] = set()
    left_out: set[str] = set()
    for text in asked:
        wanted = text.removeprefix(WITHOUT)
        clade = there.get(wanted.lower())
        if clade is None:
            named = sorted({clade for clades in own for clade in clades[:-1]})
            raise InputError(
                f"--known-clade: {library.name} has no hairpin of {wanted!r}; it has some of "
                f"{', '.join(named) or 'no clade'}, and of organisms by their code, as {own[0][-1]}"
            )
        (taken if wanted == text else left_out).add(clade)
    known = [
        each
        for each, clades in zip(everything, own, strict=True)
        if (not taken or not taken.isdisjoint(clades)) and left_out.isdisjoint(clades)
    ]
    if members:
        known = representatives(known)
    if not known:
        raise InputError(f"--known-clade: {','.join(asked)} leaves nothing of {library.name}")
    name = library.name
    for word, clades in (("of", taken), ("without", left_out)):
        name += f" {word} {','.join(sorted(clades))}" if clades else ""
    calibration = library.calibration.scaled(count_seeds(known))
    return replace(library, name=name, known=known, calibration=calibration)
