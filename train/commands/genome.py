"""``premir-train genome``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import print_json


def _add_options(parser: Parser) -> None:
    groups.add_sources(parser)
    groups.add_own_seed(parser)
    groups.add_output(parser)
    groups.add_machine(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    from premir.train.genome.configured import train_configured

    model = train_configured(
        options.config,
        options.data,
        out=options.out,
        seed=options.seed,
        name=options.name,
        device_name=options.device,
        threads=options.threads,
    )
    print_json(model.card["held_out"])
    return 0


COMMAND = Command(
    "genome",
    "train a network for scanning genomes",
    _add_options,
    _run,
    description="Train a network for scanning genomes: known hairpins against candidates of\n"
    "genomes, from one configuration file. Without --config it is premir-animal@1's, the default\n"
    "of premir-scan; premir-train sources says what it reads, and where that comes from.",
    examples=("--data DATA --out my-model", "--data DATA --config mine.toml --out my-model"),
)
