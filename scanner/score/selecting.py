"""Which hairpins are hits: gates reject, batches select, canonical scores decide."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.score.crossfit import Places
from premir.scanner.score.gating import Gates
from premir.scanner.score.lift import Lift
from premir.scanner.score.model import Model, probabilities


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
        index: int64 (M,), which of them are hits, or may be.
        log_odds: float64 (M,), their canonical log odds by the model.
        scored: int64 (K,), which of them passed the gates.
        seconds: of CPU that this thread took, by stage; a GPU's are not among them.
    """

    index: npt.NDArray[np.int64]
    log_odds: npt.NDArray[np.float64]
    scored: npt.NDArray[np.int64]
    seconds: dict[str, float]

    def split(self, counts: Sequence[int]) -> list[Found]:
        """Divide by sets of hairpins that were searched together; seconds in equal shares.

        Args:
            counts: how many hairpins each set has.

        Returns:
            What was found in each, with indices within it.
        """
        seconds = {stage: value / len(counts) for stage, value in self.seconds.items()}
        borders = np.cumsum([0, *counts])
        hits, scored = (np.searchsorted(each, borders) for each in (self.index, self.scored))
        return [
            Found(
                self.index[a:b] - first,
                self.log_odds[a:b],
                self.scored[c:d] - first,
                seconds,
            )
            for first, (a, b), (c, d) in zip(
                borders, pairwise(hits), pairwise(scored), strict=False
            )
        ]


def find_hits(
    model: Model,
    hairpins: Hairpins,
    loci: Loci | None,
    *,
    gates: Gates | None,
    min_prob: float,
    places: Places | None,
    device: torch.device,
    lowest: float | None = None,
    lift: Lift | None = None,
    spared: Spared | None = None,
    floor: float = -np.inf,
) -> Found:
    """Find the hairpins to which a model, or a model and a lift, give ``min_prob`` or more.

    Args:
        model: scores them.
        hairpins: what was folded.
        loci: where the hairpins lie; needed where there are gates.
        gates: reject hairpins before they are scored; None to score all.
        min_prob: threshold, as a probability.
        places: where the hairpins lie, for cross-fitted models; None where they lie nowhere.
        device: where batches are computed.
        lowest: least probability by the model alone, at most ``min_prob``, which it is by default.
        lift: what evidence adds; None where that is not known yet, and everything from ``lowest``
            on may be a hit.
        spared: those that neither gates nor floor may reject, with a threshold of their own.
        floor: least log odds by the model's first network of what the others are asked about.
    """
    started, lowest = time.thread_time(), min_prob if lowest is None else lowest
    spare = spared.which if spared is not None else np.zeros(len(hairpins), np.bool_)
    low = min(spared.min_prob, lowest) if spared is not None else lowest
    worth, least = np.arange(len(hairpins)), model.lowest_selected
    if gates is not None and loci is not None:
        worth = np.flatnonzero(gates.after_folding(loci, hairpins) | spare)
    gated = time.thread_time()
    floors = np.where(spare[worth], -np.inf, floor)
    needed, lifted = np.full(worth.size, np.inf), np.zeros(worth.size)

    def wanted(
        index: npt.NDArray[np.int64], most: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Say what each needs by the model, and ask first what lifts those that may have it."""
        spares = spare[worth[index]]
        needed[index] = np.where(spares, least(low), least(lowest))
        if lift is not None:
            asked = index[(most >= needed[index]) & ~spares]
            compared = hairpins.take(worth[asked])
            lifted[asked] = lift(compared.codes, compared.offsets)
            needed[asked] = np.maximum(needed[asked], least(min_prob) - lifted[asked])
        return needed[index]

    rough = model.select(
        hairpins.take(worth), device, places and places.take(worth), wanted, floors
    )
    likely = rough >= needed
    selected, lifted = worth[likely], lifted[likely]
    batched = time.thread_time()
    log_odds = model.score(hairpins.take(selected), places and places.take(selected))
    reported = probabilities(log_odds) >= np.where(spare[selected], low, lowest)
    if lift is not None:
        reported &= (probabilities(log_odds + lifted) >= min_prob) | spare[selected]
    seconds = {
        "gates": gated - started,
        "scoring": batched - gated,
        "canonical": time.thread_time() - batched,
    }
    return Found(selected[reported], log_odds[reported], worth, seconds)
