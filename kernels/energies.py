"""The nearest-neighbour energy parameters that ViennaRNA has in force, as arrays.

Nothing is copied from ViennaRNA: its own parameter file (``RNA.params_save``) is read at run time,
so that whatever the user has loaded there, at whatever temperature, is what the fold kernel uses.

Indices follow the file. Pair types: CG 0, GC 1, GU 2, UG 3, AU 4, UA 5; bases: the codes of
:mod:`premir.kernels.codes`. The file's rows for "any pair" and "any base" are left out: the kernel
folds A, C, G and U only. All energies are int32 in dcal/mol.
"""

from __future__ import annotations

import hashlib
import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import ALPHABET
from premir.kernels.pairing import MAX_LENGTH

Table: TypeAlias = npt.NDArray[np.int32]

INF = 10_000_000
"""Energy of what cannot be, in dcal/mol (``INF`` in ViennaRNA's parameter files)."""
DEFAULT = -50
"""What the word ``DEF`` stands for in a parameter file."""
MAX_LOOP = 30
"""Most unpaired nucleotides in an interior loop (MAXLOOP), and longest tabulated loop."""
MIN_HAIRPIN = 3
"""Fewest unpaired nucleotides in a hairpin loop."""
PAIRS = ("CG", "GC", "GU", "UG", "AU", "UA")
ZERO_CELSIUS = 273.15
MEASURED_AT = 37.0 + ZERO_CELSIUS
"""Temperature in kelvin at which the free energies of a parameter file hold."""

PAIR_TYPE: npt.NDArray[np.int64] = np.full((4, 4), -1, np.int64)
"""Pair type of two base codes, -1 where they do not pair."""
for _type, _pair in enumerate(PAIRS):
    PAIR_TYPE[ALPHABET.index(_pair[0]), ALPHABET.index(_pair[1])] = _type

