"""The known hairpin that a hit resembles most (columns are defined in docs/formats.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, decode
from premir.kernels.pairing import Offsets
from premir.scanner.options import Search
from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.known.compared import COMPARED_PER_MB, least_compared
from premir.scanner.report.evidence.known.library import HINGE, WEIGHT, Library, weight_of
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable
from premir.scanner.score.model import DECIMALS, log_odds_of


@dataclass(frozen=True)
class KnownLift:
    """What resemblance adds to the log odds of hairpins, as a scan asks before it scores them.

    Attributes:
        library: what they are compared with.
    """

    library: Library

    @property
    def digest(self) -> str:
        """SHA-256 of the library."""
        return self.library.digest

    def __call__(self, codes: Codes, offsets: Offsets) -> npt.NDArray[np.float64]:
        """Return it for each of N packed hairpins, rounded as it is in tables."""
        _, surprise = self.library.surprise(codes, offsets)
        return weight_of(surprise).round(DECIMALS)


def _least(search: Search) -> float:
    """Return the least probability of what is compared: of nothing where no card says it."""
    least = least_compared(search.model) if search.model is not None else None
    return 1.0 if least is None else least


def compare(table: HitTable, material: Material) -> list[npt.NDArray[Any]]:
    """Compare hits with the known hairpins of a library; returns an array for each column."""
    library, least = material.search.known, _least(material.search)
    count = len(table)
    known, nearest, family = (np.full(count, None, object) for _ in range(3))
    similarity = np.full(count, np.nan)
    if library is not None:
        done = 0
        for chunk in material.chunks(table):
            here = slice(done, done + len(chunk.hits))
            done = here.stop
            compared = chunk.hits.prob >= least
            found, surprise = library.surprise(chunk.hairpins.codes, chunk.hairpins.offsets)
            similarity[here] = np.where(compared, surprise, np.nan)
            for n in np.flatnonzero(compared & (surprise >= HINGE)).tolist():
                own, letters = library.known[found[n]], decode(chunk.hairpins[n][0])
                exact = any(mature in letters for mature in own.matures)
                known[here][n] = "exact" if exact else "family"
                nearest[here][n], family[here][n] = own.name, own.family
    candidates = COMPARED_PER_MB * material.genome.length / 1e6
    return [known, nearest, family, 10**-similarity * candidates, similarity]


TRACK = Track(
    name="known",
    columns=(
        Column(
            "known", str, "`exact` where a mature of the nearest known hairpin stands in the hit "
            "letter by letter, `family` where it resembles it as one of 30 background hairpins "
            "resembles some known one",
            optional=True,
        ),
        Column("nearest", str, "the known hairpin that it resembles most", optional=True),
        Column("family", str, "family of that hairpin, as users call it", optional=True),
        Column(
            "family_evalue", float, "how many background hairpins of a genome of this size would "
            "resemble a known one as much",
            form=".3g", optional=True,
        ),
        Column(
            "similarity", float, "-log10 of the share of background hairpins that do; 2.303 times "
            "what it has above 1.5 is in log_odds",
            form=".3f", optional=True,
        ),
    ),
    compute=compare,
    asked=lambda search: search.known is not None,
    weigh=lambda table: weight_of(np.nan_to_num(table.columns["similarity"])),
    lowest=_least,
    rates=lambda search, rates: rates.lifted(WEIGHT, HINGE, log_odds_of(_least(search))),
    lift=lambda search: KnownLift(search.known) if search.known is not None else None,
)  # fmt: skip
