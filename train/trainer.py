"""The training loop, one epoch at a time, resumable after each."""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from torch.nn.utils import parametrize

from premir.scanner.errors import InputError
from premir.scanner.score.inference import batch_log_odds
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.batches import PairingBatch, batches_by_length
from premir.scanner.score.networks.network import Network, TensorNetwork
from premir.scanner.score.networks.stem import StemConvNet
from premir.train.averaging import follow_weights
from premir.train.checkpoint import load_checkpoint, save_checkpoint
from premir.train.collapse import check_finite
from premir.train.dataset import Dataset
from premir.train.encoding import SoftEncoding, with_plain_encoding
from premir.train.judging import probabilities_of
from premir.train.metrics import evaluate
from premir.train.recipes import ENCODINGS, Recipe
from premir.train.validation import UNWATCHED, Validation, best_epoch


def check_network(name: str, recipe: Recipe) -> None:
    """Refuse a network that there is not, or that a recipe's settings would do nothing to.

    Raises:
        InputError: it is named.
    """
    if name not in NETWORKS:
        raise InputError(f"--network {name}: no such network; there is {', '.join(NETWORKS)}")
    if recipe.ablate == "numbers" and not issubclass(NETWORKS[name], StemConvNet):
        raise InputError(f"--network {name}: reads no numbers of the fold that --ablate could keep")
    of_tensors = recipe.ablate == "pairing" or ENCODINGS[recipe.encoding]
    if of_tensors and not issubclass(NETWORKS[name], TensorNetwork):
        raise InputError(
            f"--network {name}: reads no pairing tensor, to which --encoding and --ablate belong"
        )


def check_lengths(network: str, *data: Dataset) -> None:
    """Refuse data sets with a hairpin that is too long for a network.

    Raises:
        InputError: it is named.
    """
    most = NETWORKS[network].longest
    for each in data:
        lengths = each.hairpins.lengths
        if lengths.max(initial=0) > most:
            name, length = each.names[int(lengths.argmax())], int(lengths.max())
            raise InputError(
                f"--network {network}: reads hairpins of up to {most} nt; {name} has {length}"
            )


