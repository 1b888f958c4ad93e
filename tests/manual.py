"""The manual pages, made from the parsers.

``python tests/manual.py`` renews them in ``docs/man``; a test compares.
"""

from __future__ import annotations

from argparse_manpage.manpage import Manpage
from data_sets import ROOT

from premir.scanner import __version__
from premir.scanner.cli import build_parser
from premir.scanner.command import Parser
from premir.train.cli import whole_parser

FOLDER = ROOT / "docs" / "man"
PARSERS = {"premir-scan": build_parser, "premir-train": whole_parser}


def page(name: str) -> str:
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
    for name in PARSERS:
        (FOLDER / f"{name}.1").write_text(page(name))
