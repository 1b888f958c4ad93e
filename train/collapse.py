"""Trainings that came to nothing: numbers that are none, and networks that tell nothing apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.errors import PremirError
from premir.scanner.score.model import DECIMALS

_ADVICE = "no model is saved; try another learning rate"
_CHANCE = 2.0
"""Standard errors above one half up to which an AUROC is chance."""


class CollapseError(PremirError):
    """A training whose network is of no use. Running it again ends alike."""


def check_finite(when: str, loss: float, *networks: torch.nn.Module) -> None:
    """Stop a training whose numbers have left the range of numbers.

    Args:
        when: names the epoch or round.
        loss: of that epoch.
        networks: as that epoch left them.

    Raises:
        CollapseError: the loss or a weight is infinite or no number.
    """
    if not math.isfinite(loss):
        raise CollapseError(f"{when}: the loss is {loss}: {_ADVICE}")
    for network in networks:
        for name, weight in network.named_parameters():
            if not torch.isfinite(weight).all():
                raise CollapseError(f"{when}: {name} holds numbers that are not finite: {_ADVICE}")


def check_learned(
    when: str, labels: npt.NDArray[np.int64], log_odds: npt.NDArray[np.floating]
) -> None:
    """Stop a training whose network calls everything alike.

    A network has collapsed if all its probabilities lie on one side of 0.5 and, to the six decimals
    that are printed, rank positives no better than chance: their AUROC is at most two standard
    errors of chance above one half, as it is where all of them are equal. A network that calls all
    negative, but puts positives first, has learned something; so has one that calls both.

    Args:
        when: names the training.
        labels: int64 (N,), 1 for positives; both classes must occur.
        log_odds: float (N,), of pre-miRNA.

    Raises:
        CollapseError: the network has collapsed, or gives scores that are no numbers.
    """
    from sklearn.metrics import roc_auc_score

    if np.isnan(log_odds).any():
        raise CollapseError(f"{when}: the network gives scores that are no numbers: {_ADVICE}")
    if log_odds.min() < 0 < log_odds.max():
        return
    exact = torch.from_numpy(log_odds.astype(np.float64)).sigmoid().numpy()
    auroc = float(roc_auc_score(labels, exact.round(DECIMALS)))
    positives, negatives = int(labels.sum()), int((labels == 0).sum())
    error = math.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    if auroc <= 0.5 + _CHANCE * error:
        kind = "pre-miRNA" if log_odds.max() > 0 else "something else"
        raise CollapseError(
            f"{when}: the network has collapsed: it calls every hairpin {kind} "
            f"(AUROC {auroc:.3f}): {_ADVICE}"
        )
