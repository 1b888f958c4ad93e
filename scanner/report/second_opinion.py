"""The step of the second opinion: hits as ViennaRNA itself folds them."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.report.material import Fold, Material
from premir.scanner.report.table import HitTable
from premir.scanner.score.crossfit import Places


class SecondOpinion(Protocol):
    """Folds hits once more (:class:`~premir.scanner.score.refolding.Refolder`).

    Attributes:
        refolded: hits folded so far.
        disagreements: those that fold otherwise.
    """

    refolded: int
    disagreements: int

    def check(
        self,
        hairpins: Hairpins,
        log_odds: npt.NDArray[np.float64],
        places: Places,
        total: npt.NDArray[np.float64],
    ) -> tuple[Hairpins, npt.NDArray[np.float64]]:
        """Return the hairpins, and their log odds, as they are to be reported."""
        ...


def refold(
    table: HitTable, material: Material, refolder: SecondOpinion
) -> tuple[HitTable, Material]:
    """Fold hits once more, and put what differs in place of the kernel's folds.

    Args:
        table: hits by position.
        material: has the folds that were scored.
        refolder: folds and counts.

    Returns:
        The same hits with the log odds, and material with the folds, that are reported.
    """
    log_odds, corrected = [table.log_odds[:0]], dict[tuple[int, int], Fold]()
    for chunk in material.chunks(table):
        places = Places.of(chunk.hits.loci, material.genome.contigs.lengths)
        reported, own = refolder.check(
            chunk.hairpins, chunk.hits.log_odds, places, chunk.hits.total
        )
        log_odds.append(own)
        if reported is not chunk.hairpins:
            for n in chunk.hairpins.differing(reported):
                corrected[int(chunk.hits.tile[n]), int(chunk.hits.row[n])] = reported[n]
    return replace(table, log_odds=np.concatenate(log_odds)), replace(material, corrected=corrected)
