"""Algorithm 1 of Do et al. (2018) with one pool less: among what its authors also tried."""

from __future__ import annotations

from typing import ClassVar

from premir.scanner.score.networks.variable import VariableConvNet


class FewerPoolsNet(VariableConvNet):
    """Algorithm 1 without the pool after its second convolution, so that maps keep their detail."""

    title = "variable-size network with one pool less"
    second_pool: ClassVar[int] = 1
