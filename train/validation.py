"""A share of the training set that is kept from training, to watch it and to choose its end by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from premir.scanner.errors import InputError
from premir.train.dataset import Dataset

MEASURE = "aupr"
"""Chooses between epochs: classes are unequal, and it hangs on no threshold."""
_SCALE = 1 << 32


@dataclass(frozen=True, slots=True)
class Validation:
    """How a training is watched.

    Attributes:
        share: of the distinct sequences of the training set, from 0 (none) to less than 1.
        patience: stop when so many epochs in a row were not better than the best one, whose
            network is then taken; None: take the last.
    """

    share: float = 0.0
    patience: int | None = None

    def split(self, data: Dataset, seed: int) -> tuple[Dataset, Dataset | None]:
        """Divide a data set into what is learned from, and what watches.

        A sequence's digest says where it goes, so that copies stay together and neither the order
        nor the other records matter.

        Args:
            data: the whole.
            seed: for another division.

        Returns:
            Both; None for the second if there is to be none.

        Raises:
            InputError: one of them would lack positives or negatives.
        """
        if not self.share:
            return data, None
        watching = np.array([_draw(each, seed) < self.share for each in data.sequences()])
        training, watched = (
            data.take(np.flatnonzero(~watching)),
            data.take(np.flatnonzero(watching)),
        )
        for part in (training, watched):
            if not part.positives or not part.negatives:
                raise InputError(
                    f"--validation {self.share:g}: {len(data.hairpins)} hairpins are too few for "
                    "positives and negatives to learn from and to validate by"
                )
        return training, watched

    def is_over(self, history: Sequence[dict[str, Any]]) -> bool:
        """Whether the epochs done were enough."""
        waited = len(history) - best_epoch(history)
        return self.patience is not None and bool(history) and waited >= self.patience


def best_epoch(history: Sequence[dict[str, Any]]) -> int:
    """Return the number (from 1) of the first epoch that none is better than; 0 before any."""
    values = [epoch["validation"][MEASURE] for epoch in history if "validation" in epoch]
    return int(np.argmax(values)) + 1 if values else 0


UNWATCHED = Validation()
"""All is learned from, and the last network taken."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a training went.

    Attributes:
        losses: mean training loss by epoch.
        training: measures by name and epoch, on the training set as the epoch saw it.
        validation: the same on what validates.
    """

    losses: Sequence[float]
    training: Mapping[str, Sequence[float]]
    validation: Mapping[str, Sequence[float]]


def course_of(history: Sequence[dict[str, Any]]) -> Course:
    """Return how a training with a validation set went."""
    losses = [epoch["loss"] for epoch in history]
    return Course(losses, curve(history, "training"), curve(history, "validation"))


def curve(history: Sequence[dict[str, Any]], part: str) -> dict[str, list[float]]:
    """Return measures of one part by epoch, and by name.

    Args:
        history: of a training's epochs.
        part: ``training``, ``validation`` or ``test``; all epochs must have it.
    """
    return {name: [epoch[part][name] for epoch in history] for name in history[0][part]}


def _draw(sequence: bytes, seed: int) -> float:
    """Return a number from 0 to less than 1 that is a sequence's own."""
    digest = hashlib.blake2b(sequence, digest_size=4, key=seed.to_bytes(4, "little")).digest()
    return int.from_bytes(digest, "little") / _SCALE
