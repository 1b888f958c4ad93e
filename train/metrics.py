"""The seven measures of the seed paper."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Metrics:
    """Measures of a binary classifier, as in Do et al. (2018), section 3.

    Attributes:
        se: sensitivity (recall) at probability 0.5.
        sp: specificity at 0.5.
        ppv: positive predictive value (precision) at 0.5.
        f: F-score, the harmonic mean of ``se`` and ``ppv``.
        g_mean: geometric mean of ``se`` and ``sp``.
        auroc: area under the receiver operating characteristic.
        aupr: area under the precision-recall curve (average precision).
    """

    se: float
    sp: float
    ppv: float
    f: float
    g_mean: float
    auroc: float
    aupr: float

    def rounded(self) -> dict[str, float]:
        """Return the measures by name, with four decimals."""
        return {name: round(value, 4) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        labels = ("SE", "SP", "PPV", "F", "g-mean", "AUROC", "AUPR")
        values = asdict(self).values()
        return "  ".join(
            f"{label} {value:.3f}" for label, value in zip(labels, values, strict=True)
        )


def evaluate(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> Metrics:
    """Compute all measures.

    Args:
        labels: int64 (N,), 1 for positives; both classes must occur.
        probabilities: float64 (N,), probability of class 1.

    Returns:
        The measures; those with an empty denominator are 0.
    """
    from sklearn import metrics

    counts = metrics.confusion_matrix(labels, probabilities >= 0.5, labels=[0, 1])
    (spared, alarms), (missed, hits) = counts.tolist()
    se, sp = _share(hits, hits + missed), _share(spared, spared + alarms)
    return Metrics(
        se=se,
        sp=sp,
        ppv=_share(hits, hits + alarms),
        f=_share(2 * hits, 2 * hits + alarms + missed),
        g_mean=math.sqrt(se * sp),
        auroc=float(metrics.roc_auc_score(labels, probabilities)),
        aupr=float(metrics.average_precision_score(labels, probabilities)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
