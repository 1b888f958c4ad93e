"""A network on pairing tensors after AlexNet, which is among what Do et al. (2018) also tried."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.pairing import CHANNELS
from premir.scanner.score.networks.maps import Sides
from premir.scanner.score.networks.mapwise import MapwiseNetwork


class AlexNet(MapwiseNetwork):
    """Five convolutions, as those of Krizhevsky, Sutskever and Hinton (2012), but narrower.

    After the first: conv 5x5 pad 2, 64 -> ReLU -> 2x2 max-pool, which keeps an odd last row -> conv
    3x3 pad 1, 96 -> ReLU -> conv 3x3 pad 1, 96 -> ReLU -> conv 3x3 pad 1, 64 -> ReLU. 543,000
    weights, where Algorithm 1 has 386,000.
    """

    title = "network after AlexNet"

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, 32, 11, stride=4, padding=10)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.conv3 = nn.Conv2d(64, 96, 3, padding=1)
        self.conv4 = nn.Conv2d(96, 96, 3, padding=1)
        self.conv5 = nn.Conv2d(96, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * 16, 256)
        self.fc2 = nn.Linear(256, 2)

    def between(self, maps: Tensor, sides: Sides) -> tuple[Tensor, Sides]:
        """Return the maps of the last convolution, rectified, and their sides."""
        maps = functional.relu(functional.max_pool2d(maps, 2), inplace=True)
        sides = sides.after(2, stride=2)
        maps = functional.relu(self.conv2(sides.cut(maps)), inplace=True)
        maps = functional.max_pool2d(sides.cut(maps), 2, ceil_mode=True)
        sides = sides.after(1, stride=2)
        for conv in (self.conv3, self.conv4, self.conv5):
            maps = functional.relu(conv(sides.cut(maps)), inplace=True)
        return maps, sides
