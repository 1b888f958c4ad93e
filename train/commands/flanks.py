"""``premir-train flanks``."""

from __future__ import annotations

import argparse

from premir.scanner.command import Parser
from premir.scanner.option_types import file_path, path
from premir.scanner.outputs import check_writable
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--data", type=path, required=True, metavar="DIR", help="released data set")
    add("--genomes", type=path, required=True, metavar="DIR", help="folders with genome.fa.gz")
    add("--table", type=path, metavar="DIR", help="folder of premir-train table, whose ensembles "
        "are judged too; default: none")  # fmt: skip
    add("--out", type=file_path, required=True, metavar="JSON", help="file to write")


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    check_writable(options.out)

    from premir.scanner.files import write_json
    from premir.train.flanks import measure_flanks

    write_json(options.out, measure_flanks(options.data, options.genomes, options.table))
    return 0


COMMAND = Command(
    "flanks",
    "measure how results hang on where hairpins were cut",
    _add_options,
    _run,
    description="How much a benchmark's result hangs on where its hairpins were cut: they are\n"
    "lengthened by random and by real nucleotides, or trimmed, folded again and scored.",
    examples=("--data BENCHMARK --genomes GENOMES --table RUNS --out flanks.json",),
)
