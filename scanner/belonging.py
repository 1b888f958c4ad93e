"""Which of many genomes a library of reads or the name of a circular contig belongs to."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.genome.circular import ALL
from premir.scanner.genome.letters import Contigs, read_contigs
from premir.scanner.genome.list import Entry
from premir.scanner.options import Search
from premir.scanner.report.evidence.reads.library import check_library, lies_on

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Own:
    """What of the options of many scans belongs to one genome.

    Attributes:
        reads: libraries that lie on it.
        circular: names of circular contigs that it has, or ``ALL``.
    """

    reads: Sequence[Path] = ()
    circular: Sequence[str] = ()

    def narrowed(self, search: Search) -> Search:
        """Return a search with this genome's share of what was asked for."""
        return replace(search, reads=self.reads, circular=self.circular)


def own_of(entries: Sequence[Entry], search: Search) -> Mapping[str, Own]:
    """Find out what belongs to which genome, by its name; that takes one more reading each.

    Args:
        entries: the genomes.
        search: what is asked of all of them.

    Raises:
        InputError: a library cannot be used, or it or a name belongs to none of the genomes.
    """
    for path in search.reads:
        check_library(path)
    reads, names = search.reads, [name for name in search.circular if name != ALL]
    found = {entry.name: Own((), search.circular if not names else ()) for entry in entries}
    if not (reads or names):
        return found
    unread = False
    for entry in entries:
        contigs = _contigs(entry, "--reads" if reads else "--circular")
        if contigs is None:
            unread = True
            continue
        there = set(contigs.names)
        own = Own(
            [path for path in reads if lies_on(path, contigs)],
            [name for name in names if name in there] if names else search.circular,
        )
        if reads and not own.reads:
            _log.warning("%s: no library of --reads lies on its contigs", entry.name)
        if names and not own.circular:
            _log.warning("%s: has no contig that --circular names", entry.name)
        found[entry.name] = own
    if not unread:
        _check_used(search, list(found.values()), names)
    return found


def _contigs(entry: Entry, option: str) -> Contigs | None:
    """Read the contigs of a genome; None for one that cannot be read, which its scan will tell."""
    if entry.path.exists() and not entry.path.is_file():
        raise InputError(f"{entry.path}: can be read only once; with {option} give a file")
    try:
        return read_contigs(entry.path, lambda _: None)
    except (InputError, OSError):
        return None


def _check_used(search: Search, found: Sequence[Own], names: Sequence[str]) -> None:
    for path in search.reads:
        if not any(path in own.reads for own in found):
            raise InputError(
                f"{path}: its reads lie on none of the genomes: on contigs of other names or "
                "lengths; align them to one of these genomes"
            )
    used = {name for own in found for name in own.circular}
    for name in names:
        if name not in used:
            raise InputError(f"--circular {name}: none of the genomes has a contig {name!r}")
