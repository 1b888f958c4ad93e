"""Logging for the command lines: the library itself stays silent."""

from __future__ import annotations

import logging
import shlex
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO, TypeAlias

from premir.scanner.errors import InputError, printable

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

_LEVELS = {logging.WARNING: "warning: ", logging.ERROR: "error: "}


def configure(program: str, *, verbosity: int = 0) -> None:
    """Send premir's messages to stderr.

    Args:
        program: name that starts each line.
        verbosity: 0 for INFO, above for DEBUG, below for warnings only.
    """
    logger = logging.getLogger("premir")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    console = _Console(sys.stderr)
    level = logging.DEBUG if verbosity > 0 else logging.WARNING if verbosity < 0 else logging.INFO
    console.setLevel(level)
    console.setFormatter(_ConsoleFormatter(program))
    logger.addHandler(console)


def log_to_file(path: Path | None) -> None:
    """Send all of premir's messages to a file too, the command line first.

    Args:
        path: the file; None for none.

    Raises:
        InputError: the file cannot be written.
    """
    logger = logging.getLogger("premir")
    if path is not None:
        try:
            file = _File(path, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        file.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(file)
    logger.debug("command line: %s", shlex.join(sys.argv))


class _Formatter(logging.Formatter):
    """One line for each message, in which whatever a name may hold is harmless."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802
        return "\n".join(map(printable, super().formatException(ei).splitlines()))


class _ConsoleFormatter(_Formatter):
    """``program: message``, with warnings and errors named as such."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        level = _LEVELS.get(record.levelno, "")
        return f"{self.program}: {level}{printable(record.message)}"


class _Console(logging.StreamHandler[TextIO]):
    """stderr. That its reader has gone ends the command; no other trouble with it does."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, above a bar where there is one."""
        bars = sys.modules.get("tqdm")  # without it there is none, and it takes time to load
        with bars.tqdm.external_write_mode(file=self.stream) if bars else nullcontext():
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if isinstance(error, BrokenPipeError):
            raise error
        if not isinstance(error, OSError):
            super().handleError(record)


class _File(logging.FileHandler):
    """A log file. One that cannot be written any more is given up, with a warning."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        logger = logging.getLogger("premir")
        logger.removeHandler(self)
        with suppress(OSError):
            self.close()
        logger.warning(
            "%s: cannot be written: %s; going on without it", self.baseFilename, error.strerror
        )
