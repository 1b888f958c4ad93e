"""``premir-train adapt``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import path
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import train_genome_and_report


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("genome", type=path, metavar="GENOME", help="FASTA whose unlabelled candidates it adapts "
        "to")  # fmt: skip
    add("--contigs", default="", metavar="A,B,...", help="use these contigs only")
    add("--start", default=DEFAULT_MODEL, metavar="MODEL", help="shipped model or model directory "
        "to go on from; default: %(default)s")  # fmt: skip
    groups.add_genome_training(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    start = load_model(options.start)

    from premir.train.genome.sources import Adaptation

    contigs = tuple(filter(None, options.contigs.split(",")))
    return train_genome_and_report(options, start, Adaptation(options.genome, contigs))


COMMAND = Command(
    "adapt",
    "adapt a network to the background of a genome",
    _add_options,
    _run,
    description="Go on with a genome network for a while, with three in four negatives from the\n"
    "unlabelled candidates of one genome.",
    examples=("genome.fa --data DATA --out adapted", "genome.fa --contigs chrI,chrII --data DATA"),
)
