"""What each way of using premir-train reads; an option that would do nothing is refused."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Set

from premir.scanner.command import refuse_unread

_SETS = frozenset({"positives", "negatives", "test_positives", "test_negatives"})
_MACHINE = frozenset({"device", "threads"})
_RECIPE = frozenset(
    "network recipe epochs seed optimizer lr weight_decay accumulate class_weights dropout "
    "encoding ablate out name".split()
)
_GENOME = frozenset({"protocol", "data", "config", "seed", "out", "name"}) | _MACHINE
_JUDGING = frozenset({"protocol", "data"}) | _SETS

READ: dict[str, frozenset[str]] = {
    "--list-protocols": frozenset({"list_protocols"}),
    "--run-all": _MACHINE | {"run_all", "data", "out"},
    "--protocol genome --adapt": _GENOME | {"adapt", "contigs", "start"},
    "--protocol genome": _GENOME,
    "--evaluate": _JUDGING | _MACHINE | {"evaluate"},
    "--baseline": _JUDGING | {"baseline", "seed"},
    "a training": _JUDGING | _MACHINE | _RECIPE,
}
"""By mode: the options that it reads."""


def mode_of(options: Namespace, given: Set[str]) -> str:
    """Return the mode, a key of :data:`READ`, that a command line asks for."""
    if options.protocol == "genome" and not {"list_protocols", "run_all"} & given:
        return "--protocol genome --adapt" if "adapt" in given else "--protocol genome"
    for name in ("list_protocols", "run_all", "evaluate", "baseline"):
        if name in given:
            return f"--{name.replace('_', '-')}"
    return "a training"


def refuse_what_does_nothing(options: Namespace, given: Set[str]) -> None:
    """Refuse options that the mode or the protocol leaves without effect.

    Args:
        options: all of them.
        given: names of those on the command line.

    Raises:
        InputError: names the options, and what they do not go with.
    """
    mode = mode_of(options, given)
    refuse_unread(given, mode, READ[mode])
    if options.protocol == "custom":
        refuse_unread(given, "--protocol custom", given - {"data"})
    elif options.protocol is not None:
        refuse_unread(given, f"--protocol {options.protocol}", given - _SETS)
