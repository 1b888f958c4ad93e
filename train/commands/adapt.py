"""``premir-train adapt``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import path, whole
from premir.scanner.score.card import MOST_MEMBERS
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import train_genome_and_report


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("genome", type=path, metavar="GENOME", help="FASTA whose unlabelled candidates it adapts "
        "to")  # fmt: skip
    add("--contigs", default="", metavar="A,B,...", help="use these contigs only")
    add("--folds", type=whole(1, MOST_MEMBERS), default=2, metavar="N", help="divide the genome "
        "into N parts (blocks of up to 5 Mb take turns) and adapt N times, each time without one "
        "of them, which is then scored by these networks alone: so that a genome's own "
        "pre-miRNAs are not unlearned; 1: once, to all of it; default: %(default)s")  # fmt: skip
    add("--start", default=DEFAULT_MODEL, metavar="MODEL", help="shipped model or model directory "
        "to go on from; default: %(default)s")  # fmt: skip
    groups.add_genome_training(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    start = load_model(options.start)

    from premir.train.genome.sources import Adaptation

    contigs = tuple(filter(None, options.contigs.split(",")))
    return train_genome_and_report(
        options, start, Adaptation(options.genome, contigs, options.folds)
    )


COMMAND = Command(
    "adapt",
    "adapt a network to the background of a genome",
    _add_options,
    _run,
    description="Go on with a genome network for a while, with three in four negatives from the\n"
    "unlabelled candidates of one genome.",
    examples=("genome.fa --data DATA --out adapted", "genome.fa --contigs chrI,chrII --data DATA"),
)
