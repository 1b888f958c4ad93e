"""Softened encodings of the nucleotides, as a matter of the first layer's weights.

With softness e a nucleotide is 1 - e in its own channel and e / 3 in the three others (nothing
beyond the hairpin, as before). The first layer is linear, so that softened channels x' = S x under
weights w give what plain channels x give under w' = S w, where S = (1 - 4e/3) I + e/3 (all ones).
Training keeps w and uses w'; a trained network is written with w', and is a plain one.
"""

from __future__ import annotations

import torch
from torch.nn.utils import parametrize

from premir.scanner.score.networks.network import Network, TensorNetwork

_GROUPS = (slice(1, 5), slice(5, 9))
"""The row and the column one-hots among the nine channels."""


class SoftEncoding(torch.nn.Module):
    """Weights that do with plain channels what the given ones do with softened ones."""

    def __init__(self, softness: float) -> None:
        super().__init__()
        self.softness = softness

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Transform first-layer weights (out, 9, size, size)."""
        e = self.softness
        parts = [weight[:, :1]]
        for group in _GROUPS:
            own = weight[:, group]
            parts.append((1 - 4 * e / 3) * own + e / 3 * own.sum(dim=1, keepdim=True))
        return torch.cat(parts, dim=1)


def with_plain_encoding(network: Network) -> Network:
    """Return the network with any :class:`SoftEncoding` worked into its weights."""
    if not isinstance(network, TensorNetwork) or not parametrize.is_parametrized(
        network.first_layer
    ):
        return network
    # Not by remove_parametrizations on a copy: copies share the class that it would change.
    weight = network.first_layer.weight.detach()
    state = {k: v for k, v in network.state_dict().items() if ".parametrizations." not in k}
    plain = type(network)().to(weight).train(network.training)
    plain.load_state_dict(state, strict=False)
    with torch.no_grad():
        plain.first_layer.weight.copy_(weight)
    return plain
