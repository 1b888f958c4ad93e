"""Command lines as they were spelled before there were sub-commands, in today's words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from premir.scanner.command import Parser
from premir.train.commands.command import PROGRAM
from premir.train.commands.groups import CUSTOM
from premir.train.protocols import BENCHMARKS

_GENOME = "genome"
_MODES: dict[str, dict[str, Any]] = {
    "--list-protocols": {"action": "store_true"},
    "--run-all": {"action": "store_true"},
    "--protocol": {"choices": [*BENCHMARKS, CUSTOM, _GENOME]},
    "--adapt": {},
    "--evaluate": {},
    "--baseline": {"action": "store_true"},
}
"""The options that once said what is done; all others are those of the sub-commands."""
_UNIQUE = len("--bas")
"""Letters with which each of them is unlike all other options."""


def is_old(words: Sequence[str]) -> bool:
    """Whether a command line says what to do by an option."""
    return any(_in_full(word) for word in words)


def _in_full(word: str) -> str:
    """Return an option of ``_MODES``, which may be abbreviated, in full; nothing for others."""
    name, equals, value = word.partition("=")
    if len(name) >= _UNIQUE:
        for option in _MODES:
            if option.startswith(name):
                return option + equals + value
    return ""


def in_todays_words(words: Sequence[str]) -> tuple[list[str], str]:
    """Translate an old command line.

    An option that did not go with what is done stays, so that the sub-command refuses it.

    Args:
        words: arguments of ``premir-train``.

    Returns:
        Today's arguments, and a note for the user; empty for ``--protocol`` with a protocol of the
        paper, which is no old spelling but a second one.
    """
    parser = Parser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    for option, settings in _MODES.items():
        parser.add_argument(option, **settings)
    found, rest = parser.parse_known_args([_in_full(word) or word for word in words])
    modes = {name: value for name, value in vars(found).items() if value not in (None, False)}

    def take(*names: str) -> list[str]:
        return [modes.pop(name) for name in names if name in modes]

    if modes.pop("list_protocols", False):
        command = ["protocols"]
    elif modes.pop("run_all", False):
        command = ["table"]
    elif modes.get("protocol") == _GENOME:
        del modes["protocol"]
        command = ["adapt", *take("adapt")] if "adapt" in modes else [_GENOME]
    elif "evaluate" in modes:
        command = ["evaluate", *take("evaluate", "protocol")]
    elif modes.pop("baseline", False):
        command = ["baseline", *take("protocol")]
    elif modes.get("protocol") == CUSTOM:
        command = take("protocol")
    else:
        command = ["paper", *take("protocol")]
    for name, value in modes.items():
        rest += [f"--{name.replace('_', '-')}", *([] if value is True else [value])]
    today = [*command, *rest]
    spelled = [word for word in words if _in_full(word)]
    return today, "" if command[0] == "paper" else note(spelled, today)


def note(old: Sequence[str], new: Sequence[str]) -> str:
    """Say that what some words asked for once is spelled otherwise today."""
    return f"note: {' '.join(old)} is now: {PROGRAM} {shlex.join(new)}"
