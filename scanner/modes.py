"""What each way of using premir-scan reads; an option that would do nothing is refused."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Set

from premir.scanner.command import refuse_unread

_SCAN = frozenset(
    "genome out format sort candidates summary report multiqc circular regions regions_file "
    "known known_clade kin reads strand exclude mark feature_types decoys max_q model min_prob "
    "max_fp exhaustive max_copies max_masked extractor preset max_span executor ray_address "
    "threads device ray_timeout folder tile_size work_dir resume keep_work".split()
)
_REGIONS = frozenset({"regions", "regions_file"})
_ONE_PLACE = _REGIONS | {"out", "candidates", "summary", "work_dir"}

READ: dict[str, frozenset[str]] = {
    "--list-models": frozenset({"list_models"}),
    "--print-completion": frozenset({"print_completion"}),
    "--compile": frozenset({"compile"}),
    "--autosql": frozenset({"autosql"}),
    "--hairpins": frozenset({"hairpins", "out", "model", "folder", "threads"}),
    "--out-dir": _SCAN - _ONE_PLACE | {"out_dir", "genomes"},
    # These are added to the command of a scan, and say what to do about it: they take whatever
    # that takes, so that nothing of it has to be left out and put back.
    "--plan": _SCAN | {"plan", "part"},
    "--part": _SCAN - _REGIONS | {"part"},
    "--finalise": _SCAN - _REGIONS | {"finalise"},
    "the scan of a genome": _SCAN,
}
"""By mode, from the one that decides first: the options that it reads."""

# What is not read after all where other options say so.
_WHERE: dict[str, frozenset[str]] = {
    "--candidates without --out": frozenset(
        "model min_prob max_fp exhaustive max_copies max_masked folder device sort format report "
        "known known_clade kin reads strand exclude mark feature_types decoys max_q".split()
    ),
    "--executor local": frozenset({"ray_address", "ray_timeout"}),
    "--extractor windows": frozenset({"max_span"}),
    "a scan without --exclude and --mark": frozenset({"feature_types"}),
}


def mode_of(given: Set[str]) -> str:
    """Return the mode, a key of :data:`READ`, that the options given ask for."""
    if "genomes" in given:
        return "--out-dir"
    for mode in READ:
        if mode.removeprefix("--").replace("-", "_") in given:
            return mode
    return "the scan of a genome"


def refuse_what_does_nothing(options: Namespace, given: Set[str], executor: str) -> None:
    """Refuse options that the mode, or another option, leaves without effect.

    Args:
        options: all of them.
        given: names of those on the command line.
        executor: ``local`` or ``ray``.

    Raises:
        InputError: names the options, and what they do not go with.
    """
    mode = mode_of(given)
    refuse_unread(given, mode, READ[mode])
    holds = {
        "--candidates without --out": "candidates" in given and "out" not in given,
        "--executor local": executor == "local",
        "--extractor windows": options.extractor == "windows",
        "a scan without --exclude and --mark": not (options.exclude or options.mark),
    }
    for why, unread in _WHERE.items():
        if holds[why]:
            refuse_unread(given, why, given - unread)
