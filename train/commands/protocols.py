"""``premir-train protocols``."""

from __future__ import annotations

import argparse
import sys

from premir.scanner.command import Parser
from premir.train.commands.command import Command
from premir.train.protocols import BENCHMARKS


def _add_options(_parser: Parser) -> None:
    pass


def _run(_options: argparse.Namespace, _given: frozenset[str]) -> int:
    for benchmark in BENCHMARKS.values():
        first, second = benchmark.description.split("\n")
        sys.stdout.write(f"{benchmark.name:<20}{first}\n{'':<20}{second}\n")
    return 0


COMMAND = Command(
    "protocols",
    "explain the protocols of the paper",
    _add_options,
    _run,
    examples=("",),
    computes=False,
)
