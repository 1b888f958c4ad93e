"""Shards: packed hairpins in HDF5, the contract between folding, scoring and what is written.

The schema is written down in docs/formats.md. A shard is a work file: it is opened only inside a
run directory or cache of our own, after its digest was checked where a commit record has one.
What is read is checked all the same, because kernels take it on trust and a shard may have been
kept, moved and edited; that costs some two thousandths of a scan.
"""

from __future__ import annotations

import itertools
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN
from premir.kernels.pairing import FEATURE_SCHEMA, MAX_LENGTH, Offsets, Pairs, pairing_tensors
from premir.scanner.errors import ShardError
from premir.scanner.files import whole_file
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import COLUMNS, Loci

if TYPE_CHECKING:
    from collections.abc import Iterator

_Columns: TypeAlias = dict[str, type[np.generic]]

FORMAT = "premir-shard"
VERSION = 2
_MOST_INFLATED = 1100
"""Bytes that one byte of a file can stand for: gzip reaches 1,032."""
_BLOCK = 512
"""Hairpins whose pairs are checked at a time: what a core's cache holds, five times as fast."""
_PLAIN = 4096
"""Columns of fewer bytes are stored as they are: chunks of their own would take 2.4 kB each."""
_HAIRPINS: _Columns = {
    "codes": np.uint8,
    "pairs": np.int16,
    "mfe": np.int32,
    "offsets": np.int64,
}
_SCORES: _Columns = {"row": np.int64, "log_odds": np.float64}
_ONE_EACH = ("hairpins/mfe", "loci/start", "scores/row")
"""Columns with one number for each hairpin, a column of each group."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of those hairpins of a tile that are, or may be, hits.

    Attributes:
        row: int64 (N,), their rows in the shard of all candidates of the tile.
        log_odds: float64 (N,), canonical.
    """

    row: npt.NDArray[np.int64]
    log_odds: npt.NDArray[np.float64]


def shard_bytes(
    *, hairpins: Hairpins | None = None, loci: Loci | None = None, scores: Scores | None = None
) -> bytes:
    """Return the content of a shard.

    It is made in memory, because HDF5 says nothing clear about a disk that is full.

    Args:
        hairpins: what was folded, if anything was.
        loci: where each hairpin (or candidate) lies in a genome, if it has a place.
        scores: of each hairpin, if these were chosen by a model.
    """
    import h5py

    # HDF5 tells open files apart by name, also those that no disk ever sees.
    name = secrets.token_hex(16)
    with h5py.File(name, "w", driver="core", backing_store=False) as file:
        if hairpins is not None:
            _write_group(file, "hairpins", _HAIRPINS, hairpins)
        if loci is not None:
            _write_group(file, "loci", COLUMNS, loci)
        if scores is not None:
            _write_group(file, "scores", _SCORES, scores)
        file.attrs["feature_schema"] = FEATURE_SCHEMA
        file.attrs["version"] = VERSION
        file.attrs["format"] = FORMAT
        file.flush()
        return bytes(file.id.get_file_image())


def write_shard(
    path: Path,
    *,
    hairpins: Hairpins | None = None,
    loci: Loci | None = None,
    scores: Scores | None = None,
) -> None:
    """Write a shard (see :func:`shard_bytes`), whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(shard_bytes(hairpins=hairpins, loci=loci, scores=scores))


def read_hairpins(path: Path) -> Hairpins:
    """Read the hairpins of a shard.

    Raises:
        ShardError: damaged, not a shard, of another version or feature schema, or its numbers are
            no hairpins: borders, codes and partners are checked.
    """
    hairpins = Hairpins(**_read_group(path, "hairpins", _HAIRPINS))
    if fault := _hairpin_fault(hairpins):
        raise ShardError(f"{path}: damaged shard: {fault}")
    return hairpins


def read_loci(path: Path) -> Loci:
    """Read where the hairpins of a shard lie.

    Raises:
        ShardError: damaged, not a shard, without loci, of another version or feature schema, or its
            numbers are no loci.
    """
    loci = Loci(**_read_group(path, "loci", COLUMNS))
    if fault := _loci_fault(loci):
        raise ShardError(f"{path}: damaged shard: {fault}")
    return loci


def read_scores(path: Path) -> Scores:
    """Read what a model says of the hairpins of a shard.

    Raises:
        ShardError: damaged, not a shard, without scores, of another version or feature schema, or
            its numbers are no scores.
    """
    scores = Scores(**_read_group(path, "scores", _SCORES))
    if fault := _scores_fault(scores):
        raise ShardError(f"{path}: damaged shard: {fault}")
    return scores


@dataclass(frozen=True, slots=True)
class Shard:
    """What a shard holds.

    Attributes:
        hairpins: N folded hairpins; None where candidates were only listed.
        loci: where each of them lies; None in a cache of given sequences.
        scores: what a model says of each; None where they are all that was folded.
    """

    hairpins: Hairpins | None
    loci: Loci | None
    scores: Scores | None = None


def read_shard(path: str | os.PathLike[str]) -> Shard:
    """Read all that a shard holds.

    ``premir-scan --keep-work`` keeps all candidates in ``shards/`` and the scored in ``scores/``.

    Raises:
        ShardError: as :func:`read_hairpins`, :func:`read_loci` and :func:`read_scores`.
    """
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            held = set(file)
    except OSError as error:
        raise ShardError(f"{path}: damaged shard, or not one: {error}") from error
    return Shard(
        read_hairpins(path) if "hairpins" in held or "loci" not in held else None,
        read_loci(path) if "loci" in held else None,
        read_scores(path) if "scores" in held else None,
    )


def iterate_tensors(
    path: Path, *, batch: int = 64
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Read a shard as dense pairing tensors, for other programs.

    Args:
        path: a shard that a scan kept (``premir-scan --keep-work``).
        batch: hairpins in each piece, in the order of the shard.

    Yields:
        float32 (n, 9, W, W) tensors, zero beyond each hairpin, and int64 (n,) lengths in nt.

    Raises:
        ShardError: as :func:`read_hairpins`.
    """
    hairpins = read_hairpins(path)
    for first in range(0, len(hairpins), batch):
        part = hairpins.take(np.arange(first, min(first + batch, len(hairpins))))
        yield (
            pairing_tensors(part.codes, part.pairs, part.mfe, part.offsets),
            part.lengths,
        )


