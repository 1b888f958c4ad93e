"""Options that several sub-commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from premir.scanner.command import Parser
from premir.scanner.cores import available_cores
from premir.scanner.option_types import path, real, whole
from premir.train.protocols import BENCHMARKS

CUSTOM = "custom"
"""The protocol of one's own files."""
USUAL_SHARE = 0.1
"""What validates where only ``--patience`` is given."""
SETS = ("positives", "negatives", "test_positives", "test_negatives")
"""Options that name the files of :data:`CUSTOM`."""


def add_released_data(parser: Parser) -> None:
    """Add where the released data set is."""
    parser.add_argument("--data", type=path, metavar="DIR", help="released data set (the folder "
        "with sequences/); default: fetched once into the user's cache")  # fmt: skip


def add_sets(parser: Parser, *, required: bool) -> None:
    """Add one's own FASTA files."""
    for name in SETS:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=path,
            nargs="+",
            default=[],
            metavar="FASTA",
            required=required and not name.startswith("test"),
            help=("hairpins to judge by: " if name.startswith("test") else "hairpins: ")
            + ("pre-miRNAs" if name.endswith("positives") else "others"),
        )


def add_judged_by(parser: Parser) -> None:
    """Add the protocol that judges, and where its files are."""
    parser.add_argument("protocol", metavar="PROTOCOL", choices=[*BENCHMARKS, CUSTOM], help="of "
        f"premir-train protocols, or {CUSTOM}: judge by --test-positives and --test-negatives; "
        "what stands in --positives or --negatives too is contaminated")  # fmt: skip
    add_released_data(parser)
    add_sets(parser, required=False)


def add_planting(parser: Parser) -> None:
    """Add what known hairpins are planted in, and how many."""
    add = parser.add_argument
    add("--data", type=path, required=True, metavar="DIR", help="folder of genomes/ and mirbase/")
    add("--genomes", nargs="+", type=path, metavar="FASTA", help="genomes that lend background; "
        "default: small animal genomes of DATA")  # fmt: skip
    add("--planted", type=whole(1), default=20_000, metavar="N", help="plant at most N known "
        "hairpins; default: %(default)s")  # fmt: skip
    add_seed(parser)


def lenders(options: argparse.Namespace) -> list[Path]:
    """Return the genomes that lend background."""
    from premir.train.gates import LENDERS
    from premir.train.precursors import genome_file

    return options.genomes or [genome_file(options.data, name) for name in LENDERS]


def add_machine(parser: Parser) -> None:
    """Add where it computes."""
    add = parser.add_argument_group("machine").add_argument
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="default: %(default)s")
    _add_threads(add)


def add_threads(parser: Parser) -> None:
    """Add the number of threads alone."""
    _add_threads(parser.add_argument)


def _add_threads(add: Any) -> None:
    add("--threads", type=whole(1), default=available_cores(), metavar="N", help="default: "
        "%(default)s, the cores that affinity, control groups and SLURM leave us")  # fmt: skip


def add_seed(parser: Parser) -> None:
    """Add what decides everything random."""
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, metavar="N", help="default: "
        "%(default)s")  # fmt: skip


def add_own_seed(parser: Parser) -> None:
    """Add a seed that stands in for a configuration's."""
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), metavar="N", help="default: that of "
        "--config")  # fmt: skip


def add_genome_training(parser: Parser) -> None:
    """Add all that a training from a configuration reads."""
    add_sources(parser)
    add_own_seed(parser)
    add_output(parser)
    add_machine(parser)


def add_sources(parser: Parser) -> None:
    """Add what a genome network is trained on."""
    add = parser.add_argument
    add("--data", type=path, required=True, metavar="DIR", help="folder that the configuration's "
        "paths are relative to")  # fmt: skip
    add("--config", type=path, metavar="TOML", help="sources and settings; default: those of "
        "premir-animal@3")  # fmt: skip


def add_output(parser: Parser) -> None:
    """Add where the model goes."""
    add = parser.add_argument_group("output").add_argument
    add("--out", type=path, metavar="DIR", help="model directory; default: named by the options")
    add("--name", help="the model's name; default: the directory's")


def add_recipe(parser: Parser) -> None:
    """Add how a network is trained."""
    add = parser.add_argument_group("training").add_argument
    add("--network", default="variable", metavar="NAME", help="variable: Algorithm 1 of "
        "the paper; fixed: its Algorithm 2; stem: along the stem; recurrent: LSTMs as those of "
        "deepMiRGene; fewer-pools, alexnet, resnet: what the paper's authors also tried; default: "
        "%(default)s")  # fmt: skip
    add("--recipe", default="paper", choices=["paper", "released", "released-train",
        "annealed"], help="paper: as the paper says; released: as the authors' code does, which "
        "freezes the batch norm of --network fixed after an epoch; released-train: the same, but "
        "never frozen; annealed: ours, AdamW with a falling rate and the mean of the weights, for "
        "--network stem; default: %(default)s")  # fmt: skip
    add("--epochs", type=whole(1), metavar="N", help="default: the recipe's (40; annealed: 12; "
        "released for --network fixed: 10 in cross-validation, 80 for "
        "crossspecies-new)")  # fmt: skip
    add("--seed", type=whole(0, 2**32 - 1), default=0, metavar="N", help="default: %(default)s")
    add("--optimizer", choices=["adagrad", "adam", "adamw", "sgd"], help="default: the recipe's")
    add("--lr", dest="learning_rate", type=real(0, 1e30), metavar="RATE", help="learning rate; "
        "default: the recipe's (0.001 or 0.01)")  # fmt: skip
    add("--weight-decay", type=real(0, 1e6), metavar="D", help="default: the recipe's")
    add("--accumulate", "--batch-size", dest="group", type=whole(1), metavar="N",
        help="hairpins before each optimiser step; default: the recipe's (64 or 128)")  # fmt: skip
    add("--class-weights", action=argparse.BooleanOptionalAction, help="weight the rarer class; "
        "default: the recipe's")  # fmt: skip
    add("--dropout", type=real(0, 0.999), metavar="P", help="share of the hidden units dropped "
        "in training; default: the recipe's (0; annealed: 0.3)")  # fmt: skip
    add("--encoding", choices=["onehot", "soft0.1", "soft0.2"], help="soft0.1: a nucleotide is "
        "0.9 in its own channel and a third of 0.1 in the others; default: onehot")  # fmt: skip
    add("--ablate", choices=["pairing", "numbers"], help="keep the pairing matrix from the "
        "network, or from --network stem the numbers of the fold")  # fmt: skip
    add("--validation", type=real(0.001, 0.9), metavar="SHARE", help="keep this share of the "
        "training sequences from training and measure on it after each epoch; premir-train curves "
        f"draws it; default: none, with --patience {USUAL_SHARE:g}")  # fmt: skip
    add("--patience", type=whole(1), metavar="N", help="stop when the AUPR in validation was not "
        "better than its best for N epochs, and keep the network of the best one; default: all "
        "epochs, the last network")  # fmt: skip


RECIPE = (
    "optimizer", "learning_rate", "weight_decay", "group", "class_weights", "ablate", "dropout",
    "encoding", "epochs",
)  # fmt: skip
"""Options of :func:`add_recipe` that change the recipe's fields of the same names."""
