"""Labelled hairpins: read, folded once, kept in a cache."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.energies import current_parameters
from premir.kernels.pairing import pack
from premir.scanner.errors import InputError, ShardError
from premir.scanner.find import shards, viennarna
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.genome.hairpin_records import hairpin_records, left_out
from premir.scanner.paths import cache_dir
from premir.scanner.streams import is_stream

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Folded hairpins with their labels.

    Attributes:
        hairpins: N folded hairpins.
        labels: int64 (N,), 1 for pre-miRNA, 0 for anything else.
        names: N record names.
        digests: SHA-256 of each source file, by file name.
    """

    hairpins: Hairpins
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]
    digests: dict[str, str]

    @property
    def positives(self) -> int:
        """Number of pre-miRNAs."""
        return int(self.labels.sum())

    @property
    def negatives(self) -> int:
        """Number of other hairpins."""
        return len(self.hairpins) - self.positives

    def sequences(self) -> list[bytes]:
        """Return the letters' codes of each hairpin: equal for equal sequences."""
        return [self.hairpins[n][0].tobytes() for n in range(len(self.hairpins))]

    def take(self, index: npt.NDArray[np.int64]) -> Dataset:
        """Return the hairpins at ``index``, in that order; digests are of the whole files."""
        names = tuple(self.names[n] for n in index)
        return Dataset(self.hairpins.take(index), self.labels[index], names, self.digests)


def load_dataset(positives: Sequence[Path], negatives: Sequence[Path], folder: Folder) -> Dataset:
    """Read FASTA files of positives and negatives and fold them, or take them from the cache.

    Args:
        positives: FASTA files of pre-miRNAs.
        negatives: FASTA files of other hairpins.
        folder: folds what the cache lacks.

    Returns:
        The records in the order of the files, positives first, without those that cannot be
        folded: with a letter other than A, C, G, T, U, or too long.

    Raises:
        InputError: a file cannot be read, or holds nothing that can be folded.
    """
    names: list[str] = []
    sequences: list[Codes] = []
    labels: list[int] = []
    digests: dict[str, str] = {}
    for label, paths in ((1, positives), (0, negatives)):
        for path in paths:
            records = _foldable(path)
            digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            names += records
            sequences += records.values()
            labels += [label] * len(records)
    hairpins = _fold_cached(*pack(sequences), folder)
    return Dataset(hairpins, np.array(labels, np.int64), tuple(names), digests)


def _foldable(path: Path) -> dict[str, Codes]:
    """Read the records that can be folded, and say how many others there are."""
    if is_stream(path):
        raise InputError(
            f"{path}: a stream can be read only once, and training files are read again when a "
            "training goes on; write it to a file first"
        )
    kinds: Counter[str] = Counter()
    records: dict[str, Codes] = {}
    for record in hairpin_records(path):
        if record.codes is None:
            kinds[record.kind] += 1
        else:
            records[record.name] = record.codes
    if not records:
        raise InputError(f"{path}: holds no record that can be folded: {left_out(kinds)}")
    if kinds:
        total = kinds.total() + len(records)
        lost = left_out(kinds)
        _log.warning("%s: %d of %d records are left out: %s", path, kinds.total(), total, lost)
    return records


def _fold_cached(codes: Codes, offsets: npt.NDArray[np.int64], folder: Folder) -> Hairpins:
    key = hashlib.sha256()
    for part in (codes, offsets):
        key.update(part.tobytes())
    key.update(f"{viennarna.version()} {current_parameters().digest}".encode())
    path = cache_dir("folds") / f"{key.hexdigest()[:32]}.h5"
    if path.exists():
        try:
            return shards.read_hairpins(path)
        except ShardError:
            _log.warning("%s: damaged; folding again", path)
    _log.info("folding %d hairpins (kept in %s)", offsets.size - 1, path)
    hairpins = folder.fold(codes, offsets)
    shards.write_shard(path, hairpins=hairpins)
    return hairpins
