"""What a FASTA file holds beside sequence: what was accepted and counted, and what is wrong."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from premir.scanner.errors import InputError

_log = logging.getLogger(__name__)

_LISTED = 20
"""So many faults are listed one by one."""


@dataclass(slots=True)
class Accepted:
    """What was out of the ordinary and cannot be misread, counted by kind.

    Attributes:
        byte_order_marks: UTF-8 marks at the start, dropped.
        crlf_line_ends: lines that end as on Windows.
        cr_line_ends: lines that end as on an old Macintosh.
        blank_ends: lines with blanks at their beginning or end, which are dropped.
        comment_lines: lines that begin with ``;``, left out.
        empty_records: records without sequence, left out.
        end_stars: records that end with ``*``, which is dropped.
        gap_letters: letters ``-`` and ``.``, taken as unknown like ``N``.
        x_letters: letters ``X``, taken as unknown like ``N``.
    """

    byte_order_marks: int = 0
    crlf_line_ends: int = 0
    cr_line_ends: int = 0
    blank_ends: int = 0
    comment_lines: int = 0
    empty_records: int = 0
    end_stars: int = 0
    gap_letters: int = 0
    x_letters: int = 0

    def report(self, path: Path) -> None:
        """Say what was accepted: letters taken as unknown with a warning, the rest in one line."""
        if unknown := self.gap_letters + self.x_letters:
            _log.warning(
                "%s: %d letters are taken as unknown, like N: %d X, %d gaps (- or .)",
                path, unknown, self.x_letters, self.gap_letters,
            )  # fmt: skip
        kinds = {
            "byte-order mark": self.byte_order_marks,
            "CRLF line ends": self.crlf_line_ends,
            "CR line ends": self.cr_line_ends,
            "lines with blanks at an end": self.blank_ends,
            "comment lines": self.comment_lines,
            "records without sequence, left out": self.empty_records,
            "stars at the end of records": self.end_stars,
        }
        found = [f"{count} {kind}" for kind, count in kinds.items() if count]
        if found:
            _log.info("%s: accepted: %s", path, "; ".join(found))


class Faults:
    """The faults of a file: one line for each kind in each record, and how often it recurs there.

    Attributes:
        path: the file.
        found: whether there are any.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = False
        self._listed: dict[tuple[str, str], tuple[str, int]] = {}
        self._beyond = 0

    def add(self, record: str, line: int, what: str, kind: str | None = None) -> None:
        """Note a fault.

        Args:
            record: name of the record, empty where there is none.
            line: where it is.
            what: the fault, and what to do.
            kind: faults of one kind in one record are one; by default ``what`` is the kind.
        """
        self.found = True
        key = (record or f"line {line}", kind or what)
        if key in self._listed:
            first, more = self._listed[key]
            self._listed[key] = (first, more + 1)
        elif len(self._listed) < _LISTED:
            place = f"{record}:{line}" if record else f"line {line}"
            self._listed[key] = (f"{self.path}: {place}: {what}", 0)
        else:
            self._beyond += 1

    def error(self, *others: str) -> InputError:
        """Return the error that lists them, and after them lines about something else."""
        lines = [
            first + (f" (and {more} more in this record)" if more else "")
            for first, more in self._listed.values()
        ]
        if self._beyond:
            lines.append(f"{self.path}: and {self._beyond} more faults")
        return InputError(*lines, *others)