_WORDS = {"INF": INF, "DEF": DEFAULT, "NST": 0}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, eq=False)
class EnergyParameters:
    """Loop energies at one temperature, in dcal/mol.

    Attributes:
        temperature: degrees Celsius.
        stack: int32 (6, 6), outer pair (i, j) and inner pair read backwards (q, p).
        mismatch_hairpin: int32 (6, 4, 4), pair (i, j), bases i + 1 and j - 1. The same shape and
            order: ``mismatch_interior``, ``mismatch_interior_1n``, ``mismatch_interior_23``.
        mismatch_multi: int32 (6, 4, 4), stem (i, j), bases i - 1 and j + 1; at most 0. The same
            for ``mismatch_exterior``; ``dangle5`` and ``dangle3`` (6, 4) where one base is absent.
        int11: int32 (6, 6, 4, 4), int21: (6, 6, 4, 4, 4), int22: (6, 6, 4, 4, 4, 4), the small
            interior loops, bases in ViennaRNA's order.
        hairpin: int32 (31,) by number of unpaired nucleotides, as ``bulge`` and ``interior``.
        log_slope: dcal/mol per unit of ln(n / 30) beyond 30 nt (LXC).
        multi_base: per unpaired nucleotide of a multiloop; ``multi_closing`` per loop and
            ``multi_stem`` per stem.
        ninio: asymmetry of an interior loop per nucleotide; ``ninio_max`` its limit.
        terminal_au: each helix end other than CG or GC.
        special_hairpins: whole energies of the tri-, tetra- and hexaloops, keyed by their sequence
            with the closing pair.
    """

    temperature: float
    stack: Table
    mismatch_hairpin: Table
    mismatch_interior: Table
    mismatch_interior_1n: Table
    mismatch_interior_23: Table
    mismatch_multi: Table
    mismatch_exterior: Table
    dangle5: Table
    dangle3: Table
    int11: Table
    int21: Table
    int22: Table
    hairpin: Table
    bulge: Table
    interior: Table
    log_slope: float
    multi_base: int
    multi_closing: int
    multi_stem: int
    ninio: int
    ninio_max: int
    terminal_au: int
    special_hairpins: Mapping[str, int]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything above: equal digests give equal folds."""
        sha = hashlib.sha256()
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value = value.astype("<i4").tobytes().hex()
            elif isinstance(value, Mapping):
                value = dict(value)
            sha.update(f"{field.name}={value!r}\n".encode())
        return sha.hexdigest()

    @cached_property
    def tables(self) -> LoopTables:
        """The same energies, arranged for the kernel (made once)."""
        return _loop_tables(self)

    def loop(self, table: Table, unpaired: int) -> int:
        """Return a loop's initiation energy for any size.

        Args:
            table: int32 (31,), ``hairpin``, ``bulge`` or ``interior``.
            unpaired: number of unpaired nucleotides.

        Returns:
            dcal/mol; beyond 30 nt the Jacobson-Stockmayer term is truncated as in ViennaRNA.
        """
        if unpaired <= MAX_LOOP:
            return int(table[unpaired])
        return int(table[MAX_LOOP]) + int(self.log_slope * math.log(unpaired / MAX_LOOP))

    def asymmetry(self, difference: int) -> int:
        """Return the penalty (dcal/mol) of an interior loop whose sides differ by so many nt."""
        return min(self.ninio_max, difference * self.ninio)


def current_parameters() -> EnergyParameters:
    """Read the parameters that ViennaRNA would fold with now, at its current temperature.

    Returns:
        The loaded parameter file, rescaled to ``RNA.cvar.temperature``.
    """
    import RNA

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "energies.par"
        RNA.params_save(str(path))
        text = path.read_text()
    return parse_parameters(text, RNA.md().temperature)


def parse_parameters(text: str, temperature: float = 37.0) -> EnergyParameters:
    """Read a ViennaRNA parameter file (version 2.0) and rescale it.

    Free energies follow G(T) = H - (H - G(37)) T / T(37), truncated to whole dcal/mol; terminal
    mismatches and dangles of multi- and exterior loops are never positive (as in ViennaRNA).

    Args:
        text: the file's text, with all its sections, as ``RNA.params_save`` writes it.
        temperature: degrees Celsius.

    Returns:
        The parameters at that temperature.

    Raises:
        ValueError: a section is missing, too short or not numeric.
    """
    sections = _sections(text)
    scale = (temperature + ZERO_CELSIUS) / MEASURED_AT

    def rescale(energy: Any, enthalpy: Any) -> Any:
        return np.trunc(enthalpy - (enthalpy - energy) * scale).astype(np.int32)

    def table(name: str, shape: tuple[int, ...], keep: Any = ...) -> Table:
        energy = _numbers(sections, name, shape)[keep]
        enthalpy = _numbers(sections, f"{name}_enthalpies", shape)[keep]
        return np.ascontiguousarray(rescale(energy, enthalpy))

    def mismatch(name: str) -> Table:
        return table(name, (7, 5, 5), np.s_[:6, 1:, 1:])

    def stabilising(energies: Table) -> Table:
        return np.minimum(energies, np.int32(0))

    multi = _numbers(sections, "ML_params", (6,))
    ninio = _numbers(sections, "NINIO", (3,))
    misc = _numbers(sections, "Misc", (6,))
    special: dict[str, int] = {}
    for name in ("Triloops", "Tetraloops", "Hexaloops"):
        words = sections.get(name, [])
        try:
            for loop, energy, enthalpy in zip(words[::3], words[1::3], words[2::3], strict=True):
                # The first of two equal entries counts, as in ViennaRNA's search.
                special.setdefault(loop, int(rescale(float(energy), float(enthalpy))))
        except ValueError as error:
            raise ValueError(f"energy parameters: section {name!r}: {error}") from None
    return EnergyParameters(
        temperature=float(temperature),
        stack=table("stack", (7, 7), np.s_[:6, :6]),
        mismatch_hairpin=mismatch("mismatch_hairpin"),
        mismatch_interior=mismatch("mismatch_internal"),
        mismatch_interior_1n=mismatch("mismatch_internal_1n"),
        mismatch_interior_23=mismatch("mismatch_internal_23"),
        mismatch_multi=stabilising(mismatch("mismatch_multi")),
        mismatch_exterior=stabilising(mismatch("mismatch_exterior")),
        dangle5=stabilising(table("dangle5", (7, 5), np.s_[:6, 1:])),
        dangle3=stabilising(table("dangle3", (7, 5), np.s_[:6, 1:])),
        int11=table("int11", (7, 7, 5, 5), np.s_[:6, :6, 1:, 1:]),
        int21=table("int21", (7, 7, 5, 5, 5), np.s_[:6, :6, 1:, 1:, 1:]),
        int22=table("int22", (6, 6, 4, 4, 4, 4)),
        hairpin=table("hairpin", (MAX_LOOP + 1,)),
        bulge=table("bulge", (MAX_LOOP + 1,)),
        interior=table("internal", (MAX_LOOP + 1,)),
        log_slope=float(misc[4] * scale),
        multi_base=int(rescale(multi[0], multi[1])),
        multi_closing=int(rescale(multi[2], multi[3])),
        multi_stem=int(rescale(multi[4], multi[5])),
        ninio=int(rescale(ninio[0], ninio[1])),
        ninio_max=int(ninio[2]),
        terminal_au=int(rescale(misc[2], misc[3])),
        special_hairpins=special,
    )


def _sections(text: str) -> dict[str, list[str]]:
    """Split a parameter file into its words by section name."""
    sections: dict[str, list[str]] = {}
    words: list[str] = []
    for line in _COMMENT.sub(" ", text).splitlines():
        if line.startswith("##"):
            continue
        if line.startswith("#"):
            words = sections.setdefault(line[1:].strip(), [])
        else:
            words.extend(line.split())
    return sections


def _numbers(
    sections: Mapping[str, list[str]], name: str, shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Return a section as float64 numbers of the given shape."""
    words = sections.get(name)
    size = math.prod(shape)
    if words is None or len(words) < size:
        found = "no" if words is None else f"{len(words)} values in"
        raise ValueError(f"energy parameters: {found} section {name!r}, expected {size} values")
    try:
        values = [float(_WORDS.get(word, word)) for word in words[:size]]
    except ValueError as error:
        raise ValueError(f"energy parameters: section {name!r}: {error}") from None
    return np.array(values, np.float64).reshape(shape)


