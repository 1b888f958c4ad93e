"""``premir-train kin``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import path
from premir.scanner.score.shipped import load_model
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="shipped model or model directory; what is measured is "
        "written into its card")  # fmt: skip
    add("--hits", type=path, action="append", required=True, metavar="BED", help="hits of "
        "premir-scan --known none --min-prob 0.5 in a genome that the model never saw; one file "
        "for each genome; may be repeated")  # fmt: skip


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    model = load_model(options.model)

    from premir.train.commands.shared import print_json
    from premir.train.kin import measure_kin, write_kin

    table = measure_kin(options.hits)
    write_kin(model, table)
    print_json({"kin": table})
    return 0


COMMAND = Command(
    "kin",
    "measure how many kin a model's false calls have",
    _add_options,
    _run,
    description="Count how many places of its genome resemble each hit in genomes without known\n"
    "hairpins, and write the shares into the model's card: scans then take kin from log odds,\n"
    "and from false calls per Mb (docs/genome-training.md).",
    examples=("my-model --hits opossum.bed --hits ant.bed",),
)
