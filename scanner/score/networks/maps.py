"""Feature maps of hairpins of different lengths in one batch, each as if it were alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Sides:
    """Sides of the square maps of a batch; what lies beyond a sample's own side means nothing.

    Attributes:
        own: int64 (N,), of each sample.
        alike: whether all of them are the same, so that nothing lies beyond.
    """

    own: Tensor
    alike: bool

    def after(self, size: int, *, stride: int = 1, padding: int = 0) -> Sides:
        """Return the sides after a convolution or a pool, which drops what it does not fill."""
        return Sides((self.own + 2 * padding - size) // stride + 1, self.alike)

    def cut(self, maps: Tensor) -> Tensor:
        """Zero every map beyond its own sample's side, before a layer reads beyond it."""
        if self.alike:
            return maps
        at = torch.arange(maps.shape[3], device=maps.device)
        inside = (at < self.own[:, None]).to(maps.dtype)
        return maps * inside[:, None, :, None] * inside[:, None, None, :]

    def averages(self, maps: Tensor, bins: int) -> Tensor:
        """Adaptive average pooling where each sample has bins of its own: (N, C, bins, bins)."""
        if self.alike:
            return functional.adaptive_avg_pool2d(maps, bins)
        k = torch.arange(bins, device=maps.device)
        start = self.own[:, None] * k // bins
        end = -(-self.own[:, None] * (k + 1) // bins)
        x = torch.arange(maps.shape[3], device=maps.device)
        inside = (x >= start[:, :, None]) & (x < end[:, :, None])
        weights = inside.to(maps.dtype) / (end - start)[:, :, None].to(maps.dtype)
        return torch.einsum("nkx,ncxy,nly->nckl", weights, maps, weights)
