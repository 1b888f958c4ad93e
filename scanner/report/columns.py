"""What a column of the hit table is: one declaration for every format and for the docs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.scanner.report.material import Chunk

Value: TypeAlias = int | float | str | None
Values: TypeAlias = Sequence[Value] | npt.NDArray[Any]

NOTHING = "."
"""Stands in text where a hit has no value."""
NO_INT = int(np.iinfo(np.int64).min)
"""Stands in an int64 array where a hit has no value; NaN does in a float64 array."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of hits.

    Attributes:
        name: in headers; lower-case letters, digits and ``_``.
        type: int, float or str: an int64, a float64 or an object array where a track computes it.
        text: one sentence that says what it holds.
        unit: of its numbers, empty for none.
        form: how a value is printed, as of :func:`format`.
        sql: type and name in autoSql, where BED itself prescribes them.
        optional: whether hits may have no value.
        detail: whether only formats that hold everything have it (TSV and JSON lines).
        begins: of a position on the contig, that a track computes: the column in which the interval
            begins; empty for what is no position.
        made: gives the values of some hits when they are written; None where a track computes
            them and the table holds them.
    """

    name: str
    type: type[int] | type[float] | type[str]
    text: str
    _: KW_ONLY
    unit: str = ""
    form: str = ""
    sql: str = ""
    optional: bool = False
    detail: bool = False
    begins: str = ""
    made: Callable[[Chunk], Values] | None = None

    @property
    def hint(self) -> Any:
        """The type of a value, as an annotation says it."""
        return self.type | None if self.optional else self.type

    def values(self, chunk: Chunk) -> list[Value]:
        """Return the values of some hits, None where a hit has none."""
        made = self.made(chunk) if self.made is not None else chunk.hits.columns[self.name]
        values: list[Value] = made.tolist() if isinstance(made, np.ndarray) else list(made)
        # Of all values NaN alone is not equal to itself.
        return [None if x == NO_INT or x != x else x for x in values] if self.optional else values

    def texts(self, chunk: Chunk) -> list[str]:
        """Return the values of some hits as text."""
        return [NOTHING if x is None else format(x, self.form) for x in self.values(chunk)]

    def parse(self, text: str) -> Value:
        """Return the value that was printed so.

        Raises:
            ValueError: it is none of this column.
        """
        return None if self.optional and text == NOTHING else self.type(text)
