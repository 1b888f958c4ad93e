"""The fixed-size ConvNet (Algorithm 2 of Do et al. 2018), without computing its padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.pairing import CHANNELS
from premir.scanner.score.networks.batches import (
    PairingBatch,
    batches_by_length,
    pairing_deviations,
)
from premir.scanner.score.networks.network import TensorNetwork

SIDE = 400
"""Pairing tensors are padded with zeros to this many nucleotides, both ways."""
_CONV1, _CONV2, _POOL2, _POOL3 = 99, 25, 12, 6
"""Sides of the maps that 400 x 400 inputs give; conv3 keeps those of the pool before it."""
_PIECE = 400_000
"""Padded matrix cells that are computed at once in training."""


class FixedConvNet(TensorNetwork):
    """Algorithm 2 of Do et al. (2018), layers as in the authors' released code.

    Pairing tensor padded to 400 x 400 -> conv 11x11 stride 4 pad 2, 32 -> batch norm -> ReLU -> 2x2
    sum-pool -> conv 5x5 stride 2 pad 2, 64 -> batch norm -> ReLU -> 2x2 max-pool -> conv 3x3 pad 1,
    64 -> ReLU -> 2x2 max-pool -> FC 256 sigmoid -> FC 2.

    Most of 400 x 400 is padding, whose maps are the same for all hairpins: a *background* of one
    value for each channel after conv1, and of few values after the convolutions that see the
    borders. So only the window that a hairpin reaches is computed, as what it adds to the
    background, and the background of each layer once a batch. The statistics of batch norm are sums
    over the whole maps all the same. In training these are of the whole batch, which is therefore
    never split by others; it is computed in pieces of similar length.
    """

    title = "Do et al. (2018) fixed-size network"
    cells: ClassVar[dict[str, int]] = {"cpu": 1 << 20, "cuda": 1 << 25}
    training_cells: ClassVar[int] = 1 << 62
    longest: ClassVar[int] = SIDE

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, 32, 11, stride=4, padding=2)
        self.norm1 = BackgroundNorm(32)
        self.conv2 = nn.Conv2d(32, 64, 5, stride=2, padding=2)
        self.norm2 = BackgroundNorm(64)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * _POOL3**2, 256)
        self.fc2 = nn.Linear(256, 2)

    @staticmethod
    def map_sizes(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Side of what a hairpin of each length reaches of the first pooled map."""
        return np.minimum(((lengths + 1) // 4 + 2) // 2, _CONV1 // 2)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        if not torch.is_grad_enabled():
            return self._logits([batch])
        pieces = list(batches_by_length(batch.host_lengths, cells=_PIECE))
        device = batch.codes.device
        logits = self._logits(
            [
                PairingBatch.build(batch.hairpins.take(index), device=device, dtype=batch.dtype)
                for index in pieces
            ]
        )
        back = np.argsort(np.concatenate(pieces))
        return logits[torch.from_numpy(back).to(device)]

    def forward_dense(self, batch: PairingBatch) -> Tensor:
        """Return the same logits from whole, padded pairing tensors: the reference path."""
        maps = self.conv1(_grown(batch.dense(), SIDE))
        maps = functional.relu(self.norm1.dense(maps))
        maps = self.conv2(functional.avg_pool2d(maps, 2, divisor_override=1))
        maps = functional.max_pool2d(functional.relu(self.norm2.dense(maps)), 2)
        return self._after_conv3(functional.relu(self.conv3(maps)))

    def _logits(self, pieces: Sequence[PairingBatch]) -> Tensor:
        """Return the logits of all pieces of a batch, one piece after another."""
        windows = [_Windows.of(int(piece.host_lengths.max())) for piece in pieces]
        count = sum(piece.host_lengths.size for piece in pieces)
        maps = [
            pairing_deviations(self.conv1, piece, window.conv1)
            for piece, window in zip(pieces, windows, strict=True)
        ]
        maps, background = self._after_conv1(maps, windows, count)
        maps, border = self._after_conv2(maps, background, count)
        return self._after_conv3(self._whole_maps(maps, border, windows))

    def _after_conv1(
        self, maps: Sequence[Tensor], windows: Sequence[_Windows], count: int
    ) -> tuple[list[Tensor], Tensor]:
        """Go on to conv2: what hairpins add to its maps; and the background that it reads, (C,)."""
        assert self.conv1.bias is not None
        scale, shift = self.norm1(self.conv1.bias, *_sums(maps), count * _CONV1**2)
        background = 4 * functional.relu(shift)
        scale, shift, constant = (each[:, None, None] for each in (scale, shift, background))
        added = []
        for each, window in zip(maps, windows, strict=True):
            each = functional.relu(each * scale + shift, inplace=True)
            each = functional.avg_pool2d(each, 2, divisor_override=1) - constant
            each = _grown(each, 2 * window.conv2 - 1)
            added.append(functional.conv2d(each, self.conv2.weight, None, 2, 2))
        return added, background

    def _after_conv2(
        self, added: Sequence[Tensor], background: Tensor, count: int
    ) -> tuple[list[Tensor], Tensor]:
        """Go on to the maps that conv3 reads; and their background, (C, 2, 2).

        That has one value for each side of whether a row, and a column, is the first.
        """
        # On a constant map of side 5, conv2 gives what it gives on one of side 49: one row at the
        # first border, one inside, one at the last border.
        classes = self.conv2(background[:, None, None].expand(1, -1, 5, 5))[0]
        inside = classes[:, 1, 1]
        borders = classes - inside[:, None, None]
        sides = [each.shape[3] for each in added]
        maps = [
            each + _spread(borders, side, _CONV2, 1)
            for each, side in zip(added, sides, strict=True)
        ]
        first, second = _sums(maps)
        # Border cells beyond the windows.
        rows = borders.new_tensor(np.bincount(_classes(_CONV2, _CONV2, 1)))
        beyond = torch.zeros_like(borders[0])
        for each, side in zip(added, sides, strict=True):
            own = borders.new_tensor(np.bincount(_classes(side, _CONV2, 1), minlength=3))
            beyond = beyond + each.shape[0] * (rows[:, None] * rows - own[:, None] * own)
        first = first + (beyond * borders).sum(dim=(1, 2))
        second = second + (beyond * borders**2).sum(dim=(1, 2))
        scale, shift = self.norm2(inside, first, second, count * _CONV2**2)
        scale, shift = scale[:, None, None], shift[:, None, None]
        # The largest of four is rectified: the same as the largest of four rectified ones.
        pooled = [
            functional.relu(functional.max_pool2d(each * scale + shift, 2), inplace=True)
            for each in maps
        ]
        border = _spread(borders, 4, _CONV2, 1) * scale + shift
        return pooled, functional.relu(functional.max_pool2d(border, 2))

    def _whole_maps(
        self, maps: Sequence[Tensor], border: Tensor, windows: Sequence[_Windows]
    ) -> Tensor:
        """Return the maps of conv3, rectified and with their background, (N, C, 12, 12)."""
        # On a map of side 4, conv3 gives what it gives on one of side 12: two rows at the first
        # border, one inside, one at the last border.
        classes = self.conv3(_spread(border, 4, _POOL2, 1, 0)[None])[0]
        background = functional.relu(_spread(classes, _POOL2, _POOL2, 2))
        whole = []
        for each, window in zip(maps, windows, strict=True):
            added = _grown(each - _spread(border, each.shape[3], _POOL2, 1, 0), window.conv3)
            added = functional.conv2d(added, self.conv3.weight, padding=1)
            own = functional.relu(added + _spread(classes, window.conv3, _POOL2, 2))
            full = background.expand(each.shape[0], -1, -1, -1).clone()
            full[:, :, : window.conv3, : window.conv3] = own
            whole.append(full)
        return torch.cat(whole)

    def _after_conv3(self, maps: Tensor) -> Tensor:
        maps = functional.max_pool2d(maps, 2)
        logits: Tensor = self.fc2(torch.sigmoid(self.fc1(maps.flatten(1))))
        return logits


class BackgroundNorm(nn.Module):
    """Batch norm of maps that are given as what they add to a background."""

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(
        self, background: Tensor, first: Tensor, second: Tensor, cells: int
    ) -> tuple[Tensor, Tensor]:
        """Return how a deviation x from the background is normalised: scale * x + shift.

        In training the statistics are of these maps, and enter the running ones.

        Args:
            background: (C,), a value for each channel.
            first: (C,), sum of all deviations.
            second: (C,), sum of their squares.
            cells: how many there are of each channel, also of those that are zero.

        Returns:
            Scale and shift, (C,) each.
        """
        mean, variance = self.running_mean, self.running_var
        if self.training:
            offset = first / cells
            mean, variance = background + offset, second / cells - offset**2
            with torch.no_grad():
                unbiased = variance * (cells / (cells - 1))
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(unbiased, self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return scale, self.bias + (background - mean) * scale

    def dense(self, maps: Tensor) -> Tensor:
        """Normalise whole maps (N, C, H, W)."""
        return functional.batch_norm(
            maps,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )


@dataclass(frozen=True, slots=True)
class _Windows:
    """Sides of what is computed of each map: all that a hairpin reaches, in whole 2x2 pools."""

    conv1: int
    conv2: int
    conv3: int

    @classmethod
    def of(cls, longest: int) -> _Windows:
        """Return the windows of hairpins of up to ``longest`` nt."""
        conv1 = _even((longest + 1) // 4 + 1, _CONV1)
        conv2 = _even((conv1 // 2 + 1) // 2 + 1, _CONV2)
        return cls(conv1, conv2, _even(conv2 // 2 + 1, _POOL2))


def _even(side: int, most: int) -> int:
    return min(side + side % 2, most)


def _grown(maps: Tensor, side: int) -> Tensor:
    """Pad square maps with zeros behind, to a side."""
    missing = side - maps.shape[3]
    return functional.pad(maps, (0, missing, 0, missing))


def _sums(maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the sums of all values and of their squares, (C,) each."""
    first = torch.stack([each.sum(dim=(0, 2, 3)) for each in maps]).sum(dim=0)
    second = torch.stack([each.square().sum(dim=(0, 2, 3)) for each in maps]).sum(dim=0)
    return first, second


def _classes(width: int, side: int, near: int, far: int = 1) -> npt.NDArray[np.int64]:
    """Return the class of each of the first ``width`` positions of a side.

    The first ``near`` and the last ``far`` are classes of their own; all between share one.
    """
    positions = np.arange(width)
    return np.minimum(positions, near) + np.maximum(positions - (side - far) + 1, 0)


def _spread(classes: Tensor, width: int, side: int, near: int, far: int = 1) -> Tensor:
    """Return the (C, width, width) corner of a map from its classes (C, K, K)."""
    at = torch.from_numpy(_classes(width, side, near, far)).to(classes.device)
    return classes[:, at[:, None], at]
