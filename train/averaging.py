"""The running mean of a network's weights, which ranks better than where its last step has led."""

from __future__ import annotations

import torch


def follow_weights(
    mean: torch.nn.Module, network: torch.nn.Module, decay: float, steps: int
) -> None:
    """Move the running mean of a network's weights towards them, and take its buffers over.

    Args:
        mean: network of the same kind; changed.
        network: as the optimiser has just left it.
        decay: of what the mean was, from 0 to less than 1; in the beginning less.
        steps: of the optimiser so far, from 1.
    """
    share = 1 - min(decay, steps / (steps + 3))
    with torch.no_grad():
        for kept, now in zip(mean.parameters(), network.parameters(), strict=True):
            kept.lerp_(now, share)
        for old, new in zip(mean.buffers(), network.buffers(), strict=True):
            old.copy_(new)
