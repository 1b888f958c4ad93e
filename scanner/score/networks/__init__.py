"""Networks, by the name that model cards and ``premir-train --network`` use.

Other packages add theirs by an entry point of the group ``premir.networks`` (``examples/network``).
"""

from __future__ import annotations

from premir.scanner.score.networks.alexnet import AlexNet
from premir.scanner.score.networks.fewer_pools import FewerPoolsNet
from premir.scanner.score.networks.fixed import FixedConvNet
from premir.scanner.score.networks.installed import installed_networks
from premir.scanner.score.networks.network import Network
from premir.scanner.score.networks.recurrent import RecurrentNet
from premir.scanner.score.networks.resnet import ResNet
from premir.scanner.score.networks.stem import StemConvNet
from premir.scanner.score.networks.variable import VariableConvNet

NETWORKS: dict[str, type[Network]] = {
    "variable": VariableConvNet,
    "fixed": FixedConvNet,
    "stem": StemConvNet,
    "recurrent": RecurrentNet,
    "fewer-pools": FewerPoolsNet,
    "alexnet": AlexNet,
    "resnet": ResNet,
}
for _name, _network in installed_networks().items():
    NETWORKS.setdefault(_name, _network)  # nobody takes a name of ours
