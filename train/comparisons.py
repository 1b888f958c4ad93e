"""Where rows of the result tables differ from the paper, and from the authors' own networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from premir.train.authors import FOLDER, LOGS, LogMean, log_means, published_epoch, read_scores
from premir.train.bootstrap import MEASURES, paired_intervals
from premir.train.judging import Scored
from premir.train.recipes import PAPER_EPOCHS
from premir.train.rows import (
    TABLES,
    UNLEARNED,
    VARIABLE,
    VIEWS,
    Row,
    measures_of,
    method_of,
    summary,
    their_epoch,
)
from premir.train.table import ENSEMBLE, Cell, read_scored_sets

_NEW = "crossspecies-new"
_ROUNDING = 0.0005
"""The paper's values, and spreads as they are shown, have three decimals."""


def differences(rows: Iterable[Row], paper: dict[str, dict[str, list[float | None]]]) -> list[Any]:
    """List measures in which a row is further from the paper's than its own spread.

    Of the epochs that a method is judged after, the one nearest to the paper's counts.

    Args:
        rows: of :func:`collect`.
        paper: the paper's values by table and method, in the order of the measures.

    Returns:
        For each such measure: protocol, method, epochs, the paper's epochs (None where no log says
        so), measure, ours, the paper's, and the spread: the standard deviation of seeds or folds,
        and half the bootstrap interval of a single one, or where seeds agree to the last call.
    """
    found = []
    for row in _nearest(rows):
        assert row.counterpart is not None
        published = paper[TABLES[row.protocol]][row.counterpart]
        for name, value in zip(MEASURES, published, strict=True):
            ours = row.values["as_published"][name]
            mean, low, high = ours["mean"], ours["low"], ours["high"]
            if value is None or mean is None or low is None or high is None:
                continue
            sd, spread = ours["sd"], (high - low) / 2
            if sd is not None and sd >= _ROUNDING:
                spread = sd
            if abs(mean - value) > spread + _ROUNDING:
                found.append(
                    {
                        "protocol": row.protocol,
                        "method": row.method,
                        "epochs": row.epochs,
                        "their_epochs": their_epoch(row.protocol, row.counterpart),
                        "measure": name,
                        "ours": mean,
                        "paper": value,
                        "difference": round(mean - value, 4),
                        "spread": round(spread, 4),
                        "inside_interval": low <= value <= high,
                    }
                )
    return found


def _nearest(rows: Iterable[Row]) -> list[Row]:
    """Choose, of the rows of each method of the paper's, the one nearest to the paper's epoch."""
    chosen: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row.counterpart and row.values:
            theirs = their_epoch(row.protocol, row.counterpart)
            wanted = theirs or published_epoch(row.protocol, "variable")
            key = (row.protocol, row.method)
            if key not in chosen or abs(row.epochs - wanted) < abs(chosen[key].epochs - wanted):
                chosen[key] = row
    return list(chosen.values())


@dataclass(frozen=True, slots=True)
class Authors:
    """The authors' own networks, on the test sets of finished cells.

    Attributes:
        rows: their variable-size network under each protocol that has a test set.
        paired: for each of our rows of that network and of ensembles, and each column:
            ``protocol``, ``method``, ``epochs``, ``column`` and by measure ``difference`` (ours
            less theirs), ``low`` and ``high`` (bootstrap, 95 %, of the same resamples for both).
        late: their log of ``crossspecies-new``, epochs 71 to 80, by network.
    """

    rows: list[Row]
    paired: list[dict[str, Any]]
    late: dict[str, LogMean]


