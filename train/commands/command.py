"""What a sub-command of ``premir-train`` is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from premir.scanner import __version__
from premir.scanner.command import Parser, Work

PROGRAM = "premir-train"


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command.

    Attributes:
        name: the word that asks for it.
        summary: one line for the list of commands.
        add_options: adds the options that it reads, and no others, to its parser.
        run: does it.
        description: for its help; the summary by default.
        examples: for its help, a line each.
        computes: it loads torch or numba, which need memory.
    """

    name: str
    summary: str
    add_options: Callable[[Parser], None]
    run: Work
    description: str = ""
    examples: tuple[str, ...] = ()
    computes: bool = True

    def parser(self) -> Parser:
        """Return the parser of its command line."""
        lines = [f"  {PROGRAM} {self.name} {example}".rstrip() for example in self.examples]
        parser = Parser(
            prog=f"{PROGRAM} {self.name}",
            description=self.description or f"{self.summary[0].upper()}{self.summary[1:]}.",
            epilog="\n".join(["examples:", *lines]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_options(parser)
        add_common(parser)
        return parser


def add_common(parser: Parser) -> None:
    """Add what every command has."""
    add = parser.add_argument
    add("-v", "--verbose", action="count", default=0, help="more messages")
    add("-q", "--quiet", action="count", default=0, help="warnings and results only")
    add("--version", action="version", version=f"premir {__version__}")
