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
from premir.scanner.score.networks.batches import PairingBatch, send
from premir.scanner.score.networks.network import Network

CHANNELS = 64
BIN = 8
"""Columns that are averaged together."""
BINS = 12
"""How many bins are told apart, from the loop outwards; the sum and the maximum see all columns."""
HIDDEN = 128
_USUAL_COLUMNS = 32
_GAP = 4
"""Rows between hairpins: the third convolution looks as far."""
_SCALES = np.array([scale for _, scale in NUMBERS])


class StemConvNet(Network):
    """Convolutions over the columns of a stem, joined with plain numbers of the fold.

    conv 7, 64 -> ReLU -> conv 5, 64 -> ReLU -> x + ReLU(conv 5 dilated by 2, 64) -> averages of
    bins of eight columns, sum and maximum; with the numbers, as they are and by their signed
    logarithms -> FC 128 ReLU -> FC 2. Columns and numbers: :mod:`premir.kernels.stemwise`. What a
    pairing tensor's pools forget (how long a stem goes on, how its faults are spaced) has a place
    here. The columns of a batch are rows of one matrix, with so many rows of zeros between hairpins
    as a convolution reaches, so that nothing is padded and scores do not depend on the other
    members of a batch.
    """

    title = "stem-wise network"
    cells: ClassVar[dict[str, int]] = {"cpu": 1 << 20, "cuda": 1 << 26}
    """Some 60 hairpins of 130 nt, whose maps a core's cache holds."""
    training_cells = 1 << 22
    number_inputs: ClassVar[slice] = slice(CHANNELS * (BINS + 2), None)
    """Of the first fully connected layer, where the numbers come in."""

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
        """One for all: columns depend on the fold, and nothing is padded."""
        return np.zeros(lengths.size, np.int64)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        rows, index, numbers = self._inputs(batch)
        inside = rows.new_zeros(rows.shape[0], 1)
        inside[index] = 1.0
        inside[0] = 0.0
        maps = functional.relu(_along(self.conv1, rows), inplace=True) * inside
        maps = functional.relu(_along(self.conv2, maps), inplace=True) * inside
        maps = maps + functional.relu(_along(self.conv3, maps), inplace=True) * inside
        maps = maps[index]
        binned = maps[:, : BINS * BIN].reshape(-1, BINS, BIN, CHANNELS).mean(dim=2)
        seen = torch.cat(
            [
                binned.transpose(1, 2).flatten(1),
                maps.sum(dim=1) / _USUAL_COLUMNS,
                maps.amax(dim=1),
                numbers.sign() * numbers.abs().log1p(),
                numbers,
            ],
            dim=1,
        )
        logits: Tensor = self.fc2(functional.relu(self.fc1(seen)))
        return logits

    def _inputs(self, batch: PairingBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Build what the network reads.

        Returns:
            The columns of all hairpins, one after another with ``_GAP`` rows of zeros before each,
            (R, fields); where each hairpin's columns are among them, from the loop outwards, int64
            (N, W), and beyond the last of them 0, which is a row of zeros; and scaled numbers,
            (N, M).
        """
        own, device = batch.hairpins, batch.codes.device
        counts = count_columns(own.pairs, own.offsets)
        ends = (counts + _GAP).cumsum()
        starts = ends - counts
        rows = np.zeros((ends[-1], len(COLUMN_FIELDS)), np.float32)
        fill_columns(own.codes, own.pairs, own.offsets, starts, rows)
        column = np.arange(max(BINS * BIN, int(counts.max())))
        index = np.where(column < counts[:, None], starts[:, None] + column, 0)
        numbers = numbers_of(own.codes, own.pairs, own.mfe, own.offsets) / _SCALES
        return (
            send(rows, device).to(batch.dtype),
            send(index, device),
            send(numbers, device).to(batch.dtype),
        )


def _along(conv: nn.Conv1d, rows: Tensor) -> Tensor:
    """Convolve rows (R, C) as if they were the positions of one long map: a product for each tap.

    Products of matrices cost the same for any number of rows, where a library's convolution
    prepares itself for each anew.
    """
    count, step, reach = rows.shape[0], conv.dilation[0], int(conv.padding[0])
    padded = functional.pad(rows, (0, 0, reach, reach))
    first, *others = conv.weight.permute(2, 1, 0).contiguous()
    assert conv.bias is not None
    maps = torch.addmm(conv.bias, padded[:count], first)
    for k, tap in enumerate(others, start=1):
        maps = maps.addmm_(padded[k * step : k * step + count], tap)
    return maps
