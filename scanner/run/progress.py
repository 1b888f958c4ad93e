"""Progress on stderr: a bar on a terminal, a plain line every half minute elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

_log = logging.getLogger(__name__)
_INTERVAL = 30.0


class _Display:
    """A bar on a terminal; elsewhere a clock that says when a line is due."""

    def __init__(self, unit: str, *, quiet: bool, total: float | None) -> None:
        self._started = self._said = time.monotonic()
        terminal = sys.stderr.isatty() and not quiet
        self._bar = tqdm(total=total, unit=unit, file=sys.stderr, leave=False) if terminal else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def _due(self) -> float | None:
        """Return the seconds since the beginning when a line is due, None when not."""
        now = time.monotonic()
        if self._bar is not None or now - self._said < _INTERVAL:
            return None
        self._said = now
        return now - self._started


class SequenceProgress(_Display):
    """Counts given sequences.

    Args:
        total: how many there are; None where that is not known.
        quiet: no bar.
    """

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        super().__init__(" sequences", quiet=quiet, total=total)
        self._total = total
        self._done = 0

    def advance(self, sequences: int, positives: int) -> None:
        """Count finished sequences, and say where we are if it is time; positives are of all."""
        self._done += sequences
        if self._bar is not None:
            self._bar.update(sequences)
            self._bar.set_postfix(positives=positives)
        if (seconds := self._due()) is not None:
            _log.info(
                "%d%s sequences done, %.0f a minute, %d called pre-miRNA",
                self._done,
                f" of {self._total}" if self._total is not None else "",
                self._done / seconds * 60,
                positives,
            )


class CuttingProgress(_Display):
    """Counts megabases of a genome whose candidates are cut and folded.

    Args:
        name: of the genome.
        nucleotides: how many there are.
        quiet: no bar.
    """

    def __init__(self, name: str, nucleotides: int, *, quiet: bool) -> None:
        super().__init__("Mb", quiet=quiet, total=round(nucleotides / 1e6, 3))
        self._name = name
        self._total = nucleotides
        self._done = self._candidates = 0

    def advance(self, nucleotides: int, candidates: int) -> None:
        """Count a finished tile, and say where we are if it is time."""
        self._done += nucleotides
        self._candidates += candidates
        if self._bar is not None:
            self._bar.update(round(nucleotides / 1e6, 3))
        if (seconds := self._due()) is not None:
            _log.info(
                "%s: %.2f of %.2f Mb done, %.2f Mb/min, %d candidates",
                self._name,
                self._done / 1e6,
                self._total / 1e6,
                self._done / 1e6 / seconds * 60,
                self._candidates,
            )


class Progress(_Display):
    """Counts megabases of a scan, and candidates above the threshold, of which hits are made."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__("Mb", quiet=quiet, total=0.0)
        self._total = 0
        self._done = 0
        self._fresh = 0
        self._hits = 0
        self._lock = threading.Lock()  # several scans may share the display

    def grow(self, nucleotides: int) -> None:
        """Add planned work."""
        with self._lock:
            self._total += nucleotides
            if self._bar is not None:
                self._bar.total = round(self._total / 1e6, 3)
                self._bar.refresh()

    def advance(self, nucleotides: int, hits: int, *, reused: bool) -> None:
        """Count a finished tile; reused ones do not enter the speed."""
        with self._lock:
            self._done += nucleotides
            self._fresh += 0 if reused else nucleotides
            self._hits += hits
            if self._bar is not None:
                self._bar.update(round(nucleotides / 1e6, 3))
                self._bar.set_postfix(above_threshold=self._hits)

    def tick(self) -> None:
        """Say where we are, if it is time; the clock of a bar goes on while tiles take long."""
        if self._bar is not None:
            self._bar.refresh()
        seconds = self._due()
        if seconds is None:
            return
        speed = self._fresh / 1e6 / seconds * 60
        left = (self._total - self._done) / 1e6
        eta = f"{left / speed:.1f} min" if speed > 0 else "unknown"
        _log.info(
            "%.2f of %.2f Mb done, %.2f Mb/min, %d candidates above the threshold, %s left",
            self._done / 1e6,
            self._total / 1e6,
            speed,
            self._hits,
            eta,
        )
