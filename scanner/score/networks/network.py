"""What a network is to the rest of premir."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from premir.kernels.pairing import MAX_LENGTH
from premir.scanner.score.feeding import Feeding
from premir.scanner.score.networks.batches import PairingBatch, batches_by_length


class Network(nn.Module, ABC):
    """A network that tells pre-miRNAs from other hairpins.

    It is made without arguments, and scores do not depend on the other members of a batch.

    Attributes:
        title: what it is, in few words, for cards.
        cells: padded matrix cells that a batch may have, by type of device.
        training_cells: likewise, where gradients are wanted.
        margin: how far, in log odds, scores of batches may lie from canonical ones. In float32 they
            differ by less than a hundredth of it, in fixed-point numbers by a tenth, where factors
            have the ten bits of a GPU's TF32 by a quarter (docs/performance.md).
        longest: nt of the longest hairpin that it can read.
    """

    title: ClassVar[str]
    cells: ClassVar[dict[str, int]]
    training_cells: ClassVar[int] = 400_000
    margin: ClassVar[float] = 0.03
    longest: ClassVar[int] = MAX_LENGTH

    @staticmethod
    @abstractmethod
    def map_sizes(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return a number for each length, int64 (N,), that does not decrease with it.

        Hairpins that share it cost least together, and are not batched with others where small
        batches are cheap.
        """

    @property
    @abstractmethod
    def last_layer(self) -> nn.Linear:
        """The layer that turns hidden units, which trainings drop, into logits."""

    @property
    def most(self) -> float:
        """No hairpin gets log odds above it; infinite where nothing bounds them."""
        return math.inf

    @abstractmethod
    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""

    def batches(
        self, lengths: npt.NDArray[np.int64], feeding: Feeding
    ) -> Iterator[npt.NDArray[np.int64]]:
        """Split hairpins of these lengths into batches for inference, as a device is fed."""
        groups = None if feeding.mixed else self.map_sizes(lengths)
        return batches_by_length(lengths, cells=self.cells[feeding.kind], groups=groups)


class TensorNetwork(Network):
    """A network that reads pairing tensors and has sigmoid units, as those of Do et al. (2018).

    Attributes:
        conv1: its first layer.
        fc2: its last one.
    """

    conv1: nn.Conv2d
    fc2: nn.Linear

    @property
    def first_layer(self) -> nn.Conv2d:
        """The layer that reads pairing tensors, whose channels trainings soften or keep out."""
        return self.conv1

    @property
    def last_layer(self) -> nn.Linear:
        """The layer that turns hidden units, which trainings drop, into logits."""
        return self.fc2

    @property
    def most(self) -> float:
        """No hairpin gets log odds above it: the last layer sees numbers between 0 and 1."""
        weight, bias = self.fc2.weight.double(), self.fc2.bias.double()
        return (bias[1] - bias[0] + (weight[1] - weight[0]).clamp(min=0.0).sum()).item()

    @abstractmethod
    def forward_dense(self, batch: PairingBatch) -> Tensor:
        """Return the logits from whole pairing tensors: the reference path."""
