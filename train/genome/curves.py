"""What a card says of scores: false calls per Mb at each, and how far a probability is to trust."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from premir.train.genome.judging import Curve

_STEP = 0.5
_ALL = 0.995
"""Share of all calls that the lowest log odds of a curve has: what lies below differs little."""
_SMALLEST = 1.0
"""Mb of genomes that count for median and range: of fewer, a rate says little."""
_BINS = 10


def false_calls(curve: Curve, slope: float, intercept: float) -> dict[str, Any]:
    """Return false calls per Mb of held-out background at or above some log odds.

    Args:
        curve: scores of what was held out.
        slope: of the calibration.
        intercept: of the calibration.

    Returns:
        ``log_odds``, calibrated, ascending; per Mb, of ``all`` together, and the ``median``,
        ``lowest`` and ``highest`` of the genomes that have at least 1 Mb; ``megabases`` in all;
        ``genomes``, the Mb of each.
    """
    lowest = curve.calls[min(int(_ALL * curve.calls.size), curve.calls.size - 1)]
    ends = slope * np.array([lowest, curve.calls[0]]) + intercept
    grid = np.arange(np.floor(ends[0]), ends[1] + _STEP, _STEP)

    def per_mb(calls: npt.NDArray[np.float64], megabases: float) -> npt.NDArray[np.float64]:
        above = (slope * calls + intercept)[:, None] >= grid
        return np.asarray(above.sum(axis=0) / megabases)

    large = [each for each in curve.genomes if each.megabases >= _SMALLEST] or curve.genomes
    rates = np.array([per_mb(each.calls, each.megabases) for each in large])
    rows = {
        "all": per_mb(curve.calls, curve.megabases),
        "median": np.median(rates, axis=0),
        "lowest": rates.min(axis=0),
        "highest": rates.max(axis=0),
    }
    return {
        "log_odds": grid.tolist(),
        **{name: row.round(3).tolist() for name, row in rows.items()},
        "megabases": round(curve.megabases, 3),
        "genomes": {each.name: round(each.megabases, 3) for each in large},
    }


def reliability(curve: Curve, slope: float, intercept: float) -> dict[str, Any]:
    """Return how often what has a probability is a known hairpin, at a prior of 1:1.

    Args:
        curve: as :func:`false_calls`.
        slope: likewise.
        intercept: likewise.

    Returns:
        Of ten bins of equal width, those that are not empty: mean ``prob``, the ``share`` of known
        hairpins, and their ``weight``, the two kinds weighing half each; and ``error``, the mean
        distance of the first two (expected calibration error).
    """
    found = np.isfinite(curve.known)
    weights = curve.weights[found]
    half = np.concatenate([weights / weights.sum(), np.full(curve.cuts.size, 1 / curve.cuts.size)])
    weight = half / 2
    known = np.repeat([1.0, 0.0], [weights.size, curve.cuts.size])
    log_odds = slope * np.concatenate([curve.known[found], curve.cuts]) + intercept
    prob = 1 / (1 + np.exp(-log_odds))
    bins = np.minimum((prob * _BINS).astype(np.int64), _BINS - 1)
    total, mean, share = (
        np.bincount(bins, weight * values, _BINS) for values in (np.ones(prob.size), prob, known)
    )
    full = total > 0
    rows = {
        "prob": mean[full] / total[full],
        "share": share[full] / total[full],
        "weight": total[full],
    }
    return {
        **{name: row.round(4).tolist() for name, row in rows.items()},
        "error": round(float(np.abs(mean - share).sum()), 4),
    }
