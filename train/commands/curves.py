"""``premir-train curves``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from premir.scanner.command import Parser
from premir.scanner.errors import InputError
from premir.scanner.option_types import path
from premir.scanner.outputs import check_writable
from premir.train.commands.command import Command
from premir.train.commands.shared import print_json

if TYPE_CHECKING:
    from premir.train.checkpoint import History


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("folders", metavar="DIR", nargs="+", type=path, help="what a training with --validation or "
        "--patience wrote, ended or not; several are drawn together")  # fmt: skip
    add("--out", type=path, metavar="PNG", required=True, help="figure to write")


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    if options.out.suffix.lower() != ".png":
        raise InputError(f"--out {options.out}: must end in .png")
    histories = {folder: _history(folder) for folder in options.folders}
    check_writable(options.out)

    from premir.train.validation import MEASURE, best_epoch, course_of

    try:
        from premir.train.plots import curves
    except ModuleNotFoundError as error:
        raise InputError(f"{error}; pip install 'premir[results]'") from error
    best = {folder: best_epoch(history) for folder, history in histories.items()}
    courses = [course_of(history) for history in histories.values()]
    curves(courses, options.out, mark=sorted(best.values())[len(best) // 2])
    for folder, history in histories.items():
        measures = history[best[folder] - 1]["validation"]
        print_json({"folder": str(folder), "best_epoch": best[folder], "by": MEASURE, **measures})
    return 0


def _history(folder: Path) -> History:
    from premir.train.checkpoint import checkpoint_name, read_history

    checkpoint = folder / checkpoint_name()
    if not checkpoint.exists():
        raise InputError(f"{folder}: holds no training")
    history = read_history(checkpoint)
    if not history or "validation" not in history[0]:
        raise InputError(f"{folder}: was trained without --validation: there is nothing to draw")
    return history


COMMAND = Command(
    "curves",
    "draw loss and measures of a training by epoch",
    _add_options,
    _run,
    description="Draw loss, sensitivity, F-score, AUROC and AUPR by epoch, on training and\n"
    "validation sequences, and print the best epoch of each training (dotted: their median).",
    examples=("my-model --out curves.png", "human-cv/fold1 human-cv/fold2 --out curves.png"),
)
