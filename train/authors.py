"""The authors' own networks, as numbers: what their weights score, and what their logs say."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.scanner.errors import InputError
from premir.train.bootstrap import MEASURES
from premir.train.judging import Scored

FOLDER = "authors"
LOGS = "logs.tsv"


def published_epoch(protocol: str, network: str) -> int:
    """Return the epoch whose values the paper prints, by the authors' logs.

    Args:
        protocol: key of :data:`premir.train.protocols.BENCHMARKS`.
        network: ``variable`` or ``fixed``.
    """
    if protocol.endswith("-cv"):
        return 10 if network == "fixed" else 30
    return 80 if protocol == "crossspecies-new" else 40


@dataclass(frozen=True, slots=True)
class LogMean:
    """Several epochs of a log.

    Attributes:
        epochs: the first and the last.
        mean: of each measure.
        least: of each measure.
        most: of each measure.
    """

    epochs: tuple[int, int]
    mean: dict[str, float]
    least: dict[str, float]
    most: dict[str, float]


def read_scores(path: Path, like: Scored) -> Scored:
    """Read the probabilities that the authors' network gives a test set.

    Args:
        path: a table with the columns ``label`` and ``prob``; a line is a test sequence.
        like: the same test set, which says what is contaminated.

    Raises:
        InputError: it is of another test set.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        rows = [
            (int(row["label"]), float(row["prob"]))
            for row in csv.DictReader(handle, delimiter="\t")
        ]
    labels = np.array([label for label, _ in rows], np.int64)
    if not np.array_equal(labels, like.labels):
        raise InputError(f"{path}: is not of the test set that the cells are of")
    return Scored(labels, np.array([prob for _, prob in rows]), like.contaminated)


def log_means(path: Path, protocol: str, network: str, epochs: Iterable[int]) -> LogMean:
    """Average the epochs of a log.

    Args:
        path: a table with the columns ``protocol``, ``network``, ``epoch`` and the measures.
        protocol: whose log.
        network: whose log.
        epochs: which.

    Raises:
        InputError: one of the epochs is not there.
    """
    wanted = sorted(epochs)
    with path.open(encoding="utf-8", newline="") as handle:
        found = {
            int(row["epoch"]): [float(row[name]) for name in MEASURES]
            for row in csv.DictReader(handle, delimiter="\t")
            if (row["protocol"], row["network"]) == (protocol, network)
        }
    if missing := [epoch for epoch in wanted if epoch not in found]:
        raise InputError(f"{path}: has no epoch {missing[0]} of {protocol}, {network}")
    values = np.array([found[epoch] for epoch in wanted])

    def named(row: npt.NDArray[np.float64]) -> dict[str, float]:
        return {name: round(float(value), 4) for name, value in zip(MEASURES, row, strict=True)}

    return LogMean(
        (wanted[0], wanted[-1]),
        named(values.mean(axis=0)),
        named(values.min(axis=0)),
        named(values.max(axis=0)),
    )
