"""Which genomes to scan: paths from the command line, or a list with names and presets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from premir.scanner.errors import InputError
from premir.scanner.streams import is_stream

_COMPRESSED = frozenset({".gz", ".bgz", ".bgzf", ".bz2", ".xz", ".zst", ".zstd"})
_FASTA = frozenset({".fa", ".fasta", ".fna", ".fas", ".ffn", ".txt"})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]{0,199}")
_HEADER = ["name", "path", "preset"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One genome to scan.

    Attributes:
        name: what its files are called: unique, and safe as a file name.
        path: FASTA file.
        preset: kind of hairpins to look for.
        source: where it was asked for, for messages.
    """

    name: str
    path: Path
    preset: str
    source: str


def from_paths(paths: Sequence[Path], preset: str) -> list[Entry]:
    """Name genomes after their files, without folder and FASTA suffix.

    Raises:
        InputError: two have the same name, one has a name that is no safe file name, or is a
            stream.
    """
    return _unique(Entry(_stem(path), path, preset, str(path)) for path in paths)


def read_list(path: Path, preset: str, presets: Iterable[str]) -> list[Entry]:
    """Read a tab-separated list of name, path and, where it differs, preset.

    Blank lines and lines that begin with ``#`` are skipped, as is a first line that reads
    ``name path preset``. Paths are relative to the current directory, as on the command line.

    Args:
        path: the list.
        preset: for lines without one.
        presets: those that exist.

    Raises:
        InputError: the first bad line, with its number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from error
    entries: list[Entry] = []
    first = True
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        header, first = first and fields == _HEADER[: len(fields)], False
        if header and len(fields) > 1:
            continue
        where = f"{path}:{number}"
        if not 2 <= len(fields) <= 3 or not fields[1]:
            raise InputError(f"{where}: expected NAME, PATH and perhaps PRESET, separated by tabs")
        kind = fields[2] if len(fields) == 3 and fields[2] not in ("", ".") else preset
        if kind not in presets:
            raise InputError(f"{where}: no preset {kind!r}; give one of {', '.join(presets)}")
        entries.append(Entry(fields[0], Path(fields[1]), kind, where))
    if not entries:
        raise InputError(f"{path}: lists no genome")
    return _unique(entries)


def _unique(entries: Iterable[Entry]) -> list[Entry]:
    """Check names; letter case does not tell them apart, as it does not on some file systems."""
    seen: dict[str, Entry] = {}
    for entry in entries:
        if is_stream(entry.path):
            where = "" if entry.source == str(entry.path) else f"{entry.source}: "
            raise InputError(
                f"{where}{entry.path}: a stream can be read only once, and --out-dir compares "
                "genomes with those of earlier runs; write it to a file, or scan it with --out"
            )
        if not _NAME.fullmatch(entry.name):
            _refuse(entry, "is no safe file name: use letters, digits and _ . + @ = -")
        before = seen.setdefault(entry.name.casefold(), entry)
        if before is not entry:
            _refuse(entry, f"is taken by {before.source}; name genomes in a list (--genomes)")
    return list(seen.values())


def _refuse(entry: Entry, why: str) -> NoReturn:
    raise InputError(f"{entry.source}: the name {entry.name!r} {why}")


def _stem(path: Path) -> str:
    while path.suffix.lower() in _COMPRESSED:
        path = path.with_suffix("")
    return path.stem if path.suffix.lower() in _FASTA else path.name
