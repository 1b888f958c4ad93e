"""Hits in another order than that of the FASTA file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.pairing import Energies, Offsets
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.genome.letters import Contigs, read_pieces
from premir.scanner.options import Order
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable
from premir.scanner.scratch import scratch_folder

_I64 = npt.NDArray[np.int64]


def order_of(
    table: HitTable,
    contigs: Contigs,
    sort: Order,
    start: _I64 | None = None,
    end: _I64 | None = None,
) -> _I64:
    """Return the order in which hits are written.

    ``coordinate`` is that in which ``LC_ALL=C sort -k1,1 -k2,2n`` puts their lines. Where contig
    and start are the same, ``sort`` compares the lines letter by letter: ends as text, then names,
    in which the start of the whole hit comes before its strand, ``+`` first.

    Args:
        table: N hits.
        contigs: of the genome.
        sort: by ``coordinate``, or contigs as in the FASTA file.
        start: int64 (N,), where they begin as they are written; as in the table by default.
        end: int64 (N,), where they end.

    Returns:
        int64 (N,), which hit comes first, second, ...
    """
    loci = table.loci
    start, end = (loci.start if start is None else start), (loci.end if end is None else end)
    if sort == "fasta":
        return np.lexsort((loci.strand < 0, end, start, loci.contig))
    here, place = np.unique(loci.contig, return_inverse=True)
    names = [contigs.names[number].encode() for number in here.tolist()]
    rank = np.empty(here.size, np.int64)
    rank[sorted(range(here.size), key=names.__getitem__)] = np.arange(here.size)
    name = (loci.start + 1).astype("S20")
    return np.lexsort((loci.strand < 0, name, end.astype("S20"), start, rank[place]))


@contextmanager
def sorted_hits(
    table: HitTable, material: Material, sort: Order
) -> Iterator[tuple[HitTable, Material]]:
    """Give hits in an order, and material that has their folds at hand in that order.

    Tiles hold what lies together in the FASTA file. Small contigs that follow each other by name
    may lie in any of them, and no number of tiles in memory would do: the folds of the hits, and
    no others, go into a temporary file, in which any hit is found at once.

    Args:
        table: hits by position.
        material: what their folds are read from.
        sort: ``fasta`` leaves them as they are.
    """
    if sort == "fasta":
        yield table, material
        return
    with scratch_folder() as folder:
        folds = _gather(table, material, folder)
        order = order_of(table, material.genome.contigs, sort)
        yield table.take(order), replace(material, folds=folds)


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Folds in two files, found by tile and row of the hits.

    Attributes:
        codes: file of uint8 codes, one hairpin after another.
        pairs: file of int16 pair tables, likewise.
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,), borders of the hairpins.
        keys: int64 (N,), rising: tile and row of a hit in one number.
        index: int64 (N,), which hairpin has the key.
    """

    codes: Path
    pairs: Path
    mfe: Energies
    offsets: Offsets
    keys: _I64
    index: _I64

    def of(self, hits: HitTable) -> Hairpins:
        """Read the folds of hits, in their order."""
        index = self.index[np.searchsorted(self.keys, _keys(hits))]
        start, end = self.offsets[index], self.offsets[index + 1]
        borders = np.concatenate([[0], np.cumsum(end - start)])
        pairs = read_pieces(self.pairs, 2 * start, 2 * end).view(np.int16)
        return Hairpins(read_pieces(self.codes, start, end), pairs, self.mfe[index], borders)


def _keys(hits: HitTable) -> _I64:
    return hits.tile * (1 << 32) + hits.row


def _gather(table: HitTable, material: Material, folder: Path) -> _Gathered:
    codes, pairs = folder / "codes", folder / "pairs"
    mfe, lengths = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    with codes.open("wb") as codes_file, pairs.open("wb") as pairs_file:
        for chunk in material.chunks(table):
            codes_file.write(chunk.hairpins.codes.tobytes())
            pairs_file.write(chunk.hairpins.pairs.tobytes())
            mfe.append(chunk.hairpins.mfe)
            lengths.append(chunk.hairpins.lengths)
    keys = _keys(table)
    index = np.argsort(keys, kind="stable")
    offsets = np.cumsum(np.concatenate(lengths))
    return _Gathered(codes, pairs, np.concatenate(mfe), offsets, keys[index], index)
