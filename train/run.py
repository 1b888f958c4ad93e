"""One training from data to a model directory, and judging a model without training."""

from __future__ import annotations

import logging
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner import __version__
from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.find import viennarna
from premir.scanner.find.folding import Folder
from premir.scanner.score.card import CARD, check_new_card
from premir.scanner.score.inference import batch_log_odds, choose_device
from premir.scanner.score.model import Model
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.weights import save_model
from premir.train.baseline import fit_baseline
from premir.train.checkpoint import checkpoint_name
from premir.train.collapse import check_learned
from premir.train.dataset import Dataset, load_dataset
from premir.train.judging import Judgement, Scored, contaminated, scored
from premir.train.metrics import evaluate
from premir.train.ownership import TRAINING, check_own_model, identity_digest
from premir.train.protocols import Files, Protocol
from premir.train.recipes import Recipe
from premir.train.trainer import Trainer, check_lengths, check_network
from premir.train.validation import MEASURE, UNWATCHED, Validation, curve

_log = logging.getLogger(__name__)
CHECKPOINT = checkpoint_name()


def train(
    protocol: Protocol,
    recipe: Recipe,
    *,
    network: str,
    seed: int,
    out: Path,
    device_name: str,
    threads: int,
    folder: Folder,
    name: str,
    validation: Validation = UNWATCHED,
    checkpoint: Path | None = None,
    follow: bool = False,
) -> tuple[Model, Scored | None]:
    """Train (or go on training), judge once at the end, and write weights and card.

    Args:
        protocol: training and test files.
        recipe: how to train; training stops after ``recipe.epochs`` epochs.
        network: key of :data:`premir.scanner.score.networks.NETWORKS`.
        seed: of initial weights and sample order.
        out: directory for checkpoint, weights and card.
        device_name: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads; the sums of a float32 training depend on it in the last digits.
        folder: folds what the cache of folds lacks.
        name: the model's name.
        validation: how the training is watched, and by what it may stop earlier.
        checkpoint: file to go on from after every epoch; by default in ``out``.
        follow: measure after every epoch too, on the test set and (by the probabilities of the
            epoch itself) on the training set, for curves.

    Returns:
        The model, and the test set as it scores it if the protocol has one.

    Raises:
        PlanMismatchError: the checkpoint belongs to another training, or to a longer one, or
            ``out`` holds a model of another training.
        CollapseError: the network has come to nothing; no model is written.
    """
    check_network(network, recipe)
    head = {
        "name": name,
        "description": f"{NETWORKS[network].title}: {protocol.description}",
        "network": network,
        "feature_schema": FEATURE_SCHEMA,
        "context_nt": 0,
    }
    check_new_card(out / CARD, head)
    torch.set_num_threads(threads)
    device = choose_device(device_name)
    given = _load(protocol.training, folder)
    test = _load(protocol.test, folder) if protocol.test.positives else None
    if test is not None:
        contaminated(given, test)  # refuses a useless test set before hours are spent
    check_lengths(network, *(each for each in (given, test) if each is not None))
    training, watched = validation.split(given, seed)
    _log.info(
        "%s: %d positives, %d negatives to train on",
        protocol.name,
        training.positives,
        training.negatives,
    )
    if not training.positives or not training.negatives:
        raise InputError(f"{protocol.name}: positives and negatives are both needed to learn from")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
    trainer = Trainer(network, recipe, seed, training, device, validation)
    checkpoint = checkpoint or out / CHECKPOINT
    begun = checkpoint.exists()
    if begun:
        trainer.resume(checkpoint)
        _log.info("continuing after epoch %d of %s", trainer.epoch, checkpoint)
    if trainer.epoch > recipe.epochs:
        raise PlanMismatchError(
            f"{checkpoint}: is past epoch {recipe.epochs} already (at {trainer.epoch}); "
            "choose another --out or more --epochs"
        )
    check_own_model(out, trainer.identity(), begun=begun)
    while trainer.epoch < recipe.epochs and not validation.is_over(trainer.history):
        loss = trainer.train_epoch()
        epoch = trainer.history[-1]
        if follow and test is not None:
            rough = batch_log_odds(trainer.plain_network(), test.hairpins, device=device)
            epoch["training"] = evaluate(training.labels, trainer.seen).rounded()
            epoch["test"] = scored(rough, given, test).judgement().as_published.rounded()
        if watched is not None:
            trainer.watch(watched)
        trainer.save(checkpoint)
        seen = (
            f"  validation {MEASURE.upper()} {epoch['validation'][MEASURE]:.3f}" if watched else ""
        )
        seconds = epoch["wall_seconds"]
        _log.info(
            "epoch %d/%d  loss %.5f%s  %.1f s", trainer.epoch, recipe.epochs, loss, seen, seconds
        )

    plain = trainer.chosen_network()
    log_odds = batch_log_odds(plain, training.hairpins, device=device)
    check_learned(f"{protocol.name}, epoch {trainer.epoch}", training.labels, log_odds)
    result = None
    if test is not None:
        rough = batch_log_odds(plain, test.hairpins, device=device)
        result = scored(rough, given, test)
    judgement = result.judgement() if result is not None else None
    card = {**head, **_card(trainer, protocol, threads, judgement, test), **_watched(trainer)}
    return save_model(out, [plain], card), result


