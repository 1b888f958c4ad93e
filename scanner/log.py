"""Logging for the command lines: the library itself stays silent."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from premir.scanner.errors import InputError


def configure(program: str, *, verbosity: int = 0, log_file: Path | None = None) -> None:
    """Send premir's messages to stderr, and all of them with the command line to a file.

    Args:
        program: name that starts each line on stderr.
        verbosity: 0 for INFO, above for DEBUG, below for warnings only.
        log_file: gets everything, whatever the verbosity.

    Raises:
        InputError: the log file cannot be written.
    """
    logger = logging.getLogger("premir")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    console = logging.StreamHandler(sys.stderr)
    level = logging.DEBUG if verbosity > 0 else logging.WARNING if verbosity < 0 else logging.INFO
    console.setLevel(level)
    console.setFormatter(_Console(program))
    logger.addHandler(console)
    if log_file is not None:
        try:
            file = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{log_file}: cannot be written: {error.strerror}") from error
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(file)
    logger.debug("command line: %s", " ".join(sys.argv))


class _Console(logging.Formatter):
    """``program: message``, with the level named from WARNING up and any traceback below."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{self.program}: {level}{record.getMessage()}{trace}"
