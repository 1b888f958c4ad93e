"""Where Drosha and Dicer cut a fold: a log-linear model of the 5' ends of both matures.

Of each arm some places may be the 5' end of its mature. A pair of such *sites* has a weight, the
sum of what was learned of the one, of the other, and of the lengths that both together leave: a
mature ends two nucleotides beyond what faces the 5' end of the other (Dicer's and Drosha's 3'
overhangs). The pair with the most weight is the prediction. Weights are whole numbers, so that it
is the same everywhere. ``train/arms.py`` learns them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.pairing import Pairs, terminal_loop
from premir.kernels.sites import look_across, site_cells
from premir.scanner.files import write_json

SCHEMA = "premir-arms-1"
SHIPPED = Path(__file__).with_name("premir-arms@1.json")
MATURE = (20, 24)
"""Least and greatest length of a mature that is predicted."""
_OVERHANG = 2

_FROM_LOOP = ((10, 50), (-8, 28))
"""How far from the loop sites lie, by arm: 5' ends of matures of the 5' arm lie far from it, those
of the 3' arm near; less than 0 is inside of it."""
LENGTHS = (12, 32)
"""Least and greatest length of matures that two sites leave."""
_BETWEEN = (25, 80)
"""And of the letters from one site to the other."""
BOTH = (LENGTHS, LENGTHS, _BETWEEN)
"""Of two sites: what the 5' arm's mature, and the 3' arm's, would have, and how far they are."""
_LEAST, _MOST = np.array(BOTH, np.int64).T[:, :, None, None]

_I64 = npt.NDArray[np.int64]
Interval: TypeAlias = tuple[int, int]
"""Of a hairpin, 0-based half-open, 5' to 3'."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Pairs of sites of a hairpin.

    Attributes:
        five: int64 (P,), places on the 5' arm.
        three: int64 (Q,), places on the 3' arm.
        cells: int64 (P, fields) and (Q, fields): which weights count for each.
        both: int64 (3, P, Q): which weights count for two together.
        ends: int64 (P,) and (Q,): where the mature of the other arm would end.
        possible: bool (P, Q): whether they leave matures at all.
    """

    five: _I64
    three: _I64
    cells: tuple[_I64, _I64]
    both: _I64
    ends: tuple[_I64, _I64]
    possible: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, codes: Codes, pairs: Pairs) -> Sites | None:
        """Find those of a hairpin; None where its fold has no two arms.

        Args:
            codes: uint8 (L,).
            pairs: int16 (L,), pair table.
        """
        loop = terminal_loop(pairs)
        if loop is None:
            return None
        _, facing = fold = look_across(pairs, loop)
        five, three = _places(loop, codes.size)
        ends = facing[five] + 1 + _OVERHANG, facing[three] + 1 + _OVERHANG
        values = np.stack([
            ends[1][None, :] - five[:, None],
            ends[0][:, None] - three[None, :],
            three[None, :] - five[:, None],
        ])  # fmt: skip
        possible = ((values >= _LEAST) & (values <= _MOST)).all(axis=0)
        if not possible.any():
            return None
        cells = site_cells(codes, fold, loop, five), site_cells(codes, fold, loop, three)
        return cls(five, three, cells, np.clip(values, _LEAST, _MOST) - _LEAST, ends, possible)

    def where(self, given: tuple[int | None, int | None]) -> npt.NDArray[np.bool_]:
        """Return which pairs are possible and have given sites, bool (P, Q); None gives none."""
        agree = self.possible.copy()
        for axis, (place, own) in enumerate(zip(given, (self.five, self.three), strict=True)):
            if place is not None:
                agree &= np.expand_dims(own == place, 1 - axis)
        return agree


def _end(start: int, end: int, size: int) -> int:
    """Return where a mature ends, of a usual length."""
    return min(max(end, start + MATURE[0]), start + MATURE[1], size)


def _places(loop: tuple[int, int], size: int) -> tuple[_I64, _I64]:
    """Return where matures of the 5' arm, and of the 3' arm, may begin."""
    (near, far), (inside, beyond) = _FROM_LOOP
    return (
        np.arange(max(loop[0] - far, 0), loop[0] - near + 1),
        np.arange(max(loop[1] + inside, loop[0]), min(loop[1] + beyond, size - MATURE[0] + 1)),
    )


@dataclass(frozen=True, eq=False)
class Cuts:
    """What was learned.

    Attributes:
        sites: int64 (CELLS,) for the 5' arm and for the 3' arm.
        both: int64 arrays for what :data:`BOTH` counts.
    """

    sites: tuple[_I64, _I64]
    both: tuple[_I64, ...]

    def predict(
        self, codes: Codes, pairs: Pairs, given: tuple[int | None, int | None] = (None, None)
    ) -> tuple[Interval, Interval] | None:
        """Say where the matures of both arms lie, None where the fold has no place for them.

        Args:
            codes: uint8 (L,).
            pairs: int16 (L,), pair table.
            given: where the mature of the 5' arm, or of the 3' arm, begins, if that is known.
        """
        sites = Sites.of(codes, pairs)
        if sites is None:
            return None
        possible = sites.where(given)
        if not possible.any():
            return None
        weight = np.where(possible, self.weigh(sites), np.iinfo(np.int64).min)
        n, m = np.unravel_index(int(weight.argmax()), weight.shape)
        five, three = int(sites.five[n]), int(sites.three[m])
        return (
            (five, _end(five, int(sites.ends[1][m]), codes.size)),
            (three, _end(three, int(sites.ends[0][n]), codes.size)),
        )

    def weigh(self, sites: Sites) -> _I64:
        """Return the weights of pairs of sites, int64 (P, Q)."""
        five, three = (
            table[cells].sum(axis=1) for table, cells in zip(self.sites, sites.cells, strict=True)
        )
        weight: _I64 = five[:, None] + three[None, :]
        for table, cells in zip(self.both, sites.both, strict=True):
            weight += table[cells]
        return weight


def write_cuts(path: Path, cuts: Cuts, told: Mapping[str, Any]) -> None:
    """Write what was learned, and where it comes from; the same bytes for the same."""
    tables = {"sites": cuts.sites, "both": cuts.both}
    texts = {name: [" ".join(map(str, own)) for own in each] for name, each in tables.items()}
    write_json(path, {"schema": SCHEMA, **told, **texts})


def read_cuts(path: Path) -> Cuts:
    """Read what :func:`write_cuts` wrote."""
    table = json.loads(path.read_text(encoding="utf-8"))
    five, three, *both = (
        np.array(text.split(), np.int64) for text in (*table["sites"], *table["both"])
    )
    return Cuts((five, three), tuple(both))


@cache
def shipped() -> Cuts:
    """Return what premir ships."""
    return read_cuts(SHIPPED)
