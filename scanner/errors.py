"""Errors that a user can act on; the command line turns each into lines and an exit code."""

from __future__ import annotations

import errno

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


class PremirError(Exception):
    """Base of all errors raised on purpose. The run failed but can be resumed.

    Its arguments are lines for the user: several where several things are wrong at once.
    """

    exit_code = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """What to say, one line for each fault."""
        return tuple(map(str, self.args))

    def told_by(self, program: str) -> str:
        """Return what a command line writes to stderr: each line behind the program's name."""
        return "".join(f"{program}: error: {printable(line)}\n" for line in self.lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class InputError(PremirError):
    """An input file, option or environment that cannot be used as it is."""

    exit_code = 2


class ModelError(InputError):
    """A model that does not exist, is damaged or does not fit this version."""


class ShardError(PremirError):
    """A shard that is damaged or of another format version."""


class FoldError(PremirError):
    """A batch that cannot be folded."""


class MissingTilesError(PremirError):
    """Tiles of a scan that are not done yet."""


class StoppedError(PremirError):
    """Work was stopped before its end, on demand."""


class ClusterError(PremirError):
    """A Ray cluster that has nothing left to work with."""


class NodeError(InputError):
    """A machine of a Ray cluster that cannot take part."""


class PlanMismatchError(PremirError):
    """A run directory that belongs to another run."""

    exit_code = 4


def printable(text: str) -> str:
    r"""Escape what would not stay in its place on a terminal or in a table of lines.

    File names, contigs and model cards may hold line ends, tabs and terminal control sequences;
    bytes of a name that are no text come out as ``\xff``.
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable()
        else f"\\x{ord(letter) - 0xDC00:02x}"
        if "\udc80" <= letter <= "\udcff"
        else letter.encode("unicode_escape", "backslashreplace").decode("ascii")
        for letter in text
    )


def describe(error: OSError) -> str:
    """Say which file an operating-system error is about, and what it was."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def line_of(error: BaseException, number: int = 0) -> str:
    """Return one line of what an error says; its type where it says nothing.

    Args:
        error: of another library, which may say much or nothing.
        number: of the line, as in a list.
    """
    lines = str(error).strip().splitlines()
    return lines[number] if lines else type(error).__name__


def ends_run(error: BaseException) -> bool:
    """Tell errors that every other tile would meet too from those of one tile."""
    return isinstance(error, InputError) or (isinstance(error, OSError) and error.errno in _DISK)
