"""The table of columns in the docs, made from their declarations.

python -m premir.scanner.report.documenting docs/formats.md

writes it between the two comments that name it; a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from premir.scanner.options import Search
from premir.scanner.report import evidence
from premir.scanner.report.columns import NOTHING, Column
from premir.scanner.report.hits import Q_VALUE, columns_with

BEGIN = "<!-- columns: python -m premir.scanner.report.documenting -->\n"
END = "<!-- end of columns -->\n"
_TYPES = {int: "int", float: "float", str: "text"}


def columns_table() -> str:
    """Return all columns of hits as a Markdown table.

    Behind the first column that only some scans have, no column of a BED file has a fixed number.
    """
    plain = evidence.tracks_for(Search(genome=Path(), model=None, min_prob=0))
    always = columns_with(plain, decoys=False)
    rows, fixed, number = [], True, 0
    for column in columns_with(evidence.TRACKS, decoys=True):
        if column is Q_VALUE:
            first = ""
        else:
            fixed, number = fixed and column in always, number + 1
            first = str(number) if fixed else "TSV" if column.detail else ""
        rows.append(
            f"| {first} | {column.name} | {_type(column)} | {column.unit} | {column.text} |\n"
        )
    return "".join(["| | column | type | unit | meaning |\n|---|---|---|---|---|\n", *rows])


def renewed(page: str) -> str:
    """Return a page with the table as it should be between its two comments."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return before + begin + columns_table() + end + after if end else page


def main(argv: Sequence[str] | None = None) -> int:
    """Renew the table in the pages that are given."""
    for name in sys.argv[1:] if argv is None else argv:
        page = Path(name)
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _type(column: Column) -> str:
    return _TYPES[column.type] + (f" or `{NOTHING}`" if column.optional else "")


if __name__ == "__main__":
    sys.exit(main())
