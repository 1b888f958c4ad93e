"""The variable-size ConvNet (Algorithm 1 of Do et al. 2018), on packed batches of any lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.pairing import CHANNELS
from premir.kernels.tensorconv import (
    convolve_tensors,
    convolve_tensors_backward,
    convolve_tensors_float64,
)
from premir.scanner.batches import Hairpins


@dataclass(frozen=True, slots=True)
class PairingBatch:
    """A packed batch of hairpins on a device; their pairing tensors are built there, if at all.

    Attributes:
        codes: uint8 (T,), as in :class:`premir.scanner.batches.Hairpins`; so are the next three.
        pairs: int16 (T,).
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,).
        lengths: int64 (N,), length of each hairpin in nt.
        host_lengths: the same, on the host.
        dtype: of the pairing tensors.
    """

    codes: Tensor
    pairs: Tensor
    mfe: Tensor
    offsets: Tensor
    lengths: Tensor
    host_lengths: npt.NDArray[np.int64]
    dtype: torch.dtype

    @classmethod
    def build(
        cls, hairpins: Hairpins, *, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> PairingBatch:
        """Send a packed batch to a device; a GPU gets it from pinned memory, without waiting."""
        lengths = hairpins.lengths

        def send(array: npt.NDArray[Any]) -> Tensor:
            tensor = torch.from_numpy(array)
            if device.type == "cuda":
                tensor = tensor.pin_memory()
            return tensor.to(device, non_blocking=True)

        return cls(
            codes=send(hairpins.codes),
            pairs=send(hairpins.pairs),
            mfe=send(hairpins.mfe),
            offsets=send(hairpins.offsets),
            lengths=send(lengths),
            host_lengths=lengths,
            dtype=dtype,
        )

    def dense(self) -> Tensor:
        """Build the pairing tensors, (N, 9, W, W), on the device; W is the longest length."""
        device = self.codes.device
        count, width = self.host_lengths.size, int(self.host_lengths.max())
        record = torch.repeat_interleave(
            torch.arange(count, device=device), self.lengths, output_size=self.codes.numel()
        )
        position = torch.arange(record.numel(), device=device) - self.offsets[record]
        tensors = torch.zeros(count, CHANNELS, width, width, dtype=self.dtype, device=device)
        # An unpaired nucleotide writes a zero into its own row, where nothing else is.
        energy = self.mfe[record].to(self.dtype) / 100.0 * (self.pairs >= 0)
        tensors[record, 0, position, self.pairs.clamp(min=0).long()] = energy
        one_hot = tensors.new_zeros(count, 4, width)
        one_hot[record, self.codes.long(), position] = 1.0
        inside = one_hot.sum(dim=1)
        tensors[:, 1:5] = one_hot.unsqueeze(3) * inside[:, None, None, :]
        tensors[:, 5:9] = one_hot.unsqueeze(2) * inside[:, None, :, None]
        return tensors


def pairing_conv2d(conv: nn.Conv2d, batch: PairingBatch) -> Tensor:
    """Apply a square convolution to pairing tensors.

    On the CPU a kernel does it without building them (:mod:`premir.kernels.tensorconv`), exact up
    to rounding; elsewhere, and for gradients in float64, the tensors are built and convolved.

    Args:
        conv: layer with 9 input channels, a square kernel, and equal stride and padding.
        batch: N hairpins.

    Returns:
        (N, out_channels, P, P), as ``conv`` of the pairing tensors within each hairpin's own
        outputs; what lies beyond them means nothing.
    """
    differentiate = torch.is_grad_enabled() and conv.weight.requires_grad
    if batch.codes.device.type != "cpu" or (batch.dtype != torch.float32 and differentiate):
        return conv(batch.dense())  # type: ignore[no-any-return]
    maps: Tensor = _TensorConv.apply(  # type: ignore[no-untyped-call]
        conv.weight, conv.bias, batch, conv.stride[0], int(conv.padding[0])
    )
    return maps.permute(0, 3, 1, 2)


class _TensorConv(torch.autograd.Function):
    """Convolution of pairing tensors on the CPU; channels last."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor, batch: PairingBatch, stride: int, padding: int
    ) -> Tensor:
        """Return (N, P, P, out_channels)."""
        ctx.batch, ctx.stride, ctx.padding, ctx.size = batch, stride, padding, weight.shape[2]
        width = (int(batch.host_lengths.max()) + 2 * padding - ctx.size) // stride + 1
        out = bias.detach().expand(batch.host_lengths.size, width, width, -1).contiguous()
        convolve = convolve_tensors if out.dtype == torch.float32 else convolve_tensors_float64
        channels_last = weight.detach().permute(1, 2, 3, 0).contiguous()
        convolve(*_packed(batch), channels_last.numpy(), stride, padding, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Return the gradients with respect to weight and bias."""
        out = torch.zeros(CHANNELS, ctx.size, ctx.size, gradient.shape[3])
        convolve_tensors_backward(
            *_packed(ctx.batch), gradient.contiguous().numpy(), ctx.stride, ctx.padding, out.numpy()
        )
        return out.permute(3, 0, 1, 2), gradient.sum(dim=(0, 1, 2)), None, None, None


def _packed(batch: PairingBatch) -> tuple[Any, Any, Any, Any]:
    return batch.codes.numpy(), batch.pairs.numpy(), batch.mfe.numpy(), batch.offsets.numpy()


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

    @staticmethod
    def map_sizes(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Side of the first pooled map for each length; hairpins that share it need no masks."""
        return np.asarray(((lengths + 2 * 10 - 11) // 4 + 1) // 2)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        return self._after_conv1(pairing_conv2d(self.conv1, batch), batch)

    def forward_dense(self, batch: PairingBatch) -> Tensor:
        """Return the same logits from dense tensors: the reference path."""
        return self._after_conv1(self.conv1(batch.dense()), batch)

    def _after_conv1(self, maps: Tensor, batch: PairingBatch) -> Tensor:
        own = self.map_sizes(batch.host_lengths)
        alike = bool((own == own[0]).all())
        sizes = ((batch.lengths + 2 * 10 - 11) // 4 + 1) // 2
        maps = functional.relu(maps, inplace=True)
        maps = functional.avg_pool2d(maps, 2, divisor_override=1)
        maps = self.conv2(maps if alike else _masked(maps, sizes))
        sizes = ((sizes + 2 * 4 - 5) // 2 + 1) // 2
        # The largest of four is rectified: the same as the largest of four rectified ones.
        maps = functional.relu(functional.max_pool2d(maps, 2), inplace=True)
        maps = self.conv3(maps if alike else _masked(maps, sizes))
        maps = functional.relu(maps, inplace=True)
        maps = (
            functional.adaptive_avg_pool2d(maps, 4) if alike else _adaptive_average(maps, sizes, 4)
        )
        logits: Tensor = self.fc2(torch.sigmoid(self.fc1(maps.flatten(1))))
        return logits


NETWORKS: dict[str, type[VariableConvNet]] = {"variable": VariableConvNet}
"""Networks by the name that model cards and ``premir-train --network`` use."""
