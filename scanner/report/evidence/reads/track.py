"""The track of reads: what small-RNA libraries say of hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.scanner.report.columns import NO_INT, Column
from premir.scanner.report.evidence.reads.pattern import ARMS, Pattern, Product
from premir.scanner.report.evidence.reads.sighting import FLANK, Sighting, sightings
from premir.scanner.report.evidence.reads.stacks import UNIT, Stacks
from premir.scanner.report.evidence.reads.strands import Strands
from premir.scanner.report.evidence.reads.verdict import SPEAKING, VERDICTS
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable

_LIKELY = 0.5
"""Least probability, by model and reads, of hits that reads speak for."""

_I64 = npt.NDArray[np.int64]


def _units(units: int) -> float:
    return units / UNIT


def _arm_reads(product: Product | None) -> float:
    return _units(product.reads) if product is not None else 0.0


def _homogeneity(product: Product | None) -> float | None:
    return product.homogeneity if product is not None else None


def _overhang(sighting: Sighting, side: int) -> int | None:
    overhangs = sighting.pattern.overhangs
    return overhangs[side] if overhangs is not None else None


def _end_of_product(sighting: Sighting, *, arm: int, side: int) -> int | None:
    product = sighting.pattern.arms[arm]
    return sighting.place(product.start, product.end)[side] if product is not None else None


def _sized(pattern: Pattern) -> float | None:
    return pattern.sized / pattern.total if pattern.total else None


_Get = Callable[[Sighting], Any]
_COUNT, _SHARE = ".2f", ".3f"

_BOTH: tuple[tuple[Column, _Get], ...] = (
    (
        Column("read_verdict", str, "what reads say: " + ", ".join(VERDICTS)),
        lambda s: s.verdict.name,
    ),
    (
        Column("reads", float, "reads on the hit's strand with their mid-point in it, each divided "
               "by the places that it has", form=_COUNT),
        lambda s: _units(s.pattern.total),
    ),
    (
        Column("read_llr", float, "log-likelihood ratio of the reads, natural logarithm: what they "
               "add to log_odds", form=".6f"),
        lambda s: s.verdict.llr,
    ),
)  # fmt: skip

_DETAILS: tuple[tuple[Column, _Get], ...] = (
    (
        Column("reads_antisense", float, "reads on the other strand", form=_COUNT, optional=True,
               detail=True),
        lambda s: _units(s.pattern.antisense),
    ),
    (
        Column("reads_flank", float, f"reads on the hit's strand up to {FLANK} nt beside it, and "
               "in no other hit", form=_COUNT, optional=True, detail=True),
        lambda s: _units(s.flank),
    ),
    (
        Column("reads_5p", float, "reads on the 5' arm", form=_COUNT, optional=True, detail=True),
        lambda s: _arm_reads(s.pattern.arms[0]),
    ),
    (
        Column("reads_3p", float, "reads on the 3' arm", form=_COUNT, optional=True, detail=True),
        lambda s: _arm_reads(s.pattern.arms[1]),
    ),
    (
        Column("reads_loop", float, "reads whose mid-point lies in the terminal loop", form=_COUNT,
               optional=True, detail=True),
        lambda s: _units(s.pattern.in_loop),
    ),
    (
        Column("reads_distinct", int, "different places of reads on the hit's strand",
               optional=True, detail=True),
        lambda s: s.pattern.distinct,
    ),
    (
        Column("libraries", int, "libraries with reads on the hit's strand", optional=True,
               detail=True),
        lambda s: s.libraries,
    ),
    (
        Column("size_share", float, "share of reads of 20 to 26 nt", form=_SHARE, optional=True,
               detail=True),
        lambda s: _sized(s.pattern),
    ),
    (
        Column("multi_share", float, "share of reads that have other places too", form=_SHARE,
               optional=True, detail=True),
        lambda s: s.shared if s.pattern.total else None,
    ),
    (
        Column("homogeneity_5p", float, "share of the 5' arm's reads with its most frequent 5' end",
               form=_SHARE, optional=True, detail=True),
        lambda s: _homogeneity(s.pattern.arms[0]),
    ),
    (
        Column("homogeneity_3p", float, "the same of the 3' arm", form=_SHARE, optional=True,
               detail=True),
        lambda s: _homogeneity(s.pattern.arms[1]),
    ),
    (
        Column("precision", float, "share of reads that are mature or star, their 5' ends within "
               "one nucleotide", form=_SHARE, optional=True, detail=True),
        lambda s: s.pattern.precision if s.pattern.total else None,
    ),
    *(
        (
            Column(f"product_{arm}_{end}", int, f"where what most reads of the {arm[0]}' arm "
                   f"are {verb}{more}", optional=True, detail=True, begins=f"product_{arm}_start"),
            partial(_end_of_product, arm=number, side=side),
        )
        for number, arm in enumerate(ARMS)
        for side, (end, verb, more) in enumerate(
            [("start", "begins", ": 0-based, on the plus strand"), ("end", "ends", ", exclusive")]
        )
    ),
    (
        Column("dominant_arm", str, "arm with more reads, 5p or 3p", optional=True, detail=True),
        lambda s: None if s.pattern.dominant is None else ARMS[s.pattern.dominant],
    ),
    (
        Column("star", str, "reads of the other arm: as_expected, elsewhere or none", optional=True,
               detail=True),
        lambda s: s.pattern.star if s.pattern.dominant is not None else None,
    ),
    (
        Column("overhang_dicer", int, "3' overhang of the products at Dicer's side", unit="nt",
               optional=True, detail=True),
        lambda s: _overhang(s, 0),
    ),
    (
        Column("overhang_drosha", int, "3' overhang of the products at Drosha's side", unit="nt",
               optional=True, detail=True),
        lambda s: _overhang(s, 1),
    ),
    (
        Column("rules_failed", str, "rules of the verdict supported that are not kept, with a "
               "comma between them", optional=True, detail=True),
        lambda s: ",".join(s.verdict.failed) or None,
    ),
)  # fmt: skip

COLUMNS = tuple(column for column, _ in (*_BOTH, *_DETAILS))


def _compute(table: HitTable, material: Material) -> list[npt.NDArray[Any]]:
    """Return an array for each of :data:`COLUMNS`."""
    libraries = [Stacks(material.run.stacks(n)) for n in range(len(material.search.reads))]
    strands, hits = Strands(), []
    values: list[list[Any]] = [[] for _ in COLUMNS]
    for hit, sighting in sightings(table, material, libraries):
        hits.append(hit)
        strands.add(hit, sighting)
        for into, (_, get) in zip(values, (*_BOTH, *_DETAILS), strict=True):
            into.append(get(sighting))
    strands.check(table)
    which = np.array(hits, np.int64)
    return [
        _array(column, len(table), which, each)
        for column, each in zip(COLUMNS, values, strict=True)
    ]


def _array(column: Column, count: int, which: _I64, values: Sequence[Any]) -> npt.NDArray[Any]:
    """Spread the values of some hits over all; others have none, or as many as no reads give."""
    nothing: Any = _NOTHING[column.type] if column.optional else _NO_READS[column.name]
    array = np.full(count, nothing, _DTYPES[column.type])
    array[which] = [nothing if value is None else value for value in values]
    return array


def _threshold(table: HitTable) -> npt.NDArray[np.float64]:
    """Where reads speak for a microRNA, a hit is what is more likely than not."""
    return np.where(np.isin(table.columns["read_verdict"], SPEAKING), _LIKELY, 1.0)


_DTYPES: dict[type, Any] = {int: np.int64, float: np.float64, str: object}
_NOTHING: dict[type, Any] = {int: NO_INT, float: np.nan, str: None}
_NO_READS = {"read_verdict": "none", "reads": 0.0, "read_llr": 0.0}

TRACK = Track(
    name="reads",
    columns=COLUMNS,
    compute=_compute,
    asked=lambda search: bool(search.reads),
    weigh=lambda table: table.columns["read_llr"],
    in_decoys=False,
    threshold=_threshold,
)
