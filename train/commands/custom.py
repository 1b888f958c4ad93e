"""``premir-train custom``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import own_protocol, train_and_report


def _add_options(parser: Parser) -> None:
    groups.add_sets(parser, required=True)
    groups.add_recipe(parser)
    groups.add_output(parser)
    groups.add_machine(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    return train_and_report(options, groups.CUSTOM, [own_protocol(options)])


COMMAND = Command(
    groups.CUSTOM,
    "train a network on your own FASTA files, and judge it by others",
    _add_options,
    _run,
    examples=("--positives mine.fa --negatives other.fa --out my-model",),
)
