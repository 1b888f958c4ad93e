"""Reading hits back from the files that scans write, BED of this format and the one before."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import make_dataclass
from keyword import iskeyword
from pathlib import Path
from typing import Any, TypeAlias

from premir.scanner.errors import InputError, printable
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.report import evidence
from premir.scanner.report.columns import NOTHING, Column
from premir.scanner.report.formats import bed, format_of, gff3, jsonl
from premir.scanner.report.hits import columns_with

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RETIRED = tuple(
    Column(name, float, "held nothing in format 1", optional=True) for name in ("mirror_prob",)
)


def read_hits(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Read a file of hits, plain or compressed, from front to end.

    Args:
        path: BED, TSV, JSON lines or GFF3, as its first line tells; ``-`` is standard input.

    Yields:
        One hit after another, as a frozen dataclass whose fields are the columns of the file: int,
        float or str as declared, None where the hit has no value. Columns that this premir does not
        know are str.

    Raises:
        InputError: not such a file, of a format that this premir does not know, or damaged; names
            the line.
    """
    columns, rows = read_rows(path)
    fields = [(column.name, column.hint) for column in columns]
    record = make_dataclass("Hit", fields, frozen=True, slots=True)
    for row in rows:
        yield record(*row)


def read_rows(path: str | os.PathLike[str]) -> tuple[list[Column], Iterator[list[Any]]]:
    """Read the columns of a file as :func:`read_hits` does, and give the values line by line."""
    path = Path(path)
    if format_of(path) is jsonl.FORMAT and path.is_file() and not path.stat().st_size:
        return [], iter(())  # JSON lines have no header: no hit is nothing at all
    numbered = enumerate(_lines(path), 1)
    first = next(numbered, (1, b""))
    lines = itertools.chain([first], numbered)
    read = next((read for begins, read in _READERS if first[1].startswith(begins)), _read_bed)
    names, rows = read(path, lines)
    columns = _declared(f"{path}: line 1", names)

    def values() -> Iterator[list[Any]]:
        for where, row in rows:
            yield list(_values(where, columns, row))

    return columns, values()


_Lines: TypeAlias = Iterator[tuple[int, bytes]]
_Table: TypeAlias = tuple[list[str], Iterator[tuple[str, list[str]]]]
"""Names of columns, and of each hit where it stands and its values as text."""


def _read_bed(path: Path, lines: _Lines) -> _Table:
    """Read up to the line that names the columns, and give those behind it."""
    for number, line in lines:
        where = f"{path}: line {number}"
        if line.startswith(b"#chrom\t"):
            return _fields(where, line[1:]), _tabs(path, lines)
        if not line.startswith(b"##"):
            break
        _check_format(where, line)
    raise InputError(f"{path}: no line names columns from #chrom on: not a file of hits")


def _read_tsv(path: Path, lines: _Lines) -> _Table:
    number, line = next(lines)
    return _fields(f"{path}: line {number}", line), _tabs(path, lines)


def _tabs(path: Path, lines: _Lines) -> Iterator[tuple[str, list[str]]]:
    for number, line in lines:
        where = f"{path}: line {number}"
        yield where, _fields(where, line)


def _read_jsonl(path: Path, lines: _Lines) -> _Table:
    """Read objects, which all have the members of the first."""

    def objects() -> Iterator[tuple[str, dict[str, Any]]]:
        for number, line in lines:
            where = f"{path}: line {number}"
            try:
                hit = json.loads(line)
            except ValueError as error:
                raise InputError(f"{where}: is no JSON: {printable(str(error))}") from error
            if not isinstance(hit, dict):
                raise InputError(f"{where}: is no object")
            yield where, hit

    hits = objects()
    first = next(hits)
    names = list(first[1])

    def rows() -> Iterator[tuple[str, list[str]]]:
        for where, hit in itertools.chain([first], hits):
            if list(hit) != names:
                raise InputError(f"{where}: has other members than the first hit")
            yield where, [NOTHING if value is None else str(value) for value in hit.values()]

    return names, rows()


def _read_gff3(path: Path, lines: _Lines) -> _Table:
    """Read features, whose columns a remark before them names."""
    names: list[str] = []
    for number, line in lines:
        if not line.startswith(b"#"):
            break
        if line.startswith(gff3.COLUMNS.encode()):
            names = _fields(f"{path}: line {number}", line)[0].removeprefix(gff3.COLUMNS).split()
            break
    if not names:
        raise InputError(f"{path}: no line names columns: not a file of hits")

    def rows() -> Iterator[tuple[str, list[str]]]:
        for number, line in lines:
            where = f"{path}: line {number}"
            hit = gff3.read(_fields(where, line))
            if hit is not None:
                yield where, [hit.get(name, NOTHING) for name in names]

    return names, rows()


_READERS: tuple[tuple[bytes, Callable[[Path, _Lines], _Table]], ...] = (
    (b"chrom\t", _read_tsv),
    (b"{", _read_jsonl),
    (b"##gff-version", _read_gff3),
)
"""By how files begin; others are BED."""


def _check_format(where: str, line: bytes) -> None:
    """Refuse a file whose header names another format; those of format 1 name none."""
    words = line[2:].split()
    if words[:1] == [b"format"] and words[1:] != [bed.NAME.encode(), b"%d" % bed.VERSION]:
        found = printable(b" ".join(words[1:]).decode(errors="replace"))
        raise InputError(
            f"{where}: format is {found}; this premir reads {bed.NAME} 1 and {bed.VERSION}"
        )


def _declared(where: str, names: list[str]) -> list[Column]:
    """Return the columns of a file by its header."""
    known = {
        column.name: column for column in (*columns_with(evidence.TRACKS, decoys=True), *_RETIRED)
    }
    if len(set(names)) < len(names):
        raise InputError(f"{where}: a column stands twice")
    for name in names:
        if not _NAME.fullmatch(name) or iskeyword(name):
            raise InputError(f"{where}: {printable(name)!r} is no name of a column")
    return [
        known.get(name) or Column(name, str, "of another premir", optional=True) for name in names
    ]


def _values(where: str, columns: Sequence[Column], fields: list[str]) -> Iterator[Any]:
    if len(fields) != len(columns):
        raise InputError(f"{where}: {len(fields)} columns in place of {len(columns)}")
    for column, field in zip(columns, fields, strict=True):
        try:
            yield column.parse(field)
        except ValueError as error:
            raise InputError(
                f"{where}: {column.name}: {printable(field)!r} is no {column.type.__name__}"
            ) from error


def _lines(path: Path) -> Iterator[bytes]:
    rest = b""
    for block in read_blocks(path, expected="hits"):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        raise InputError(f"{path}: the last line has no end: truncated")


def _fields(where: str, line: bytes) -> list[str]:
    try:
        return line.decode().split("\t")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8") from error
