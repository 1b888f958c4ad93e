"""The variable-size ConvNet (Algorithm 1 of Do et al. 2018), on packed batches of any lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.pairconv import convolve_pairs, convolve_pairs_backward
from premir.kernels.pairing import CHANNELS
from premir.scanner.batches import Hairpins


@dataclass(frozen=True, slots=True)
class PairingBatch:
    """A batch of hairpins in the factors of their pairing tensors.

    Eight of the nine channels of a pairing tensor are constant along one axis; the one-hot matrix
    holds all that they say. The ninth, the pairing matrix, is given by its entries.

    Attributes:
        one_hot: (N, 4, W), nucleotides A, C, G, U; zero beyond each hairpin.
        sample: int64 (M,), hairpin of each entry of a pairing matrix (two for each pair).
        row: int64 (M,), its row.
        column: int64 (M,), its column.
        energy: (M,), its value, kcal/mol.
        lengths: int64 (N,), length of each hairpin in nt; W is the longest.
    """

    one_hot: Tensor
    sample: Tensor
    row: Tensor
    column: Tensor
    energy: Tensor
    lengths: Tensor

    @classmethod
    def build(
        cls, hairpins: Hairpins, *, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> PairingBatch:
        """Send a packed batch to a device and expand its sequences there."""
        lengths = hairpins.lengths
        count, width = len(hairpins), int(lengths.max())
        record = np.repeat(np.arange(count), lengths)
        position = np.arange(hairpins.offsets[-1]) - hairpins.offsets[:-1][record]
        letter = (record * 4 + hairpins.codes) * width + position
        paired = np.flatnonzero(hairpins.pairs >= 0)
        sample = record[paired]

        def send(array: npt.NDArray[Any]) -> Tensor:
            return torch.from_numpy(array).to(device)

        one_hot = torch.zeros(count * 4 * width, dtype=dtype, device=device)
        one_hot[send(letter)] = 1.0
        return cls(
            one_hot.view(count, 4, width),
            send(sample),
            send(position[paired]),
            send(hairpins.pairs[paired].astype(np.int64)),
            send(hairpins.mfe[sample] / 100.0).to(dtype),
            send(lengths),
        )

    def matrices(self) -> Tensor:
        """Return the pairing matrices, (N, 1, W, W)."""
        count, _, width = self.one_hot.shape
        matrices = self.one_hot.new_zeros(count * width * width)
        matrices[(self.sample * width + self.row) * width + self.column] = self.energy
        return matrices.view(count, 1, width, width)

    def dense(self) -> Tensor:
        """Return the pairing tensors themselves, (N, 9, W, W): the reference form."""
        inside = self.one_hot.sum(dim=1)
        rows = self.one_hot.unsqueeze(3) * inside[:, None, None, :]
        columns = self.one_hot.unsqueeze(2) * inside[:, None, :, None]
        return torch.cat([self.matrices(), rows, columns], dim=1)


def pairing_conv2d(conv: nn.Conv2d, batch: PairingBatch) -> Tensor:
    """Apply a square convolution to pairing tensors without building them.

    A channel that is constant along the columns contributes, at output (p, q), a 1-D convolution
    of the sequence with the kernel summed over those of its columns that lie inside the hairpin.
    The 1-D convolutions with all prefix sums of the kernel are computed once per row p, and each q
    takes the difference of two of them. Channels that are constant along the rows are the
    transpose of this. The pairing matrix has two entries for each pair; on the CPU each is added to
    the few outputs that it reaches, elsewhere (and in float64) the matrix is convolved as it is.
    Exact up to rounding.

    Args:
        conv: layer with 9 input channels, a square kernel, and equal stride and padding.
        batch: N hairpins.

    Returns:
        (N, out_channels, P, P), as ``conv`` of the dense tensors.
    """
    size, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    weight = conv.weight
    sums = _selection(batch, size=size, stride=stride, padding=padding)
    rows = _strip(weight[:, 1:5], batch.one_hot, sums, stride=stride, padding=padding)
    columns = _strip(
        weight[:, 5:9].transpose(2, 3), batch.one_hot, sums, stride=stride, padding=padding
    )
    if weight.device.type == "cpu" and weight.dtype == torch.float32:
        pairs = _SparseConv2d.apply(weight[:, 0], batch, rows.shape[1], stride, padding)  # type: ignore[no-untyped-call]
    else:
        pairs = functional.conv2d(
            batch.matrices(), weight[:, :1], stride=stride, padding=padding
        ).permute(0, 2, 3, 1)
    # All terms have their channels last in memory, so that adding them is one pass.
    maps: Tensor = pairs + columns + rows.transpose(1, 2)
    maps = maps if conv.bias is None else maps + conv.bias
    return maps.permute(0, 3, 1, 2)


class _SparseConv2d(torch.autograd.Function):
    """Convolution of the pairing matrices, entry by entry (CPU, float32)."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, batch: PairingBatch, width: int, stride: int, padding: int
    ) -> Tensor:
        """Convolve with ``weight`` (out, size, size); returns (N, width, width, out)."""
        ctx.batch, ctx.size, ctx.stride, ctx.padding = batch, weight.shape[1], stride, padding
        out = torch.zeros(batch.lengths.numel(), width, width, weight.shape[0])
        channels_last = weight.detach().permute(1, 2, 0).contiguous()
        convolve_pairs(*_entries(batch), channels_last.numpy(), stride, padding, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Return the gradient with respect to the weight; entries need none."""
        out = torch.zeros(ctx.size, ctx.size, gradient.shape[3])
        channels_last = gradient.contiguous()
        convolve_pairs_backward(
            *_entries(ctx.batch), channels_last.numpy(), ctx.stride, ctx.padding, out.numpy()
        )
        return out.permute(2, 0, 1), None, None, None, None


def _entries(batch: PairingBatch) -> tuple[Any, Any, Any, Any]:
    return batch.sample.numpy(), batch.row.numpy(), batch.column.numpy(), batch.energy.numpy()


def _selection(batch: PairingBatch, *, size: int, stride: int, padding: int) -> Tensor:
    """Which prefix sums make up each output: (N, size, P), entries -1, 0, 1.

    Output q covers kernel columns [low, high) inside a hairpin of length L, where
    ``0 <= stride * q - padding + b < L``: prefix ``high`` minus prefix ``low``.
    """
    width = batch.one_hot.shape[2]
    q = torch.arange((width + 2 * padding - size) // stride + 1, device=batch.lengths.device)
    low = (padding - stride * q).clamp(0, size).expand(batch.lengths.numel(), -1)
    high = (batch.lengths[:, None] + padding - stride * q).clamp(0, size)
    prefix = torch.arange(1, size + 1, device=q.device)[:, None]
    chosen = (prefix == high[:, None, :]).to(torch.int8) - (prefix == low[:, None, :]).to(
        torch.int8
    )
    return chosen.to(batch.one_hot.dtype)


def _strip(
    weight: Tensor, one_hot: Tensor, selection: Tensor, *, stride: int, padding: int
) -> Tensor:
    """Contribution of four channels that are constant along the columns.

    Returns:
        (N, Q, P, out): output column, output row, channel.
    """
    out, _, size, _ = weight.shape
    prefixes = weight.cumsum(dim=3).permute(3, 0, 1, 2).reshape(size * out, 4, size)
    lines = functional.conv1d(one_hot, prefixes, stride=stride, padding=padding)
    count, _, p = lines.shape
    lines = lines.view(count, size, out, p).transpose(2, 3).reshape(count, size, p * out)
    return torch.bmm(selection.transpose(1, 2), lines).view(count, -1, p, out)


def _masked(maps: Tensor, sizes: Tensor) -> Tensor:
    """Zero every feature map beyond its own sample's size."""
    inside = (torch.arange(maps.shape[3], device=maps.device) < sizes[:, None]).to(maps.dtype)
    return maps * inside[:, None, :, None] * inside[:, None, None, :]


def _adaptive_average(maps: Tensor, sizes: Tensor, bins: int) -> Tensor:
    """Adaptive average pooling where each sample has bins of its own: (N, C, bins, bins)."""
    k = torch.arange(bins, device=maps.device)
    start = sizes[:, None] * k // bins
    end = -(-sizes[:, None] * (k + 1) // bins)
    x = torch.arange(maps.shape[3], device=maps.device)
    inside = (x >= start[:, :, None]) & (x < end[:, :, None])
    weights = inside.to(maps.dtype) / (end - start)[:, :, None].to(maps.dtype)
    return torch.einsum("nkx,ncxy,nly->nckl", weights, maps, weights)


class VariableConvNet(nn.Module):
    """Algorithm 1 of Do et al. (2018), layer sizes as in the authors' released code.

    conv 11x11 stride 4 pad 10, 32 -> ReLU -> 2x2 sum-pool -> conv 5x5 stride 2 pad 4, 64 -> ReLU
    -> 2x2 max-pool -> conv 3x3 pad 1, 64 -> ReLU -> adaptive average pool 4x4 -> FC 256 sigmoid
    -> FC 2. Scores do not depend on the other members of a batch: wherever a layer would read
    beyond a sample's own size, the maps are masked first (the two pools drop what a 2x2 window
    does not fill, so that a mask after each pool suffices), and the last pool has bins per sample.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, 32, 11, stride=4, padding=10)
        self.conv2 = nn.Conv2d(32, 64, 5, stride=2, padding=4)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * 16, 256)
        self.fc2 = nn.Linear(256, 2)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        return self._after_conv1(pairing_conv2d(self.conv1, batch), batch.lengths)

    def forward_dense(self, tensors: Tensor, lengths: Tensor) -> Tensor:
        """Return the same logits from dense tensors (N, 9, W, W): the reference path."""
        return self._after_conv1(self.conv1(tensors), lengths)

    def _after_conv1(self, maps: Tensor, lengths: Tensor) -> Tensor:
        sizes = ((lengths + 2 * 10 - 11) // 4 + 1) // 2
        maps = functional.avg_pool2d(functional.relu(maps), 2, divisor_override=1)
        maps = functional.relu(self.conv2(_masked(maps, sizes)))
        sizes = ((sizes + 2 * 4 - 5) // 2 + 1) // 2
        maps = functional.max_pool2d(maps, 2)
        maps = functional.relu(self.conv3(_masked(maps, sizes)))
        features = _adaptive_average(maps, sizes, 4).flatten(1)
        logits: Tensor = self.fc2(torch.sigmoid(self.fc1(features)))
        return logits


NETWORKS: dict[str, type[VariableConvNet]] = {"variable": VariableConvNet}
"""Networks by the name that model cards and ``premir-train --network`` use."""