class LoopTables(NamedTuple):
    """Energies as the fold kernel looks them up: by the letters around a pair, not by pair types.

    A *word* of w bases is its codes read as a number of base 4, 5' base first. ``INF`` stands
    wherever the two ends of the words do not pair.

    Attributes:
        differences: number of side differences 0, 1, ... that have a plane of their own (see
            ``_generic_taps``).
        multi_base: dcal/mol for each unpaired nucleotide of a multiloop.
        interior_23: initiation of 2x3 loops, asymmetry included.
        closing: int32 (16, 16, 8), share of a pair (i, j) in the loop that it closes, by
            word(i..i+1), word(j-1..j) and column ``CLOSES_*``.
        enclosed: int32 (20, 20, 8), share of a pair (p, q) in the loop around it, by
            4 S[p-1] + S[p], 5 S[q] + S[q+1] (``EDGE`` for a neighbour that does not exist) and
            column ``INNER_*``.
        int00: int32 (16, 16), stacks, by word(i..p) and word(q..j). The same for the smallest
            loops, named by their unpaired bases on the 5' and the 3' side: int01 (16, 64), int10
            (64, 16), int11 (64, 64), int12 (64, 256), int21 (256, 64), int22 (256, 256).
        hairpin: int32 (MAX_LENGTH + 1,), hairpin initiation by unpaired nucleotides.
        special_words: int64 (n,), words of the special hairpins, closing pair included, by length;
            special_energies: int32 (n,); those of length s stand at
            ``special_first[s]:special_first[s + 1]``.
        bulge, interior: int32 (31,), initiation by unpaired nucleotides; asymmetry: int32 (31,), by
            difference of the two sides.
        generic_taps, one_by_n_taps, bulge_taps: int64 (n, 4), how the kernel sweeps over interior
            loops (see :mod:`premir.kernels.mfe`): plane, unpaired nucleotides, shift, energy.
    """

    differences: int
    multi_base: int
    interior_23: int
    closing: Table
    enclosed: Table
    int00: Table
    int01: Table
    int10: Table
    int11: Table
    int12: Table
    int21: Table
    int22: Table
    hairpin: Table
    special_words: npt.NDArray[np.int64]
    special_energies: Table
    special_first: npt.NDArray[np.int64]
    bulge: Table
    interior: Table
    asymmetry: Table
    generic_taps: npt.NDArray[np.int64]
    one_by_n_taps: npt.NDArray[np.int64]
    bulge_taps: npt.NDArray[np.int64]


# The numbers from here to TAP_GROUP are compiled into the kernels of mfe.py, whose cache on disk
# does not notice a change in this file: clear it (NUMBA_CACHE_DIR or __pycache__) after one.
CLOSES_HAIRPIN, CLOSES_TRILOOP, CLOSES_GENERIC, CLOSES_1N, CLOSES_23 = range(5)
CLOSES_BULGE, CLOSES_MULTI = range(5, 7)
INNER_GENERIC, INNER_1N, INNER_23, INNER_BULGE, INNER_MULTI, INNER_EXTERIOR = range(6)
EDGE = 4
"""Code of the missing neighbour beyond either end of a sequence."""

WINDOWS = (4, 8, 16)
"""Widths of the sliding minima that have a plane (width 2 is the plane of difference 1)."""
TAP_GROUP = 4
"""Taps per pass of the sweep; the lists are filled up to a multiple of it."""


