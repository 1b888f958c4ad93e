"""What evidence in a hairpin's own letters is, as gates and scores see it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.pairing import Offsets


class Lift(Protocol):
    """Evidence in a hairpin's own letters, which adds to its log odds.

    Attributes:
        digest: names all that it depends on.
    """

    @property
    def digest(self) -> str:
        """SHA-256."""
        ...

    def __call__(self, codes: Codes, offsets: Offsets) -> npt.NDArray[np.float64]:
        """Return what it adds to the log odds of each of N packed hairpins, 0 or more, (N,)."""
        ...
