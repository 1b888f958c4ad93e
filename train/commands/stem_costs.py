"""``premir-train stem-costs``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import file_path, path, whole
from premir.scanner.outputs import check_writable
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--data", type=path, required=True, metavar="DIR", help="folder of mirbase/ and genomes/")
    add("--out", type=file_path, required=True, metavar="JSON", help="file to write")
    add("--steps", type=whole(0), default=500, metavar="N", help="of the hill climb; default: "
        "%(default)s")  # fmt: skip
    add("--scanned", type=whole(1), default=350_000, metavar="NT", help="background that is "
        "scanned in each; default: %(default)s nt")  # fmt: skip
    add("--seed", type=whole(0), default=1, metavar="N", help="default: %(default)s")


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    check_writable(options.out)

    from premir.scanner.files import write_json
    from premir.train.stem_costs import learn_costs, table_of_costs

    settings = {name: getattr(options, name) for name in ("steps", "scanned", "seed")}
    learned = learn_costs(options.data, **settings)
    write_json(options.out, table_of_costs(learned, options.data, settings))
    return 0


COMMAND = Command(
    "stem-costs",
    "learn the costs of the stem scan",
    _add_options,
    _run,
    description="Learn the costs of the stem scan (scanner/find/stem_costs.json) from known\n"
    "pre-miRNAs and background; train/stem_costs.py says how.",
    examples=("--data DATA --out scanner/find/stem_costs.json",),
)
