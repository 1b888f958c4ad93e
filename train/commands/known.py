"""``premir-train known``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import file_path, path
from premir.scanner.outputs import check_writable
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--data", type=path, required=True, metavar="DIR", help="folder of mirbase/")
    add("--hits", type=path, action="append", required=True, metavar="BED", help="hits of "
        "premir-scan --known none in a genome that the model never saw, down to the probability "
        "from which hits are compared (docs/known-families.md); may be repeated")  # fmt: skip
    add("--without", action="append", default=[], metavar="CODES", help="take nothing of these "
        "organisms: codes as in miRBase (cel,cbr), nematodes, or daphnia; may be "
        "repeated")  # fmt: skip
    add("--out", type=file_path, required=True, metavar="JSON.GZ", help="file to write")


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    check_writable(options.out)

    from premir.train.commands.shared import print_json
    from premir.train.known import make_library

    print_json(make_library(options.data, options.hits, options.without, options.out))
    return 0


COMMAND = Command(
    "known",
    "choose known families for scans to compare with",
    _add_options,
    _run,
    description="Choose representatives of the families of animals and plants from miRBase, and\n"
    "measure how much background resembles them; scanner/report/evidence/known holds\n"
    "one that was made so. train/known.py says how.",
    examples=(
        "--data DATA --hits fly.bed --hits cow.bed --out premir-known@1.json.gz",
        "--data DATA --hits fly.bed --without nematodes --out no-nematodes.json.gz",
    ),
)
