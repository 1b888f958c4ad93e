"""``premir-train results``."""

from __future__ import annotations

import argparse
import logging

from premir.scanner.command import Parser
from premir.scanner.errors import InputError
from premir.scanner.option_types import path
from premir.train.commands.command import Command

_log = logging.getLogger(__name__)


def _add_options(parser: Parser) -> None:
    parser.add_argument("folder", type=path, metavar="DIR", help="docs/results, with cells/ in it")


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    from premir.train.results import generate
    from premir.train.table import cells

    try:
        missing = generate(options.folder, list(cells()))
    except ModuleNotFoundError as error:
        raise InputError(f"{error}; pip install 'premir[results]'") from error
    if missing:
        _log.warning("%d cells are missing: %s", len(missing), " ".join(missing))
    return 0


COMMAND = Command(
    "results",
    "write the pages and figures of docs/results",
    _add_options,
    _run,
    description="Write the derived pages and figures of a folder of results: the paper's tables\n"
    "from cells/, as premir-train table leaves them, and the page of premir-train ablation.",
    examples=("docs/results",),
)
