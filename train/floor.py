"""The floor of a model: what its first network makes so little of that no other one need be asked.

A model of several networks gives the mean of their log odds, and each costs as much as another.
Most candidates of a genome are so far from any hit that one network tells. The floor is the log
odds by the first network that all but an allowed share of known precursors reach. These are planted
in pieces of genomes, are of families that the networks have not learned from, and a scan might
report them: what the model gives them is no less than what a known family may lift to a hit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.errors import InputError
from premir.scanner.files import write_json
from premir.scanner.find.candidates import KINDS
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import open_genome
from premir.scanner.report.evidence.known.compared import least_compared
from premir.scanner.score.card import CARD
from premir.scanner.score.inference import batch_log_odds
from premir.scanner.score.model import Model, log_odds_of
from premir.train.gates import candidates_for, nearest_precursors, plant_in, preset_of
from premir.train.genome.backgrounds import held_out
from premir.train.genome.config import Known
from premir.train.genome.sources import read_known
from premir.train.stem_costs import PlantedContig

_F64: TypeAlias = npt.NDArray[np.float64]

FEWEST = 200
"""Known precursors below which a share of a few thousandths says nothing."""


def measure_floor(
    model: Model, data: Path, *, genomes: Sequence[Path], loss: float, planted: int, seed: int
) -> dict[str, Any]:
    """Measure the floor of a model.

    Args:
        model: of several networks, trained by ``premir-train genome``.
        data: folder with ``genomes/`` and ``mirbase/``.
        genomes: FASTA files that lend flanks, and whose candidates are counted.
        loss: share of known precursors that may lie below it.
        planted: most known hairpins to plant.
        seed: decides everything.

    Returns:
        What stands in the card: ``log_odds``, the floor; ``min_prob``, from which probability on it
        holds; ``known``, known precursors that have that, and ``lost``, how many of them lie below
        the floor; ``asked``, share of the genomes' candidates that do not; ``hits`` and
        ``hits_lost`` of the genomes at the model's threshold; ``genomes`` and ``megabases``.

    Raises:
        InputError: the model has one network, held no families out, or too few can be planted.
    """
    share, least = model.card.get("settings", {}).get("validation", 0.0), least_compared(model)
    if len(model.kinds) < 2:
        raise InputError(f"{model.name}: has one network; a floor is for models of several")
    if not share or least is None:
        raise InputError(
            f"{model.name}: its card tells no families left out in training, or no false calls"
        )
    kind = KINDS[preset_of(model)]
    known = [p for p in read_known([Known(mirbase=data, kind=kind)]) if held_out(p.family, share)]
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "planted.fa"
        contig = plant_in(known, genomes, path, seed=seed, limit=planted)
        loci, first, whole = _scored(path, model)[:3]
    best = best_of_each(loci, whole, contig)
    reported = best[whole[best] >= log_odds_of(least)]
    if reported.size < FEWEST:
        raise InputError(
            f"{model.name}: {reported.size} known precursors of families that it has not learned "
            f"from score enough; {FEWEST} are needed"
        )
    floor = float(np.floor(100 * np.sort(first[reported])[int(loss * reported.size)]) / 100)
    counts, megabases = np.zeros(4, np.int64), 0.0
    for path in genomes:
        _, first_of, whole_of, size = _scored(path, model)
        hit, below = whole_of >= log_odds_of(model.min_prob), first_of < floor
        counts += [hit.size, (~below).sum(), hit.sum(), (hit & below).sum()]
        megabases += size
    return {
        "log_odds": floor,
        "min_prob": least,
        "known": int(reported.size),
        "lost": int((first[reported] < floor).sum()),
        "allowed_loss": loss,
        "asked": round(float(counts[1] / max(1, counts[0])), 4),
        "hits": int(counts[2]),
        "hits_lost": int(counts[3]),
        "genomes": [f"{path.parent.name}/{path.name}" for path in genomes],
        "megabases": round(megabases, 3),
        "seed": seed,
    }


def write_floor(model: Model, table: dict[str, Any]) -> None:
    """Write a floor into a model's card."""
    write_json(model.directory / CARD, {**model.card, "floor": table})


def best_of_each(loci: Loci, log_odds: _F64, planted: PlantedContig) -> npt.NDArray[np.int64]:
    """Return the best candidate of each planted precursor that has one.

    Args:
        loci: N candidates of the contig with the planted hairpins.
        log_odds: float64 (N,).
        planted: what stands in it.

    Returns:
        int64 (M,), indices of candidates on the plus strand whose middle lies in the precursor and
        that cover more than half of it.
    """
    own, covers = nearest_precursors(loci, planted)
    start, end = planted.loci[own].T
    middle = (loci.start + loci.end) // 2
    inside = covers & (middle >= start) & (middle < end)
    fits = np.flatnonzero(inside & (loci.strand > 0))
    ranked = fits[np.argsort(-log_odds[fits], kind="stable")]
    return ranked[np.unique(own[ranked], return_index=True)[1]]


def _scored(path: Path, model: Model) -> tuple[Loci, _F64, _F64, float]:
    """All candidates of a FASTA file, their log odds by the first network and by the model; Mb."""
    loci, first, whole = [], [], []
    cpu = torch.device("cpu")
    with open_genome(path) as genome:
        for each in candidates_for(model, genome):
            assert each.hairpins is not None
            loci.append(each.loci)
            scores = [batch_log_odds(one, each.hairpins, device=cpu) for one in model.networks()]
            first.append(scores[0].astype(np.float64))
            whole.append(model.calibrated(np.mean(scores, axis=0, dtype=np.float64)))
        megabases = int(genome.contigs.lengths.sum()) / 1e6
    return (
        Loci.concatenate(loci),
        np.concatenate(first),
        np.concatenate(whole),
        megabases,
    )
