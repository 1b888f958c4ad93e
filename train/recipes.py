"""How a network is trained: optimiser, groups, weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of stochastic gradient training.

    Attributes:
        name: what ``--recipe`` calls it; with ``*`` where single settings were changed.
        epochs: passes over the training set.
        group: hairpins whose losses are summed before each optimiser step.
        optimizer: key of :data:`OPTIMIZERS`.
        learning_rate: of the optimiser.
        weight_decay: L2 penalty of the optimiser.
        class_weights: weight positives by 2 Nn / (Np + Nn) and negatives by 2 Np / (Np + Nn), or as
            ``positive_weight`` says.
        ablate: what is kept from the network, ``pairing`` (the matrix) or ``numbers`` (of the
            fold); None for nothing.
        dropout: probability with which each hidden unit is dropped in training.
        encoding: of a nucleotide, one of :data:`ENCODINGS`.
        positive_weight: of positives, where negatives weigh one; None: by the numbers of both.
        averaged: the loss of a group is its weighted mean, not its sum.
        train_mode_epochs: epochs after which the network stays in evaluation mode, its batch norm
            frozen; None: never.
        warm_up: steps in which the learning rate rises; from its height it falls to zero over all
            epochs as a cosine does. None: it stays as it is.
        mean_weights: decay of the running mean of the weights (:func:`follow_weights`), which is
            what the training comes to; None: their last values are.
    """

    name: str
    epochs: int
    group: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    class_weights: bool
    ablate: str | None = None
    dropout: float = 0.0
    encoding: str = "onehot"
    positive_weight: float | None = None
    averaged: bool = False
    train_mode_epochs: int | None = None
    warm_up: int | None = None
    mean_weights: float | None = None

    def changed(self, epochs: int | None = None, **settings: Any) -> Recipe:
        """Return the recipe with other epochs or settings, and then ``*`` in its name.

        Args:
            epochs: passes over the training set; as it is where None.
            settings: other fields by name; as they are where None.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        if given:
            given["name"] = f"{self.name}*"
        return replace(self, epochs=epochs or self.epochs, **given)

    def make_optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser for a network's parameters."""
        optimizer: torch.optim.Optimizer = OPTIMIZERS[self.optimizer](
            parameters, lr=self.learning_rate, weight_decay=self.weight_decay
        )
        return optimizer

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, from 0, of so many in all epochs."""
        if self.warm_up is None:
            return self.learning_rate
        rising = min(1.0, (step + 1) / self.warm_up)
        return self.learning_rate * rising * (1 + math.cos(math.pi * step / steps)) / 2


OPTIMIZERS: dict[str, Any] = {
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}

ENCODINGS = {"onehot": 0.0, "soft0.1": 0.1, "soft0.2": 0.2}
"""Softness e by name: a nucleotide is 1 - e in its own channel and e / 3 in the three others."""

PAPER_EPOCHS = 40
"""Of section 3 of Do et al. (2018)."""

RECIPES = {
    "paper": Recipe(
        "paper",
        epochs=PAPER_EPOCHS,
        group=64,
        optimizer="adagrad",
        learning_rate=0.001,
        weight_decay=0.0,
        class_weights=True,
    ),
    # The authors' code weights a mean-reduced loss of single samples, which cancels the weight.
    "released": Recipe(
        "released",
        epochs=40,
        group=128,
        optimizer="adagrad",
        learning_rate=0.001,
        weight_decay=0.0,
        class_weights=False,
    ),
    "annealed": Recipe(
        "annealed",
        epochs=12,
        group=64,
        optimizer="adamw",
        learning_rate=0.001,
        weight_decay=0.01,
        class_weights=False,
        dropout=0.3,
        averaged=True,
        warm_up=100,
        mean_weights=0.998,
    ),
}
"""``paper`` as in Do et al. (2018), section 3; ``released`` as their code does for Algorithm 1.

``released-train`` is ``released`` with batch norm that goes on learning. ``annealed`` is ours,
chosen on the validation folds of human-cv and crossspecies-cv.
"""
RECIPES["released-train"] = replace(RECIPES["released"], name="released-train")

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "soft0.1": ("encoding soft0.1", {"encoding": "soft0.1"}),
    "soft0.2": ("encoding soft0.2", {"encoding": "soft0.2"}),
    "adam": ("Adam", {"optimizer": "adam"}),
    "dropout": ("half of the hidden units dropped", {"dropout": 0.5}),
    "decay": ("L2 penalty 0.0001", {"weight_decay": 1e-4}),
    "batch1": ("batches of 1", {"group": 1}),
    "batch16": ("batches of 16", {"group": 16}),
    "batch256": ("batches of 256", {"group": 256}),
    "unweighted": ("classes not weighted", {"class_weights": False}),
}
"""What Do et al. (2018) also tried, a setting each: in words, and what of a recipe it changes."""

# The authors' code calls eval() after the first epoch, and train() never again.
_FIXED = Recipe(
    "released",
    epochs=40,
    group=64,
    optimizer="adagrad",
    learning_rate=0.01,
    weight_decay=1e-5,
    class_weights=True,
    positive_weight=4.0,
    averaged=True,
    train_mode_epochs=1,
)


# Park et al. (2017): Adam, batches of 256, a loss weighted by class; their code has 100 epochs.
_RECURRENT = Recipe(
    "paper",
    epochs=100,
    group=256,
    optimizer="adam",
    learning_rate=0.001,
    weight_decay=0.0,
    class_weights=True,
    averaged=True,
)


def recipe_of(name: str, network: str, protocol: str) -> Recipe:
    """Return a recipe as it is for a network and a protocol.

    The authors' code trains Algorithm 2 (``fixed``) in another way than Algorithm 1, for more
    epochs for the data set new, for fewer in cross-validation, and only for the other tests with
    weight decay. The recipe of the LSTMs (``recurrent``) is that of their own paper.

    Args:
        name: key of :data:`RECIPES`.
        network: key of :data:`premir.scanner.score.networks.NETWORKS`.
        protocol: name of a protocol, with or without its fold.
    """
    if network == "recurrent" and name == "paper":
        return _RECURRENT
    if name not in ("released", "released-train") or network != "fixed":
        return RECIPES[name]
    recipe = replace(_FIXED, name=name)
    if name == "released-train":
        recipe = replace(recipe, train_mode_epochs=None)
    if "-cv" in protocol:
        return replace(recipe, epochs=10, weight_decay=0.0)
    if protocol == "crossspecies-new":
        return replace(recipe, epochs=80, weight_decay=0.0)
    return recipe
