"""The command ``premir-train``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from premir.scanner import __version__
from premir.scanner.errors import InputError, PremirError
from premir.scanner.log import configure

if TYPE_CHECKING:
    from premir.train.protocols import Files

_EXAMPLES = """\
examples:
  premir-train --protocol crossspecies-new
      reproduce the paper's network for the data set 'new' (fetches the released data once)
  premir-train --protocol custom --positives mine.fa --negatives other.fa --out my-model
  premir-scan genome.fa --model my-model --out hits.bed

A training that was interrupted goes on where it stopped when the same command runs again.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``premir-train``."""
    parser = argparse.ArgumentParser(
        prog="premir-train",
        description="Train pre-miRNA networks and judge them by the protocols of Do et al. (2018).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--protocol", required=True, choices=["crossspecies-new", "custom"])
    add("--network", default="variable", choices=["variable"], help="default: %(default)s")
    add("--recipe", default="paper", choices=["paper", "released"], help="default: %(default)s")
    add("--epochs", type=_positive, metavar="N", help="default: the recipe's (40)")
    add("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    add("--out", type=Path, metavar="DIR", help="model directory; default: named by the options")
    add("--name", help="the model's name; default: the directory's")
    add("--data", type=Path, metavar="DIR", help="released data set (the folder with sequences/); "
        "default: fetched once into the user's cache")  # fmt: skip
    for option in ("--positives", "--negatives", "--test-positives", "--test-negatives"):
        add(option, type=Path, nargs="+", default=[], metavar="FASTA", help="for --protocol custom")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="default: %(default)s")
    add("--threads", type=_positive, default=os.cpu_count() or 1, metavar="N",
        help="CPU threads; default: all cores")  # fmt: skip
    add("-v", "--verbose", action="count", default=0, help="more messages")
    add("-q", "--quiet", action="count", default=0, help="warnings and results only")
    add("--version", action="version", version=f"premir {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``premir-train``; returns the exit code."""
    options = build_parser().parse_args(argv)
    try:
        configure("premir-train", verbosity=options.verbose - options.quiet)
        return _train(options)
    except PremirError as error:
        sys.stderr.write(f"premir-train: error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("premir-train: interrupted; run the same command again to go on\n")
        return 130


def _train(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from premir.scanner.folding import KernelFolder
    from premir.train import protocols
    from premir.train.download import fetch_benchmark
    from premir.train.recipes import RECIPES
    from premir.train.run import train

    if options.protocol == "custom":
        protocol = protocols.custom(*_custom_files(options))
    else:
        if options.positives or options.negatives:
            raise InputError("--positives and --negatives go with --protocol custom")
        protocol = protocols.crossspecies_new(options.data or fetch_benchmark())
    recipe = RECIPES[options.recipe]
    if options.epochs:
        recipe = replace(recipe, epochs=options.epochs)
    out = options.out or Path(
        f"premir-{protocol.name}-{options.network}-{recipe.name}-seed{options.seed}"
    )
    spec, measures = train(
        protocol,
        recipe,
        network=options.network,
        seed=options.seed,
        out=out,
        device_name=options.device,
        threads=options.threads,
        folder=KernelFolder(),
        name=options.name or out.name,
    )
    logging.getLogger("premir").info("wrote %s", spec.directory)
    if measures is not None:
        sys.stdout.write(f"{measures}\n")
        sys.stdout.write(json.dumps(measures.rounded()) + "\n")
    return 0


def _custom_files(options: argparse.Namespace) -> tuple[Files, Files]:
    from premir.train.protocols import Files

    if not (options.positives and options.negatives):
        raise InputError("--protocol custom needs --positives and --negatives")
    if bool(options.test_positives) != bool(options.test_negatives):
        raise InputError("--test-positives and --test-negatives go together")
    return (
        Files(tuple(options.positives), tuple(options.negatives)),
        Files(tuple(options.test_positives), tuple(options.test_negatives)),
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value


if __name__ == "__main__":
    sys.exit(main())
