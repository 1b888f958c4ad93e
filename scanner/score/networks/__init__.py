"""Networks, by the name that model cards and ``premir-train --network`` use."""

from __future__ import annotations

from premir.scanner.score.networks.fixed import FixedConvNet
from premir.scanner.score.networks.network import Network
from premir.scanner.score.networks.stem import StemConvNet
from premir.scanner.score.networks.variable import VariableConvNet

NETWORKS: dict[str, type[Network]] = {
    "variable": VariableConvNet,
    "fixed": FixedConvNet,
    "stem": StemConvNet,
}
