"""The stem-wise ConvNet: one-dimensional, along the stem from its loop outwards."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.stemwise import (
    COLUMN_FIELDS,
    NUMBERS,
    count_columns,
    fill_columns,
    numbers_of,
)
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.network import Network

CHANNELS = 64
BIN = 8
"""Columns that are averaged together."""
BINS = 12
"""How many bins are told apart, from the loop outwards; the sum and the maximum see all columns."""
HIDDEN = 128
_USUAL_COLUMNS = 32
_SCALES = np.array([scale for _, scale in NUMBERS])


class StemConvNet(Network):
    """Convolutions over the columns of a stem, joined with plain numbers of the fold.

    conv 7, 64 -> ReLU -> conv 5, 64 -> ReLU -> x + ReLU(conv 5 dilated by 2, 64) -> averages of
    bins of eight columns, sum and maximum; with the numbers, as they are and by their signed
    logarithms -> FC 128 ReLU -> FC 2. Columns and numbers: :mod:`premir.kernels.stemwise`. What a
    pairing tensor's pools forget (how long a stem goes on, how its faults are spaced) has a place
    here. Maps are masked beyond a hairpin's own columns, so that scores do not depend on the other
    members of a batch.
    """

    title = "stem-wise network"
    cells: ClassVar[dict[str, int]] = {"cpu": 1 << 22, "cuda": 1 << 26}
    training_cells = 1 << 22

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(len(COLUMN_FIELDS), CHANNELS, 7, padding=3)
        self.conv2 = nn.Conv1d(CHANNELS, CHANNELS, 5, padding=2)
        self.conv3 = nn.Conv1d(CHANNELS, CHANNELS, 5, padding=4, dilation=2)
        self.fc1 = nn.Linear(CHANNELS * (BINS + 2) + 2 * len(NUMBERS), HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, 2)

    @property
    def last_layer(self) -> nn.Linear:
        """The layer that turns hidden units into logits."""
        return self.fc2

    @staticmethod
    def map_sizes(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """One for all: columns depend on the fold, and maps are masked."""
        return np.zeros(lengths.size, np.int64)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        columns, counts, numbers = self._inputs(batch)
        inside = torch.arange(columns.shape[2], device=columns.device) < counts[:, None]
        mask = inside.to(columns.dtype)[:, None, :]
        maps = functional.relu(self.conv1(columns)) * mask
        maps = functional.relu(self.conv2(maps)) * mask
        maps = maps + functional.relu(self.conv3(maps)) * mask
        binned = functional.avg_pool1d(maps[:, :, : BINS * BIN], BIN)
        seen = torch.cat(
            [
                binned.flatten(1),
                maps.sum(dim=2) / _USUAL_COLUMNS,
                maps.amax(dim=2),
                numbers.sign() * numbers.abs().log1p(),
                numbers,
            ],
            dim=1,
        )
        logits: Tensor = self.fc2(functional.relu(self.fc1(seen)))
        return logits

    def _inputs(self, batch: PairingBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Build columns (N, fields, W), how many each hairpin has, and scaled numbers (N, M)."""
        own, device = batch.hairpins, batch.codes.device
        counts = count_columns(own.pairs, own.offsets)
        width = max(BINS * BIN, int(counts.max()))
        columns = np.zeros((counts.size, len(COLUMN_FIELDS), width), np.float32)
        fill_columns(own.codes, own.pairs, own.offsets, columns)
        numbers = numbers_of(own.codes, own.pairs, own.mfe, own.offsets) / _SCALES
        return (
            torch.from_numpy(columns).to(device, batch.dtype),
            torch.from_numpy(counts).to(device),
            torch.from_numpy(numbers).to(device, batch.dtype),
        )
