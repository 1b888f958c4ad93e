"""What evidence in a hairpin's own letters is, as a scan sees it before the canonical scores."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from premir.scanner.find.hairpins import Hairpins


class Lift(Protocol):
    """Evidence in a hairpin's own letters, which adds to its log odds.

    Attributes:
        digest: names all that it depends on.
    """

    @property
    def digest(self) -> str:
        """SHA-256."""
        ...

    def __call__(self, hairpins: Hairpins) -> npt.NDArray[np.float64]:
        """Return what it adds to the log odds of each of N hairpins, 0 or more, (N,)."""
        ...
