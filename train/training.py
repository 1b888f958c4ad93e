"""All trainings of a protocol, into one directory; and judging by all of its folds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.find.folding import KernelFolder
from premir.scanner.outputs import Named
from premir.scanner.score.model import Model
from premir.train.judging import Judgement, mean
from premir.train.ownership import check_out
from premir.train.protocols import Protocol
from premir.train.recipes import Recipe
from premir.train.run import evaluate_baseline, evaluate_model, train
from premir.train.validation import UNWATCHED, Validation

_log = logging.getLogger(__name__)


def train_protocols(
    protocols: Sequence[Protocol],
    recipe: Recipe,
    *,
    network: str,
    seed: int,
    out: Path,
    name: str | None,
    device_name: str,
    threads: int,
    validation: Validation = UNWATCHED,
) -> tuple[list[Model], Judgement | None]:
    """Train a network for each protocol, and judge it where there is a test set.

    Args:
        protocols: one, or the folds of a cross-validation.
        recipe: how to train.
        network: key of :data:`premir.scanner.score.networks.NETWORKS`.
        seed: of initial weights and sample order.
        out: model directory; of several protocols, the folder of their directories ``foldN``.
        name: the model's name; the directory's where None.
        device_name: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads.
        validation: how each training is watched.

    Returns:
        The models, and the means of their measures.

    Raises:
        InputError: a file cannot be used, or would be overwritten.
        PlanMismatchError: ``out`` belongs to another training.
        CollapseError: a network has come to nothing.
    """
    several = len(protocols) > 1
    folders = [out / f"fold{p.name.partition('/')[2]}" if several else out for p in protocols]
    check_out(out, folders, [named for protocol in protocols for named in _sources(protocol)])
    folds = KernelFolder()
    models: list[Model] = []
    judgements: list[Judgement] = []
    for protocol, folder in zip(protocols, folders, strict=True):
        model, result = train(
            protocol,
            recipe,
            network=network,
            seed=seed,
            out=folder,
            device_name=device_name,
            threads=threads,
            folder=folds,
            validation=validation,
            name=name or "-".join(folder.parts[-2:] if several else [out.name]),
        )
        _log.info("wrote %s", model.directory)
        models.append(model)
        if result is not None:
            judgements.append(result.judgement())
    return models, mean(judgements) if judgements else None


def judge_by_protocols(
    model: Model, protocols: Sequence[Protocol], *, device_name: str, threads: int
) -> Judgement:
    """Judge a model by protocols; returns the means of the measures."""
    _require_tests(protocols)
    folds = KernelFolder()
    return mean(
        [
            evaluate_model(
                model, each, device_name=device_name, threads=threads, folder=folds
            ).judgement()
            for each in protocols
        ]
    )


def judge_baseline(protocols: Sequence[Protocol], *, seed: int, numbers: str) -> Judgement:
    """Train and judge the baseline on some numbers; returns the means of the measures."""
    _require_tests(protocols)
    folds = KernelFolder()
    return mean(
        [
            evaluate_baseline(each, seed=seed, folder=folds, numbers=numbers).judgement()
            for each in protocols
        ]
    )


def _require_tests(protocols: Sequence[Protocol]) -> None:
    if not all(protocol.test.positives for protocol in protocols):
        raise InputError("own files need --test-positives and --test-negatives to judge by")


def _sources(protocol: Protocol) -> list[Named]:
    """Name the files that a protocol reads, by the options that ask for them."""
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
