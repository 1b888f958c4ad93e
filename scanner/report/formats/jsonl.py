"""JSON lines: an object for each hit, with numbers as numbers and null where there is no value."""

from __future__ import annotations

import json
from typing import TextIO

from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits


def write(handle: TextIO, hits: Hits) -> None:
    """Write hits with the numbers that the BED file has."""
    names = [column.name for column in hits.columns]
    for line in hits.lines():
        values = [column.parse(text) for column, text in zip(hits.columns, line, strict=True)]
        record = dict(zip(names, values, strict=True))
        handle.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


FORMAT = Format(name="jsonl", write=write, details=True, also=("ndjson",))