def _words(width: int) -> list[npt.NDArray[np.int64]]:
    """Return the letters of all words: ``width`` arrays of shape (4 ** width,)."""
    words = np.arange(4**width)
    return [(words >> 2 * (width - 1 - k)) & 3 for k in range(width)]


def _facing(left: int, right: int) -> tuple[list[Any], list[Any]]:
    """Return the letters of all word pairs, shaped to broadcast to (4 ** left, 4 ** right)."""
    return [x[:, None] for x in _words(left)], [x[None, :] for x in _words(right)]


def _loop_tables(e: EnergyParameters) -> LoopTables:
    """Arrange the parameters for the kernel."""
    words, energies, first = _special_hairpins(e)
    differences, generic_taps = _generic_taps(e)
    one_by_n_taps, bulge_taps = _flank_taps(e, differences)
    return LoopTables(
        closing=_closing(e),
        enclosed=_enclosed(e),
        **_small_interior_loops(e),
        hairpin=np.array([e.loop(e.hairpin, n) for n in range(MAX_LENGTH + 1)], np.int32),
        special_words=words,
        special_energies=energies,
        special_first=first,
        bulge=e.bulge,
        interior=e.interior,
        asymmetry=np.array([e.asymmetry(k) for k in range(MAX_LOOP + 1)], np.int32),
        generic_taps=generic_taps,
        one_by_n_taps=one_by_n_taps,
        bulge_taps=bulge_taps,
        differences=differences,
        multi_base=e.multi_base,
        interior_23=int(e.interior[5]) + e.ninio,
    )


def _where_paired(energies: Any, *pairs: tuple[Any, Any]) -> Table:
    """Put ``INF`` wherever one of the pairs of base codes cannot pair."""
    paired: Any = True
    for five, three in pairs:
        paired = paired & (PAIR_TYPE[five, three] >= 0)
    return np.ascontiguousarray(np.where(paired, energies, INF).astype(np.int32))


def _terminal(e: EnergyParameters, pair_type: Any) -> Any:
    return np.where(pair_type > PAIRS.index("GC"), e.terminal_au, 0)


def _closing(e: EnergyParameters) -> Table:
    """Fill ``LoopTables.closing``: what a pair (i, j) adds to the loop that it closes."""
    (i, i1), (j1, j) = _facing(2, 2)
    pair, back = PAIR_TYPE[i, j], PAIR_TYPE[j, i]
    columns = {
        CLOSES_HAIRPIN: e.mismatch_hairpin[pair, i1, j1],
        CLOSES_TRILOOP: _terminal(e, pair),
        CLOSES_GENERIC: e.mismatch_interior[pair, i1, j1],
        CLOSES_1N: e.mismatch_interior_1n[pair, i1, j1],
        CLOSES_23: e.mismatch_interior_23[pair, i1, j1],
        CLOSES_BULGE: _terminal(e, pair),
        CLOSES_MULTI: e.multi_closing
        + e.multi_stem
        + e.mismatch_multi[back, j1, i1]
        + _terminal(e, back),
    }
    table = np.full((16, 16, 8), INF, np.int32)
    for column, energies in columns.items():
        table[:, :, column] = _where_paired(np.broadcast_to(energies, (16, 16)), (i, j))
    return table


def _enclosed(e: EnergyParameters) -> Table:
    """Fill ``LoopTables.enclosed``: what a pair (p, q) adds to the loop around it."""
    before, p, q, after = np.ogrid[:5, :4, :4, :5]
    pair, back = PAIR_TYPE[p, q], PAIR_TYPE[q, p]
    no_before, no_after = before == EDGE, after == EDGE
    # The clipped neighbours of the edges are looked up and then thrown away.
    b, a = np.minimum(before, 3), np.minimum(after, 3)
    outside = np.where(
        no_before,
        np.where(no_after, 0, e.dangle3[pair, a]),
        np.where(no_after, e.dangle5[pair, b], e.mismatch_exterior[pair, b, a]),
    )
    columns = {
        INNER_GENERIC: e.mismatch_interior[back, a, b],
        INNER_1N: e.mismatch_interior_1n[back, a, b],
        INNER_23: e.mismatch_interior_23[back, a, b],
        INNER_BULGE: _terminal(e, back),
        INNER_MULTI: e.multi_stem + e.mismatch_multi[pair, b, a] + _terminal(e, pair),
    }
    table = np.full((5, 4, 4, 5, 8), INF, np.int32)
    for column, energies in columns.items():
        table[..., column] = np.where((pair < 0) | no_before | no_after, INF, energies)
    table[..., INNER_EXTERIOR] = np.where(pair < 0, INF, outside + _terminal(e, pair))
    return table.reshape(20, 20, 8)


