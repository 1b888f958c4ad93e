"""Judging a network on a test set: as published, and without what the data sets have wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.errors import InputError
from premir.train.dataset import Dataset
from premir.train.metrics import Metrics, evaluate


@dataclass(frozen=True, slots=True)
class Judgement:
    """Measures of one network on one test set.

    Attributes:
        as_published: on the whole test set.
        decontaminated: without the sequences that :func:`contaminated` marks.
        removed_positives: positives left out of ``decontaminated``.
        removed_negatives: negatives left out of it.
    """

    as_published: Metrics
    decontaminated: Metrics
    removed_positives: int
    removed_negatives: int

    def rounded(self) -> dict[str, Any]:
        """Return everything by name, measures with four decimals."""
        return {
            "as_published": self.as_published.rounded(),
            "decontaminated": self.decontaminated.rounded(),
            "removed_positives": self.removed_positives,
            "removed_negatives": self.removed_negatives,
        }


def contaminated(training: Dataset, test: Dataset) -> npt.NDArray[np.bool_]:
    """Mark test sequences that a clean test set would not have.

    Args:
        training: what the network was trained on.
        test: what it is judged by.

    Returns:
        bool (N,) for the test set: the same sequence stands in the training set, under either
        label, or stands in the test set under the other label too.

    Raises:
        InputError: nothing of one class is left without them, so that there is nothing to measure.
    """
    trained = set(training.sequences())
    labels: dict[bytes, set[int]] = {}
    sequences = test.sequences()
    for sequence, label in zip(sequences, test.labels.tolist(), strict=True):
        labels.setdefault(sequence, set()).add(label)
    marked = np.array(
        [sequence in trained or len(labels[sequence]) > 1 for sequence in sequences], np.bool_
    )
    for name, label in (("positives", 1), ("negatives", 0)):
        if marked[test.labels == label].all():
            raise InputError(
                f"all {name} of the test set stand in the training set too, or under both labels: "
                "there is nothing to judge by; give others"
            )
    return marked


@dataclass(frozen=True, slots=True)
class Scored:
    """A test set with the probabilities that a classifier gave it.

    Attributes:
        labels: int64 (N,), 1 for pre-miRNA.
        probabilities: float64 (N,), of pre-miRNA.
        contaminated: bool (N,), see :func:`contaminated`.
    """

    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    contaminated: npt.NDArray[np.bool_]

    def judgement(self) -> Judgement:
        """Measure, as published and decontaminated."""
        clean = ~self.contaminated
        return Judgement(
            evaluate(self.labels, self.probabilities),
            evaluate(self.labels[clean], self.probabilities[clean]),
            int((self.contaminated & (self.labels == 1)).sum()),
            int((self.contaminated & (self.labels == 0)).sum()),
        )


def scored(log_odds: npt.NDArray[np.float32], training: Dataset, test: Dataset) -> Scored:
    """Return a test set with what a model's log odds, float32 (N,), make of it."""
    return Scored(test.labels, probabilities_of(log_odds), contaminated(training, test))


def together(members: Sequence[Scored]) -> Scored:
    """Return a test set as the mean log odds of several classifiers score it."""
    probabilities = averaged([each.probabilities for each in members])
    return replace(members[0], probabilities=probabilities)


def averaged(probabilities: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return the probabilities that the mean of several log odds stands for.

    Args:
        probabilities: of several classifiers, (N,) each; within 1e-7 of 0 or 1, where float32 tells
            no more, they count as that.
    """
    near = np.clip(probabilities, 1e-7, 1 - 1e-7)
    log_odds = np.log(near / (1 - near)).mean(axis=0)
    found: npt.NDArray[np.float64] = 1 / (1 + np.exp(-log_odds))
    return found


def probabilities_of(log_odds: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the probabilities, float64 (N,), that log odds stand for."""
    return torch.from_numpy(log_odds).sigmoid().numpy().astype(np.float64)


def mean(judgements: Sequence[Judgement]) -> Judgement:
    """Average the measures of several folds; counts of removed sequences are summed."""

    def average(kind: str) -> Metrics:
        rows = [asdict(getattr(judgement, kind)) for judgement in judgements]
        return Metrics(**{name: float(np.mean([row[name] for row in rows])) for name in rows[0]})

    return Judgement(
        average("as_published"),
        average("decontaminated"),
        sum(judgement.removed_positives for judgement in judgements),
        sum(judgement.removed_negatives for judgement in judgements),
    )
