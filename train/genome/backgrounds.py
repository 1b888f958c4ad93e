"""Which contigs of a background train, which judge, and which do neither."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from premir.kernels.codes import Codes, encode
from premir.scanner.errors import InputError
from premir.scanner.files import whole_file
from premir.scanner.genome.letters import Contig, OpenGenome, open_genome, read_pieces
from premir.train.genome.config import Background

_log = logging.getLogger(__name__)

_PIECE = 1 << 22

Place = tuple[str, int, int]
"""Contig, start, end: 0-based half-open."""


def held_out(name: str, share: float) -> bool:
    """Whether a family or contig judges, chosen by its name."""
    return zlib.crc32(name.lower().encode()) % 10_000 < share * 10_000


def stem_of(background: Background) -> str:
    """Return what files of a background are named by: its folder and file."""
    return f"{background.genome.parent.name}-{background.genome.name.partition('.')[0]}"


@dataclass(frozen=True, slots=True)
class ContigSet:
    """Contigs of a background that train, or judge, together.

    Attributes:
        label: the genome that they count as.
        fasta: the contigs.
        genomes: the last group of each contig, in their order.
    """

    label: str
    fasta: Path
    genomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Divided:
    """A background, divided.

    Attributes:
        training: contigs that train, by genome.
        judging: contigs that judge, at most one part.
        left_out: what of them neither trains nor counts.
    """

    training: tuple[ContigSet, ...]
    judging: tuple[ContigSet, ...]
    left_out: tuple[Place, ...]


def divide(background: Background, genome: OpenGenome, share: float, work: Path) -> Divided:
    """Write the contigs of a background to a file for each genome that trains, and one that judges.

    Args:
        background: as the configuration says.
        genome: its contigs.
        share: of contigs that judge, where the background does not say which.
        work: folder for the files.

    Raises:
        InputError: what the background says of its contigs does not fit them.
    """
    stem = stem_of(background)
    left_out = tuple(read_places(background.left_out) if background.left_out else ())
    if unknown := {name for name, _, _ in left_out}.difference(genome.contigs.names):
        raise InputError(
            f"{background.left_out}: no contig {min(unknown)!r} in {background.genome}"
        )
    groups = _groups(background, genome.contigs.names)
    training: dict[str, list[Contig]] = {}
    judging: list[Contig] = []
    sizes = {"train": 0, "judge": 0, None: 0}
    for contig in genome.contigs:
        own = groups[contig.name]
        side = _side(background, f"{stem}/{contig.name}", own, share)
        sizes[side] += contig.length
        if side == "train":
            training.setdefault(own[-1] if background.apart else "", []).append(contig)
        elif side == "judge":
            judging.append(contig)
    _log.info(
        "%s: %.2f Mb train, %.2f Mb judge, %.2f Mb are left aside",
        stem,
        *(size / 1e6 for size in sizes.values()),
    )
    parts = []
    for label, contigs in training.items():
        name = f"{stem}-{quote(label, safe='')}" if label else stem
        own = tuple(groups[contig.name][-1] for contig in contigs)
        parts.append(ContigSet(label or stem, work / f"{name}-train.fa", own))
        write_contigs(parts[-1].fasta, genome, contigs)
    held = []
    if judging:
        own = tuple(groups[contig.name][-1] for contig in judging)
        held.append(ContigSet(stem, work / f"{stem}-held-out.fa", own))
        write_contigs(held[0].fasta, genome, judging)
    return Divided(tuple(parts), tuple(held), left_out)


def _side(background: Background, name: str, groups: Sequence[str], share: float) -> str | None:
    """Say what a contig does."""
    if background.judging is None:
        judges = held_out(name, share)
        trains = not judges
    else:
        listed = [group in background.judging for group in groups]
        judges, trains = all(listed), not any(listed)
    if judges and background.judges:
        return "judge"
    return "train" if trains and background.lends else None


def _groups(background: Background, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the groups of each contig, and see that those that judge are there."""
    path = background.groups
    found: dict[str, tuple[str, ...]]
    if path is None:
        found = {name: (name.partition(".")[0],) for name in names}
    else:
        found = _read_groups(path)
        if lacking := [name for name in names if name not in found]:
            raise InputError(f"{path}: lacks contig {lacking[0]!r} of {background.genome}")
    known = {group for name in names for group in found[name]}
    if absent := [group for group in background.judging or () if group not in known]:
        raise InputError(
            f"{background.genome}: no contig is of the group {absent[0]!r} that judging names"
        )
    return found


def _read_groups(path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        name, *groups = line.split("\t")
        if not groups or not all(groups) or name in found:
            raise InputError(
                f"{path}: line {number}: expected a contig that is new, and its groups, with tabs "
                "between them"
            )
        found[name] = tuple(groups)
    return found


def read_places(path: Path) -> list[Place]:
    """Read contig, start and end of a BED file.

    Raises:
        InputError: a line is not BED.
    """
    return [(fields[0], int(fields[1]), int(fields[2])) for fields in bed_rows(path, 3)]


def bed_rows(path: Path, columns: int) -> list[list[str]]:
    """Read the lines of a BED file that has at least so many columns.

    Raises:
        InputError: a line is not such BED.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t")
        if len(fields) < columns or not (fields[1].isdecimal() and fields[2].isdecimal()):
            raise InputError(f"{path}: line {number}: not BED{columns}: {line[:60]!r}")
        rows.append(fields)
    return rows


def write_contigs(path: Path, genome: OpenGenome, contigs: Iterable[Contig]) -> None:
    """Write some contigs of a genome to a FASTA file."""
    with whole_file(path) as temporary, temporary.open("wb") as handle:
        for contig in contigs:
            handle.write(f">{contig.name}\n".encode())
            end = contig.offset + contig.length
            for first in range(contig.offset, end, _PIECE):
                last = min(first + _PIECE, end)
                handle.write(read_pieces(genome.store, np.array([first]), np.array([last])).data)
            handle.write(b"\n")


def read_codes(path: Path, shortest: int) -> list[Codes]:
    """Read the contigs of a FASTA file that have more nucleotides than ``shortest``."""
    with open_genome(path) as genome:
        return [
            encode(read_pieces(genome.store, np.array([start]), np.array([start + length])))
            for start, length in zip(genome.contigs.offsets, genome.contigs.lengths, strict=True)
            if length > shortest
        ]
