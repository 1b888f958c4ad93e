"""What users of Python see: train networks, and judge models by protocols."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from premir.scanner.cores import available_cores, usable_threads
from premir.scanner.errors import InputError
from premir.scanner.score.card import MOST_MEMBERS
from premir.scanner.score.model import Model
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.genome.configured import train_configured
from premir.train.genome.sources import Adaptation
from premir.train.protocols import BENCHMARKS, own_files, released
from premir.train.recipes import RECIPES, recipe_of
from premir.train.training import judge_by_protocols, train_protocols

_Path = str | os.PathLike[str]
_Device = Literal["auto", "cpu", "cuda"]


def list_protocols() -> dict[str, str]:
    """Return the paper's protocols by name, with what each trains on and is judged by."""
    return {name: " ".join(each.description.split()) for name, each in BENCHMARKS.items()}


def train_network(
    positives: _Path | Sequence[_Path],
    negatives: _Path | Sequence[_Path],
    out: _Path,
    *,
    test_positives: _Path | Sequence[_Path] = (),
    test_negatives: _Path | Sequence[_Path] = (),
    recipe: Literal["paper", "released", "released-train"] = "paper",
    epochs: int | None = None,
    seed: int = 0,
    network: str = "variable",
    name: str | None = None,
    device: _Device = "auto",
    threads: int | None = None,
) -> Model:
    """Train a network on hairpins of your own, as ``premir-train custom`` does.

    A training that was interrupted goes on where it stopped when it is called again.

    Args:
        positives: FASTA files of pre-miRNAs.
        negatives: FASTA files of other hairpins.
        out: model directory.
        test_positives: FASTA files to judge by; measures go onto the card (``test_metrics``).
        test_negatives: the same, of others.
        recipe: how to train.
        epochs: passes over the training set; the recipe's by default.
        seed: of initial weights and sample order.
        network: a network's name.
        name: the model's; the directory's by default.
        device: where it computes.
        threads: cores to use; all that this process may use by default.

    Returns:
        The model, which lies in ``out``.

    Raises:
        InputError: a file or a setting cannot be used; nothing was written.
        PlanMismatchError: ``out`` belongs to another training.
        CollapseError: the network has come to nothing; no model was written.
    """
    if recipe not in RECIPES:
        raise InputError(f"recipe is {recipe!r}; expected one of {', '.join(RECIPES)}")
    if epochs is not None and epochs < 1:
        raise InputError(f"epochs is {epochs}; expected 1 or more")
    protocol = own_files(
        _paths(positives), _paths(negatives), _paths(test_positives), _paths(test_negatives)
    )
    (model,), _ = train_protocols(
        [protocol],
        recipe_of(recipe, network, protocol.name).changed(epochs),
        network=network,
        seed=seed,
        out=Path(out),
        name=name,
        **_machine(device, threads),
    )
    return model


def judge_model(
    model: str | Model,
    protocol: str,
    *,
    data: _Path | None = None,
    device: _Device = "auto",
    threads: int | None = None,
) -> dict[str, Any]:
    """Judge a model by a protocol of the paper, as ``premir-train evaluate`` does.

    Args:
        model: shipped model, model directory, or one that is loaded.
        protocol: one of :func:`list_protocols`.
        data: the released data set; fetched once into the user's cache by default.
        device: where it computes.
        threads: cores to use; all that this process may use by default.

    Returns:
        Measures on the whole test set (``as_published``), and without what its training set holds
        too (``decontaminated``); means where there are folds.

    Raises:
        InputError: the model, the protocol or a file cannot be used.
    """
    if protocol not in BENCHMARKS:
        raise InputError(f"protocol is {protocol!r}; expected one of {', '.join(BENCHMARKS)}")
    judgement = judge_by_protocols(
        load_model(model) if isinstance(model, str) else model,
        released(protocol, Path(data) if data is not None else None),
        **_machine(device, threads),
    )
    return judgement.rounded()


def train_genome_network(
    out: _Path,
    data: _Path,
    *,
    config: _Path | None = None,
    adapt_to: _Path | None = None,
    contigs: Sequence[str] = (),
    folds: int | None = None,
    start: str | Model | None = None,
    seed: int | None = None,
    name: str | None = None,
    device: _Device = "auto",
    threads: int | None = None,
) -> Model:
    """Train a network for scanning genomes, as ``premir-train genome`` and ``adapt`` do.

    Args:
        out: model directory.
        data: folder that the configuration's paths are relative to.
        config: TOML file (docs/genome-training.md); that of the default model by default.
        adapt_to: FASTA of a genome: go on from ``start`` with its unlabelled candidates.
        contigs: of that genome, to use these only.
        folds: adapt so many times, each time without one part of it, which these networks score; 2
            by default.
        start: model to adapt; that which scans take by default.
        seed: instead of the configuration's.
        name: the model's; the configuration's by default.
        device: where it computes.
        threads: cores to use; all that this process may use by default.

    Returns:
        The model, which lies in ``out``; ``model.card["held_out"]`` says how it was judged.

    Raises:
        InputError: a file or a setting cannot be used; nothing was written.
        PlanMismatchError: ``out`` belongs to another training.
        CollapseError: the network has come to nothing; no model was written.
    """
    for setting, value in (("contigs", contigs), ("folds", folds), ("start", start)):
        if value and adapt_to is None:
            raise InputError(f"{setting} does nothing without adapt_to")
    adapt = None
    if adapt_to is not None:
        if folds is not None and not 1 <= folds <= MOST_MEMBERS:
            raise InputError(f"folds is {folds}; expected 1 to {MOST_MEMBERS}")
        adapt = Adaptation(Path(adapt_to), tuple(contigs), folds or 2)
        start = start or DEFAULT_MODEL
    return train_configured(
        Path(config) if config is not None else None,
        Path(data),
        out=Path(out),
        seed=seed,
        name=name,
        **_machine(device, threads),
        start=load_model(start) if isinstance(start, str) else start,
        adapt=adapt,
    )


def _paths(files: _Path | Sequence[_Path]) -> tuple[Path, ...]:
    if isinstance(files, str | os.PathLike):
        return (Path(files),)
    return tuple(map(Path, files))


def _machine(device: str, threads: int | None) -> dict[str, Any]:
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {device!r}; expected one of auto, cpu, cuda")
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}; expected 1 or more")
    return {"device_name": device, "threads": usable_threads(threads or available_cores())}
