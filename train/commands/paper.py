"""``premir-train paper``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import train_and_report
from premir.train.protocols import BENCHMARKS, released


def _add_options(parser: Parser) -> None:
    parser.add_argument("protocol", metavar="PROTOCOL", choices=list(BENCHMARKS), help="one of "
        f"{', '.join(BENCHMARKS)}; premir-train protocols explains them")  # fmt: skip
    groups.add_released_data(parser)
    groups.add_recipe(parser)
    groups.add_output(parser)
    groups.add_machine(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    protocols = released(options.protocol, options.data)
    return train_and_report(options, options.protocol, protocols)


COMMAND = Command(
    "paper",
    "train and judge networks by a protocol of Do et al. (2018)",
    _add_options,
    _run,
    examples=("crossspecies-new", "human-cv --out human-cv"),
)
