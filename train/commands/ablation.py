"""``premir-train ablation``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import file_path, path, whole
from premir.scanner.outputs import check_writable
from premir.train.commands import groups
from premir.train.commands.command import Command
from premir.train.commands.shared import print_json


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    groups.add_sources(parser)
    add("--samples", type=whole(1), default=120_000, metavar="N", help="hairpins seen by each; "
        "default: %(default)s")  # fmt: skip
    add("--repeats", type=whole(1), default=1, metavar="N", help="trainings of each variant, by "
        "random paths of their own; default: %(default)s")  # fmt: skip
    add("--out", type=path, required=True, metavar="DIR", help="folder of the models and of "
        "results.json")  # fmt: skip
    add("--table", type=file_path, metavar="PAGE", help="Markdown page to write")
    groups.add_threads(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    if options.table is not None:
        check_writable(options.table)

    from premir.train.genome.ablation import run_ablation
    from premir.train.genome.config import ANIMAL_CONFIG, read_config

    results = run_ablation(
        read_config(options.config or ANIMAL_CONFIG, options.data),
        options.out,
        samples=options.samples,
        repeats=options.repeats,
        threads=options.threads,
        page=options.table,
    )
    print_json(results)
    return 0


COMMAND = Command(
    "ablation",
    "measure what each ingredient of a genome training buys",
    _add_options,
    _run,
    description="The same genome training without one ingredient at a time, of the\n"
    "configuration's first network alone. Every variant sees the same number of hairpins, and is\n"
    "judged once, at its end, on held-out families and contigs. A training that is finished is\n"
    "not done again.",
    examples=("--data DATA --out ablation --repeats 3 --table docs/results/genome-ablation.md",),
)
