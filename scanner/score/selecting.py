"""Which hairpins are hits: gates reject, batches select, canonical scores decide."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.score.crossfit import Places
from premir.scanner.score.gating import Gates
from premir.scanner.score.model import Model, lowest_selected, probabilities


class Lift(Protocol):
    """Evidence in a hairpin's own letters, which adds to its log odds.

    Attributes:
        digest: names all that it depends on.
    """

    @property
    def digest(self) -> str:
        """SHA-256."""
        ...

    def __call__(self, hairpins: Hairpins) -> npt.NDArray[np.float64]:
        """Return what it adds to the log odds of each of N hairpins, 0 or more, (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The hits among some hairpins.

    Attributes:
        index: int64 (M,), which of them are hits, or may be.
        log_odds: float64 (M,), their canonical log odds by the model.
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
    lowest: float | None = None,
    lift: Lift | None = None,
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
    """
    started, lowest = time.monotonic(), min_prob if lowest is None else lowest
    worth = np.arange(len(hairpins))
    if gates is not None and loci is not None:
        worth = np.flatnonzero(gates.after_folding(loci, hairpins))
    gated = time.monotonic()
    rough = model.select(hairpins.take(worth), device, places and places.take(worth))
    likely = rough >= lowest_selected(lowest)
    selected = worth[likely]
    lifted = np.zeros(selected.size)
    if lift is not None:
        lifted = lift(hairpins.take(selected))
        reach = rough[likely] + lifted >= lowest_selected(min_prob)
        selected, lifted = selected[reach], lifted[reach]
    batched = time.monotonic()
    log_odds = model.score(hairpins.take(selected), places and places.take(selected))
    reported = probabilities(log_odds) >= lowest
    if lift is not None:
        reported &= probabilities(log_odds + lifted) >= min_prob
    seconds = {
        "gates": gated - started,
        "scoring": batched - gated,
        "canonical": time.monotonic() - batched,
    }
    return Found(selected[reported], log_odds[reported], int(worth.size), seconds)
