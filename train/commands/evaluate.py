"""``premir-train evaluate``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.score.shipped import load_model
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import judging_protocols, report


def _add_options(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="shipped model, or a model directory")
    groups.add_judged_by(parser)
    groups.add_machine(parser)


def _run(options: argparse.Namespace, given: frozenset[str]) -> int:
    model = load_model(options.model)
    protocols = judging_protocols(options, given)

    from premir.train.training import judge_by_protocols

    report(
        judge_by_protocols(model, protocols, device_name=options.device, threads=options.threads)
    )
    return 0


COMMAND = Command(
    "evaluate",
    "judge a model by a protocol; trains nothing",
    _add_options,
    _run,
    examples=(
        "do2018-crossspecies-new-variable crossspecies-new",
        "my-model custom --positives p.fa --negatives n.fa --test-positives tp.fa "
        "--test-negatives tn.fa",
    ),
)
