"""``premir-train sources``."""

from __future__ import annotations

import argparse
import sys

from premir.scanner.command import Parser
from premir.scanner.errors import InputError, printable
from premir.train.commands import groups
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    groups.add_sources(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    from premir.train.genome.config import ANIMAL_CONFIG, parse_config
    from premir.train.genome.sources import RIGHT, state_of

    wrong, table = [], ""
    for source in parse_config(options.config or ANIMAL_CONFIG, options.data).sources():
        lines = []
        if source.table != table:
            table = source.table
            lines = [
                f"{table}  {source.description}",
                *(f"    {url}" for url in source.url.split()),
            ]
        state = state_of(source)
        if state not in RIGHT:
            wrong.append(f"{source.place} ({state})")
        lines.append(f"  {source.key:<9}{state:<12}{source.sha256 or '-':<66}{source.path}")
        sys.stdout.writelines(f"{printable(line).rstrip()}\n" for line in lines)
    if wrong:
        raise InputError(f"not all sources are as they should be: {', '.join(wrong)}")
    return 0


COMMAND = Command(
    "sources",
    "list what a genome training reads, where it comes from, and what is missing",
    _add_options,
    _run,
    description="List the sources of premir-train genome: what they are, where they come from,\n"
    "their SHA-256, and whether they are there. Exit code 2 if one is missing, or differs.",
    examples=("--data DATA", "--data DATA --config mine.toml"),
)
