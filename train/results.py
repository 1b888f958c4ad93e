"""Result tables and figures, from the files that ``premir-train table`` leaves.

``premir-train results docs/results`` reads ``cells/`` (a JSON file and the probabilities of each
training), ``paper_tables.json`` and ``remarks.md`` in that folder, and writes ``README.md``,
``results.json`` and the figures; and ``genome-ablation.md`` from ``genome-ablation.json``, the
``results.json`` of ``premir-train ablation``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from premir.scanner.errors import InputError
from premir.train.bootstrap import MEASURES, intervals
from premir.train.genome.ablation import ablation_page
from premir.train.judging import Judgement, Scored
from premir.train.table import (
    BASELINE,
    FLANKS,
    LENGTHS,
    Cell,
    is_finished,
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
PAPER_EPOCHS = {protocol: 80 if protocol == "crossspecies-new" else 40 for protocol in TABLES}
"""Epoch of the paper's rows: 80 for new (the authors' logs), 40 elsewhere."""
NAMES = dict(zip(MEASURES, ("SE", "SP", "PPV", "F", "g-mean", "AUROC", "AUPR"), strict=True))
VIEWS = ("as_published", "decontaminated")


@dataclass(frozen=True, slots=True)
class Row:
    """One method under one protocol, over its seeds or folds.

    Attributes:
        protocol: key of ``TABLES``.
        method: in words.
        epochs: after which it was judged; 0 for the baseline.
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
            key = (cell.protocol, _method(cell), epochs, _counterpart(cell))
            groups.setdefault(key, []).append(cell)
    order = list(TABLES)
    return [
        _row(folder, key, group)
        for key, group in sorted(groups.items(), key=lambda item: order.index(item[0][0]))
    ]


def _method(cell: Cell) -> str:
    if cell.network == BASELINE:
        return "eight numbers, gradient boosting"
    name = {"variable": "Algorithm 1", "fixed": "Algorithm 2"}.get(cell.network, cell.network)
    words = f"{name}, recipe {cell.recipe}"
    return f"{words}, without {cell.ablate} matrix" if cell.ablate else words


def _counterpart(cell: Cell) -> str | None:
    if cell.recipe == "released-train":
        return None
    if cell.ablate:
        return "Without pairing matrix"
    names = {"variable": "Proposed variable-sized", "fixed": "Proposed fixed-sized"}
    return names.get(cell.network)


def _row(folder: Path, key: tuple[str, str, int, str | None], group: list[Cell]) -> Row:
    protocol, method, epochs, counterpart = key
    paths = {cell: folder / f"{cell.name}.json" for cell in group}
    done = [c for c, path in paths.items() if path.exists() and epochs in judged_epochs(path)]
    by_fold: dict[int | None, list[Scored]] = {}
    for cell in done:
        scored = read_scored_sets(folder / f"{cell.name}.npz")[epochs]
        by_fold.setdefault(cell.fold, []).append(scored)
    judged = [each.judgement() for scored in by_fold.values() for each in scored]
    sets = [scored[0].judgement() for scored in by_fold.values()]
    return Row(
        protocol,
        method,
        epochs,
        counterpart,
        len(group),
        tuple(cell.name for cell in done),
        {c: _summary(judged, list(by_fold.values()), c) for c in VIEWS} if done else {},
        (sum(s.removed_positives for s in sets), sum(s.removed_negatives for s in sets)),
    )


def _summary(
    judged: Sequence[Judgement], groups: Sequence[Sequence[Scored]], column: str
) -> dict[str, dict[str, float | None]]:
    table = np.array([[getattr(getattr(j, column), name) for name in MEASURES] for j in judged])
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


