"""Intervals of the seven measures, by resampling the test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from premir.train.judging import Scored
from premir.train.metrics import Metrics

MEASURES = tuple(field.name for field in fields(Metrics))
Seed = int | tuple[int, ...]
_F64 = npt.NDArray[np.float64]
_BLOCK = 20
"""Weightings that are computed at once: what they need fits a core's cache."""


def resamples(labels: npt.NDArray[np.int64], *, count: int, seed: Seed) -> _F64:
    """Draw how often each sample occurs in resamples with replacement, each class by itself.

    The share of positives in a test set is its makers' choice, so it stays.

    Args:
        labels: int64 (N,), 0 or 1.
        count: B.
        seed: of the draws: a number, or several.

    Returns:
        float64 (B, N).
    """
    return _drawn(labels.astype(np.uint8).tobytes(), count, seed).astype(np.float64)


@lru_cache(maxsize=16)
def _drawn(labels: bytes, count: int, seed: Seed) -> npt.NDArray[np.uint16]:
    """Draw; the classifiers of a table share their test sets, and a cross-validation has ten."""
    classes = np.frombuffer(labels, np.uint8)
    rng = np.random.default_rng(seed)
    times = np.empty((count, classes.size), np.uint16)
    for label in (0, 1):
        own = np.flatnonzero(classes == label)
        times[:, own] = rng.multinomial(own.size, np.full(own.size, 1 / own.size), size=count)
    return times


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
    ties = _Ties.of(labels[order] == 1, ends, calls)
    blocks = [
        _block(ties, weights[first : first + _BLOCK, order])
        for first in range(0, len(weights), _BLOCK)
    ]
    return np.concatenate(blocks)


@dataclass(frozen=True, slots=True)
class _Ties:
    """Where the ties that hold positives lie; only there do areas grow.

    Attributes:
        positives: which samples are positive, from the highest probability down.
        last: of each tie with positives, its last one, counted among positives.
        end: its last sample.
        before: the last sample of the tie before it, -1 for none.
        called: samples that are called, at a threshold of 0.5.
        hits: positives among them.
    """

    positives: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]
    called: int
    hits: int

    @classmethod
    def of(cls, positive: npt.NDArray[np.bool_], ends: npt.NDArray[np.int64], calls: int) -> _Ties:
        seen = np.cumsum(positive)[ends]
        growing = np.flatnonzero(np.diff(seen, prepend=0))
        before = np.concatenate([[-1], ends])[growing]
        called, hits = (int(ends[calls - 1]) + 1, int(seen[calls - 1])) if calls else (0, 0)
        return cls(np.flatnonzero(positive), seen[growing] - 1, ends[growing], before, called, hits)


def _block(ties: _Ties, weights: _F64) -> _F64:
    """Measures of a few weightings; samples from the highest probability down."""
    # With a zero in front, the sum up to and with sample k stands at k + 1.
    every = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=every[:, 1:])
    known = np.zeros((len(weights), ties.positives.size + 1))
    np.cumsum(weights[:, ties.positives], axis=1, out=known[:, 1:])
    all_true, all_false = known[:, -1], every[:, -1] - known[:, -1]
    true, called = known[:, ties.last + 1], every[:, ties.end + 1]
    gained = np.diff(true, axis=1, prepend=0.0)
    # Negatives of the same tie count half.
    above = (called - true + every[:, ties.before + 1] - (true - gained)) / 2
    auroc = (gained * (all_false[:, None] - above)).sum(axis=1) / (all_true * all_false)
    aupr = (gained * true / np.maximum(called, np.finfo(float).tiny)).sum(axis=1) / all_true

    hits = known[:, ties.hits]
    alarms = every[:, ties.called] - hits
    se, sp = hits / all_true, 1 - alarms / all_false
    ppv = np.divide(hits, hits + alarms, out=np.zeros_like(hits), where=hits + alarms > 0)
    f = np.divide(2 * se * ppv, se + ppv, out=np.zeros_like(se), where=se + ppv > 0)
    return np.stack([se, sp, ppv, f, np.sqrt(se * sp), auroc, aupr], axis=1)


def intervals(
    groups: Sequence[Sequence[Scored]], *, clean: bool, count: int = 1000, seed: int = 0
) -> tuple[_F64, _F64]:
    """Compute 95 % intervals of the mean measures of several classifiers.

    Args:
        groups: classifiers by test set; those of one test set are resampled together, and each test
            set by itself.
        clean: leave out what is contaminated.
        count: resamples.
        seed: of the draws.

    Returns:
        Lower and upper ends, float64 (7,) each, as :data:`MEASURES`.
    """
    total, number = np.zeros((count, len(MEASURES))), 0
    for place, group in enumerate(groups):
        measures = _resampled(group, clean=clean, count=count, seed=(seed, place))
        total += measures.sum(axis=0)
        number += len(group)
    return _ends(total / number)


def paired_intervals(
    pairs: Sequence[tuple[Sequence[Scored], Scored]],
    *,
    clean: bool,
    count: int = 1000,
    seed: int = 0,
) -> tuple[_F64, _F64]:
    """Compute 95 % intervals of what the mean measures of classifiers have above another's.

    All of one test set are measured on the same resamples of it: what is easy or hard about it for
    both drops out.

    Args:
        pairs: for each test set classifiers, and the other one.
        clean: leave out what is contaminated.
        count: resamples.
        seed: of the draws.

    Returns:
        Lower and upper ends, float64 (7,) each, as :data:`MEASURES`.
    """
    total = np.zeros((count, len(MEASURES)))
    for place, (ours, theirs) in enumerate(pairs):
        measures = _resampled([*ours, theirs], clean=clean, count=count, seed=(seed, place))
        total += measures[:-1].mean(axis=0) - measures[-1]
    return _ends(total / len(pairs))


def _resampled(group: Sequence[Scored], *, clean: bool, count: int, seed: Seed) -> _F64:
    """Measure classifiers on the same resamples of their test set, (classifiers, B, 7)."""
    kept = ~group[0].contaminated if clean else np.full(group[0].labels.size, True)
    weights = resamples(group[0].labels[kept], count=count, seed=seed)
    return np.stack(
        [weighted_measures(each.labels[kept], each.probabilities[kept], weights) for each in group]
    )


def _ends(values: _F64) -> tuple[_F64, _F64]:
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    return low, high
