"""``premir-train adapt``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import path
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import print_json


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("genome", type=path, metavar="GENOME", help="FASTA whose unlabelled candidates it adapts "
        "to")  # fmt: skip
    add("--contigs", default="", metavar="A,B,...", help="use these contigs only")
    add("--start", default=DEFAULT_MODEL, metavar="MODEL", help="shipped model or model directory "
        "to go on from; default: %(default)s")  # fmt: skip
    groups.add_sources(parser)
    groups.add_own_seed(parser)
    groups.add_output(parser)
    groups.add_machine(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    start = load_model(options.start)

    from premir.train.genome.configured import train_configured
    from premir.train.genome.sources import Adaptation

    contigs = tuple(filter(None, options.contigs.split(",")))
    model = train_configured(
        options.config,
        options.data,
        out=options.out,
        seed=options.seed,
        name=options.name,
        device_name=options.device,
        threads=options.threads,
        start=start,
        adapt=Adaptation(options.genome, contigs),
    )
    print_json(model.card["held_out"])
    return 0


COMMAND = Command(
    "adapt",
    "adapt a network to the background of a genome",
    _add_options,
    _run,
    description="Go on with a genome network for a while, with three in four negatives from the\n"
    "unlabelled candidates of one genome.",
    examples=("genome.fa --data DATA --out adapted", "genome.fa --contigs chrI,chrII --data DATA"),
)
