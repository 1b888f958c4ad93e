"""``premir-train inflation``."""

from __future__ import annotations

import argparse
from pathlib import Path

from premir.scanner.command import Parser
from premir.scanner.option_types import path, whole
from premir.scanner.score.shipped import load_model
from premir.train.commands import groups
from premir.train.commands.command import Command


def _add_options(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="shipped model or model directory; what decoys miss is "
        "written into its card")  # fmt: skip
    add("--data", type=path, required=True, metavar="DIR", help="folder that the paths of --config "
        "are relative to")  # fmt: skip
    add("--config", type=path, metavar="TOML", help="what the model was trained on; default: that "
        "of premir-animal@3")  # fmt: skip
    add("--judge", nargs="*", type=path, default=[], metavar="FASTA", help="genomes without "
        "pre-miRNAs that nothing is fitted to, to judge by")  # fmt: skip
    add("--work", type=path, default=Path("premir-inflation"), metavar="DIR", help="folder for "
        "candidates, which a later call takes up; default: %(default)s")  # fmt: skip
    add("--shuffles", type=whole(1, 100), default=2, metavar="N", help="how often each genome is "
        "shuffled; default: %(default)s")  # fmt: skip
    groups.add_threads(parser)


def _run(options: argparse.Namespace, _given: frozenset[str]) -> int:
    model = load_model(options.model)

    from premir.scanner.find.folding import KernelFolder
    from premir.train.commands.shared import print_json
    from premir.train.genome.config import ANIMAL_CONFIG, read_config
    from premir.train.genome.inflation import (
        count_calls,
        counts_as_json,
        fit,
        predictions,
        write_inflation,
    )

    held, judges = count_calls(
        model,
        read_config(options.config or ANIMAL_CONFIG, options.data),
        options.judge,
        options.work,
        KernelFolder(),
        shuffles=options.shuffles,
        threads=options.threads,
    )
    table = fit(held)
    write_inflation(model, table)
    print_json(
        {
            "inflation": table,
            "judged": list(predictions(held, judges)),
            "held_out": counts_as_json(held),
            "judges": counts_as_json(judges),
        }
    )
    return 0


COMMAND = Command(
    "inflation",
    "measure what decoys of a genome miss of a model's false calls",
    _add_options,
    _run,
    description="Scan the genomes that a model's training held out, and the same shuffled, and\n"
    "write into its card how many more false calls there are in them than in their decoys.\n"
    "Prints JSON, with each genome predicted from its decoys and the other genomes.",
    examples=("my-model --data DATA --config mine.toml", "my-model --data DATA --judge yeast.fa"),
)
