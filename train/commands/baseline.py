"""``premir-train baseline``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import judging_protocols, report


def _add_options(parser: Parser) -> None:
    groups.add_judged_by(parser)
    parser.add_argument("--numbers", choices=["eight", "all"], default="eight", help="of each "
        "fold: eight that say little, or the 46 that stem-wise networks see; default: "
        "%(default)s")  # fmt: skip
    groups.add_seed(parser)


def _run(options: argparse.Namespace, given: frozenset[str]) -> int:
    protocols = judging_protocols(options, given)

    from premir.train.training import judge_baseline

    report(judge_baseline(protocols, seed=options.seed, numbers=options.numbers))
    return 0


COMMAND = Command(
    "baseline",
    "judge the trivial baseline by a protocol",
    _add_options,
    _run,
    description="Train and judge the trivial baseline: gradient boosting on numbers of each fold.",
    examples=("crossspecies-new", "human-cv --numbers all"),
)
