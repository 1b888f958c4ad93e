"""The command ``premir-train``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from premir.scanner import __version__
from premir.scanner.command import Parser, require_memory, run_command
from premir.scanner.cores import available_cores, usable_threads
from premir.scanner.errors import InputError
from premir.scanner.option_types import path, real, whole
from premir.scanner.outputs import Named, check_apart
from premir.scanner.score.shipped import load_model
from premir.train.modes import refuse_what_does_nothing
from premir.train.protocols import BENCHMARKS, Files, Protocol, custom

if TYPE_CHECKING:
    from premir.train.judging import Judgement
    from premir.train.recipes import Recipe

_WRITTEN = (
    "card.json", "weights.safetensors", "gates.safetensors", "checkpoint.safetensors",
    "history.json",
)  # fmt: skip
"""What a training may write into its directory."""
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
exit codes: 0 done, 1 failed or came to nothing (the message says whether to run again), 2 wrong
usage or input, 4 --out belongs to another training, 130/143 interrupted, 141 whoever read the
output has gone
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``premir-train``."""
    parser = Parser(
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
    add("--data", type=path, metavar="DIR", help="released data set (the folder with sequences/); "
        "default: fetched once into the user's cache")  # fmt: skip
    for option in ("--positives", "--negatives", "--test-positives", "--test-negatives"):
        add(option, type=path, nargs="+", default=[], metavar="FASTA", help="for --protocol custom")

    add("--config", type=path, metavar="TOML", help="for --protocol genome: sources and settings, "
        "with paths relative to --data; default: those of premir-animal@1")  # fmt: skip

    add("--adapt", type=path, metavar="FASTA", help="for --protocol genome: fine-tune --start on "
        "the unlabelled candidates of this genome")  # fmt: skip
    add("--contigs", metavar="A,B,...", help="with --adapt: use these contigs only")
    add("--start", metavar="NAME|DIR", help="with --adapt: the model to start from; default: "
        "premir-animal@1")  # fmt: skip

    add = parser.add_argument_group("training").add_argument
    add("--network", default="variable", metavar="NAME", help="default: %(default)s")
    add("--recipe", default="paper", choices=["paper", "released"], help="paper: as the paper "
        "says; released: as the authors' code does; default: %(default)s")  # fmt: skip
    add("--epochs", type=whole(1), metavar="N", help="default: the recipe's (40)")
    add("--seed", type=whole(0, 2**32 - 1), metavar="N", help="default: 0; with --protocol genome "
        "that of --config")  # fmt: skip
    add("--optimizer", choices=["adagrad", "adam", "sgd"], help="default: the recipe's (adagrad)")
    add("--lr", type=real(0, 1e30), metavar="RATE", help="learning rate; default: the recipe's "
        "(0.001)")  # fmt: skip
    add("--weight-decay", type=real(0, 1e6), metavar="D", help="default: the recipe's (0)")
    add("--accumulate", type=whole(1), metavar="N", help="hairpins before each optimiser step; "
        "default: the recipe's (64 or 128)")  # fmt: skip
    add("--class-weights", action=argparse.BooleanOptionalAction, help="weight the rarer class; "
        "default: the recipe's")  # fmt: skip
    add("--dropout", type=real(0, 0.999), metavar="P", help="share of the 256 hidden units "
        "dropped in training; default: the recipe's (0)")  # fmt: skip
    add("--encoding", choices=["onehot", "soft0.1", "soft0.2"], help="soft0.1: a nucleotide is "
        "0.9 in its own channel and a third of 0.1 in the others; default: onehot")  # fmt: skip
    add("--ablate", choices=["pairing"], help="keep the pairing matrix from the network")

    add = parser.add_argument_group("output and machine").add_argument
    add("--out", type=path, metavar="DIR", help="model directory; default: named by the options")
    add("--name", help="the model's name; default: the directory's")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="default: %(default)s")
    add("--threads", type=whole(1), default=available_cores(), metavar="N", help="default: "
        "%(default)s, the cores that affinity, control groups and SLURM leave us")  # fmt: skip
    add("-v", "--verbose", action="count", default=0, help="more messages")
    add("-q", "--quiet", action="count", default=0, help="warnings and results only")
    add("--version", action="version", version=f"premir {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``premir-train``; returns the exit code."""
    return run_command(build_parser(), argv, _run)


def _run(options: argparse.Namespace, given: frozenset[str]) -> int:
    refuse_what_does_nothing(options, given)
    options.threads = usable_threads(options.threads)
    if options.list_protocols:
        for benchmark in BENCHMARKS.values():
            first, second = benchmark.description.split("\n")
            sys.stdout.write(f"{benchmark.name:<20}{first}\n{'':<20}{second}\n")
        return 0
    require_memory()
    if options.run_all:
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
    seed = options.seed or 0
    model = load_model(options.evaluate) if options.evaluate else None
    protocols = _protocols(options)
    if (model or options.baseline) and not all(protocol.test.positives for protocol in protocols):
        raise InputError("--protocol custom needs --test-positives to judge by")

    from premir.scanner.find.folding import KernelFolder
    from premir.train.run import evaluate_baseline, evaluate_model, train

    machine: dict[str, Any] = {
        "device_name": options.device,
        "threads": options.threads,
        "folder": KernelFolder(),
    }
    if options.baseline:
        folds = machine["folder"]
        scored = [evaluate_baseline(p, seed=seed, folder=folds) for p in protocols]
        _report([each.judgement() for each in scored])
        return 0
    if model is not None:
        scored = [evaluate_model(model, protocol, **machine) for protocol in protocols]
        _report([each.judgement() for each in scored])
        return 0
    recipe = _recipe(options)
    out = options.out or Path(
        f"premir-{options.protocol}-{options.network}-{recipe.name}-seed{seed}"
    )
    judgements: list[Judgement] = []
    folders = [out]
    if len(protocols) > 1:
        folders = [out / f"fold{protocol.name.partition('/')[2]}" for protocol in protocols]
    _check_out(out, folders, [named for protocol in protocols for named in _sources(protocol)])
    for protocol, folder in zip(protocols, folders, strict=True):
        spec, result = train(
            protocol,
            recipe,
            network=options.network,
            seed=seed,
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

    from premir.scanner.find.folding import KernelFolder
    from premir.train.genome.config import ANIMAL, read_config
    from premir.train.genome.run import train_genome
    from premir.train.genome.sources import Adaptation

    if options.data is None:
        raise InputError("--protocol genome needs --data DIR, the folder of its sources")
    config = read_config(options.config or ANIMAL, options.data)
    if options.seed is not None:
        config = replace(config, seed=options.seed)
    start, adapt = None, None
    name, kind = config.name, f"premir-genome-seed{config.seed}"
    if options.adapt is not None:
        start = load_model(options.start or "premir-animal@1")
        adapt = Adaptation(options.adapt, tuple(filter(None, (options.contigs or "").split(","))))
        config = config.for_adapting()
        kind = f"{options.adapt.name.partition('.')[0]}-adapted"
        name = kind
    out = options.out or Path(kind)
    inputs: list[Named] = [("--config", options.config or ANIMAL)]
    inputs += [("a source of --config", path) for path in config.sources()]
    if adapt is not None:
        inputs.append(("--adapt", adapt.genome))
    if start is not None:
        inputs += [("--start", path) for path in start.files]
    _check_out(out, [out], inputs, [("the shards of --out", out / "work")])
    spec = train_genome(
        replace(config, name=options.name or name),
        out=out,
        device_name=options.device,
        threads=options.threads,
        folder=KernelFolder(),
        start=start,
        adapt=adapt,
    )
    sys.stdout.write(json.dumps(spec.card["held_out"]) + "\n")
    return 0


def _sources(protocol: Protocol) -> list[Named]:
    """Name the files that a protocol reads, as the options of ``--protocol custom`` do."""
    training, test = protocol.training, protocol.test
    return [
        (option, path)
        for option, paths in (
            ("--positives", training.positives),
            ("--negatives", training.negatives),
            ("--test-positives", test.positives),
            ("--test-negatives", test.negatives),
        )
        for path in paths
    ]


def _check_out(
    out: Path, folders: Sequence[Path], inputs: Sequence[Named], places: Sequence[Named] = ()
) -> None:
    """Refuse to train over a file, before anything is written."""
    for folder in (out, *folders):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; give --out a folder")
    outputs = [("--out", folder / name) for folder in folders for name in _WRITTEN]
    check_apart(inputs, outputs, places)


def _data(options: argparse.Namespace) -> Path:
    if options.data is not None:
        return Path(options.data)
    from premir.train.download import fetch_benchmark

    return fetch_benchmark()


def _protocols(options: argparse.Namespace) -> list[Protocol]:
    if options.protocol != "custom":
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


if __name__ == "__main__":
    sys.exit(main())
