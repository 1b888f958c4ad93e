"""How a network is trained: optimiser, groups, weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of stochastic gradient training.

    Attributes:
        name: what ``--recipe`` calls it.
        epochs: passes over the training set.
        group: hairpins whose losses are summed before each optimiser step.
        learning_rate: of AdaGrad.
        class_weights: weight positives by 2 Nn / (Np + Nn) and negatives by 2 Np / (Np + Nn).
    """

    name: str
    epochs: int
    group: int
    learning_rate: float
    class_weights: bool


RECIPES = {
    "paper": Recipe("paper", epochs=40, group=64, learning_rate=0.001, class_weights=True),
    # The authors' code weights a mean-reduced loss of single samples, which cancels the weight.
    "released": Recipe("released", epochs=40, group=128, learning_rate=0.001, class_weights=False),
}
"""``paper`` as in Do et al. (2018), section 3; ``released`` as their code does for this network."""
