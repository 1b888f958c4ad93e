"""How many places of the genome resemble hits (the column is defined in docs/formats.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import encode
from premir.kernels.kin import MOST, Sought, kin, least_score
from premir.kernels.pairing import pack
from premir.scanner.genome.letters import Genome, read_letters
from premir.scanner.options import Search
from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.pieces import in_pieces
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.origin import store_places
from premir.scanner.report.table import HitTable
from premir.scanner.score.false_calls import FalseCalls

_USUAL = 120
"""Letters of a hairpin, for how much a place has to resemble it."""

_F64 = npt.NDArray[np.float64]
_I64 = npt.NDArray[np.int64]


def weight_of(kin: _I64) -> _F64:
    """Return what kin add to log odds, (N,): nothing, or less."""
    return 0.0 - np.log1p(kin)


def count_kin(table: HitTable, material: Material) -> _I64:
    """Count the kin of hits, reading the genome once.

    Args:
        table: N hits.
        material: the genome, and the folds that were scored.

    Returns:
        int64 (N,).
    """
    own = []
    for chunk in material.chunks(table):
        starts = chunk.hairpins.offsets[:-1, None] + chunk.inner
        own += [chunk.hairpins.codes[start:end] for start, end in starts.tolist()]
    codes, offsets = pack(own)
    lies = _own_places(table, material.genome)
    return kin_in_genome(codes, offsets, lies, material.genome, threads=material.threads)


def _own_places(table: HitTable, genome: Genome) -> _I64:
    """Return where hits lie in the store: itself, a turn after and a turn before, int64 (N, 6)."""
    there = store_places(table.loci, genome.contigs)
    interval = np.stack([there.start, there.end], axis=1)
    own, again = interval[: len(table)], there.hit[len(table) :]
    lies = np.tile(own, (1, 3))
    after = there.start[len(table) :] > there.start[again]
    lies[again[after], 2:4] = interval[len(table) :][after]
    lies[again[~after], 4:] = interval[len(table) :][~after]
    return lies


def kin_in_genome(
    codes: npt.NDArray[np.uint8], offsets: _I64, own: _I64, genome: Genome, *, threads: int
) -> _I64:
    """Count the kin of sequences in all contigs, both strands.

    Args:
        codes: uint8, N sequences, packed.
        offsets: int64 (N + 1,), their borders.
        own: int64 (N, 2 K), positions in the store where each lies itself, K times.
        genome: what to read.
        threads: cores to use.

    Returns:
        int64 (N,).
    """
    if not len(own):
        return np.empty(0, np.int64)
    sought, least = Sought.of(codes, offsets), least_score(_USUAL, genome.length)
    borders = np.append(genome.contigs.offsets, genome.contigs.stored)
    margin = int(np.diff(offsets).max())

    def begin() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        return np.zeros(codes.size, np.uint8), np.zeros(len(own), np.uint8)

    def count(
        state: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], first: int, end: int
    ) -> None:
        origin, last = max(0, first - margin), min(end + margin, genome.contigs.stored)
        letters = encode(read_letters(genome.store, origin, last))
        counts, done = state
        sought.count(
            letters, origin=origin, inner=(first, end), borders=borders, own=own, least=least,
            counts=counts, done=done,
        )  # fmt: skip

    parts = in_pieces(genome, threads, begin, count)
    return kin(np.sum([counts for counts, _ in parts], axis=0, dtype=np.uint16), offsets)


def _kin_and_weight(table: HitTable, material: Material) -> list[npt.NDArray[Any]]:
    model = material.search.model
    found = count_kin(table, material)
    weighed = model is not None and model.kin is not None
    return [found, weight_of(found) if weighed else np.zeros(len(table))]


def _rates(search: Search, rates: FalseCalls) -> FalseCalls:
    share = search.model.kin if search.model is not None else None
    if share is None:
        return rates
    return rates.lowered(-weight_of(np.arange(share.size)), share)


TRACK = Track(
    name="kin",
    columns=(
        Column(
            "kin", int, "places elsewhere in the genome, on either strand, that resemble the hit; "
            f"at most {MOST}",
        ),
        Column(
            "kin_llr", float, "what they add to log_odds: -ln(1 + kin), or 0 where the model's "
            "card does not know how many kin false calls have",
            form=".3f",
        ),
    ),
    compute=_kin_and_weight,
    asked=lambda search: search.kin,
    weigh=lambda table: table.columns["kin_llr"],
    rates=_rates,
)  # fmt: skip
