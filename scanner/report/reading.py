"""Reading hits back from the BED files that scans write, of this format and the one before."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import make_dataclass
from keyword import iskeyword
from pathlib import Path
from typing import Any

from premir.scanner.errors import InputError, printable
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.report import evidence
from premir.scanner.report.columns import Column
from premir.scanner.report.formats import bed
from premir.scanner.report.hits import columns_with

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RETIRED = tuple(
    Column(name, float, "held nothing in format 1", optional=True) for name in ("mirror_prob",)
)


def read_hits(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Read a BED file of hits, plain or compressed, from front to end.

    Args:
        path: the file; ``-`` is standard input.

    Yields:
        One hit after another, as a frozen dataclass whose fields are the columns of the file: int,
        float or str as declared, None where the file has ``.``. Columns that this premir does not
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
    lines = enumerate(_lines(path), 1)
    columns = _header(path, lines)

    def rows() -> Iterator[list[Any]]:
        for number, line in lines:
            where = f"{path}: line {number}"
            yield list(_values(where, columns, _fields(where, line)))

    return columns, rows()


def _header(path: Path, lines: Iterator[tuple[int, bytes]]) -> list[Column]:
    """Read up to the line that names the columns, and return them."""
    for number, line in lines:
        where = f"{path}: line {number}"
        if line.startswith(b"#chrom\t"):
            return _declared(where, _fields(where, line[1:]))
        if not line.startswith(b"##"):
            break
        _check_format(where, line)
    raise InputError(f"{path}: no line names columns from #chrom on: not a file of hits")


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
    for block in read_blocks(path, expected="BED"):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        raise InputError(f"{path}: the last line has no end: truncated")


def _fields(where: str, line: bytes) -> list[str]:
    try:
        return line.decode().split("\t")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8") from error
