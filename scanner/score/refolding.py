"""The second opinion: hits that the kernel folded are folded once more by ViennaRNA itself."""

from __future__ import annotations

import logging
import zlib

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import decode
from premir.scanner.find.folding import Folder, InlineViennaFolder
from premir.scanner.find.hairpins import Hairpins, join
from premir.scanner.score.crossfit import Places
from premir.scanner.score.model import Model, probabilities

_log = logging.getLogger(__name__)

_ONE_IN = 100
"""Of hits below the model's own threshold one in so many is refolded, chosen by its sequence."""
_FEW_NT = 20_000
"""So many nucleotides of hits are folded here in the time that a process takes to start and end."""


class Refolder:
    """Folds hits with the bindings, counts disagreements and puts the bindings' fold in place.

    Few hits are folded in this process.

    Args:
        folder: folds many hits.
        model: scores hits whose fold differs.

    Attributes:
        refolded: hits folded again.
        disagreements: those whose MFE or structure differed.
    """

    def __init__(self, folder: Folder, model: Model) -> None:
        self._folder = folder
        self._model = model
        self.refolded = 0
        self.disagreements = 0

    def check(
        self,
        hairpins: Hairpins,
        log_odds: npt.NDArray[np.float64],
        places: Places,
        total: npt.NDArray[np.float64],
    ) -> tuple[Hairpins, npt.NDArray[np.float64]]:
        """Return the hairpins as the bindings fold them, and their log odds.

        Args:
            hairpins: N hits.
            log_odds: float64 (N,), canonical.
            places: where they lie.
            total: float64 (N,), log odds with all other evidence, of which hits are hits.

        Returns:
            The same, but for hits on whose fold kernel and bindings disagree: these get the
            bindings' fold and the log odds that go with it.
        """
        records = [hairpins[n] for n in range(len(hairpins))]
        chosen = np.array(
            [
                n
                for n, each in enumerate(probabilities(total))
                if each >= self._model.min_prob or _sampled(records[n][0])
            ],
            np.int64,
        )
        mine = hairpins.take(chosen)
        folder = InlineViennaFolder() if mine.codes.size <= _FEW_NT else self._folder
        theirs = folder.fold(mine.codes, mine.offsets)
        self.refolded += chosen.size
        differing = mine.differing(theirs)
        if not differing:
            return hairpins, log_odds
        self.disagreements += len(differing)
        for k in differing:
            codes, _, mfe = theirs[k]
            _log.warning(
                "fold kernel and ViennaRNA disagree on %s: %.2f and %.2f kcal/mol; "
                "ViennaRNA's fold is reported",
                decode(codes),
                mine[k][2] / 100,
                mfe / 100,
            )
            records[chosen[k]] = theirs[k]
        log_odds = log_odds.copy()
        log_odds[chosen[differing]] = self._model.score(
            theirs.take(differing), places.take(chosen[differing])
        )
        return join(records), log_odds


def _sampled(codes: npt.NDArray[np.uint8]) -> bool:
    return zlib.crc32(codes.tobytes()) % _ONE_IN == 0
