"""What a track is: columns of evidence beside the model, and how they are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.scanner.options import Search
from premir.scanner.report.columns import Column
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable
from premir.scanner.score.model import DECIMALS

Compute: TypeAlias = Callable[[HitTable, Material], Sequence[npt.NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Track:
    """A kind of evidence.

    Attributes:
        name: of its seconds in the summary.
        columns: what it adds to hits.
        compute: returns an array (N,) for each of the columns, given N hits by position.
        late: whether it looks at what is written alone, and not at all merged candidates that the
            model selected.
        asked: whether a scan wants it.
        weigh: returns the natural logarithms of Bayes factors, float64 (N,), given hits with the
            columns; None for what weighs nothing. A late track has none: it comes after the
            threshold.
        in_decoys: whether random sequence can have such evidence too, so that a rate of false
            calls takes it in.
        lowest: the least probability by the model of what it may lift to the threshold; None for
            the threshold itself.
    """

    name: str
    columns: tuple[Column, ...]
    compute: Compute
    late: bool = False
    asked: Callable[[Search], bool] = lambda _: True
    weigh: Callable[[HitTable], npt.NDArray[np.float64]] | None = None
    in_decoys: bool = True
    lowest: Callable[[Search], float] | None = None


def add_tracks(
    tracks: Iterable[Track], table: HitTable, material: Material, seconds: dict[str, float]
) -> HitTable:
    """Return a table with the columns of tracks; ``seconds`` is told what each took."""
    for track in tracks:
        started = time.monotonic()
        arrays = track.compute(table, material)
        names = (column.name for column in track.columns)
        table = replace(table, columns={**table.columns, **dict(zip(names, arrays, strict=True))})
        if track.weigh is not None:
            table = _weighed(table, track, track.weigh(table).round(DECIMALS))
        seconds[track.name] = time.monotonic() - started
    return table


def _weighed(table: HitTable, track: Track, weight: npt.NDArray[np.float64]) -> HitTable:
    if track.in_decoys:
        return replace(table, evidence={**table.evidence, track.name: weight})
    return replace(table, sightings={**table.sightings, track.name: weight})
