"""What a track is: columns of evidence beside the model, and how they are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy.typing as npt

from premir.scanner.report.columns import Column
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable

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
    """

    name: str
    columns: tuple[Column, ...]
    compute: Compute
    late: bool = False


def add_tracks(
    tracks: Iterable[Track], table: HitTable, material: Material, seconds: dict[str, float]
) -> HitTable:
    """Return a table with the columns of tracks; ``seconds`` is told what each took."""
    for track in tracks:
        started = time.monotonic()
        arrays = track.compute(table, material)
        names = (column.name for column in track.columns)
        table = replace(table, columns={**table.columns, **dict(zip(names, arrays, strict=True))})
        seconds[track.name] = time.monotonic() - started
    return table
