"""Minimum-free-energy folding of many short sequences, with ViennaRNA's energies and choices.

The kernel (:mod:`premir.kernels.mfe_kernel`) is compiled for energies in int16, of which a vector
holds twice as many, and in int32, for what does not fit. In int16 what cannot be is 32767, and sums
end at -32768 and at 32767 instead of wrapping. Let E be the largest magnitude of what is looked up,
the longest hairpin loop and n unpaired bases of a multiloop included. A fold in int16 counts only
if C and M nowhere fell below the *floor* 4 E - 32767, which must itself be below 0. Then

- nothing wrapped. C is one energy that is not below the floor, and up to three that are looked up,
  which is above -32768. M is that or a sum of two, which ends at -32768 and is seen to be too low.
- what cannot be was never chosen. With it C is at least 32767 - 2 E, or 32767 + M - E, which is
  3 E or more; without it C is 2 E or less, as each pair can close a hairpin loop. M(i, u) and no
  M(u + 1, j) are 32767, or 32767 + M(i, u); M(i, u) and unpaired bases are less: 4 E at most, and
  M(i, u) + E at most. So are M(u + 1, j) and no M(i, u).

So such a fold is what it would be in int32. The others are done again in int32: with Turner's
energies of 2004 those that reach -285 kcal/mol (400 nt) or -290 (100 nt).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from premir.kernels._jit import kernel
from premir.kernels.codes import UNKNOWN, Codes
from premir.kernels.energies import INF, MIN_HAIRPIN, EnergyParameters
from premir.kernels.loop_tables import LoopTables, loop_tables
from premir.kernels.mfe_kernel import fold_all, signature, workspace
from premir.kernels.pairing import MAX_LENGTH, Energies, Offsets, Pairs

_fold_narrow = kernel(signature("int16"), name="_fold_narrow")(fold_all)
_fold_wide = kernel(signature("int32"), name="_fold_wide")(fold_all)


def fold_batch(
    codes: Codes, offsets: Offsets, parameters: EnergyParameters
) -> tuple[Pairs, Energies]:
    """Fold many sequences; releases the GIL, so that threads may fold different batches.

    Args:
        codes: uint8 (sum of lengths,), values 0-4, all sequences one after another. Unknown letters
            pair with nothing, and stand beside pairs as ViennaRNA's ``N`` does.
        offsets: int64 (N + 1,), borders of the sequences in ``codes``.
        parameters: energies, from :func:`premir.kernels.energies.current_parameters`.

    Returns:
        The pair tables, int16 (sum of lengths,), partner inside the sequence or -1; and the minimum
        free energies, int32 (N,), dcal/mol. Both as ``RNA.fold_compound(sequence, md).mfe()``.

    Raises:
        ValueError: a code above 4, a sequence too long for an int16 pair table, or offsets that are
            not the borders of ``codes``.
    """
    codes = np.ascontiguousarray(codes, np.uint8)
    offsets = np.ascontiguousarray(offsets, np.int64)
    lengths = np.diff(offsets)
    if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != codes.size or np.any(lengths < 0):
        raise ValueError("offsets must rise from 0 to the number of codes")
    if np.any(codes > UNKNOWN):
        raise ValueError(f"a code above {UNKNOWN} is no letter")
    longest = int(lengths.max(initial=0))
    if longest > MAX_LENGTH:
        raise ValueError(f"a sequence of {longest} nt is longer than {MAX_LENGTH}")
    pairs = np.full(codes.size, -1, np.int16)
    mfe = np.full(lengths.size, INF, np.int32)

    def fold(kernel: Callable[..., None], tables: LoopTables, floor: int) -> None:
        which = np.flatnonzero(mfe == INF)
        space = workspace(int(lengths[which].max(initial=0)), tables)
        # numba tells named from plain tuples, and only a plain one can be named in a signature.
        kernel(codes, offsets, which, tuple(tables), tuple(space), floor, pairs, mfe)

    narrow = loop_tables(parameters, np.int16)
    floor = lowest_energy(narrow, longest)
    if floor < 0:
        fold(_fold_narrow, narrow, floor)
    if np.any(mfe == INF):
        fold(_fold_wide, loop_tables(parameters, np.int32), -INF)
    return pairs, mfe


def lowest_energy(tables: LoopTables, longest: int) -> int:
    """Return the energy down to which a fold is exact, dcal/mol; not below 0 where none is.

    Args:
        tables: energies to fold with.
        longest: length of the longest sequence, nt.
    """
    loops = np.abs(tables.hairpin[MIN_HAIRPIN : max(longest, MIN_HAIRPIN + 1)])
    largest = max(tables.largest, int(loops.max()), abs(tables.multi_base) * longest)
    return 4 * largest - tables.far
