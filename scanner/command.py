"""What the commands have in common: parsing, exit codes, and one line for every failure."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from premir.scanner.errors import InputError, PremirError, describe, printable
from premir.scanner.log import configure

_CLOSED_PIPE, _INTERRUPTED, _TERMINATED = 141, 130, 143
_ALWAYS = frozenset({"verbose", "quiet", "log_file"})
"""Options that every way of using a command reads."""
_IN_VAIN = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
    | {errno.ELOOP, errno.EINVAL, errno.EBADF, errno.ENXIO, errno.ENODEV}
)
"""Errors of the system that the same command meets again until something is changed."""
_ADDRESS_SPACE = 1_300_000 << 10
"""Bytes with which the demo genome is scanned on two cores; with 1,200,000 KiB it is not."""
_SCARCE = ("can't start new thread", "can't allocate memory", "out of memory")
"""What RuntimeErrors of Python and torch say where a resource is used up."""

_log = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, whatever was typed.

    Args:
        essential: names of the options that ``--help`` shows; ``--help-all`` then shows all of
            them. ``--help`` does where none is named.
        short_epilog: stands below the essential options in place of the epilog.
        settings: as of ``argparse.ArgumentParser``.
    """

    def __init__(
        self, *, essential: Set[str] = frozenset(), short_epilog: str = "", **settings: Any
    ) -> None:
        super().__init__(**{"add_help": not essential, **settings})
        self._essential = essential
        self._short_epilog = short_epilog
        if essential:
            self.add_argument("-h", "--help", action=_ShortHelp, help="show this, and exit")
            self.add_argument("--help-all", action="help", help="show all options, and exit")

    def short_help(self) -> str:
        """Return the help of the essential options."""
        hidden = [each for each in self._actions if each.dest not in self._essential]
        texts, epilog = [each.help for each in hidden], self.epilog
        try:
            for each in hidden:
                each.help = argparse.SUPPRESS
            self.epilog = self._short_epilog
            return self.format_help()
        finally:
            self.epilog = epilog
            for each, text in zip(hidden, texts, strict=True):
                each.help = text

    @property
    def program(self) -> str:
        """The command without a sub-command: how every message begins."""
        return self.prog.partition(" ")[0]

    def error(self, message: str) -> NoReturn:
        """Write the complaint, and exit with code 2."""
        self.exit(2, f"{self.program}: error: {printable(message)} (see {self.prog} --help)\n")


class _ShortHelp(argparse.Action):
    """Prints the short help, and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """See the class."""
        assert isinstance(parser, Parser)
        sys.stdout.write(parser.short_help())
        parser.exit()


Work = Callable[[argparse.Namespace, frozenset[str]], int]
"""Does what options ask for; is told which of them were given, and returns the exit code."""


def run_command(parser: Parser, argv: Sequence[str] | None, work: Work) -> int:
    """Parse a command line, work, and turn what goes wrong into one line and an exit code.

    Args:
        parser: of the command; has the options ``--verbose`` and ``--quiet``.
        argv: its arguments; those of this process where None.
        work: called with the options and the names of those given.

    Raises:
        SystemExit: ``--help``, ``--version`` or options that cannot be parsed.
    """
    _open_streams()
    previous = signal.signal(signal.SIGTERM, _terminate)
    unraisable = sys.unraisablehook
    sys.unraisablehook = partial(_raise_again, unraisable)
    try:
        return _run(parser, argv, work)
    except BrokenPipeError:  # whoever read our output has gone, and wants no complaint
        return _CLOSED_PIPE
    finally:
        signal.signal(signal.SIGTERM, previous)
        sys.unraisablehook = unraisable
        _give_up_closed_streams()


def require_memory() -> None:
    """Refuse a limit under which the libraries crash, or hang, while they are loaded.

    Raises:
        InputError: the address space is limited to less than a small scan takes.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _ADDRESS_SPACE:
        raise InputError(
            f"ulimit -v {limit >> 10} is too little: torch, numba and a small genome take "
            f"{_ADDRESS_SPACE >> 10} of address space"
        )


