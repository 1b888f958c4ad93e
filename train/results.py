"""Result tables and figures, from the files that ``premir-train table`` leaves.

``premir-train results docs/results`` reads ``cells/`` (a JSON file and the probabilities of each
training), ``authors/`` (:mod:`.authors`), ``paper_tables.json`` and ``remarks.md`` in that folder,
and writes ``README.md``, ``results.json`` and the figures; and ``genome-ablation.md`` from
``genome-ablation.json``, the ``results.json`` of ``premir-train ablation``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from premir.scanner.errors import InputError
from premir.scanner.find.folding import fold
from premir.train.bootstrap import MEASURES
from premir.train.comparisons import (
    compare_tried,
    compare_with_authors,
    differences,
    validation_course,
)
from premir.train.genome.ablation import ablation_page
from premir.train.recipes import PAPER_EPOCHS
from premir.train.rows import NAMES, TABLES, VIEWS, collect, their_epoch
from premir.train.table import FLANKS, LENGTHS, Cell, is_finished
from premir.train.validation import Course

EXAMPLE = "UGGGAUGAGGUAGUAGGUUGUAUAGUUUUAGGGUCACACCCACCACUGGGAGAUAACUAUACAAUCUACUGUCUUUCCUA"
"""The human let-7a-1, of which the page has a picture (miRBase, MI0000060)."""


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
    without = {*missing, *collapsed}
    curves: dict[str, list[dict[str, Any]]] = {}
    for cell in plan:
        if cell.name in begun and cell.name not in without and "test_curve" in begun[cell.name]:
            curves.setdefault(cell.protocol, []).append(begun[cell.name])
    authors = compare_with_authors(folder, rows)
    result = {
        "cells": len(plan),
        "missing": missing,
        "collapsed": collapsed,
        "costs": _costs(begun.values()),
        "differences": differences(rows, paper["tables"]),
        "rows": [asdict(row) for row in rows],
        "authors": asdict(authors),
        "tried": compare_tried(kept, plan),
        "validation": {name: validation_course(name, cells) for name, cells in curves.items()},
    }
    text = json.dumps(result, indent=1) + "\n"
    (folder / "results.json").write_text(text, encoding="utf-8")
    extras = {
        name: json.loads((kept / name).read_text(encoding="utf-8"))
        for name in (LENGTHS, FLANKS)
        if (kept / name).exists()
    }
    figures = [plots.tensor(fold([EXAMPLE]), folder / "tensor.png")]
    for protocol, followed in curves.items():
        courses = [
            Course(cell["losses"], cell["training_curve"], cell["test_curve"]) for cell in followed
        ]
        path = folder / f"curves-{protocol}.png"
        figures.append(plots.curves(courses, path, mark=PAPER_EPOCHS))
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
        their_epoch=their_epoch,
        authors=authors,
        result=result,
        curves=curves,
        sets=extras.get(LENGTHS),
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


def _costs(begun: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """CPU seconds of an epoch by network and protocol, least and median, and the most memory."""
    costs: dict[tuple[str, str], dict[str, Any]] = {}
    for result in begun:
        if "epoch_cpu_seconds" not in result:
            continue
        seconds, key = result["epoch_cpu_seconds"], (
            result["cell"]["network"],
            result["cell"]["protocol"],
        )  # fmt: skip
        cost = costs.setdefault(key, {"network": key[0], "protocol": key[1]})
        cost["least"] = min(cost.get("least", np.inf), seconds["least"])
        cost["median"] = min(cost.get("median", np.inf), seconds["median"])
        cost["peak_mib"] = max(cost.get("peak_mib", 0.0), result["peak_memory_mib"])
    return [costs[key] for key in sorted(costs)]


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