def evaluate_model(
    model: Model, protocol: Protocol, *, device_name: str, threads: int, folder: Folder
) -> Scored:
    """Score a protocol's test set by a trained model.

    Args:
        model: which.
        protocol: its test set judges; its training set says what is contaminated.
        device_name: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads.
        folder: folds what the cache of folds lacks.
    """
    torch.set_num_threads(threads)
    device = choose_device(device_name)
    training, test = _load(protocol.training, folder), _load(protocol.test, folder)
    return scored(model.select(test.hairpins, device), training, test)


def evaluate_baseline(protocol: Protocol, *, seed: int, folder: Folder, numbers: str) -> Scored:
    """Train the baseline on some numbers (:mod:`.baseline`) and score a protocol's test set."""
    training, test = _load(protocol.training, folder), _load(protocol.test, folder)
    probabilities = fit_baseline(training, seed=seed, numbers=numbers)(test.hairpins)
    return Scored(test.labels, probabilities, contaminated(training, test))


def versions() -> dict[str, str]:
    """Return the versions that a trained network may depend on."""
    return {
        "premir": __version__,
        "torch": torch.__version__,
        "viennarna": viennarna.version(),
        "python": platform.python_version(),
    }


def _load(files: Files, folder: Folder) -> Dataset:
    return load_dataset(files.positives, files.negatives, folder)


def _watched(trainer: Trainer) -> dict[str, Any]:
    """What a card says of validation."""
    if not trainer.validation.share:
        return {}
    return {
        "validation": {
            **asdict(trainer.validation),
            "chosen_epoch": trainer.chosen_epoch,
            "training_curve": curve(trainer.history, "training"),
            "curve": curve(trainer.history, "validation"),
        }
    }


def _card(
    trainer: Trainer,
    protocol: Protocol,
    threads: int,
    judgement: Judgement | None,
    test: Dataset | None,
) -> dict[str, Any]:
    return {
        "protocol": protocol.name,
        "recipe": asdict(trainer.recipe),
        "seed": trainer.seed,
        "epochs": trainer.epoch,
        "losses": [round(loss, 5) for loss in trainer.losses],
        "training_positives": trainer.data.positives,
        "training_negatives": trainer.data.negatives,
        "training_sha256": trainer.data.digests,
        "test_sha256": test.digests if test is not None else None,
        "test_metrics": judgement.rounded() if judgement is not None else None,
        "versions": versions(),
        "device": str(trainer.device),
        "threads": threads,
        "limits": protocol.limits,
        TRAINING: identity_digest(trainer.identity()),
    }
