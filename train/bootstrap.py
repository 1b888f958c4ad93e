"""Intervals of the seven measures, by resampling the test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from premir.train.judging import Scored
from premir.train.metrics import Metrics

MEASURES = tuple(field.name for field in fields(Metrics))
_F64 = npt.NDArray[np.float64]
_BLOCK = 20
"""Weightings that are computed at once: what they need fits a core's cache."""


def resamples(labels: npt.NDArray[np.int64], *, count: int, seed: int) -> _F64:
    """Draw how often each sample occurs in resamples with replacement, each class by itself.

    The share of positives in a test set is its makers' choice, so it stays.

    Args:
        labels: int64 (N,), 0 or 1.
        count: B.
        seed: of the draws.

    Returns:
        float64 (B, N).
    """
    rng = np.random.default_rng(seed)
    weights = np.empty((count, labels.size))
    for label in (0, 1):
        own = np.flatnonzero(labels == label)
        weights[:, own] = rng.multinomial(own.size, np.full(own.size, 1 / own.size), size=count)
    return weights


def weighted_measures(labels: npt.NDArray[np.int64], probabilities: _F64, weights: _F64) -> _F64:
    """Compute the measures of a test set with weighted samples, for many weightings at once.

    Args:
        labels: int64 (N,), 1 for positives.
        probabilities: float64 (N,), of class 1.
        weights: float64 (B, N), both classes with a positive sum.

    Returns:
        float64 (B, 7), columns as :data:`MEASURES`.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # last of each tie
    calls = int(np.searchsorted(-ranked[ends], -0.5, side="right"))  # thresholds of 0.5 or more
    positive = labels[order] == 1
    blocks = [
        _block(positive, ends, calls, weights[first : first + _BLOCK, order])
        for first in range(0, len(weights), _BLOCK)
    ]
    return np.concatenate(blocks)


def _block(
    positive: npt.NDArray[np.bool_], ends: npt.NDArray[np.int64], calls: int, weights: _F64
) -> _F64:
    """Measures of a few weightings; samples from the highest probability down."""
    true = np.cumsum(np.where(positive, weights, 0.0), axis=1)[:, ends]
    false = np.cumsum(np.where(positive, 0.0, weights), axis=1)[:, ends]
    all_true, all_false = true[:, -1], false[:, -1]
    gained = np.diff(true, axis=1, prepend=0.0)
    added = np.diff(false, axis=1, prepend=0.0)
    auroc = (added * (true - gained / 2)).sum(axis=1) / (all_true * all_false)
    called = np.maximum(true + false, np.finfo(float).tiny)
    aupr = (gained * true / called).sum(axis=1) / all_true

    hits, alarms = (true[:, calls - 1], false[:, calls - 1]) if calls else (0 * all_true,) * 2
    se, sp = hits / all_true, 1 - alarms / all_false
    ppv = np.divide(hits, hits + alarms, out=np.zeros_like(hits), where=hits + alarms > 0)
    f = np.divide(2 * se * ppv, se + ppv, out=np.zeros_like(se), where=se + ppv > 0)
    return np.stack([se, sp, ppv, f, np.sqrt(se * sp), auroc, aupr], axis=1)


def intervals(
    groups: Sequence[Sequence[Scored]], *, clean: bool, count: int = 1000, seed: int = 0
) -> tuple[_F64, _F64]:
    """Compute 95 % intervals of the mean measures of several classifiers.

    Args:
        groups: classifiers by test set; those of one test set are resampled together.
        clean: leave out what is contaminated.
        count: resamples.
        seed: of the draws.

    Returns:
        Lower and upper ends, float64 (7,) each, as :data:`MEASURES`.
    """
    total, number = np.zeros((count, len(MEASURES))), 0
    for group in groups:
        kept = ~group[0].contaminated if clean else np.full(group[0].labels.size, True)
        weights = resamples(group[0].labels[kept], count=count, seed=seed)
        for scored in group:
            total += weighted_measures(scored.labels[kept], scored.probabilities[kept], weights)
            number += 1
    low, high = np.quantile(total / number, [0.025, 0.975], axis=0)
    return low, high
