"""A small network of one's own for premir: it reads letters and brackets, not pairing tensors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.network import Network

LETTERS = 4
CHANNELS = LETTERS + 3
"""One of A, C, G, U, or none if unknown; and one of: unpaired, paired with what follows, with what
came before."""


class SequenceConvNet(Network):
    """conv 9, 32 -> ReLU -> conv 9, 32 -> ReLU -> mean and maximum over the hairpin -> FC 2.

    Maps are masked beyond a hairpin's end, so that scores do not depend on the other members of a
    batch.
    """

    title = "convolutions along the sequence"
    cells: ClassVar[dict[str, int]] = {"cpu": 1 << 22, "cuda": 1 << 26}
    training_cells = 1 << 22

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(CHANNELS, 32, 9, padding=4)
        self.conv2 = nn.Conv1d(32, 32, 9, padding=4)
        self.out = nn.Linear(64, 2)

    @property
    def last_layer(self) -> nn.Linear:
        """The layer that turns hidden units into logits."""
        return self.out

    @staticmethod
    def map_sizes(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """One for all: any lengths may share a batch."""
        return np.zeros(lengths.size, np.int64)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        letters, mask = self._letters(batch)
        maps = functional.relu(self.conv1(letters)) * mask
        maps = functional.relu(self.conv2(maps)) * mask
        means = maps.sum(dim=2) / batch.lengths[:, None]
        logits: Tensor = self.out(torch.cat([means, maps.amax(dim=2)], dim=1))
        return logits

    @staticmethod
    def _letters(batch: PairingBatch) -> tuple[Tensor, Tensor]:
        """Return the channels, (N, 7, W), and what is inside a hairpin, (N, 1, W)."""
        count, width = batch.lengths.numel(), int(batch.host_lengths.max())
        record = torch.repeat_interleave(
            torch.arange(count, device=batch.codes.device), batch.lengths
        )
        position = torch.arange(record.numel(), device=record.device) - batch.offsets[record]
        bracket = 1 * (batch.pairs > position) + 2 * ((batch.pairs >= 0) & (batch.pairs < position))
        channels = torch.zeros(count, CHANNELS, width, dtype=batch.dtype, device=record.device)
        letter = batch.codes.clamp(max=LETTERS - 1).long()
        channels[record, letter, position] = (batch.codes < LETTERS).to(batch.dtype)
        channels[record, LETTERS + bracket, position] = 1.0
        return channels, channels[:, LETTERS:].sum(dim=1, keepdim=True)
