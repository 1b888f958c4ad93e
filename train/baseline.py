"""Gradient boosting on plain numbers of a folded hairpin; on eight, the trivial baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.stemwise import NUMBERS, numbers_of
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


def all_numbers(hairpins: Hairpins) -> npt.NDArray[np.float64]:
    """Describe each hairpin by the numbers that stem-wise networks see.

    Args:
        hairpins: N folded hairpins.

    Returns:
        float64 (N, ``len(NUMBERS)``), as of :func:`premir.kernels.stemwise.numbers_of`.
    """
    found = numbers_of(hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets)
    return found.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Boosting:
    """What trees are boosted on, and how.

    Attributes:
        title: in words.
        describe: from N hairpins to float64 (N, numbers).
        settings: of scikit-learn's ``HistGradientBoostingClassifier``.
    """

    title: str
    describe: Callable[[Hairpins], npt.NDArray[np.float64]]
    settings: Mapping[str, Any]


BOOSTINGS = {
    "eight": Boosting("eight numbers", eight_numbers, {"class_weight": "balanced"}),
    "all": Boosting(
        f"{len(NUMBERS)} numbers",
        all_numbers,
        {
            "learning_rate": 0.04,
            "max_iter": 250,
            "max_leaf_nodes": 16,
            "min_samples_leaf": 10,
            "l2_regularization": 5.0,
            "max_features": 0.3,
        },
    ),
}
"""``eight``, the baseline, has the library's own settings; those of ``all`` were chosen on the
validation folds of human-cv and crossspecies-cv."""


def fit_baseline(
    training: Dataset, *, seed: int, numbers: str = "eight"
) -> Callable[[Hairpins], npt.NDArray[np.float64]]:
    """Train the baseline.

    Args:
        training: hairpins to learn from.
        seed: of the boosting.
        numbers: key of :data:`BOOSTINGS`.

    Returns:
        A function from N hairpins to float64 (N,), probability of pre-miRNA.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosting = BOOSTINGS[numbers]
    model = HistGradientBoostingClassifier(
        early_stopping=False, random_state=seed, **boosting.settings
    )
    model.fit(boosting.describe(training.hairpins), training.labels)

    def score(hairpins: Hairpins) -> npt.NDArray[np.float64]:
        scores: npt.NDArray[np.float64] = model.predict_proba(boosting.describe(hairpins))[:, 1]
        return scores

    return score
