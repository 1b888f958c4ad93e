"""``premir-train gates``."""

from __future__ import annotations

import argparse
import json
import sys

from premir.scanner.command import Parser
from premir.scanner.option_types import path, real
from premir.scanner.score.shipped import load_model
from premir.train.commands import groups
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="shipped model or model directory to build them for; they "
        "are written into it")  # fmt: skip
    add("--judge", nargs="*", type=path, default=[], metavar="FASTA", help="genomes not learned "
        "from, to measure the loss on")  # fmt: skip
    add("--loss", type=real(0, 1), default=0.005, metavar="SHARE", help="of hits that may be lost; "
        "default: %(default)s")  # fmt: skip
    add("--best-per-mb", type=real(0, 1e6), default=2.0, metavar="N", help="keep so many of the "
        "genomes' best candidates as if they were hits; default: %(default)s")  # fmt: skip
    add("--best-loss", type=real(0, 1), default=0.1, metavar="SHARE", help="of these that may be "
        "lost before folding; default: %(default)s")  # fmt: skip
    add("--keep", type=real(0, 1), default=0.7, metavar="SHARE", help="the gate before folding "
        "passes at least this share of the genomes' candidates; default: %(default)s")  # fmt: skip
    add("--keep-folded", type=real(0, 1), metavar="SHARE", help="the gate after folding passes at "
        "least this share of those; default: as --keep")  # fmt: skip
    add("--alone", nargs=4, type=real(0, 1), metavar=("LOSS", "BEST_LOSS", "KEEP", "KEEP_FOLDED"),
        help="the same four for candidates that no evidence lifts, which are all with --known "
        "none: of these none need be kept that the model does not call; default: no "
        "difference")  # fmt: skip
    groups.add_planting(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    model = load_model(options.model)

    from premir.train.gates import Allowed, build_gates

    folded = options.keep if options.keep_folded is None else options.keep_folded
    card = build_gates(
        model,
        options.data,
        Allowed(options.loss, options.best_loss, options.keep, folded),
        Allowed(*options.alone) if options.alone else None,
        genomes=groups.lenders(options),
        judges=options.judge,
        best_per_mb=options.best_per_mb,
        planted=options.planted,
        seed=options.seed,
    )
    sys.stdout.write(json.dumps(card, indent=2) + "\n")
    return 0


COMMAND = Command(
    "gates",
    "build the gates of a model, and measure what they lose",
    _add_options,
    _run,
    description="Build the gates of a model and measure what they lose. Prints JSON;\n"
    "train/gates.py says what they learn from.",
    examples=(
        "my-model --data DATA --judge genome.fa",
        "my-plant-model --data DATA --genomes some_plant.fa --judge another_plant.fa",
    ),
)
