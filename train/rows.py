"""Rows of the result tables, from the files that ``premir-train table`` leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from premir.train.authors import published_epoch
from premir.train.baseline import BOOSTINGS
from premir.train.bootstrap import MEASURES, intervals
from premir.train.judging import Judgement, Scored
from premir.train.recipes import VARIANTS
from premir.train.table import (
    BASELINE,
    BOOSTED,
    ENSEMBLE,
    Cell,
    judged_epochs,
    read_scored_sets,
)

TABLES = {
    "human-cv": "human cv",
    "human-test": "human test",
    "crossspecies-cv": "cross-species cv",
    "crossspecies-test": "cross-species test",
    "crossspecies-new": "new test",
}
"""The paper's tables by protocol."""
_ALGORITHMS = {
    "variable": "Algorithm 1",
    "fixed": "Algorithm 2",
    "recurrent": "LSTMs as deepMiRGene's",
    "fewer-pools": "Algorithm 1 with one pool less",
    "alexnet": "after AlexNet",
    "resnet": "residual network",
    "stem": "stem-wise network",
}
UNLEARNED = {
    BASELINE: f"{BOOSTINGS['eight'].title}, gradient boosting",
    BOOSTED: f"{BOOSTINGS['all'].title}, gradient boosting",
    ENSEMBLE: "three stem-wise networks and six boostings",
}
"""Methods that are no network, in words."""
_WITHOUT = {"pairing": "without pairing matrix", "numbers": "without numbers of the fold"}
VARIABLE, _FIXED, _ABLATED, _RERUN = (
    "Proposed variable-sized",
    "Proposed fixed-sized",
    "Without pairing matrix",
    "deepMiRGene-rerun",
)
NAMES = dict(zip(MEASURES, ("SE", "SP", "PPV", "F", "g-mean", "AUROC", "AUPR"), strict=True))
VIEWS = ("as_published", "decontaminated")


@dataclass(frozen=True, slots=True)
class Row:
    """One method under one protocol, over its seeds or folds.

    Attributes:
        protocol: key of ``TABLES``.
        method: in words.
        epochs: after which it was judged; 0 for what is no network.
        counterpart: the paper's method that it reproduces, None for others.
        planned: cells that the row shall have.
        cells: names of those that are finished.
        values: by column (``VIEWS``) and measure: ``mean``, ``sd`` (of seeds or folds, None for
            one), ``low`` and ``high`` (bootstrap, 95 %); empty without finished cells.
        removed: positives and negatives that the second column leaves out, over all folds.
    """

    protocol: str
    method: str
    epochs: int
    counterpart: str | None
    planned: int
    cells: tuple[str, ...]
    values: dict[str, dict[str, dict[str, float | None]]]
    removed: tuple[int, int]


def collect(folder: Path, plan: Iterable[Cell]) -> list[Row]:
    """Put finished cells together, in the order of the plan.

    Args:
        folder: with a JSON and an npz file of each finished cell.
        plan: all cells that there shall be.
    """
    groups: dict[tuple[str, str, int, str | None], list[Cell]] = {}
    for cell in plan:
        for epochs in cell.epochs:
            key = (cell.protocol, method_of(cell), epochs, _counterpart(cell))
            groups.setdefault(key, []).append(cell)
    order = list(TABLES)
    return [
        _row(folder, key, group)
        for key, group in sorted(groups.items(), key=lambda item: order.index(item[0][0]))
    ]


def method_of(cell: Cell) -> str:
    """Return what a row calls the method of a cell."""
    if cell.network in UNLEARNED:
        return UNLEARNED[cell.network]
    name = _ALGORITHMS.get(cell.network, cell.network)
    words = f"{name}, recipe {cell.recipe}"
    if cell.variant is not None:
        words = f"{words}, {VARIANTS[cell.variant][0]}"
    return f"{words}, {_WITHOUT[cell.ablate]}" if cell.ablate else words


def _counterpart(cell: Cell) -> str | None:
    if cell.recipe == "released-train" or cell.variant is not None:
        return None
    if cell.ablate == "pairing":
        return _ABLATED
    return {"variable": VARIABLE, "fixed": _FIXED, "recurrent": _RERUN}.get(cell.network)


def their_epoch(protocol: str, method: str) -> int | None:
    """Return the epoch of a row of the paper; None where there is no log, or no network."""
    networks = {VARIABLE: "variable", _FIXED: "fixed"}
    return published_epoch(protocol, networks[method]) if method in networks else None


def _row(folder: Path, key: tuple[str, str, int, str | None], group: list[Cell]) -> Row:
    protocol, method, epochs, counterpart = key
    paths = {cell: folder / f"{cell.name}.json" for cell in group}
    done = [c for c, path in paths.items() if path.exists() and epochs in judged_epochs(path)]
    by_fold: dict[int | None, list[Scored]] = {}
    for cell in done:
        scored = read_scored_sets(folder / f"{cell.name}.npz")[epochs]
        by_fold.setdefault(cell.fold, []).append(scored)
    judged = [[each.judgement() for each in scored] for scored in by_fold.values()]
    each_judged, sets = list(chain.from_iterable(judged)), [first for first, *_ in judged]
    return Row(
        protocol,
        method,
        epochs,
        counterpart,
        len(group),
        tuple(cell.name for cell in done),
        {c: summary(each_judged, list(by_fold.values()), c) for c in VIEWS} if done else {},
        (sum(s.removed_positives for s in sets), sum(s.removed_negatives for s in sets)),
    )


def summary(
    judged: Sequence[Judgement], groups: Sequence[Sequence[Scored]], column: str
) -> dict[str, dict[str, float | None]]:
    """Average the measures of a column, with spread and interval, as in :attr:`Row.values`.

    Args:
        judged: classifiers, each as it was judged.
        groups: the same by test set, as they score it.
        column: one of :data:`VIEWS`.
    """
    table = np.array([measures_of(each, column) for each in judged])
    low, high = intervals(groups, clean=column == "decontaminated")
    sd = table.std(axis=0, ddof=1) if len(judged) > 1 else None
    return {
        name: {
            "mean": round(float(table[:, n].mean()), 4),
            "sd": round(float(sd[n]), 4) if sd is not None else None,
            "low": round(float(low[n]), 4),
            "high": round(float(high[n]), 4),
        }
        for n, name in enumerate(MEASURES)
    }


def measures_of(judgement: Judgement, column: str) -> list[float]:
    """Return the measures of a column, as :data:`MEASURES`."""
    return [getattr(getattr(judgement, column), name) for name in MEASURES]
