"""``premir-train table``."""

from __future__ import annotations

import argparse
from pathlib import Path

from premir.scanner.command import Parser
from premir.scanner.option_types import path
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.download import benchmark_folder


def _add_options(parser: Parser) -> None:
    groups.add_released_data(parser)
    parser.add_argument("--out", type=path, default=Path("premir-table"), metavar="DIR", help="for "
        "models and results; default: %(default)s")  # fmt: skip
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="trainings "
        "whose names match, as human-test-variable-paper-seed0 matches human-*; default: "
        "all")  # fmt: skip
    groups.add_machine(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    data = benchmark_folder(options.data)

    from premir.train.table import run_all

    return run_all(
        data,
        options.out,
        device_name=options.device,
        threads=options.threads,
        only=options.only,
    )


COMMAND = Command(
    "table",
    "train and judge every row of the paper's tables",
    _add_options,
    _run,
    description="Train and judge every row of the paper's tables, one by one. It goes on where it\n"
    "stopped, and several at once share the work. A training that comes to nothing is recorded,\n"
    "and the others go on.",
    examples=("--out RUNS", "--out RUNS --only 'human-test-*' '*-ensemble-*'"),
)
