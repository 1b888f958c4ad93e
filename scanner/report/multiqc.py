"""A section for MultiQC: a row of numbers for each genome scanned.

MultiQC finds files by their names, ``*_mqc.json``, and joins those with the same ``id`` into one
table; what it expects in them is called custom content in its documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.files import as_json
from premir.scanner.outputs import is_compressed
from premir.scanner.report.summary import Summary
from premir.scanner.streams import is_stream

_FOUND = re.compile(r".*_mqc\.json")
_COLUMNS = {
    "hits": ("Hits", "Hits at or above the threshold", "{:,.0f}", "Blues"),
    "hits_per_mb": ("Hits / Mb", "Hits per megabase scanned, both strands", "{:,.3f}", "Blues"),
    "false_lowest": ("False, least", "Hits expected to be false, if this genome is like the one in "
        "which the model makes the fewest false calls", "{:,.0f}", "Oranges"),
    "false_highest": ("False, most", "Hits expected to be false, if this genome is like the one in "
        "which the model makes the most false calls", "{:,.0f}", "Oranges"),
    "megabases": ("Mb", "Megabases scanned", "{:,.3f}", "Greys"),
    "candidates": ("Candidates", "Candidate hairpins before folding", "{:,.0f}", "Greys"),
    "tiles_missing": ("Tiles missing", "Pieces of the genome that failed", "{:,.0f}", "Reds"),
    "min_prob": ("Threshold", "Least probability of a hit", "{:g}", "Greys"),
    "model": ("Model", "Model that scored the candidates", None, None),
}  # fmt: skip
"""By key: title, description, format and colour scale."""


def check_name(path: Path) -> None:
    """Refuse a name that MultiQC would not find.

    Raises:
        InputError: it does not end in ``_mqc.json``.
    """
    if not is_stream(path) and not _FOUND.fullmatch(path.name):
        raise InputError(
            f"--multiqc {path}: MultiQC finds files whose names end in _mqc.json; give such a name"
        )


def sample_name(out: Path) -> str:
    """Return what a genome is called by the name of its file of hits: ``a.b`` for ``a.b.bed.gz``.

    Args:
        out: the file; of a stream it is ``premir``.
    """
    if is_stream(out):
        return "premir"
    return (out.with_suffix("") if is_compressed(out) else out).stem


def section(summaries: Mapping[str, Summary]) -> str:
    """Return the section as the text of a file.

    Args:
        summaries: of scans, by the names of the samples.
    """
    headers = {
        key: {
            "title": title,
            "description": text,
            **({"format": form, "scale": scale} if form else {}),
        }
        for key, (title, text, form, scale) in _COLUMNS.items()
    }
    return as_json(
        {
            "id": "premir",
            "section_name": "premir",
            "description": "Precursor microRNA hairpins found in genomes. Expected false hits "
            "follow from false calls per Mb in genomes that the model never saw.",
            "plot_type": "table",
            "pconfig": {"id": "premir_table", "title": "premir: hits", "namespace": "premir"},
            "headers": headers,
            "data": {name: _row(summary) for name, summary in summaries.items()},
        }
    )


def _row(summary: Summary) -> dict[str, float | str | None]:
    """Return the values that a summary has; MultiQC shows none where one is missing."""
    expected = summary["expected_false"] or {}
    hits, megabases = summary["hits"], summary["megabases_scanned"]
    row: dict[str, float | str | None] = {
        "hits": hits,
        "hits_per_mb": round(hits / megabases, 6) if hits is not None and megabases else None,
        "false_lowest": expected.get("lowest"),
        "false_highest": expected.get("highest"),
        "megabases": megabases,
        "candidates": summary["candidates"],
        "tiles_missing": summary["tiles_quarantined"],
        "min_prob": summary["min_prob"],
        "model": summary["model"],
    }
    return {key: value for key, value in row.items() if value is not None}
