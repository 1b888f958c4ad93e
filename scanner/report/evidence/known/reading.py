"""Libraries of known hairpins from files: those that premir makes, and FASTA of anybody's."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from premir.scanner.errors import InputError
from premir.scanner.files import whole_file
from premir.scanner.genome.fasta import read_records
from premir.scanner.report.evidence.known.clades import of_clades
from premir.scanner.report.evidence.known.compared import least_compared
from premir.scanner.report.evidence.known.library import (
    Arm,
    BackgroundTail,
    KnownHairpin,
    Library,
    count_seeds,
)
from premir.scanner.report.evidence.known.names import family_of, species_of
from premir.scanner.score.model import Model

SCHEMA = "premir-known-2"
_READ = ("premir-known-1", SCHEMA)
"""The first holds no members."""
SHIPPED = Path(__file__).with_name("premir-known@1.json.gz")
LONGEST_MATURE = 30
"""Longer records of a FASTA file are precursors."""
_SHORTEST = 15
_LONGEST = 1000
_CUT = 22
"""Letters at either end of a precursor that is cut where Drosha and Dicer cut: its matures."""


@cache
def shipped() -> Library:
    """Return the library that premir ships."""
    return read_made(SHIPPED)


NO_LIBRARY = "none"
"""In place of a file: compare with nothing."""


def chosen_library(
    model: Model, paths: Sequence[Path] = (), clades: Sequence[str] = ()
) -> Library | None:
    """Return what the hits of a model are compared with.

    Args:
        model: scores them.
        paths: what was asked for; what premir ships where there is nothing.
        clades: what of it counts (:func:`of_clades`); all of it where there is nothing.

    Returns:
        None where nothing is to be compared, or the model's card does not say which candidates are
        worth it and nobody asked.

    Raises:
        InputError: a file cannot be used, the card does not say it, or clades are asked for of
            which there is nothing.
    """
    if [path.name for path in paths] == [NO_LIBRARY]:
        if clades:
            raise InputError(f"--known-clade does not go with --known {NO_LIBRARY}")
        return None
    if least_compared(model) is None:
        if paths or clades:
            raise InputError(
                f"--known{'' if paths else '-clade'}: the card of {model.name} has no "
                "false_calls_per_mb, which says what is worth comparing; use another --model"
            )
        return None
    library = load_library(paths) if paths else shipped()
    return of_clades(library, members_of(library), clades) if clades else library


def members_of(library: Library) -> list[KnownHairpin]:
    """Return all hairpins that a library was chosen from; none where nobody chose.

    Raises:
        InputError: its file cannot be read.
    """
    return read_members(library.files[0]) if _is_made(library.files) else []


def load_library(paths: Sequence[Path]) -> Library:
    """Read a library: one file that ``premir-train known`` wrote, or FASTA files.

    Raises:
        InputError: a file cannot be read, or is neither.
    """
    if _is_made(paths):
        return read_made(paths[0])
    known = from_fasta(paths)
    return Library(
        " ".join(path.name for path in paths),
        known,
        shipped().calibration.scaled(count_seeds(known)),
        tuple(paths),
    )


def _is_made(paths: Sequence[Path]) -> bool:
    return len(paths) == 1 and paths[0].name.endswith(".json.gz")


def read_made(path: Path) -> Library:
    """Read what :func:`write_library` wrote, without the members.

    Raises:
        InputError: it is no such file.
    """
    with _reading(path) as (line, _):
        table = json.loads(line)
        if table["schema"] not in _READ:
            raise InputError(
                f"{path}: is {table['schema']}; this premir reads {' and '.join(_READ)}"
            )
        own = table["calibration"]
        calibration = BackgroundTail(
            np.array(own["score"], np.int64),
            np.array(own["share"], np.float64),
            {str(family): int(value) for family, value in own["penalties"].items()},
            int(own["seeds"]),
        )
        known = [_hairpin(*row) for row in table["known"]]
        return Library(table["name"], known, calibration, (path,))


def read_members(path: Path) -> list[KnownHairpin]:
    """Read the members that :func:`write_library` wrote; none where it is of an earlier version.

    Raises:
        InputError: it is no such file.
    """
    known = read_made(path).known
    with _reading(path) as (_, line):
        rows = json.loads(line) if line else []
        return [known[row] if isinstance(row, int) else _hairpin(*row) for row in rows]


@contextmanager
def _reading(path: Path) -> Iterator[tuple[str, str]]:
    """Give the library and its members as JSON; what is wrong with either is an InputError."""
    try:
        library, _, members = gzip.decompress(path.read_bytes()).decode().partition("\n")
        yield library, members
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no library that premir-train known wrote: {error!r}") from error


def _hairpin(name: str, letters: str, arms: Iterable[Sequence[int]]) -> KnownHairpin:
    return KnownHairpin(name, letters, tuple((int(start), int(end)) for start, end in arms))


def write_library(
    path: Path, library: Library, told: dict[str, Any], members: Sequence[KnownHairpin]
) -> None:
    """Write a library, the same bytes for the same library.

    The library is one line of JSON, and its members, which scans without ``--known-clade`` have no
    use for, another; those that the library has are numbers there: its first is 0.

    Args:
        path: file to write, ``.json.gz``.
        library: what to write.
        told: where it comes from.
        members: what it was chosen from.
    """
    own = library.calibration
    table = {
        "schema": SCHEMA,
        "name": library.name,
        **told,
        "calibration": {
            "score": own.score.tolist(),
            "share": own.share.tolist(),
            "penalties": dict(sorted(own.penalties.items())),
            "seeds": own.seeds,
        },
        "known": [astuple(each) for each in library.known],
    }
    place = {each: n for n, each in enumerate(library.known)}
    lines = (table, [place.get(each, astuple(each)) for each in members])
    text = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
    with whole_file(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def from_fasta(paths: Iterable[Path]) -> list[KnownHairpin]:
    """Read precursors and matures.

    A mature that stands in precursors of its species and family says where their arms are; one
    that stands in none is compared by itself. The matures of a precursor of which none is given are
    its ends, as in MirGeneDB, whose precursors are cut where Drosha and Dicer cut.

    Raises:
        InputError: a file is faulty, or a record is too short or too long.
    """
    precursors: dict[str, str] = {}
    matures: list[tuple[str, str]] = []
    for path in paths:
        for name, text in read_records(path):
            letters = text.upper().replace("T", "U")
            if not _SHORTEST <= len(letters) <= _LONGEST:
                raise InputError(
                    f"{path}: {name}: has {len(letters)} letters; matures and precursors have "
                    f"{_SHORTEST} to {_LONGEST}"
                )
            if len(letters) <= LONGEST_MATURE:
                matures.append((name, letters))
            else:
                precursors[name] = letters
    arms: dict[str, set[Arm]] = defaultdict(set)
    relatives: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in precursors:
        relatives[species_of(name), family_of(name)].append(name)
    alone = []
    for name, letters in matures:
        places = [
            (own, at)
            for own in relatives[species_of(name), family_of(name)]
            if (at := precursors[own].find(letters)) >= 0
        ]
        for own, at in places:
            arms[own].add((at, at + len(letters)))
        if not places:
            alone.append(KnownHairpin(name, letters, ((0, len(letters)),)))
    found = [
        KnownHairpin(name, letters, tuple(sorted(arms[name])) or _ends(letters))
        for name, letters in precursors.items()
    ]
    return found + alone


def _ends(letters: str) -> tuple[Arm, ...]:
    return (0, _CUT), (len(letters) - _CUT, len(letters))