def _write_group(file: Any, group: str, columns: _Columns, source: Any) -> None:
    for name, dtype in columns.items():
        values = np.ascontiguousarray(getattr(source, name), dtype)
        filters = (
            {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
            if values.nbytes >= _PLAIN
            else {}
        )
        file.create_dataset(f"{group}/{name}", data=values, track_times=False, **filters)


def _read_group(path: Path, group: str, columns: _Columns) -> dict[str, Any]:
    """Read the columns of a group, each of them checked by itself before it is read."""
    import h5py

    values: dict[str, Any] = {}
    try:
        with h5py.File(path, "r") as file:
            _check_header(path, file.attrs)
            counts = {file[name].shape for name in _ONE_EACH if name in file}
            if len(counts) > 1:
                raise ShardError(f"{path}: as many hairpins as loci and scores are expected")
            held = path.stat().st_size
            for name, dtype in columns.items():
                column = file[f"{group}/{name}"]
                if (
                    not isinstance(column, h5py.Dataset)
                    or column.dtype != dtype
                    or column.ndim != 1
                ):
                    raise ShardError(f"{path}: {group}/{name} is no column of {dtype.__name__}")
                if column.nbytes > _MOST_INFLATED * held:
                    raise ShardError(f"{path}: {group}/{name} promises more than the file holds")
                values[name] = column[...]
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ShardError(f"{path}: damaged shard, or not one: {error}") from error
    return values


def _check_header(path: Path, attributes: Any) -> None:
    for name, expected in (
        ("format", FORMAT),
        ("version", VERSION),
        ("feature_schema", FEATURE_SCHEMA),
    ):
        found = attributes.get(name)
        found = found.item() if isinstance(found, np.generic) else found
        if type(found) is not type(expected) or found != expected:
            raise ShardError(f"{path}: {name} is {found!r}; this premir reads {expected!r}")


def _hairpin_fault(hairpins: Hairpins) -> str | None:
    """Say why columns are no packed hairpins, None where they are."""
    codes, pairs, offsets = hairpins.codes, hairpins.pairs, hairpins.offsets
    if pairs.size != codes.size or offsets.size != len(hairpins) + 1:
        return "columns of hairpins differ in length"
    if offsets[0] != 0 or offsets[-1] != codes.size or (offsets[1:] < offsets[:-1]).any():
        return f"offsets do not rise from 0 to the number of codes, {codes.size}"
    if codes.max(initial=0) > UNKNOWN:
        return f"a code is above {UNKNOWN}"
    if (pairs[codes == UNKNOWN] >= 0).any():
        return "an unknown letter has a partner"
    if pairs.min(initial=-1) < -1:
        return "a partner is below -1"
    if hairpins.lengths.max(initial=0) > MAX_LENGTH:
        return f"a hairpin is longer than {MAX_LENGTH} nt"
    for first in range(0, len(hairpins), _BLOCK):
        borders = offsets[first : first + _BLOCK + 1]
        if fault := _pair_fault(pairs[borders[0] : borders[-1]], borders - borders[0]):
            return fault
    return None


def _pair_fault(pairs: Pairs, offsets: Offsets) -> str | None:
    """Say why the pair tables of some hairpins are none, None where they are.

    Args:
        pairs: int16 (T,), at least -1.
        offsets: int64 (N + 1,), borders of the hairpins, from 0.
    """
    lengths = np.diff(offsets).astype(np.int32)
    first = np.repeat(offsets[:-1].astype(np.int32), lengths)
    own = np.arange(pairs.size, dtype=np.int32) - first
    if (pairs >= np.repeat(lengths, lengths)).any():
        return "a partner lies beyond the end of its hairpin"
    opening = np.flatnonzero(pairs > own)
    partners = first[opening] + pairs[opening]
    # Each opening one is its partner's partner; where as many close, they are these partners.
    paired = np.count_nonzero(pairs >= 0)
    if (pairs[partners] != own[opening]).any() or paired != 2 * opening.size:
        return "a partner has another partner, or is itself"
    return None


def _loci_fault(loci: Loci) -> str | None:
    """Say why columns are no loci, None where they are."""
    if len({getattr(loci, name).size for name in COLUMNS}) > 1:
        return "columns of loci differ in length"
    if (loci.contig < 0).any():
        return "a contig is below 0"
    if (np.abs(loci.strand) != 1).any():
        return "a strand is neither 1 nor -1"
    borders = (loci.folded_start, loci.start, loci.end, loci.folded_end)
    falls = any((low > high).any() for low, high in itertools.pairwise(borders))
    if falls or (loci.folded_start < 0).any():
        return "a locus ends before it begins, or reaches beyond what was folded"
    return None


def _scores_fault(scores: Scores) -> str | None:
    """Say why columns are no scores, None where they are."""
    if scores.row.size != scores.log_odds.size:
        return "columns of scores differ in length"
    if scores.row.min(initial=0) < 0:
        return "a row is below 0"
    if not np.isfinite(scores.log_odds).all():
        return "log odds are not finite"
    return None