def _small_interior_loops(e: EnergyParameters) -> dict[str, Table]:
    """Return the loops that are looked up whole, by the words from i to p and from q to j."""

    def energies(left: list[Any], right: list[Any]) -> Any:
        outer, inner = PAIR_TYPE[left[0], right[-1]], PAIR_TYPE[right[0], left[-1]]
        # A bulge of one leaves the two pairs stacked.
        match len(left) - 2, len(right) - 2:
            case 0, 0:
                return e.stack[outer, inner]
            case (0, 1) | (1, 0):
                return e.stack[outer, inner] + e.bulge[1]
            case 1, 1:
                return e.int11[outer, inner, left[1], right[1]]
            case 1, 2:
                return e.int21[outer, inner, left[1], right[1], right[2]]
            case 2, 1:
                return e.int21[inner, outer, right[1], left[1], left[2]]
        return e.int22[outer, inner, left[1], left[2], right[1], right[2]]

    tables = {}
    for before, after in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)):
        left, right = _facing(before + 2, after + 2)
        tables[f"int{before}{after}"] = _where_paired(
            energies(left, right), (left[0], right[-1]), (right[0], left[-1])
        )
    return tables


def _special_hairpins(
    e: EnergyParameters,
) -> tuple[npt.NDArray[np.int64], Table, npt.NDArray[np.int64]]:
    """Return words, energies and the first entry of each length, in order of length."""
    loops = sorted((s for s in e.special_hairpins if set(s) <= set(ALPHABET)), key=len)
    words = [sum(ALPHABET.index(x) << 2 * k for k, x in enumerate(reversed(s))) for s in loops]
    lengths = np.array([len(s) for s in loops], np.int64)
    return (
        np.array(words, np.int64),
        np.array([e.special_hairpins[s] for s in loops], np.int32),
        np.searchsorted(lengths, np.arange(10)).astype(np.int64),
    )


def _taps(rows: list[tuple[int, int, int, int]]) -> npt.NDArray[np.int64]:
    """Sort taps by loop size and repeat the last one up to a multiple of the group."""
    rows = sorted(rows, key=lambda row: row[1])
    rows += rows[-1:] * (-len(rows) % TAP_GROUP)
    return np.array(rows, np.int64)


def _generic_taps(e: EnergyParameters) -> tuple[int, npt.NDArray[np.int64]]:
    """List the reads that give all interior loops without a rule of their own.

    A loop of u unpaired bases whose sides differ by k costs ``interior[u] + asymmetry(k)``. Both
    loops of one u and k read pairs that are k apart, so that one precomputed plane serves them for
    every u. From some difference on the asymmetry is at its limit: all those loops are a
    window of constant cost, covered by two overlapping sliding minima; that the window also holds
    loops that are cheaper does no harm, for these stand in the list at their own cost.

    Returns:
        Number of differences with their own cost (at least 2), and the taps.
    """
    largest = MAX_LOOP - 4
    limit = e.asymmetry(largest)
    differences = largest + 1
    if all(e.asymmetry(k) <= limit for k in range(largest)):
        while differences > 2 and e.asymmetry(differences - 1) == limit:
            differences -= 1
    rows = []
    for unpaired in range(6, MAX_LOOP + 1):
        start = int(e.interior[unpaired])
        widest = unpaired - 4
        for k in range(unpaired % 2, min(widest + 1, differences), 2):
            rows.append((k, unpaired, 1 + (unpaired - k) // 2, start + e.asymmetry(k)))
        if widest >= differences:
            width = max(w for w in (2, *WINDOWS) if w <= unpaired - 3)
            plane = 1 if width == 2 else differences + WINDOWS.index(width)
            rows.append((plane, unpaired, 3, start + limit))
            rows.append((plane, unpaired, unpaired - width, start + limit))
    return differences, _taps(rows)


def _flank_taps(
    e: EnergyParameters, differences: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """List the reads for 1xn loops (n of 3 and more) and for bulges (of 2 and more)."""
    plane_1n = differences + len(WINDOWS)
    one_by_n = []
    for unpaired in range(4, MAX_LOOP + 1):
        energy = int(e.interior[unpaired]) + e.asymmetry(unpaired - 2)
        one_by_n += [(plane_1n, unpaired, shift, energy) for shift in (2, unpaired)]
    bulge = []
    for unpaired in range(2, MAX_LOOP + 1):
        energy = int(e.bulge[unpaired])
        bulge += [(plane_1n + 1, unpaired, shift, energy) for shift in (1, unpaired + 1)]
    return _taps(one_by_n), _taps(bulge)
