"""The manual pages, and the page of commands, made from the parsers.

``python tests/manual.py`` renews them in ``docs``; a test compares.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from argparse_manpage.manpage import Manpage
from data_sets import ROOT

from premir.scanner import __version__
from premir.scanner.cli import build_parser
from premir.scanner.command import Parser
from premir.train.cli import build_parser as build_train
from premir.train.cli import whole_parser
from premir.train.commands.registry import COMMANDS

PARSERS = {"premir-scan": build_parser, "premir-train": whole_parser}


def pages() -> dict[Path, str]:
    """The text of each page."""
    docs = ROOT / "docs"
    with mock.patch.dict(os.environ, COLUMNS="98"):  # no two terminals are alike
        made = {docs / "man" / f"{name}.1": _manual(name) for name in PARSERS}
        return {**made, docs / "commands.md": _commands()}


def _commands() -> str:
    """The help of every command, as Markdown."""
    parts = [
        "# Commands\n\nWhat `--help-all`, and `--help` of each command of `premir-train`, say.\n"
    ]
    for parser in (build_parser(), build_train(), *(each.parser() for each in COMMANDS.values())):
        _forget_this_machine(parser)
        parts.append(f"## {parser.prog}\n\n```text\n{parser.format_help()}```\n")
    return "\n".join(parts)


def _manual(name: str) -> str:
    """The manual page of a command, as roff."""
    parser = PARSERS[name]()
    _forget_this_machine(parser)
    # Where a date is expected: the page of a version is the same whenever it is made.
    data = {"date": __version__, "project_name": "premir", "manual_title": "premir"}
    data["description"] = str(parser.description).rstrip(".")
    return str(Manpage(parser, data))


def _forget_this_machine(parser: Parser) -> None:
    """The number of cores is a default, and no two machines have the same."""
    for action in parser._actions:
        if action.dest == "threads":
            action.default = "all"
        for each in getattr(action, "choices", None) or ():
            if isinstance(action.choices, dict):
                _forget_this_machine(action.choices[each])


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
