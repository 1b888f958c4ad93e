"""autoSql of a BED file of hits: what bedToBigBed has to know of the columns behind BED12."""

from __future__ import annotations

import os

from premir.scanner.errors import InputError
from premir.scanner.report.columns import Column
from premir.scanner.report.hits import BED12
from premir.scanner.report.reading import read_rows

_TYPES = {int: "int", float: "double", str: "lstring"}
"""``string`` holds 255 characters, which sequences exceed (kent's ``basicBed.c``)."""


def autosql(path: str | os.PathLike[str]) -> str:
    """Describe what a BED file of hits holds.

    bedToBigBed takes no ``.`` for a number: a column in which some hit has no value is text.

    Args:
        path: the file, which is read to its end; ``-`` is standard input.

    Returns:
        autoSql that ``bedToBigBed -type=bed12+N -tab -as=`` takes, N as its second line says.

    Raises:
        InputError: as :func:`~premir.scanner.report.reading.read_hits`, or not BED12.
    """
    columns, rows = read_rows(path)
    if [each.name for each in columns[: len(BED12)]] != [each.name for each in BED12]:
        raise InputError(
            f"{path}: columns 1 to {len(BED12)} are not those of BED12, which files of format 1 "
            "lack; run the scan again"
        )
    gaps = [False] * len(columns)
    for row in rows:
        gaps = [gap or value is None for gap, value in zip(gaps, row, strict=True)]
    lines = [
        f'    {_declared(column, gap)};\t"{column.text}"\n'
        for column, gap in zip(columns, gaps, strict=True)
    ]
    head = f'table premirHits\n"Hits of premir-scan, bed{len(BED12)}+{len(columns) - len(BED12)}"\n'
    return "".join([head, "    (\n", *lines, "    )\n"])


def _declared(column: Column, gap: bool) -> str:
    return column.sql or f"{_TYPES[str if gap else column.type]} {column.name}"
