"""The training loop of a genome network, one round at a time, resumable after each."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins, concatenate
from premir.scanner.score.card import MOST_MEMBERS
from premir.scanner.score.inference import batch_log_odds
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.batches import PairingBatch, batches_by_length
from premir.train.averaging import follow_weights
from premir.train.checkpoint import History, load_checkpoint, save_checkpoint
from premir.train.collapse import check_finite
from premir.train.genome.config import GenomeConfig
from premir.train.genome.stream import (
    Stream,
    mutated,
    shortened,
    with_unknown_letters,
)

_ROUND = 20_000
"""Hairpins trained on between checkpoints."""

_WARM_UP = 200
"""Steps in which the learning rate rises."""


@dataclass
class GenomeTrainer:
    """A network on its way through a configuration.

    All that is random follows from the configuration's seed and the round's number.

    Attributes:
        config: how to train.
        identity: what must agree before a checkpoint may be continued.
        positives: known hairpins.
        negatives: background candidates.
        device: where to compute.
        folder: folds what is cut back, or has unknown letters.
        kind: key of :data:`premir.scanner.score.networks.NETWORKS`.
        member: which of the model's networks it is; each takes a path of its own.
        start: weights to start from, of an earlier network; None to start anew.
        history: what is known of each round done.
        network: as the optimiser moves it.
        average: running mean of its weights; the result.
    """

    config: GenomeConfig
    identity: Mapping[str, Any]
    positives: Stream
    negatives: Stream
    device: torch.device
    folder: Folder
    kind: str = "variable"
    member: int = 0
    start: torch.nn.Module | None = None
    history: History = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed + 1_000_003 * self._path)
        self.network = NETWORKS[self.kind]()
        if self.start is not None:
            self.network.load_state_dict(self.start.state_dict())
        self.network.to(self.device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )

    @property
    def samples(self) -> int:
        """Hairpins seen."""
        return sum(each["samples"] for each in self.history)

    @property
    def _path(self) -> int:
        """Numbers the random paths: one for each network of each repeat."""
        return self.member + MOST_MEMBERS * self.config.repeat

    def train_round(self) -> dict[str, Any]:
        """Train on the next hairpins; returns what is known of the round.

        Raises:
            CollapseError: the loss or a weight is not finite.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        config = self.config
        rng = np.random.default_rng([config.seed, 4, len(self.history), self._path])
        known, shares = self.positives.load(rng)
        background, odds = self.negatives.load(rng)
        ones = max(1, config.batch // (config.negatives_per_positive + 1))
        labels = torch.zeros(config.batch, dtype=torch.int64)
        labels[:ones] = 1
        steps = max(1, min(_ROUND, config.samples - self.samples) // config.batch)
        done = self.samples // config.batch
        total = 0.0
        self.network.train()
        drawn_known = rng.choice(len(known), (steps, ones), p=shares)
        drawn = self._negatives(background, odds, (steps, config.batch - ones), rng)
        for step in range(steps):
            hairpins = concatenate([known.take(drawn_known[step]), background.take(drawn[step])])
            if config.shortened:
                hairpins = shortened(
                    hairpins, config.shortened, config.context_nt, self.folder, rng
                )
            if config.unknown_letters:
                hairpins = with_unknown_letters(hairpins, config.unknown_letters, self.folder, rng)
            if config.mutation:
                hairpins = mutated(hairpins, config.mutation, rng)
            for group in self.optimizer.param_groups:
                group["lr"] = config.learning_rate * min(1.0, (done + step + 1) / _WARM_UP)
            total += self._step(hairpins, labels)
            follow_weights(self.average, self.network, config.average, done + step + 1)
        loss, seen = total / (steps * config.batch), self.samples + steps * config.batch
        check_finite(f"after {seen} hairpins", loss, self.network, self.average)
        self.history.append(
            {
                "samples": steps * config.batch,
                "loss": round(loss, 5),
                "wall_seconds": round(time.perf_counter() - wall, 1),
                "cpu_seconds": round(time.process_time() - cpu, 1),
            }
        )
        return self.history[-1]

    def _negatives(
        self,
        background: Hairpins,
        odds: npt.NDArray[np.float64] | None,
        shape: tuple[int, int],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.int64]:
        """Draw the background of a round: some at random, some the hardest of many."""
        count = shape[0] * shape[1]
        hard = round(self.config.hard_negatives * count)
        drawn = rng.choice(len(background), count - hard, p=odds)
        if hard:
            pool = np.unique(rng.choice(len(background), self.config.hard_pool * hard, p=odds))
            scores = batch_log_odds(self.average, background.take(pool), device=self.device)
            hardest = pool[np.argsort(-scores, kind="stable")[:hard]]
            drawn = np.concatenate([drawn, rng.choice(hardest, hard)])
        return rng.permutation(drawn).reshape(shape)

    def _step(self, hairpins: Hairpins, labels: torch.Tensor) -> float:
        self.optimizer.zero_grad()
        total = 0.0
        for index in batches_by_length(hairpins.lengths, cells=self.network.training_cells):
            batch = PairingBatch.build(hairpins.take(index), device=self.device)
            expected = labels[torch.from_numpy(index)].to(self.device)
            loss = functional.cross_entropy(self.network(batch), expected, reduction="sum")
            (loss / labels.numel()).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return total

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        networks = {"network": self.network, "average": self.average}
        save_checkpoint(path, networks, self.optimizer, self.identity, self.history)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint; raises as :func:`load_checkpoint` does."""
        networks = {"network": self.network, "average": self.average}
        self.history = load_checkpoint(path, networks, self.optimizer, self.identity, self.device)
