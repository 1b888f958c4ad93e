"""Values of command-line options: text in, a checked value or one clear complaint out."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Literal

_MOST = 10**9
_MOST_DECOYS = 100_000


def whole(low: int, high: int = _MOST) -> Callable[[str], int]:
    """Return a parser of whole numbers between two limits, which are allowed."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ArgumentTypeError(f"{_short(text)} is not a whole number from {low} to {high}")
        return value

    return parse


def real(low: float, high: float) -> Callable[[str], float]:
    """Return a parser of numbers between two limits, which are allowed; nan is not."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ArgumentTypeError(f"{_short(text)} is not a number from {low:g} to {high:g}")
        return value

    return parse


def decoys(text: str) -> float | Literal["auto"]:
    """Parse megabases of decoys, ``auto`` or ``none``."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else 0.0
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST_DECOYS:
        raise ArgumentTypeError(
            f"{_short(text)} is neither auto nor none nor Mb of decoys, up to {_MOST_DECOYS}"
        )
    return value


def names(text: str) -> tuple[str, ...]:
    """Parse names with commas between them."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise ArgumentTypeError(f"{_short(text)} is no list of names with commas between them")
    return found


def path(text: str) -> Path:
    """Parse the path of a file or folder."""
    if not text or "\0" in text:
        raise ArgumentTypeError(f"{_short(text)} is not a path")
    return Path(text)


def file_path(text: str) -> Path:
    """Parse the path of a file to write; ``.`` or ``/`` name none."""
    found = path(text)
    if found.name in ("", ".."):
        raise ArgumentTypeError(f"{_short(text)} is a directory; give a file name")
    return found


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."