def differences(rows: Iterable[Row], paper: dict[str, dict[str, list[float | None]]]) -> list[Any]:
    """List measures in which a row is further from the paper's than its own spread.

    Args:
        rows: of :func:`collect`.
        paper: the paper's values by table and method, in the order of the measures.

    Returns:
        For each such measure: protocol, method, epochs, measure, ours, the paper's, and the spread:
        the standard deviation of seeds or folds, for a single one half the bootstrap interval.
    """
    found = []
    for row in rows:
        if not row.counterpart or not row.values or row.epochs != PAPER_EPOCHS[row.protocol]:
            continue
        published = paper[TABLES[row.protocol]][row.counterpart]
        for name, value in zip(MEASURES, published, strict=True):
            ours = row.values["as_published"][name]
            mean, low, high = ours["mean"], ours["low"], ours["high"]
            if value is None or mean is None or low is None or high is None:
                continue
            spread = ours["sd"] if ours["sd"] is not None else (high - low) / 2
            if abs(mean - value) > spread + 0.0005:  # the paper has three decimals
                found.append(
                    {
                        "protocol": row.protocol,
                        "method": row.method,
                        "epochs": row.epochs,
                        "measure": name,
                        "ours": mean,
                        "paper": value,
                        "difference": round(mean - value, 4),
                        "spread": round(spread, 4),
                        "inside_interval": low <= value <= high,
                    }
                )
    return found


def generate(folder: Path, plan: Sequence[Cell]) -> list[str]:
    """Write tables and figures into ``folder``; returns the names of cells that are missing.

    Raises:
        InputError: the folder lacks ``paper_tables.json``.
    """
    from premir.train import plots

    source = folder / "paper_tables.json"
    try:
        paper = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from error
    kept = folder / "cells"
    rows = collect(kept, plan)
    begun = {
        cell.name: json.loads((kept / f"{cell.name}.json").read_text(encoding="utf-8"))
        for cell in plan
        if (kept / f"{cell.name}.json").exists()
    }
    missing = [cell.name for cell in plan if not is_finished(kept, cell)]
    collapsed = {name: cell["collapsed"] for name, cell in begun.items() if "collapsed" in cell}
    result = {
        "cells": len(plan),
        "missing": missing,
        "collapsed": collapsed,
        "costs": _costs(begun.values()),
        "differences": differences(rows, paper["tables"]),
        "rows": [asdict(row) for row in rows],
    }
    text = json.dumps(result, indent=1) + "\n"
    (folder / "results.json").write_text(text, encoding="utf-8")
    extras = {
        name: json.loads((kept / name).read_text(encoding="utf-8"))
        for name in (LENGTHS, FLANKS)
        if (kept / name).exists()
    }
    figures = []
    without = {*missing, *collapsed}
    curves = [cell for name, cell in begun.items() if name not in without and "test_curve" in cell]
    if curves:
        figures.append(plots.curves(curves, folder / "curves.png"))
    if LENGTHS in extras:
        figures.append(plots.lengths(extras[LENGTHS], folder / "lengths.png"))
    if FLANKS in extras:
        figures.append(plots.flanks(extras[FLANKS], folder / "flanks.png"))
    remarks = folder / "remarks.md"
    page = _template().render(
        tables=TABLES,
        measures=MEASURES,
        names=NAMES,
        headings=list(NAMES.values()),
        columns=VIEWS,
        rows=rows,
        paper=paper,
        paper_epochs=PAPER_EPOCHS,
        result=result,
        curves=curves,
        flanks=extras.get(FLANKS),
        figures={path.name for path in figures},
        remarks=remarks.read_text(encoding="utf-8") if remarks.exists() else "",
    )
    (folder / "README.md").write_text(page, encoding="utf-8")
    ablated = folder / "genome-ablation.json"
    if ablated.exists():
        text = ablation_page(json.loads(ablated.read_text(encoding="utf-8")))
        ablated.with_suffix(".md").write_text(text, encoding="utf-8")
    return missing


def _costs(begun: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """CPU seconds of an epoch by protocol, least and median, and the most memory of all cells."""
    costs: dict[str, dict[str, float]] = {}
    for result in begun:
        if "epoch_cpu_seconds" not in result:
            continue
        cost, seconds = (
            costs.setdefault(result["cell"]["protocol"], {}),
            result["epoch_cpu_seconds"],
        )
        cost["least"] = min(cost.get("least", np.inf), seconds["least"])
        cost["median"] = min(cost.get("median", np.inf), seconds["median"])
        cost["peak_mib"] = max(cost.get("peak_mib", 0.0), result["peak_memory_mib"])
    return costs


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    environment.filters["three"] = lambda value: "." if value is None else f"{value:.3f}"
    return environment.get_template("results.md.j2")


if __name__ == "__main__":
    from premir.train.cli import moved

    sys.exit(moved("premir.train.results", "results"))
