"""``premir-train genome``: from sources to a calibrated model directory."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner.errors import InputError
from premir.scanner.files import sha256, write_json
from premir.scanner.find.folding import Folder
from premir.scanner.score.card import CARD, MEMBERS, MOST_MEMBERS, check_new_card
from premir.scanner.score.crossfit import CrossFit
from premir.scanner.score.inference import choose_device
from premir.scanner.score.model import Model, read_model
from premir.scanner.score.weights import save_model
from premir.train.checkpoint import check_identity, checkpoint_name
from premir.train.collapse import check_learned
from premir.train.genome.config import GenomeConfig
from premir.train.genome.curves import false_calls, reliability
from premir.train.genome.judging import Curve, calibrate, judge
from premir.train.genome.sources import Adaptation, Sources, prepare
from premir.train.genome.sources import digests as source_digests
from premir.train.genome.stream import background, balanced
from premir.train.genome.trainer import GenomeTrainer
from premir.train.ownership import TRAINING, check_own_model, identity_digest
from premir.train.run import versions

_log = logging.getLogger(__name__)

FALSE_CALLS_PER_MB = 1.0
"""Where the default threshold lies on held-out background."""


def train_genome(
    config: GenomeConfig,
    *,
    out: Path,
    device_name: str,
    threads: int,
    folder: Folder,
    start: Model | None = None,
    adapt: Adaptation | None = None,
    work: Path | None = None,
) -> Model:
    """Train a network for scanning genomes (or go on training), and write weights and card.

    Args:
        config: sources and settings.
        out: directory for shards (``work/``), checkpoint, weights and card.
        device_name: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads; the sums of a float32 training depend on it in the last digits.
        folder: folds candidates.
        start: model to start from instead of random weights.
        adapt: genome to adapt to.
        work: folder for shards, which trainings on the same sources may share one after another;
            ``work`` in ``out`` by default.

    Raises:
        InputError: a source is faulty or ``out`` cannot be written.
        PlanMismatchError: ``out`` holds another training, or a model that this one did not write.
        CollapseError: the network has come to nothing; no model is written.
    """
    kinds = start.kinds if start is not None else config.networks
    folds = adapt.folds if adapt is not None else 1
    _check_folds(start, kinds, folds)
    head = {
        "name": config.name,
        "description": config.description,
        "network": MEMBERS.join(kinds * folds),
        "feature_schema": FEATURE_SCHEMA,
        "context_nt": config.context_nt,
        "unknown_letters": config.unknown_letters,
    }
    check_new_card(out / CARD, head)
    digests = source_digests(config, adapt)
    identity = {
        **config.identity(),
        **digests,
        "start": start.digest if start is not None else None,
        **{name: versions()[name] for name in ("premir", "torch", "viennarna")},
    }
    checkpoints = [out / checkpoint_name(member) for member in range(folds * len(kinds))]
    for checkpoint in checkpoints:
        if checkpoint.exists():
            check_identity(checkpoint, identity)
    begun = checkpoints[0].exists()
    check_own_model(out, identity, begun=begun)
    torch.set_num_threads(threads)
    device = choose_device(device_name)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
    sources = prepare(config, work or out / "work", folder, adapt, threads=threads)
    cross_fit = _cross_fit(sources, folds)
    trainers = [
        trainer
        for fold in range(folds)
        for trainer in _trainers(
            config, identity, sources, start, kinds, device, folder, cross_fit, fold
        )
    ]
    done = [_train(*each) for each in zip(trainers, checkpoints, strict=True)]
    if begun and not any(done) and is_written(out, head):
        return read_model(out)
    networks = [trainer.average for trainer in trainers]
    curve = judge(networks, sources.known, sources.held, device, cross_fit)
    labels, log_odds = curve.labelled()
    if labels.all() or not labels.any():
        raise InputError("nothing to calibrate by: no held-out hairpin, or none known, is found")
    check_learned(config.name, labels, log_odds)
    card = {**head, **_finish(trainers, curve, sources, threads, start)}
    card["training_sha256"] = {"candidates": _digest(sources), **digests}
    card[TRAINING] = identity_digest(identity)
    if cross_fit is not None:
        card["cross_fit"] = asdict(cross_fit)
    if adapt is not None:
        card["adapted_to"] = {"genome": adapt.genome.name, "contigs": list(adapt.contigs)}
    rounds = {f"{number} {each.kind}": each.history for number, each in enumerate(trainers)}
    write_json(out / "history.json", {"rounds": rounds, "held_out": curve.summary()})
    return save_model(out, networks, card)


def _check_folds(start: Model | None, kinds: Sequence[str], folds: int) -> None:
    if start is not None and start.cross_fit is not None:
        raise InputError(f"{start.name} is adapted to a genome: start from what it started from")
    if folds * len(kinds) > MOST_MEMBERS:
        most = MOST_MEMBERS // len(kinds)
        raise InputError(f"--folds {folds}: {most} at most, with {len(kinds)} networks in each")


def _cross_fit(sources: Sources, folds: int) -> CrossFit | None:
    """Return how the genome to adapt to is divided, None for not at all."""
    if folds == 1:
        return None
    return CrossFit.of_genome(int(sources.adapted[0].contigs.lengths.sum()), folds)


def _trainers(
    config: GenomeConfig,
    identity: Mapping[str, Any],
    sources: Sources,
    start: Model | None,
    kinds: Sequence[str],
    device: torch.device,
    folder: Folder,
    cross_fit: CrossFit | None,
    fold: int,
) -> list[GenomeTrainer]:
    """Return the networks that have not seen one part of the genome to adapt to, untrained."""
    positives = balanced(sources.positives, config.family_balance, config.phylum_balance)
    negatives = background(
        sources.negatives,
        sources.adapted,
        config.genome_balance,
        cross_fit=cross_fit,
        unseen=fold,
    )
    starts = start.networks() if start is not None else (None,) * len(kinds)
    return [
        GenomeTrainer(
            config,
            identity,
            positives,
            negatives,
            device,
            folder,
            kind,
            fold * len(kinds) + number,
            starts[number],
        )
        for number, kind in enumerate(kinds)
    ]


def _train(trainer: GenomeTrainer, checkpoint: Path) -> int:
    """Train one of the networks to its end, from its checkpoint if there is one.

    Returns:
        How many hairpins it saw here.
    """
    config = trainer.config
    if checkpoint.exists():
        trainer.resume(checkpoint)
        _log.info("continuing after %d hairpins of %s", trainer.samples, checkpoint)
    first = trainer.samples
    while trainer.samples + config.batch <= config.samples:
        report = trainer.train_round()
        _log.info(
            "%s network %d: %d/%d hairpins  loss %.4f  %.0f s",
            trainer.kind,
            trainer.member + 1,
            trainer.samples,
            config.samples,
            report["loss"],
            report["wall_seconds"],
        )
        trainer.save(checkpoint)
    return trainer.samples - first


def _finish(
    trainers: Sequence[GenomeTrainer],
    curve: Curve,
    sources: Sources,
    threads: int,
    start: Model | None,
) -> dict[str, Any]:
    """Calibrate the networks, and say on a card what they are."""
    slope, intercept = (round(value, 5) for value in calibrate(curve))
    log_odds = slope * curve.threshold(FALSE_CALLS_PER_MB) + intercept
    config = trainers[0].config
    return {
        "preset": config.preset,
        "min_prob": round(float(torch.sigmoid(torch.tensor(log_odds, dtype=torch.float64))), 6),
        "calibration": {
            "prior": "1:1",
            "slope": slope,
            "intercept": intercept,
            "min_prob_at_false_calls_per_mb": FALSE_CALLS_PER_MB,
            "held_out_megabases": round(curve.megabases, 3),
        },
        "protocol": "genome",
        "held_out": curve.summary(),
        "false_calls_per_mb": false_calls(curve, slope, intercept),
        "reliability": reliability(curve, slope, intercept),
        "configuration": config.raw,
        "settings": {k: v for k, v in asdict(config).items() if isinstance(v, int | float)},
        "started_from": start.name if start is not None else None,
        "samples": sum(trainer.samples for trainer in trainers),
        "training_families": len({name for each in sources.positives for name in each.groups}),
        "versions": versions(),
        "device": str(trainers[0].device),
        "threads": threads,
        "limits": [
            "Calibrated at a prior of 1:1; in a genome, hairpins that are no pre-miRNAs outnumber "
            "pre-miRNAs by thousands to one.",
            *config.limits,
        ],
    }


def is_written(out: Path, head: Mapping[str, Any]) -> bool:
    """Whether ``out`` holds a whole model whose card says what ``head`` does."""
    if not (out / CARD).exists():
        return False
    model = read_model(out)
    same = head.items() <= {**model.card}.items()
    return same and model.found_digest() == model.digest


def _digest(sources: Sources) -> str:
    """SHA-256 over the genomes that candidates were cut from."""
    table = hashlib.sha256()
    shards = [path for each in sources.positives for path in each.cuts.shards]
    shards += [path for cuts in sources.adapted for path in cuts.shards]
    for folder in sorted({path.parents[1] for path in [*shards, *sources.negative_shards]}):
        table.update(f"{folder.name} {sha256(folder / 'genome.seq')}\n".encode())
    return table.hexdigest()
