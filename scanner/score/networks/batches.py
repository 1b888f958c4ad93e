"""Batches of hairpins as networks see them, and the convolution that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.codes import UNKNOWN
from premir.kernels.pairing import CHANNELS
from premir.kernels.tensorconv import (
    convolve_tensors,
    convolve_tensors_backward,
    convolve_tensors_float64,
)
from premir.scanner.find.hairpins import Hairpins


def batches_by_length(
    lengths: npt.NDArray[np.int64],
    *,
    cells: int,
    groups: npt.NDArray[np.int64] | None = None,
) -> Iterator[npt.NDArray[np.int64]]:
    """Split hairpins into batches of similar length whose padded area stays bounded.

    Args:
        lengths: int64 (N,), in nt.
        cells: most padded matrix cells, ``batch size x longest length squared``, in a batch; a
            single hairpin may exceed it.
        groups: int64 (N,), does not decrease with the length; hairpins of different groups share
            no batch.

    Yields:
        int64 indices into ``lengths``; each hairpin once, shortest first.
    """
    order = np.argsort(lengths, kind="stable")
    group = np.zeros(order.size, np.int64) if groups is None else groups[order]
    first = 0
    while first < order.size:
        last = first + 1
        while (
            last < order.size
            and group[last] == group[first]
            and (last + 1 - first) * int(lengths[order[last]]) ** 2 <= cells
        ):
            last += 1
        yield order[first:last]
        first = last


def send(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Send an array to a device; a GPU gets it from pinned memory, without waiting."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class PairingBatch:
    """A packed batch of hairpins on a device; their pairing tensors are built there, if at all.

    Attributes:
        codes: uint8 (T,), as in :class:`Hairpins`; so are the next three.
        pairs: int16 (T,).
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,).
        lengths: int64 (N,), length of each hairpin in nt.
        hairpins: the same hairpins, on the host.
        dtype: of the pairing tensors.
    """

    codes: Tensor
    pairs: Tensor
    mfe: Tensor
    offsets: Tensor
    lengths: Tensor
    hairpins: Hairpins
    dtype: torch.dtype

    @classmethod
    def build(
        cls, hairpins: Hairpins, *, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> PairingBatch:
        """Send a packed batch to a device."""
        return cls(
            codes=send(hairpins.codes, device),
            pairs=send(hairpins.pairs, device),
            mfe=send(hairpins.mfe, device),
            offsets=send(hairpins.offsets, device),
            lengths=send(hairpins.lengths, device),
            hairpins=hairpins,
            dtype=dtype,
        )

    @property
    def host_lengths(self) -> npt.NDArray[np.int64]:
        """Length of each hairpin, int64 (N,), in nt, on the host."""
        return self.hairpins.lengths

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
        one_hot = tensors.new_zeros(count, UNKNOWN + 1, width)
        one_hot[record, self.codes.long(), position] = 1.0
        inside, known = one_hot.sum(dim=1), one_hot[:, :UNKNOWN]
        # Written in place: products by themselves would take half as much memory again.
        torch.mul(known.unsqueeze(3), inside[:, None, None, :], out=tensors[:, 1:5])
        torch.mul(known.unsqueeze(2), inside[:, None, :, None], out=tensors[:, 5:9])
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
    if _builds_tensors(conv, batch):
        return conv(batch.dense())  # type: ignore[no-any-return]
    stride, padding = conv.stride[0], int(conv.padding[0])
    width = (int(batch.host_lengths.max()) + 2 * padding - conv.kernel_size[0]) // stride + 1
    maps: Tensor = _TensorConv.apply(conv.weight, conv.bias, batch, stride, padding, 0, width)  # type: ignore[no-untyped-call]
    return maps.permute(0, 3, 1, 2)


def pairing_deviations(conv: nn.Conv2d, batch: PairingBatch, width: int) -> Tensor:
    """Apply a square convolution to zero-padded pairing tensors, less its bias.

    So an output that sees nothing of the hairpin is zero.

    Args:
        conv: as :func:`pairing_conv2d`; its stride divides ``size - 1 - padding``.
        batch: N hairpins.
        width: outputs wanted, from the first on, in either direction.

    Returns:
        (N, out_channels, width, width), for hairpins with zeros on all sides without end.
    """
    size, stride = conv.kernel_size[0], conv.stride[0]
    # With this padding, every output that sees something is a hairpin's own; the first are not
    # those of the layer.
    padding = size - 1
    skipped = (padding - int(conv.padding[0])) // stride
    end = width + skipped
    if _builds_tensors(conv, batch):
        maps = functional.conv2d(batch.dense(), conv.weight, None, stride, padding)
        beyond = max(0, end - maps.shape[3])
        maps = functional.pad(maps, (0, beyond, 0, beyond))
        return maps[:, :, skipped:end, skipped:end]
    bias = conv.weight.new_zeros(conv.out_channels)
    cut: Tensor = _TensorConv.apply(conv.weight, bias, batch, stride, padding, skipped, end)  # type: ignore[no-untyped-call]
    return cut.permute(0, 3, 1, 2)


def _builds_tensors(conv: nn.Conv2d, batch: PairingBatch) -> bool:
    differentiate = torch.is_grad_enabled() and conv.weight.requires_grad
    return batch.codes.device.type != "cpu" or (batch.dtype != torch.float32 and differentiate)


class _TensorConv(torch.autograd.Function):
    """Convolution of pairing tensors on the CPU; channels last."""

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        bias: Tensor,
        batch: PairingBatch,
        stride: int,
        padding: int,
        first: int,
        end: int,
    ) -> Tensor:
        """Return outputs ``first`` to ``end`` in either direction, (N, P, P, out_channels)."""
        ctx.batch, ctx.stride, ctx.padding, ctx.size = batch, stride, padding, weight.shape[2]
        ctx.first, ctx.end = first, end
        out = bias.detach().expand(batch.host_lengths.size, end, end, -1).contiguous()
        convolve = convolve_tensors if out.dtype == torch.float32 else convolve_tensors_float64
        channels_last = weight.detach().permute(1, 2, 3, 0).contiguous()
        convolve(*_packed(batch), channels_last.numpy(), stride, padding, out.numpy())
        return out[:, first:, first:] if first else out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients with respect to weight and bias."""
        bias = gradient.sum(dim=(0, 1, 2)) if ctx.needs_input_grad[1] else None
        if ctx.first:
            cut, end = gradient, ctx.end
            gradient = cut.new_zeros(cut.shape[0], end, end, cut.shape[3])
            gradient[:, ctx.first :, ctx.first :] = cut
        out = torch.zeros(CHANNELS, ctx.size, ctx.size, gradient.shape[3])
        convolve_tensors_backward(
            *_packed(ctx.batch), gradient.contiguous().numpy(), ctx.stride, ctx.padding, out.numpy()
        )
        return out.permute(3, 0, 1, 2), bias, None, None, None, None, None


def _packed(batch: PairingBatch) -> tuple[Any, Any, Any, Any]:
    return batch.codes.numpy(), batch.pairs.numpy(), batch.mfe.numpy(), batch.offsets.numpy()
