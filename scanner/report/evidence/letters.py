"""What letters there are at a hit and around it: soft-masked, unknown, or none at all."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, encode
from premir.scanner.genome.letters import Genome, read_pieces
from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable

_I64: TypeAlias = npt.NDArray[np.int64]

_PIECE = 1024
"""So many hits are looked at together."""


def missing_context(table: HitTable, context_nt: int) -> _I64:
    """Return how much of the context that a model reads was not folded with each hit.

    Args:
        table: N hits.
        context_nt: nt that the model reads on either side.

    Returns:
        int64 (N,), in nt, of both sides together.
    """
    before, after = table.loci.contexts()
    missing: _I64 = 2 * context_nt - before - after
    return missing


def shares(
    table: HitTable, genome: Genome, context_nt: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return which share of letters is soft-masked, and which unknown.

    Args:
        table: N hits.
        genome: what they are hits of.
        context_nt: nt that the model reads on either side.

    Returns:
        float64 (N,) of the hits themselves, and float64 (N,) of hits and context, as far as there
        are letters.
    """
    lines = genome.contigs.lines
    masked, unknown = np.empty(len(table)), np.empty(len(table))
    for first in range(0, len(table), _PIECE):
        here = slice(first, first + _PIECE)
        loci = table.loci.take(np.arange(len(table))[here])
        offset, length = genome.contigs.offsets[loci.contig], lines[loci.contig]
        start = np.maximum(loci.start - context_nt, 0)
        end = np.minimum(loci.end + context_nt, length)
        letters = read_pieces(genome.store, start + offset, end + offset)
        origin = np.cumsum(end - start) - end  # turns a position on the contig into one there
        masked[here] = _share(letters >= ord("a"), loci.start + origin, loci.end + origin)
        unknown[here] = _share(encode(letters) == UNKNOWN, start + origin, end + origin)
    return masked, unknown


def _share(which: npt.NDArray[np.bool_], start: _I64, end: _I64) -> npt.NDArray[np.float64]:
    before = np.concatenate([[0], np.cumsum(which)])
    share: npt.NDArray[np.float64] = (before[end] - before[start]) / (end - start)
    return share


def _compute(table: HitTable, material: Material) -> list[npt.NDArray[np.float64] | _I64]:
    model = material.search.model
    context = model.context_nt if model is not None else 0
    masked, unknown = shares(table, material.genome, context)
    return [masked, missing_context(table, context), unknown]


TRACK = Track(
    name="letters",
    columns=(
        Column(
            "masked_fraction", float, "share of soft-masked (lower-case) letters from start to end",
            form=".3f",
        ),
        Column(
            "missing_context", int, "how much of the model's context was not folded, as the contig "
            "ends there or an unknown letter does not let it", unit="nt",
        ),
        Column(
            "unknown_fraction", float, "share of letters other than A, C, G, T, U from start to "
            "end and in the model's context, as far as the contig goes", form=".3f",
        ),
    ),
    compute=_compute,
    late=True,
)  # fmt: skip
