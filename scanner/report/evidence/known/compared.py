"""Which candidates are compared with known hairpins."""

from __future__ import annotations

import numpy as np

from premir.scanner.score.model import DECIMALS, Model

COMPARED_PER_MB = 300.0
"""So many candidates per Mb of genomes that the model never saw score enough to be compared."""


def least_compared(model: Model) -> float | None:
    """Return the least probability of what is compared; None where the model's card knows none."""
    curve = model.false_calls
    if curve is None:
        return None
    prob = 1 / (1 + np.exp(-curve.log_odds_at(COMPARED_PER_MB)))
    return float(np.round(prob, DECIMALS))
