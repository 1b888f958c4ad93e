"""``premir-train arms``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import file_path, path, whole
from premir.scanner.outputs import check_writable
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--data", type=path, required=True, metavar="DIR", help="folder of mirbase/ and genomes/")
    add("--seed", type=whole(0), default=1, metavar="N", help="default: %(default)s")
    add("--out", type=file_path, required=True, metavar="JSON", help="file to write")


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    check_writable(options.out)

    from premir.train.arms import make_cuts
    from premir.train.commands.shared import print_json

    print_json(make_cuts(options.data, options.out, seed=options.seed))
    return 0


COMMAND = Command(
    "arms",
    "learn where the matures of a fold begin",
    _add_options,
    _run,
    description="Learn where the matures of a fold begin, from those of miRBase's animals;\n"
    "scanner/report/evidence/arms holds what was learned so. train/arms.py says how.",
    examples=("--data DATA --out premir-arms@1.json",),
)
