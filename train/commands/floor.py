"""``premir-train floor``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import real
from premir.scanner.score.shipped import load_model
from premir.train.commands import groups
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="shipped model or model directory; the floor is written "
        "into its card")  # fmt: skip
    add("--loss", type=real(0, 1), default=0.005, metavar="SHARE", help="of known precursors that "
        "may lie below it; default: %(default)s")  # fmt: skip
    groups.add_planting(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    model = load_model(options.model)

    from premir.train.commands.shared import print_json
    from premir.train.floor import measure_floor, write_floor

    table = measure_floor(
        model,
        options.data,
        genomes=groups.lenders(options),
        loss=options.loss,
        planted=options.planted,
        seed=options.seed,
    )
    write_floor(model, table)
    print_json({"floor": table})
    return 0


COMMAND = Command(
    "floor",
    "measure from where on a model's first network asks the others",
    _add_options,
    _run,
    description="Plant known precursors of families that a model of several networks has not\n"
    "learned from, and write into its card the log odds by its first network that nearly all of\n"
    "them reach: scans ask the others about nothing that has less (docs/genome-training.md).",
    examples=(
        "my-model --data DATA",
        "my-plant-model --data DATA --genomes some_plant.fa",
    ),
)
