"""What networks share that turn pairing tensors into square feature maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from premir.scanner.score.networks.batches import PairingBatch, pairing_conv2d
from premir.scanner.score.networks.maps import Sides
from premir.scanner.score.networks.network import TensorNetwork


class MapwiseNetwork(TensorNetwork):
    """First layer and head of Algorithm 1 of Do et al. (2018); networks differ in what is between.

    conv 11x11 stride 4 pad 10 -> what lies between, with a first pool of 2x2 -> adaptive average
    pool 4x4 -> FC sigmoid -> FC 2.

    Attributes:
        fc1: reads the averages.
    """

    cells: ClassVar[dict[str, int]] = {"cpu": 1 << 20, "cuda": 1 << 25}
    """Some 120 hairpins of 93 nt, whose maps a core's cache holds; on a GPU 2,400 of 117 nt, whose
    dense tensors take 1.2 GB."""
    fc1: nn.Linear

    @staticmethod
    def map_sizes(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Side of the first pooled map for each length; hairpins that share it need no masks."""
        return np.asarray(((lengths + 2 * 10 - 11) // 4 + 1) // 2)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        return self._after_conv1(pairing_conv2d(self.conv1, batch), batch)

    def forward_dense(self, batch: PairingBatch) -> Tensor:
        """Return the same logits from whole pairing tensors: the reference path."""
        return self._after_conv1(self.conv1(batch.dense()), batch)

    def _after_conv1(self, maps: Tensor, batch: PairingBatch) -> Tensor:
        own = self.map_sizes(batch.host_lengths)
        sides = Sides(batch.lengths, bool((own == own[0]).all())).after(11, stride=4, padding=10)
        maps, sides = self.between(maps, sides)
        maps = sides.averages(maps, 4)
        logits: Tensor = self.fc2(torch.sigmoid(self.fc1(maps.flatten(1))))
        return logits

    @abstractmethod
    def between(self, maps: Tensor, sides: Sides) -> tuple[Tensor, Sides]:
        """Return the maps of the last convolution, rectified, and their sides.

        Args:
            maps: of the first layer, not rectified.
            sides: theirs.
        """
