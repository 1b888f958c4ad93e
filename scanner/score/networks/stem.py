"""The stem-wise ConvNet: one-dimensional, along the stem from its loop outwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.fixedpoint import LARGEST, PARTS, FixedConv, pool_stems
from premir.kernels.stemwise import (
    COLUMN_FIELDS,
    NUMBERS,
    count_columns,
    fill_columns,
    numbers_of,
)
from premir.scanner.find.hairpins import Hairpins
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
LONGEST_FIXED = 4000
"""nt of the longest hairpin that is read in fixed-point numbers: no column holds more than an
eighth of it, and ``PARTS`` times that has 16 bits."""
_LARGEST_FIELDS = np.array(
    [PARTS * (LONGEST_FIXED // 8 if ", by " in field else 1) for field in COLUMN_FIELDS]
)
_LARGEST_MAPS = np.full(CHANNELS, LARGEST)


class StemConvNet(Network):
    """Convolutions over the columns of a stem, joined with plain numbers of the fold.

    conv 7, 64 -> ReLU -> conv 5, 64 -> ReLU -> x + ReLU(conv 5 dilated by 2, 64) -> averages of
    bins of eight columns, sum and maximum; with the numbers, as they are and by their signed
    logarithms -> FC 128 ReLU -> FC 2. Columns and numbers: :mod:`premir.kernels.stemwise`. What a
    pairing tensor's pools forget (how long a stem goes on, how its faults are spaced) has a place
    here. The columns of a batch are rows of one matrix, with so many rows of zeros between hairpins
    as a convolution reaches, so that nothing is padded and scores do not depend on the other
    members of a batch. Batches that select on a CPU go through the convolutions in fixed-point
    numbers (:mod:`premir.kernels.fixedpoint`).
    """

    title = "stem-wise network"
    cells: ClassVar[dict[str, int]] = {"cpu": 1 << 24, "cuda": 1 << 26}
    """Some 1,000 hairpins of 130 nt, for which a CPU rounds the weights once."""
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
        own, device = batch.hairpins, batch.codes.device
        stems = _Stems.of(own)
        selects = device.type == "cpu" and batch.dtype == torch.float32
        selects &= not torch.is_grad_enabled() and int(batch.host_lengths.max()) <= LONGEST_FIXED
        pooled = self._pooled_fixed(stems) if selects else self._pooled(stems, batch)
        scaled = numbers_of(own.codes, own.pairs, own.mfe, own.offsets) / _SCALES
        numbers = send(scaled, device).to(batch.dtype)
        seen = torch.cat(
            [
                pooled[:, :BINS].transpose(1, 2).flatten(1),
                pooled[:, BINS:].flatten(1),
                numbers.sign() * numbers.abs().log1p(),
                numbers,
            ],
            dim=1,
        )
        logits: Tensor = self.fc2(functional.relu(self.fc1(seen)))
        return logits

    def _pooled(self, stems: _Stems, batch: PairingBatch) -> Tensor:
        """Return averages of bins, sum and maximum of the last maps, (N, BINS + 2, CHANNELS)."""
        device = batch.codes.device
        index = send(stems.index(), device)
        rows = send(stems.columns, device).to(batch.dtype)
        inside = rows.new_zeros(rows.shape[0], 1)
        inside[index] = 1.0
        inside[0] = 0.0
        maps = functional.relu(_along(self.conv1, rows), inplace=True) * inside
        maps = functional.relu(_along(self.conv2, maps), inplace=True) * inside
        maps = maps + functional.relu(_along(self.conv3, maps), inplace=True) * inside
        maps = maps[index]
        binned = maps[:, : BINS * BIN].reshape(-1, BINS, BIN, CHANNELS).mean(dim=2)
        total, most = maps.sum(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)
        return torch.cat([binned, total / _USUAL_COLUMNS, most], dim=1)

    def _pooled_fixed(self, stems: _Stems) -> Tensor:
        """Return the same, computed in fixed-point numbers."""
        layers = (
            _fixed(self.conv1, _LARGEST_FIELDS),
            _fixed(self.conv2, _LARGEST_MAPS),
            _fixed(self.conv3, _LARGEST_MAPS),
        )
        pooled = pool_stems(stems.columns, stems.starts, stems.counts, layers, BINS, BIN)
        pooled[:, :BINS] /= BIN
        pooled[:, BINS] /= _USUAL_COLUMNS
        return torch.from_numpy(pooled)


@dataclass(frozen=True, slots=True)
class _Stems:
    """Columns of a batch.

    Attributes:
        columns: float32 (R, fields), of all hairpins, one after another, with ``_GAP`` rows of
            zeros before each.
        starts: int64 (N,), row of the first column of each.
        counts: int64 (N,), how many each has.
    """

    columns: npt.NDArray[np.float32]
    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, hairpins: Hairpins) -> _Stems:
        """Fill in the columns of hairpins."""
        counts = count_columns(hairpins.pairs, hairpins.offsets)
        ends = (counts + _GAP).cumsum()
        columns = np.zeros((ends[-1], len(COLUMN_FIELDS)), np.float32)
        starts = ends - counts
        fill_columns(hairpins.codes, hairpins.pairs, hairpins.offsets, starts, columns)
        return cls(columns, starts, counts)

    def index(self) -> npt.NDArray[np.int64]:
        """Return where each hairpin's columns are, int64 (N, W), from the loop outwards.

        Beyond the last of them it is 0, which is a row of zeros.
        """
        column = np.arange(max(BINS * BIN, int(self.counts.max())))
        return np.where(column < self.counts[:, None], self.starts[:, None] + column, 0)


def _fixed(conv: nn.Conv1d, largest: npt.NDArray[np.int64]) -> FixedConv:
    """Round the weights of a layer, whose inputs are whole numbers up to the largest."""
    assert conv.bias is not None
    weight, bias = conv.weight.detach().permute(2, 1, 0).numpy(), conv.bias.detach().numpy()
    return FixedConv.of(weight, bias, largest, conv.dilation[0])


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
