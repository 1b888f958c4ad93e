"""A residual network on pairing tensors, which is among what Do et al. (2018) also tried."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from premir.kernels.pairing import CHANNELS
from premir.scanner.score.networks.maps import Sides
from premir.scanner.score.networks.mapwise import MapwiseNetwork


class ResidualBlock(nn.Module):
    """x -> ReLU(x + conv 3x3(ReLU(conv 3x3(x)))), after He, Zhang, Ren and Sun (2016).

    Without batch norm, since scores must not depend on the other members of a batch; the second
    convolution begins at zero instead, so that a new block changes nothing.

    Args:
        before: channels of x.
        channels: of what it returns.
        stride: of its first convolution; where it is not one, or channels differ, x comes by a
            convolution 1x1.
    """

    def __init__(self, before: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv2d(before, channels, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        same = stride == 1 and before == channels
        self.along = nn.Identity() if same else nn.Conv2d(before, channels, 1, stride=stride)

    def forward(self, maps: Tensor, sides: Sides) -> tuple[Tensor, Sides]:
        """Return maps and their sides."""
        maps = sides.cut(maps)
        sides = sides.after(3, stride=self.stride, padding=1)
        inner = sides.cut(functional.relu(self.first(maps), inplace=True))
        return functional.relu(self.along(maps) + self.second(inner), inplace=True), sides


class ResNet(MapwiseNetwork):
    """Four residual blocks: 32, 32, 64 with stride 2, and 64 channels. 466,000 weights."""

    title = "residual network"

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, 32, 11, stride=4, padding=10)
        self.blocks = nn.ModuleList(
            [
                ResidualBlock(32, 32),
                ResidualBlock(32, 32),
                ResidualBlock(32, 64, stride=2),
                ResidualBlock(64, 64),
            ]
        )
        self.fc1 = nn.Linear(64 * 16, 256)
        self.fc2 = nn.Linear(256, 2)

    def between(self, maps: Tensor, sides: Sides) -> tuple[Tensor, Sides]:
        """Return the maps of the last block and their sides."""
        maps = functional.relu(functional.max_pool2d(maps, 2), inplace=True)
        sides = sides.after(2, stride=2)
        for block in self.blocks:
            maps, sides = block(maps, sides)
        return maps, sides
