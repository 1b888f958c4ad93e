"""Folded hairpins, packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes
from premir.kernels.pairing import Energies, Offsets, Pairs, pack


@dataclass(frozen=True, slots=True)
class Hairpins:
    """Folded hairpins, packed (see :mod:`premir.kernels.pairing`).

    Attributes:
        codes: uint8 (sum of lengths,), values 0-4.
        pairs: int16 (sum of lengths,), partner inside the hairpin or -1.
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,), borders of the hairpins in ``codes`` and ``pairs``.
    """

    codes: Codes
    pairs: Pairs
    mfe: Energies
    offsets: Offsets

    def __len__(self) -> int:
        return int(self.mfe.size)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Length of each hairpin, int64 (N,), in nt."""
        return np.diff(self.offsets)

    @property
    def unknown(self) -> npt.NDArray[np.int64]:
        """How many letters of each are not known, int64 (N,)."""
        before = np.zeros(self.codes.size + 1, np.int64)
        np.cumsum(self.codes == UNKNOWN, out=before[1:])
        return before[self.offsets[1:]] - before[self.offsets[:-1]]

    def take(self, index: npt.NDArray[np.int64] | Sequence[int]) -> Hairpins:
        """Return the hairpins at ``index``, packed in that order."""
        order = np.asarray(index, np.int64)
        flat, offsets = gather(self.offsets, order)
        return Hairpins(self.codes[flat], self.pairs[flat], self.mfe[order], offsets)

    def differing(self, other: Hairpins) -> list[int]:
        """Return which of the same sequences fold differently, or with another energy."""
        return [
            n
            for n in range(len(self))
            if self[n][2] != other[n][2] or not np.array_equal(self[n][1], other[n][1])
        ]

    def __getitem__(self, n: int) -> tuple[Codes, Pairs, int]:
        """Return codes, pair table and MFE (dcal/mol) of hairpin ``n``."""
        part = slice(self.offsets[n], self.offsets[n + 1])
        return self.codes[part], self.pairs[part], int(self.mfe[n])


def gather(offsets: Offsets, order: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Offsets]:
    """Positions in a packed array that bring its records into ``order``, and their new borders.

    Args:
        offsets: int64 (N + 1,), borders of the packed records.
        order: int64 (M,), which records to take.

    Returns:
        int64 positions (sum of the M lengths,) and int64 (M + 1,) borders.
    """
    lengths = (offsets[1:] - offsets[:-1])[order]
    borders = np.zeros(order.size + 1, np.int64)
    np.cumsum(lengths, out=borders[1:])
    shift = np.repeat(offsets[:-1][order] - borders[:-1], lengths)
    return np.arange(borders[-1]) + shift, borders


def join(records: Sequence[tuple[Codes, Pairs, int]]) -> Hairpins:
    """Pack single hairpins, each given as codes, pair table and MFE in dcal/mol."""
    codes, offsets = pack([codes for codes, _, _ in records])
    pairs = np.concatenate([np.empty(0, np.int16), *(pairs for _, pairs, _ in records)])
    return Hairpins(codes, pairs, np.array([mfe for _, _, mfe in records], np.int32), offsets)


def concatenate(parts: Sequence[Hairpins]) -> Hairpins:
    """Return the hairpins of several batches one after another."""
    ends = np.cumsum([0, *(int(part.offsets[-1]) for part in parts)])
    return Hairpins(
        np.concatenate([np.empty(0, np.uint8), *(part.codes for part in parts)]),
        np.concatenate([np.empty(0, np.int16), *(part.pairs for part in parts)]),
        np.concatenate([np.empty(0, np.int32), *(part.mfe for part in parts)]),
        np.concatenate(
            [
                np.zeros(1, np.int64),
                *(part.offsets[1:] + end for part, end in zip(parts, ends, strict=False)),
            ]
        ),
    )