@dataclass
class Trainer:
    """A network on its way through a recipe.

    Everything that is random follows from ``seed`` (initial weights) and from ``seed`` and the
    epoch's number (order of the samples), so that a resumed training takes the same path.

    Attributes:
        network_name: key of :data:`premir.scanner.score.networks.NETWORKS`.
        recipe: how to train.
        seed: of the initial weights and of the sample order.
        data: the training set.
        device: where to compute.
        history: what is known of each epoch done: ``loss`` (mean per hairpin), ``wall_seconds``,
            ``cpu_seconds``, and what the caller adds.
        seen: float64 (N,), probabilities of pre-miRNA of the training set in the last epoch, each
            as the network stood when it saw the hairpin.
        validation: how it is watched; hairpins that watch are none of ``data``.
        mean: its running mean, where the recipe wants one; else the network itself.
        best: what the training had come to after the best epoch, where patience chooses that.
    """

    network_name: str
    recipe: Recipe
    seed: int
    data: Dataset
    device: torch.device
    validation: Validation = UNWATCHED
    history: list[dict[str, Any]] = field(default_factory=list)
    seen: npt.NDArray[np.float64] = field(init=False)
    mean: Network = field(init=False)
    best: Network | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.network = NETWORKS[self.network_name]().to(self.device)
        self.seen = np.full(len(self.data.hairpins), np.nan)
        if self.recipe.ablate == "pairing":
            _hold_at_zero(self._tensor_network().first_layer.weight, (slice(None), 0))
        if self.recipe.ablate == "numbers":
            assert isinstance(self.network, StemConvNet)  # as check_network made sure
            _hold_at_zero(self.network.fc1.weight, (slice(None), self.network.number_inputs))
        if self.recipe.dropout:
            self._drop_out_hidden_units()
        if softness := ENCODINGS[self.recipe.encoding]:
            parametrize.register_parametrization(
                self._tensor_network().first_layer, "weight", SoftEncoding(softness)
            )
        self.optimizer = self.recipe.make_optimizer(self.network.parameters())
        self.mean = self.network
        if self.recipe.mean_weights is not None:
            self.mean = copy.deepcopy(self.network).eval().requires_grad_(False)
        if self.validation.patience is not None:
            self.best = copy.deepcopy(self.network)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def losses(self) -> list[float]:
        """Mean loss per hairpin of each epoch done."""
        return [epoch["loss"] for epoch in self.history]

    def plain_network(self) -> Network:
        """Return what the training comes to, as the scanner uses it, on plain one-hot channels."""
        return with_plain_encoding(self.mean)

    def chosen_network(self) -> Network:
        """Return the network that the training comes to: the best one or the last, plain."""
        return with_plain_encoding(self.best) if self.best is not None else self.plain_network()

    @property
    def chosen_epoch(self) -> int:
        """The epoch that left :meth:`chosen_network`."""
        return best_epoch(self.history) if self.best is not None else self.epoch

    def watch(self, data: Dataset) -> None:
        """Measure the epoch just done on validation data, and keep its network if it is best."""
        log_odds = batch_log_odds(self.plain_network(), data.hairpins, device=self.device)
        epoch = self.history[-1]
        epoch["training"] = evaluate(self.data.labels, self.seen).rounded()
        epoch["validation"] = evaluate(data.labels, probabilities_of(log_odds)).rounded()
        if self.best is not None and best_epoch(self.history) == self.epoch:
            self.best.load_state_dict(self.mean.state_dict())

    def train_epoch(self) -> float:
        """Train for one epoch and return its mean loss per hairpin.

        The epoch is shuffled and cut into consecutive groups; inside a group hairpins are split by
        length into micro-batches, whose summed losses add up to one optimiser step.

        Raises:
            CollapseError: the loss or a weight is not finite.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        torch.manual_seed(self.seed * 1_000_003 + self.epoch)  # of the dropout
        data, weights = self.data, self._class_weights()
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(data.hairpins))
        lengths = data.hairpins.lengths
        total = torch.zeros((), device=self.device)
        seen = torch.zeros(order.size, device=self.device)
        recipe, frozen_from = self.recipe, self.recipe.train_mode_epochs
        self.network.train(frozen_from is None or self.epoch < frozen_from)
        each = range(0, order.size, recipe.group)
        for step, first in enumerate(each, start=self.epoch * len(each)):
            group = order[first : first + recipe.group]
            self.optimizer.param_groups[0]["lr"] = recipe.rate(step, recipe.epochs * len(each))
            self.optimizer.zero_grad()
            share = 1.0 / self._weight_of(group, weights) if recipe.averaged else 1.0
            for index in batches_by_length(lengths[group], cells=self.network.training_cells):
                chosen = group[index]
                batch = PairingBatch.build(data.hairpins.take(chosen), device=self.device)
                labels = torch.from_numpy(data.labels[chosen]).to(self.device)
                logits = self.network(batch)
                loss = functional.cross_entropy(logits, labels, weight=weights, reduction="sum")
                (loss * share).backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
                seen[torch.from_numpy(chosen)] = logits.detach().softmax(dim=1)[:, 1]
            self.optimizer.step()
            if recipe.mean_weights is not None:
                follow_weights(self.mean, self.network, recipe.mean_weights, step + 1)
        self.network.eval()
        self.seen = seen.cpu().numpy().astype(np.float64)
        mean = float(total) / order.size
        check_finite(f"epoch {self.epoch + 1}", mean, self.network, self.mean)
        self.history.append(
            {
                "loss": mean,
                "wall_seconds": round(time.perf_counter() - wall, 3),
                "cpu_seconds": round(time.process_time() - cpu, 3),
            }
        )
        return self.losses[-1]

    def _tensor_network(self) -> TensorNetwork:
        assert isinstance(self.network, TensorNetwork)  # as check_network made sure
        return self.network

    def _drop_out_hidden_units(self) -> None:
        """Drop units between the two fully connected layers, in training only."""

        def drop(layer: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (functional.dropout(inputs[0], self.recipe.dropout, layer.training),)

        self.network.last_layer.register_forward_pre_hook(drop)

    def _class_weights(self) -> torch.Tensor | None:
        if not self.recipe.class_weights:
            return None
        np_, nn_ = self.data.positives, self.data.negatives
        weights = [2 * np_ / (np_ + nn_), 2 * nn_ / (np_ + nn_)]
        if self.recipe.positive_weight is not None:
            weights = [1.0, self.recipe.positive_weight]
        return torch.tensor(weights, device=self.device)

    def _weight_of(self, group: npt.NDArray[np.int64], weights: torch.Tensor | None) -> float:
        """Return the sum of the weights of some hairpins."""
        if weights is None:
            return float(group.size)
        return float(weights.cpu().numpy()[self.data.labels[group]].sum())

    def identity(self) -> dict[str, Any]:
        """What must agree before a checkpoint may be continued."""
        recipe = asdict(self.recipe)
        if self.recipe.warm_up is None:  # else the learning rate hangs on it
            del recipe["epochs"]
        watched = {"validation": asdict(self.validation)} if self.validation.share else {}
        return {
            "network": self.network_name,
            "recipe": recipe,
            "seed": self.seed,
            "data": self.data.digests,
            "torch": torch.__version__,
            **watched,
        }

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        save_checkpoint(path, self._networks(), self.optimizer, self.identity(), self.history)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            PlanMismatchError: it belongs to another training; the differing field is named.
            InputError: it is damaged.
        """
        self.history = load_checkpoint(
            path, self._networks(), self.optimizer, self.identity(), self.device
        )

    def _networks(self) -> dict[str, Network]:
        best = {"best": self.best} if self.best is not None else {}
        mean = {"mean": self.mean} if self.mean is not self.network else {}
        return {"network": self.network, **mean, **best}


def _hold_at_zero(weight: torch.Tensor, part: tuple[slice, slice | int]) -> None:
    """Keep inputs of a layer from a network: their weights are zero and get no gradient."""
    with torch.no_grad():
        weight[part] = 0.0

    def without(gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.clone()
        gradient[part] = 0.0
        return gradient

    weight.register_hook(without)  # type: ignore[no-untyped-call]
