"""Hits in the order of their verdicts, as lists for people have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from premir.scanner.errors import printable
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.evidence.reads.verdict import SPEAKING, VERDICTS
from premir.scanner.report.table import HitTable

_SHOWN = 10
"""So many hits are named."""


def by_verdict(table: HitTable) -> npt.NDArray[np.int64]:
    """Return the order from the best verdict to the worst, and by log odds among equal ones.

    Args:
        table: N hits with the columns of reads.

    Returns:
        int64 (N,), which hit comes first, second, ...
    """
    rank = {name: n for n, name in enumerate(VERDICTS)}
    verdict = np.array([rank[name] for name in table.columns["read_verdict"]], np.int64)
    order: npt.NDArray[np.int64] = np.lexsort((-table.total, verdict))
    return order


def verdicts(table: HitTable) -> dict[str, int]:
    """Count hits by verdict, the best verdict first."""
    counts = Counter(table.columns["read_verdict"].tolist())
    return {name: counts[name] for name in VERDICTS if counts[name]}


def told(table: HitTable, contigs: Contigs) -> Iterator[str]:
    """Say how many hits have which verdict, and name the best that reads speak for."""
    counts = [f"{count} {name}" for name, count in verdicts(table).items()]
    yield f"by their reads: {', '.join(counts) or 'no hits'}"
    for n in by_verdict(table)[:_SHOWN].tolist():
        verdict, reads = table.columns["read_verdict"][n], table.columns["reads"][n]
        if verdict not in SPEAKING:
            return
        (name,) = table.loci.take(np.array([n])).names(contigs.names)
        yield f"  {printable(name)} {verdict}, {reads:.0f} reads, log odds {table.total[n]:.1f}"
