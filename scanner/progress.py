"""Progress on stderr: a bar on a terminal, a plain line every half minute elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType

from tqdm import tqdm

_log = logging.getLogger(__name__)
_INTERVAL = 30.0


class Progress:
    """Counts megabases and hits of a scan."""

    def __init__(self, *, quiet: bool) -> None:
        self._total = 0
        self._done = 0
        self._fresh = 0
        self._hits = 0
        self._started = self._said = time.monotonic()
        self._lock = threading.Lock()  # several scans may share the display
        terminal = sys.stderr.isatty() and not quiet
        self._bar = tqdm(total=0.0, unit="Mb", file=sys.stderr, leave=False) if terminal else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

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
                self._bar.set_postfix(hits=self._hits)

    def tick(self) -> None:
        """Say where we are, if it is time."""
        now = time.monotonic()
        if self._bar is not None or now - self._said < _INTERVAL:
            return
        self._said = now
        speed = self._fresh / 1e6 / (now - self._started) * 60
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
