"""Which hits lie across the place where the file cuts a circular contig."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.origin import across, from_the_cut
from premir.scanner.report.table import HitTable


def wraps(table: HitTable, material: Material) -> npt.NDArray[Any]:
    """Return the intervals of those that do, None for the others; objects (N,)."""
    contigs = material.genome.contigs
    loci = from_the_cut(table.loci, contigs)
    intervals = np.full(len(table), None, object)
    for n in np.flatnonzero(across(loci, contigs)).tolist():
        intervals[n] = f"{loci.start[n]}-{loci.end[n]}"
    return intervals


TRACK = Track(
    name="wraps",
    columns=(
        Column(
            "wraps", str, "START-END, 0-based half-open, of a hit across the place where the file "
            "cuts a circular contig: END is beyond the length", optional=True,
        ),
    ),
    compute=lambda table, material: [wraps(table, material)],
    asked=lambda search: bool(search.circular),
    late=True,
)  # fmt: skip