def refuse_unread(given: Set[str], mode: str, read: Set[str]) -> None:
    """Refuse options that would do nothing.

    Args:
        given: names of the options that were given, also those with their default value.
        mode: what is done, as the message names it.
        read: names of the options that this reads.

    Raises:
        InputError: names those that it does not.
    """
    unread = [option_name(name) for name in sorted(given - read - _ALWAYS)]
    if unread:
        verb = "does" if len(unread) == 1 else "do"
        raise InputError(f"{', '.join(unread)} {verb} not go with {mode}")


def option_name(name: str) -> str:
    """Return an option as users write it: ``--min-prob`` for ``min_prob``."""
    return "GENOME" if name == "genome" else f"--{name.replace('_', '-')}"


_AGAIN_S = 0.05


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _raise_again(
    otherwise: Callable[[sys.UnraisableHookArgs], object], ignored: sys.UnraisableHookArgs
) -> None:
    """Send a signal again that came while C code called Python, as compilers of kernels do.

    Such code has no way to pass an exception on. It is given time to return.
    """
    for stop, number in ((KeyboardInterrupt, signal.SIGINT), (_Terminated, signal.SIGTERM)):
        if issubclass(ignored.exc_type, stop):
            threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number)).start()
            return
    otherwise(ignored)


def _run(parser: Parser, argv: Sequence[str] | None, work: Work) -> int:
    try:
        options = parser.parse_args(argv)
        configure(parser.program, verbosity=options.verbose - options.quiet)
        code = work(options, _given(parser, argv, options))
        sys.stdout.flush()
        return code
    except SystemExit:
        sys.stdout.flush()
        raise
    except (KeyboardInterrupt, _Terminated) as stop:
        # No error, but said however quiet we are.
        _log.critical("interrupted; run the same command again to go on")
        return _TERMINATED if isinstance(stop, _Terminated) else _INTERRUPTED
    except Exception as error:
        lines, code = _told(error)
        for line in lines:
            _log.error("%s", line)
        return code


def _told(error: Exception) -> tuple[Sequence[str], int]:
    """Return what to say of an error, and the exit code.

    Raises:
        Exception: it is none that a user could act on, or a closed pipe.
    """
    if isinstance(error, PremirError):
        return error.lines, error.exit_code
    if isinstance(error, ImportError):
        lack = f"a library cannot be loaded ({error}): give more memory (ulimit -v) or install it"
        return [f"{lack} again"], InputError.exit_code
    scarce = isinstance(error, RuntimeError) and any(text in str(error) for text in _SCARCE)
    if scarce or isinstance(error, MemoryError):
        lack = f"out of memory or threads ({error}); use fewer --threads, or give more"
        return [lack], PremirError.exit_code
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        if error.errno is None or error.errno in _IN_VAIN:
            return [describe(error)], InputError.exit_code
        # A full disk, a file system that went away.
        return [f"{describe(error)}; run again to go on"], PremirError.exit_code
    raise error


def _given(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, options: argparse.Namespace
) -> frozenset[str]:
    """Return the names of the options on a command line, even those that repeat a default."""
    blank = argparse.Namespace(**dict.fromkeys(vars(options)))
    found = vars(parser.parse_args(argv, blank))
    return frozenset(name for name, value in found.items() if value not in (None, []))


def _open_streams() -> None:
    """Take the numbers of closed streams, lest a file that we open be taken for one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # gets the lowest free number; cannot be written
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = open(number, "w", encoding="utf-8", closefd=False, buffering=1)
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):  # results are the same under any locale
        sys.stdout.reconfigure(encoding="utf-8")


def _give_up_closed_streams() -> None:
    """Keep Python from complaining, when it ends, of what it could not write."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError), Path(os.devnull).open("w") as nothing:
                os.dup2(nothing.fileno(), stream.fileno())