def compare_with_authors(folder: Path, rows: Iterable[Row]) -> Authors:
    """Judge the authors' networks as ours are, and ours against theirs.

    Args:
        folder: ``docs/results``; without ``authors/`` there is nothing to compare with.
        rows: of :func:`collect`.
    """
    source, their_rows, paired = folder / FOLDER, {}, []
    rows = list(rows)
    of_theirs = [row for row in _nearest(rows) if row.counterpart == VARIABLE]
    for row in [*of_theirs, *(r for r in rows if r.values and r.method == UNLEARNED[ENSEMBLE])]:
        path = source / f"{row.protocol}.tsv"
        if not path.exists():
            continue
        ours = [read_scored_sets(folder / "cells" / f"{n}.npz")[row.epochs] for n in row.cells]
        theirs = read_scores(path, ours[0])
        judged = [theirs.judgement()]
        their_rows[row.protocol] = Row(
            row.protocol,
            "the authors' weights of Algorithm 1",
            published_epoch(row.protocol, "variable"),
            None,
            0,
            (),
            {column: summary(judged, [[theirs]], column) for column in VIEWS},
            row.removed,
        )
        for column in VIEWS:
            paired.append(
                {
                    "protocol": row.protocol,
                    "method": row.method,
                    "epochs": row.epochs,
                    "column": column,
                    "measures": _paired([(ours, theirs)], column),
                }
            )
    late = {}
    if (source / LOGS).exists():
        for network in ("variable", "fixed"):
            late[network] = log_means(source / LOGS, _NEW, network, range(71, 81))
    return Authors(list(their_rows.values()), paired, late)


def compare_tried(folder: Path, plan: Iterable[Cell]) -> list[dict[str, Any]]:
    """Measure what the paper's authors also tried against the plain network, on the same sequences.

    Args:
        folder: with a JSON and an npz file of each finished cell.
        plan: all cells that there shall be.

    Returns:
        For each of these that is trained under a protocol, in all of its folds: ``protocol``,
        ``method``, and by measure ``difference``, ``low`` and ``high`` as in :class:`Authors`, as
        published, after :data:`PAPER_EPOCHS` epochs.
    """
    groups: dict[tuple[str, str], list[tuple[Cell, Cell]]] = {}
    for cell in plan:
        if cell.plain is not None:
            groups.setdefault((cell.protocol, method_of(cell)), []).append((cell, cell.plain))
    found = []
    for (protocol, method), cells in groups.items():
        paths = [[folder / f"{one.name}.npz" for one in pair] for pair in cells]
        if not all(path.exists() for pair in paths for path in pair):
            continue
        scored = [[read_scored_sets(path).get(PAPER_EPOCHS) for path in pair] for pair in paths]
        pairs = [([own], plain) for own, plain in scored if own is not None and plain is not None]
        if len(pairs) == len(cells):
            measures = _paired(pairs, VIEWS[0])
            found.append({"protocol": protocol, "method": method, "measures": measures})
    return found


def _paired(
    pairs: Sequence[tuple[Sequence[Scored], Scored]], column: str
) -> dict[str, dict[str, float]]:
    """By measure what classifiers have above another of the same test set, and its interval."""

    def measured(each: Scored) -> list[float]:
        return measures_of(each.judgement(), column)

    low, high = paired_intervals(pairs, clean=column == "decontaminated")
    difference = np.mean(
        [np.mean([measured(each) for each in ours], axis=0) - measured(other)
         for ours, other in pairs],
        axis=0,
    )  # fmt: skip
    return {
        name: {
            "difference": round(float(difference[n]), 4),
            "low": round(float(low[n]), 4),
            "high": round(float(high[n]), 4),
        }
        for n, name in enumerate(MEASURES)
    }


def validation_course(protocol: str, curves: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Tell what the curves of a cross-validation say of epochs.

    Args:
        protocol: a cross-validation of the paper.
        curves: cells with a ``test_curve``, a fold each.

    Returns:
        ``peaks``: by measure the epoch after which its mean over the folds is highest; ``at``: mean
        and standard deviation by measure after the epoch of the paper's row, ``epoch``.
    """
    epoch = published_epoch(protocol, "variable")
    peaks, at = {}, {}
    for name in MEASURES:
        values = np.array([cell["test_curve"][name] for cell in curves])
        peaks[name] = int(values.mean(axis=0).argmax()) + 1
        if epoch <= values.shape[1]:
            one = values[:, epoch - 1]
            sd = round(float(one.std(ddof=1)), 4) if one.size > 1 else None
            at[name] = {"mean": round(float(one.mean()), 4), "sd": sd}
    return {"peaks": peaks, "epoch": epoch, "at": at}
