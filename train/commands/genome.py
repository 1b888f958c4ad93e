"""``premir-train genome``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import train_genome_and_report


def _add_options(parser: Parser) -> None:
    groups.add_genome_training(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    return train_genome_and_report(options)


COMMAND = Command(
    "genome",
    "train a network for scanning genomes",
    _add_options,
    _run,
    description="Train a network for scanning genomes: known hairpins against candidates of\n"
    "genomes, from one configuration file. Without --config it is premir-animal@3's;\n"
    "premir-train sources says what it reads, and where that comes from.",
    examples=("--data DATA --out my-model", "--data DATA --config mine.toml --out my-model"),
)
