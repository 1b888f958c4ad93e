"""The variable-size ConvNet (Algorithm 1 of Do et al. 2018), on packed batches of any lengths."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.pairing import CHANNELS
from premir.scanner.score.networks.maps import Sides
from premir.scanner.score.networks.mapwise import MapwiseNetwork


class VariableConvNet(MapwiseNetwork):
    """Algorithm 1 of Do et al. (2018), layer sizes as in the authors' released code.

    conv 11x11 stride 4 pad 10, 32 -> ReLU -> 2x2 sum-pool -> conv 5x5 stride 2 pad 4, 64 -> ReLU
    -> 2x2 max-pool -> conv 3x3 pad 1, 64 -> ReLU -> adaptive average pool 4x4 -> FC 256 sigmoid
    -> FC 2. Scores do not depend on the other members of a batch: wherever a layer would read
    beyond a sample's own size, the maps are masked first (the two pools drop what a 2x2 window
    does not fill, so that a mask after each pool suffices), and the last pool has bins per sample.
    """

    title = "Do et al. (2018) variable-size network"
    second_pool: ClassVar[int] = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, 32, 11, stride=4, padding=10)
        self.conv2 = nn.Conv2d(32, 64, 5, stride=2, padding=4)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * 16, 256)
        self.fc2 = nn.Linear(256, 2)

    def between(self, maps: Tensor, sides: Sides) -> tuple[Tensor, Sides]:
        """Return the maps of the last convolution, rectified, and their sides."""
        maps = functional.relu(maps, inplace=True)
        maps = functional.avg_pool2d(maps, 2, divisor_override=1)
        sides = sides.after(2, stride=2)
        maps = self.conv2(sides.cut(maps))
        sides = sides.after(5, stride=2, padding=4)
        # The largest of four is rectified: the same as the largest of four rectified ones.
        maps = functional.relu(functional.max_pool2d(maps, self.second_pool), inplace=True)
        sides = sides.after(self.second_pool, stride=self.second_pool)
        maps = functional.relu(self.conv3(sides.cut(maps)), inplace=True)
        return maps, sides
