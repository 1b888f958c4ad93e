"""Which hairpins are hits: gates reject, batches select, canonical scores decide."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.score.crossfit import Places
from premir.scanner.score.gating import Gates
from premir.scanner.score.model import Model, lowest_selected, probabilities


@dataclass(frozen=True, slots=True)
class Spared:
    """Hairpins that other evidence spares from gates and threshold.

    Attributes:
        which: bool (N,).
        min_prob: threshold for these.
    """

    which: npt.NDArray[np.bool_]
    min_prob: float


@dataclass(frozen=True, slots=True)
class Found:
    """The hits among some hairpins.

    Attributes:
        index: int64 (M,), which of them are hits.
        log_odds: float64 (M,), their canonical log odds.
        scored: how many hairpins passed the gates.
        seconds: by stage.
    """

    index: npt.NDArray[np.int64]
    log_odds: npt.NDArray[np.float64]
    scored: int
    seconds: dict[str, float]


def find_hits(
    model: Model,
    hairpins: Hairpins,
    loci: Loci | None,
    *,
    gates: Gates | None,
    min_prob: float,
    places: Places | None,
    device: torch.device,
    spared: Spared | None = None,
) -> Found:
    """Find the hairpins that a model gives a probability of ``min_prob`` or more.

    Args:
        model: scores them.
        hairpins: what was folded.
        loci: where the hairpins lie; needed where there are gates.
        gates: reject hairpins before they are scored; None to score all.
        min_prob: threshold.
        places: where the hairpins lie, for cross-fitted models; None where they lie nowhere.
        device: where batches are computed.
        spared: those that gates must not reject, with a threshold of their own.
    """
    started = time.monotonic()
    spare = spared.which if spared is not None else np.zeros(len(hairpins), np.bool_)
    low = min(spared.min_prob, min_prob) if spared is not None else min_prob
    worth = np.arange(len(hairpins))
    if gates is not None and loci is not None:
        worth = np.flatnonzero(gates.after_folding(loci, hairpins) | spare)
    gated = time.monotonic()
    rough = model.select(hairpins.take(worth), device, places and places.take(worth))
    lowest = np.where(spare[worth], lowest_selected(low), lowest_selected(min_prob))
    selected = worth[rough >= lowest]
    batched = time.monotonic()
    log_odds = model.score(hairpins.take(selected), places and places.take(selected))
    reported = probabilities(log_odds) >= np.where(spare[selected], low, min_prob)
    seconds = {
        "gates": gated - started,
        "scoring": batched - gated,
        "canonical": time.monotonic() - batched,
    }
    return Found(selected[reported], log_odds[reported], int(worth.size), seconds)
