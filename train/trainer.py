"""The training loop, one epoch at a time, resumable after each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn import functional

from premir.scanner.batches import batches_by_length
from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.files import whole_file
from premir.scanner.network import NETWORKS, PairingBatch
from premir.train.dataset import Dataset
from premir.train.recipes import Recipe

_CELLS = 400_000
"""Padded matrix cells in a micro-batch: some 46 hairpins of 93 nt."""


@dataclass
class Trainer:
    """A network on its way through a recipe.

    Everything that is random follows from ``seed`` (initial weights) and from ``seed`` and the
    epoch's number (order of the samples), so that a resumed training takes the same path.

    Attributes:
        network_name: key of :data:`premir.scanner.network.NETWORKS`.
        recipe: how to train.
        seed: of the initial weights and of the sample order.
        data: the training set.
        device: where to compute.
        epoch: epochs done.
        losses: mean loss per hairpin of each epoch done.
    """

    network_name: str
    recipe: Recipe
    seed: int
    data: Dataset
    device: torch.device
    epoch: int = 0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.network = NETWORKS[self.network_name]().to(self.device)
        if self.recipe.ablate == "pairing":
            self._keep_out_the_pairing_matrix()
        self.optimizer = self.recipe.make_optimizer(self.network.parameters())

    def train_epoch(self) -> float:
        """Train for one epoch and return its mean loss per hairpin.

        The epoch is shuffled and cut into consecutive groups; inside a group hairpins are split by
        length into micro-batches, whose summed losses add up to one optimiser step.
        """
        data, weights = self.data, self._class_weights()
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(data.hairpins))
        lengths = data.hairpins.lengths
        total = torch.zeros((), device=self.device)
        self.network.train()
        for first in range(0, order.size, self.recipe.group):
            group = order[first : first + self.recipe.group]
            self.optimizer.zero_grad()
            for index in batches_by_length(lengths[group], cells=_CELLS):
                chosen = group[index]
                batch = PairingBatch.build(data.hairpins.take(chosen), device=self.device)
                labels = torch.from_numpy(data.labels[chosen]).to(self.device)
                loss = functional.cross_entropy(
                    self.network(batch), labels, weight=weights, reduction="sum"
                )
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
            self.optimizer.step()
        self.network.eval()
        self.epoch += 1
        self.losses.append(float(total) / order.size)
        return self.losses[-1]

    def _keep_out_the_pairing_matrix(self) -> None:
        """Hold the first layer's weights of channel 0 at zero: the network sees sequence only."""
        weight = self.network.conv1.weight
        with torch.no_grad():
            weight[:, 0] = 0.0

        def without_pairing(gradient: torch.Tensor) -> torch.Tensor:
            gradient = gradient.clone()
            gradient[:, 0] = 0.0
            return gradient

        weight.register_hook(without_pairing)  # type: ignore[no-untyped-call]

    def _class_weights(self) -> torch.Tensor | None:
        if not self.recipe.class_weights:
            return None
        np_, nn_ = self.data.positives, self.data.negatives
        weights = [2 * np_ / (np_ + nn_), 2 * nn_ / (np_ + nn_)]
        return torch.tensor(weights, device=self.device)

    def identity(self) -> dict[str, Any]:
        """What must agree before a checkpoint may be continued (all but the number of epochs)."""
        recipe = asdict(self.recipe)
        del recipe["epochs"]
        return {
            "network": self.network_name,
            "recipe": recipe,
            "seed": self.seed,
            "data": self.data.digests,
            "torch": torch.__version__,
        }

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items()}
        progress = {"epoch": self.epoch, "losses": self.losses}
        metadata = {"identity": json.dumps(self.identity()), "progress": json.dumps(progress)}
        with whole_file(path) as temporary:
            save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            PlanMismatchError: it belongs to another training; the differing field is named.
            InputError: it is damaged.
        """
        try:
            with safe_open(path, "pt", device=str(self.device)) as file:
                metadata = file.metadata()
                tensors = {key: file.get_tensor(key) for key in file.keys()}
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: damaged checkpoint; remove it to start again") from error
        found, mine = json.loads(metadata["identity"]), self.identity()
        for name, value in mine.items():
            if found.get(name) != value:
                raise PlanMismatchError(
                    f"{path}: belongs to another training: {name} is {found.get(name)!r}, "
                    f"not {value!r}; choose another --out"
                )
        self.network.load_state_dict(
            {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        )
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                number, _, name = rest.partition(".")
                state.setdefault(int(number), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        progress = json.loads(metadata["progress"])
        self.epoch, self.losses = progress["epoch"], progress["losses"]
