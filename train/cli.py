"""The command ``premir-train``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from premir.scanner import __version__
from premir.scanner.errors import InputError, PremirError, describe
from premir.scanner.log import configure
from premir.scanner.model_store import find_model
from premir.train.protocols import BENCHMARKS, Files, Protocol, custom

if TYPE_CHECKING:
    from premir.train.judging import Judgement
    from premir.train.recipes import Recipe

_EXAMPLES = """\
examples:
  premir-train --protocol crossspecies-new
      reproduce the paper's network for the data set 'new' (fetches the released data once)
  premir-train --protocol human-cv --out human-cv
      one network for each of the five released folds
  premir-train --protocol custom --positives mine.fa --negatives other.fa --out my-model
  premir-train --evaluate do2018-crossspecies-new-variable --protocol crossspecies-new
  premir-scan genome.fa --model my-model --out hits.bed

A training that was interrupted goes on where it stopped when the same command runs again.
It never writes over a model of another training. Where loss or weights are not finite, or the
network calls everything alike and ranks no better than chance, no model is saved (--run-all
records that and goes on).
exit codes: 0 done, 1 failed or came to nothing, 2 wrong usage or input, 4 --out belongs to
another training, 130 interrupted
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``premir-train``."""
    parser = argparse.ArgumentParser(
        prog="premir-train",
        description="Train pre-miRNA networks and judge them by the protocols of Do et al. (2018).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("what to do").add_argument
    add("--protocol", choices=[*BENCHMARKS, "custom", "genome"], help="training and test data")
    add("--list-protocols", action="store_true", help="explain the protocols, and exit")
    add("--run-all", action="store_true", help="train and judge every row of the paper's tables, "
        "one by one; goes on where it stopped, and several at once share the work")  # fmt: skip
    add("--evaluate", metavar="NAME|DIR", help="judge this model by the protocol, train nothing")
    add("--baseline", action="store_true", help="judge the trivial baseline by the protocol: "
        "gradient boosting on eight numbers of each fold")  # fmt: skip

    add = parser.add_argument_group("data").add_argument
    add("--data", type=Path, metavar="DIR", help="released data set (the folder with sequences/); "
        "default: fetched once into the user's cache")  # fmt: skip
    for option in ("--positives", "--negatives", "--test-positives", "--test-negatives"):
        add(option, type=Path, nargs="+", default=[], metavar="FASTA", help="for --protocol custom")

    add("--config", type=Path, metavar="TOML", help="for --protocol genome: sources and settings, "
        "with paths relative to --data; default: those of premir-animal@1")  # fmt: skip

    add("--adapt", type=Path, metavar="FASTA", help="for --protocol genome: fine-tune --start on "
        "the unlabelled candidates of this genome")  # fmt: skip
    add("--contigs", metavar="A,B,...", help="with --adapt: use these contigs only")
    add("--start", metavar="NAME|DIR", help="with --adapt: the model to start from; default: "
        "premir-animal@1")  # fmt: skip

    add = parser.add_argument_group("training").add_argument
    add("--network", default="variable", choices=["variable"], help="default: %(default)s")
    add("--recipe", default="paper", choices=["paper", "released"], help="paper: as the paper "
        "says; released: as the authors' code does; default: %(default)s")  # fmt: skip
    add("--epochs", type=_positive, metavar="N", help="default: the recipe's (40)")
    add("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    add("--optimizer", choices=["adagrad", "adam", "sgd"], help="default: the recipe's (adagrad)")
    add("--lr", type=float, metavar="RATE", help="learning rate; default: the recipe's (0.001)")
    add("--weight-decay", type=float, metavar="D", help="default: the recipe's (0)")
    add("--accumulate", type=_positive, metavar="N", help="hairpins before each optimiser step; "
        "default: the recipe's (64 or 128)")  # fmt: skip
    add("--class-weights", action=argparse.BooleanOptionalAction, help="weight the rarer class; "
        "default: the recipe's")  # fmt: skip
    add("--dropout", type=_share, metavar="P", help="share of the 256 hidden units dropped in "
        "training; default: the recipe's (0)")  # fmt: skip
    add("--encoding", choices=["onehot", "soft0.1", "soft0.2"], help="soft0.1: a nucleotide is "
        "0.9 in its own channel and a third of 0.1 in the others; default: onehot")  # fmt: skip
    add("--ablate", choices=["pairing"], help="keep the pairing matrix from the network")

    add = parser.add_argument_group("output and machine").add_argument
    add("--out", type=Path, metavar="DIR", help="model directory; default: named by the options")
    add("--name", help="the model's name; default: the directory's")
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
        return _run(options)
    except PremirError as error:
        sys.stderr.write(f"premir-train: error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"premir-train: error: {describe(error)}; run again to go on\n")
        return PremirError.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("premir-train: interrupted; run the same command again to go on\n")
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.list_protocols:
        for benchmark in BENCHMARKS.values():
            first, second = benchmark.description.split("\n")
            sys.stdout.write(f"{benchmark.name:<20}{first}\n{'':<20}{second}\n")
        return 0
    if options.run_all:
        _refuse_what_run_all_sets(options)
        from premir.train.table import run_all

        return run_all(
            _data(options),
            options.out or Path("premir-table"),
            device_name=options.device,
            threads=options.threads,
        )
    if options.protocol is None:
        raise InputError("give --protocol (see premir-train --list-protocols)")
    if options.protocol == "genome":
        return _run_genome(options)
    model = find_model(options.evaluate) if options.evaluate else None
    protocols = _protocols(options)
    if (model or options.baseline) and not all(protocol.test.positives for protocol in protocols):
        raise InputError("--protocol custom needs --test-positives to judge by")

    from premir.scanner.folding import KernelFolder
    from premir.train.run import evaluate_baseline, evaluate_model, train

    machine: dict[str, Any] = {
        "device_name": options.device,
        "threads": options.threads,
        "folder": KernelFolder(),
    }
    if options.baseline:
        folds = machine["folder"]
        scored = [evaluate_baseline(p, seed=options.seed, folder=folds) for p in protocols]
        _report([each.judgement() for each in scored])
        return 0
    if model is not None:
        scored = [evaluate_model(model, protocol, **machine) for protocol in protocols]
        _report([each.judgement() for each in scored])
        return 0
    recipe = _recipe(options)
    out = options.out or Path(
        f"premir-{options.protocol}-{options.network}-{recipe.name}-seed{options.seed}"
    )
    judgements: list[Judgement] = []
    for protocol in protocols:
        folder = out / f"fold{protocol.name.partition('/')[2]}" if len(protocols) > 1 else out
        spec, result = train(
            protocol,
            recipe,
            network=options.network,
            seed=options.seed,
            out=folder,
            name=options.name or "-".join(folder.parts[-2:] if len(protocols) > 1 else [out.name]),
            **machine,
        )
        logging.getLogger("premir").info("wrote %s", spec.directory)
        if result is not None:
            judgements.append(result.judgement())
    _report(judgements)
    return 0


def _run_genome(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from premir.scanner.folding import KernelFolder
    from premir.train.genome.config import ANIMAL, read_config
    from premir.train.genome.run import train_genome
    from premir.train.genome.sources import Adaptation

    if options.data is None:
        raise InputError("--protocol genome needs --data DIR, the folder of its sources")
    config = read_config(options.config or ANIMAL, options.data)
    if options.seed:
        config = replace(config, seed=options.seed)
    start, adapt = None, None
    name, kind = config.name, f"premir-genome-seed{config.seed}"
    if options.adapt is not None:
        start = find_model(options.start or "premir-animal@1")
        adapt = Adaptation(options.adapt, tuple(filter(None, (options.contigs or "").split(","))))
        config = config.for_adapting()
        kind = f"{options.adapt.name.partition('.')[0]}-adapted"
        name = kind
    spec = train_genome(
        replace(config, name=options.name or name),
        out=options.out or Path(kind),
        device_name=options.device,
        threads=options.threads,
        folder=KernelFolder(),
        start=start,
        adapt=adapt,
    )
    sys.stdout.write(json.dumps(spec.card["held_out"]) + "\n")
    return 0


def _refuse_what_run_all_sets(options: argparse.Namespace) -> None:
    free = {"run_all", "list_protocols", "data", "out", "device", "threads", "verbose", "quiet"}
    parser = build_parser()
    for name, value in vars(options).items():
        if name not in free and value != parser.get_default(name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} does not go with --run-all, which sets it by itself")


def _data(options: argparse.Namespace) -> Path:
    if options.data is not None:
        return Path(options.data)
    from premir.train.download import fetch_benchmark

    return fetch_benchmark()


def _protocols(options: argparse.Namespace) -> list[Protocol]:
    if options.protocol != "custom":
        if options.positives or options.negatives:
            raise InputError("--positives and --negatives go with --protocol custom")
        return BENCHMARKS[options.protocol].build(_data(options))
    if not (options.positives and options.negatives):
        raise InputError("--protocol custom needs --positives and --negatives")
    if bool(options.test_positives) != bool(options.test_negatives):
        raise InputError("--test-positives and --test-negatives go together")
    training = Files(tuple(options.positives), tuple(options.negatives))
    return [custom(training, Files(tuple(options.test_positives), tuple(options.test_negatives)))]


def _recipe(options: argparse.Namespace) -> Recipe:
    from dataclasses import replace

    from premir.train.recipes import RECIPES

    changes = {
        "optimizer": options.optimizer,
        "learning_rate": options.lr,
        "weight_decay": options.weight_decay,
        "group": options.accumulate,
        "class_weights": options.class_weights,
        "ablate": options.ablate,
        "dropout": options.dropout,
        "encoding": options.encoding,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    recipe = RECIPES[options.recipe]
    if given:
        recipe = replace(recipe, name=f"{recipe.name}*", **given)
    return replace(recipe, epochs=options.epochs) if options.epochs else recipe


def _report(judgements: list[Judgement]) -> None:
    """Print the measures, of several folds their means, as one JSON object; log them in words."""
    if not judgements:
        return
    from premir.train.judging import mean

    judgement = mean(judgements)
    logging.getLogger("premir").info("%s", judgement.as_published)
    sys.stdout.write(json.dumps(judgement.rounded()) + "\n")


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to below 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value


if __name__ == "__main__":
    sys.exit(main())
