"""Check of the fold kernel against ViennaRNA on the user's own sequences and machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from premir.kernels.codes import UNKNOWN, decode, encode
from premir.kernels.energies import current_parameters
from premir.kernels.folding_model import model_details
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import dot_bracket, pack

_REPEATS = 3


def check_fold(sequences: Sequence[str]) -> dict[str, float]:
    """Fold with the kernel and with ViennaRNA, one thread each, and compare.

    Args:
        sequences: RNA or DNA in any case; those with other letters than A, C, G, T, U are left out.

    Returns:
        ``n`` folded and ``skipped``; ``identical_mfe`` and ``identical_structure``, counts;
        ``max_abs_diff_dcal``, the largest difference of two MFEs; ``speedup_vs_rnafold``, ratio of
        CPU seconds (kernel: median of three warm runs), NaN for no sequences.
    """
    import RNA

    folded = [decode(c) for c in map(encode, sequences) if not np.any(c == UNKNOWN)]
    codes, offsets = pack([encode(sequence) for sequence in folded])
    parameters, model = current_parameters(), model_details()
    fold_batch(codes, offsets, parameters)  # Compiles, or loads from the cache.
    kernel_seconds = []
    for _ in range(_REPEATS):
        begin = time.thread_time()
        pairs, mfe = fold_batch(codes, offsets, parameters)
        kernel_seconds.append(time.thread_time() - begin)
    begin = time.thread_time()
    # The bindings refuse an empty sequence.
    expected = [RNA.fold_compound(s, model).mfe() if s else ("", 0.0) for s in folded]
    seconds = time.thread_time() - begin
    differences = [abs(int(x) - round(100 * y)) for x, (_, y) in zip(mfe, expected, strict=True)]
    structures = [dot_bracket(p) for p in np.split(pairs, offsets[1:-1])] if folded else []
    return {
        "n": len(folded),
        "skipped": len(sequences) - len(folded),
        "identical_mfe": differences.count(0),
        "identical_structure": sum(x == y for x, (y, _) in zip(structures, expected, strict=True)),
        "max_abs_diff_dcal": max(differences, default=0),
        "speedup_vs_rnafold": seconds / float(np.median(kernel_seconds)) if folded else np.nan,
    }
