"""The trivial baseline: gradient boosting on eight numbers of a folded hairpin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from premir.scanner.find.hairpins import Hairpins
from premir.train.dataset import Dataset

EIGHT = (
    "length",
    "mfe",
    "mfe_per_nt",
    "gc",
    "dangling_5p",
    "dangling_3p",
    "both_ends_paired",
    "paired_fraction",
)


def eight_numbers(hairpins: Hairpins) -> npt.NDArray[np.float64]:
    """Describe each hairpin by eight numbers.

    Args:
        hairpins: N folded hairpins.

    Returns:
        float64 (N, 8), columns as ``EIGHT``: length in nt, MFE in kcal/mol, their quotient, GC
        content, unpaired nucleotides before the first and after the last paired one (the whole
        length where nothing is paired), whether both end bases are paired, and the share of paired
        nucleotides.
    """
    rows = np.empty((len(hairpins), len(EIGHT)))
    for n in range(len(hairpins)):
        codes, pairs, mfe = hairpins[n]
        length = codes.size
        paired = np.flatnonzero(pairs >= 0)
        first, last = (int(paired[0]), int(paired[-1])) if paired.size else (length, -1)
        rows[n] = (
            length,
            mfe / 100,
            mfe / 100 / length,
            np.mean((codes == 1) | (codes == 2)),
            first,
            length - 1 - last,
            first == 0 and last == length - 1,
            paired.size / length,
        )
    return rows


def fit_baseline(training: Dataset, *, seed: int) -> Callable[[Hairpins], npt.NDArray[np.float64]]:
    """Train the baseline.

    Args:
        training: hairpins to learn from; classes are weighted to equal sums.
        seed: of the boosting.

    Returns:
        A function from N hairpins to float64 (N,), probability of pre-miRNA.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        class_weight="balanced", early_stopping=False, random_state=seed
    )
    model.fit(eight_numbers(training.hairpins), training.labels)

    def score(hairpins: Hairpins) -> npt.NDArray[np.float64]:
        scores: npt.NDArray[np.float64] = model.predict_proba(eight_numbers(hairpins))[:, 1]
        return scores

    return score
