"""Files of features: intervals of a genome that have names, as BED or GFF."""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.scanner.errors import InputError, printable
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.genome.letters import Contigs
from premir.scanner.streams import is_stream

_log = logging.getLogger(__name__)

LANDMARKS = frozenset({"chromosome", "contig", "region", "scaffold", "supercontig"})
"""Types of GFF features that say what a sequence is, from its first to its last letter."""
_ASIDE = re.compile(rb"\s*$|#|browser\s|track\s")
"""Lines that hold no feature."""
_NAMES = ("Name", "gene_name", "ID", "gene_id", "Target")
"""Attributes of GFF that name a feature, the best first; RepeatMasker uses the last."""
_ATTRIBUTE = re.compile(rf'(?:^|;)\s*({"|".join(_NAMES)})[= ]\s*"?([^";]+)')
"""As GFF3 writes them, and as GFF 2 and GTF do."""

_Fields: TypeAlias = list[bytes]


class Digest(Protocol):
    """A hash of :mod:`hashlib`."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Features:
    """Some features of a file, in its order.

    Attributes:
        contigs: names, N of them.
        start: int64 (N,), 0-based.
        end: int64 (N,), exclusive.
        lines: int64 (N,), where they stand in the file, from 1 on.
        labels: gives the label of the n-th of them.
    """

    contigs: Sequence[str]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    labels: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """A file of features that was read once, and found in order.

    Attributes:
        path: BED or GFF, plain or compressed.
        types: of the features that count, of a GFF file; all but :data:`LANDMARKS` where empty.
        digest: SHA-256 of its text.
        counts: of features that count, by contig.
        last: by contig, the end of the feature that ends last, and its line.
    """

    path: Path
    types: frozenset[str]
    digest: str
    counts: Mapping[str, int]
    last: Mapping[str, tuple[int, int]]

    @classmethod
    def checked(cls, path: Path, types: Collection[str] = ()) -> FeatureFile:
        """Read a file from front to end.

        Raises:
            InputError: it is none of features, which it says with the line; it has none that count.
        """
        if is_stream(path):
            raise InputError(f"{path}: is a stream; features are read twice, so give a file")
        wanted, text = frozenset(types), hashlib.sha256()
        counts: dict[str, int] = {}
        last: dict[str, tuple[int, int]] = {}
        for some in read_features(path, wanted, text):
            places = zip(some.contigs, some.end.tolist(), some.lines.tolist(), strict=True)
            for contig, end, line in places:
                counts[contig] = counts.get(contig, 0) + 1
                if end > last.get(contig, (-1, 0))[0]:
                    last[contig] = end, line
        if not counts:
            of_types = f" of type {', '.join(sorted(wanted))}" if wanted else ""
            raise InputError(f"{path}: holds no feature{of_types}")
        return cls(path, wanted, text.hexdigest(), counts, last)

    def identity(self) -> str:
        """Return what of it hits depend on, in one line."""
        types = f" types {','.join(sorted(self.types))}" if self.types else ""
        return f"{printable(self.path.name)} sha256 {self.digest}{printable(types)}"

    def read(self) -> Iterator[Features]:
        """Read it again, some thousand features at a time.

        Raises:
            InputError: it is not what it was.
        """
        text = hashlib.sha256()
        yield from read_features(self.path, self.types, text)
        if text.hexdigest() != self.digest:
            raise InputError(f"{self.path}: changed during the scan; run the same command again")

    def compare(self, contigs: Contigs) -> None:
        """Warn of features that lie nowhere in a genome."""
        # GFF3 counts on beyond the length what lies across the cut of a circular contig.
        most = contigs.lengths * (1 + contigs.circular)
        lengths = dict(zip(contigs.names, most.tolist(), strict=True))
        foreign = [name for name in self.counts if name not in lengths]
        if foreign:
            _log.warning(
                "%s: %d of %d features lie on contigs that the genome does not have, as %s",
                self.path,
                sum(self.counts[name] for name in foreign),
                sum(self.counts.values()),
                printable(foreign[0]),
            )
        for name, (end, line) in self.last.items():
            if end > lengths.get(name, end):
                size = int(contigs.lengths[contigs.names.index(name)])
                _log.warning(
                    "%s: line %d: ends at %d, and %s has %d nt; is it of this genome?",
                    self.path, line, end, printable(name), size,
                )  # fmt: skip
                break


def read_features(path: Path, types: Collection[str], digest: Digest) -> Iterator[Features]:
    """Read features, some thousand at a time.

    Args:
        path: plain or compressed.
        types: of features that count, of GFF; all but :data:`LANDMARKS` where empty.
        digest: is given all of the text.

    Raises:
        InputError: names the line that is no feature, or not of the format of the first.
    """
    form: _Form | None = None
    for lines in _lines(path, digest):
        rows, places = [], []
        for number, fields in lines:
            form = form or next((each for each in _FORMS if each.interval(fields)), None)
            interval = form.interval(fields) if form is not None else None
            if interval is None:
                columns = (
                    form.columns
                    if form is not None
                    else " or ".join(each.columns for each in _FORMS)
                )
                raise InputError(
                    f"{path}: line {number}: expected {columns}, with tabs between them"
                )
            start, end = interval
            if start > end:
                raise InputError(f"{path}: line {number}: ends at {end}, before its start {start}")
            if form is not _GFF or _counts(fields[2].decode("utf-8", "replace"), types):
                rows.append(fields)
                places.append((start, end, number))
        if form is not None:
            yield _features(path, form, rows, places)


def _features(
    path: Path, form: _Form, rows: list[_Fields], places: list[tuple[int, int, int]]
) -> Features:
    start, end, lines = np.array(places, np.int64).reshape(-1, 3).T
    contigs = [fields[0].decode("utf-8", "surrogateescape") for fields in rows]
    unnamed = path.name.partition(".")[0]

    def label(n: int) -> str:
        return printable(form.label(rows[n]).replace(",", ";")) or unnamed

    return Features(contigs, start, end, lines, label)


def _counts(kind: str, types: Collection[str]) -> bool:
    return kind in types if types else kind not in LANDMARKS


def _lines(path: Path, digest: Digest) -> Iterator[list[tuple[int, _Fields]]]:
    """Number the lines with features, and split them, some thousand at a time."""
    number, rest, ended = 0, b"", False
    for block in itertools.chain(read_blocks(path, expected="BED or GFF"), [b"\n"]):
        digest.update(block)
        if ended:  # what is left is of the digest alone
            continue
        *whole, rest = (rest + block).split(b"\n")
        lines: list[tuple[int, _Fields]] = []
        for line in whole:
            number += 1
            if line.startswith(b"##FASTA"):
                ended = True
                break
            if not _ASIDE.match(line):
                lines.append((number, line.rstrip(b"\r").split(b"\t")))
        yield lines


@dataclass(frozen=True, slots=True)
class _Form:
    """A format of features.

    Attributes:
        columns: what its lines hold, for messages.
        interval: returns start and end, 0-based half-open, None for other lines.
        label: returns what a feature is called, empty for nothing.
    """

    columns: str
    interval: Callable[[_Fields], tuple[int, int] | None]
    label: Callable[[_Fields], str]


def _bed_interval(fields: _Fields) -> tuple[int, int] | None:
    if len(fields) < 3 or not (_whole(fields[1]) and _whole(fields[2])):
        return None
    return int(fields[1]), int(fields[2])


def _bed_label(fields: _Fields) -> str:
    return fields[3].decode("utf-8", "replace") if fields[3:] and fields[3] != b"." else ""


def _gff_interval(fields: _Fields) -> tuple[int, int] | None:
    if len(fields) < 8 or not (_whole(fields[3]) and _whole(fields[4])) or not int(fields[3]):
        return None
    return int(fields[3]) - 1, int(fields[4])


def _gff_label(fields: _Fields) -> str:
    kind, text = (each.decode("utf-8", "replace") for each in (fields[2], b"".join(fields[8:9])))
    found = dict(reversed(_ATTRIBUTE.findall(text)))
    key = next((key for key in _NAMES if key in found), None)
    if key is None:
        return kind
    # A target is followed by the place in it.
    return f"{kind}:{found[key].split()[0] if key == 'Target' else found[key].strip()}"


def _whole(text: bytes) -> bool:
    return text.isdigit() and len(text) < 19


_FORMS = (
    _Form("contig, start and end (BED)", _bed_interval, _bed_label),
    _Form("the nine columns of GFF", _gff_interval, _gff_label),
)
_GFF = _FORMS[1]
