"""The nearest-neighbour energy parameters that ViennaRNA has in force, as arrays.

Nothing is copied from ViennaRNA: its own parameter file (``RNA.params_save``) is read at run time,
so that whatever the user has loaded there is what the fold kernel uses.

Pair types are those of the file: CG 0, GC 1, GU 2, UG 3, AU 4, UA 5; bases are the codes of
:mod:`premir.kernels.codes`, of which the unknown letter is the file's "any base": it never pairs,
and stands beside pairs in mismatches, dangles and small interior loops. The file's rows for "any
pair" are left out. All energies are int32 in dcal/mol.
"""

from __future__ import annotations

import errno
import hashlib
import math
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import ALPHABET
from premir.kernels.folding_model import TEMPERATURE

Table: TypeAlias = npt.NDArray[np.int32]
_Numbers: TypeAlias = npt.NDArray[np.float64]

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

BASES = len(ALPHABET) + 1
"""Codes of bases, that of an unknown letter included."""
PAIR_TYPE: npt.NDArray[np.int64] = np.full((BASES, BASES), -1, np.int64)
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
        mismatch_hairpin: int32 (6, 5, 5), pair (i, j), bases i + 1 and j - 1. The same shape and
            order: ``mismatch_interior``, ``mismatch_interior_1n``, ``mismatch_interior_23``.
        mismatch_multi: int32 (6, 5, 5), stem (i, j), bases i - 1 and j + 1; at most 0. The same
            for ``mismatch_exterior``; ``dangle5`` and ``dangle3`` (6, 5) where one base is absent.
        int11: int32 (6, 6, 5, 5), int21: (6, 6, 5, 5, 5), int22: (6, 6, 5, 5, 5, 5), the small
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


def current_parameters(temperature: float = TEMPERATURE) -> EnergyParameters:
    """Read the parameters that ViennaRNA would fold with now at a temperature.

    Args:
        temperature: degrees Celsius. ViennaRNA's own current one, a process global, is not asked.

    Returns:
        The loaded parameter file, rescaled.

    Raises:
        OSError: the folder for temporary files is full; ViennaRNA itself would not say so.
    """
    import RNA

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "energies.par"
        RNA.params_save(str(path))
        text = path.read_text()
        if not text.rstrip().endswith("END"):
            reason = "energy parameters could not be written; is the disk full?"
            raise OSError(errno.ENOSPC, reason, str(path))
    return parse_parameters(text, temperature)


@lru_cache(maxsize=2)
def parse_parameters(text: str, temperature: float = TEMPERATURE) -> EnergyParameters:
    """Read a ViennaRNA parameter file (version 2.0) and rescale it.

    Free energies follow G(T) = H - (H - G(37)) T / T(37), truncated to whole dcal/mol; terminal
    mismatches and dangles of multi- and exterior loops are never positive (as in ViennaRNA).

    Args:
        text: the file's text, with all its sections, as ``RNA.params_save`` writes it.
        temperature: degrees Celsius.

    Returns:
        The parameters at that temperature; the same object for the same text, not to be changed.

    Raises:
        ValueError: a section is missing, too short or not numeric.
    """
    sections = _sections(text)
    scale = (temperature + ZERO_CELSIUS) / MEASURED_AT

    def rescale(energy: Any, enthalpy: Any) -> Any:
        return np.trunc(enthalpy - (enthalpy - energy) * scale).astype(np.int32)

    def table(
        name: str, shape: tuple[int, ...], keep: Callable[[_Numbers], _Numbers] = _as_it_is
    ) -> Table:
        energy = keep(_numbers(sections, name, shape))
        enthalpy = keep(_numbers(sections, f"{name}_enthalpies", shape))
        return np.ascontiguousarray(rescale(energy, enthalpy))

    def mismatch(name: str) -> Table:
        return table(name, (7, 5, 5), _by_code(1))

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
        stack=table("stack", (7, 7), _by_code(2)),
        mismatch_hairpin=mismatch("mismatch_hairpin"),
        mismatch_interior=mismatch("mismatch_internal"),
        mismatch_interior_1n=mismatch("mismatch_internal_1n"),
        mismatch_interior_23=mismatch("mismatch_internal_23"),
        mismatch_multi=stabilising(mismatch("mismatch_multi")),
        mismatch_exterior=stabilising(mismatch("mismatch_exterior")),
        dangle5=stabilising(table("dangle5", (7, 5), _by_code(1))),
        dangle3=stabilising(table("dangle3", (7, 5), _by_code(1))),
        int11=table("int11", (7, 7, 5, 5), _by_code(2)),
        int21=table("int21", (7, 7, 5, 5, 5), _by_code(2)),
        int22=table("int22", (6, 6, 4, 4, 4, 4), _with_any_base),
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


def _as_it_is(table: _Numbers) -> _Numbers:
    return table


def _by_code(pairs: int) -> Callable[[_Numbers], _Numbers]:
    """Return what brings a table of the file, "any base" first, into the order of codes.

    Args:
        pairs: how many of its first axes are pair types, of which "any pair" is left out.
    """

    def keep(table: _Numbers) -> _Numbers:
        table = table[(np.s_[:6],) * pairs]
        bases = tuple(range(pairs, table.ndim))
        return np.roll(table, -1, bases) if bases else table

    return keep


def _with_any_base(int22: _Numbers) -> _Numbers:
    """Return the 2x2 loops with those of unknown letters, which no parameter file holds.

    ViennaRNA takes the highest of what such a letter may be, energies and enthalpies apart.
    """
    for axis in range(2, int22.ndim):
        int22 = np.concatenate([int22, int22.max(axis=axis, keepdims=True)], axis=axis)
    return int22


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


def _numbers(sections: Mapping[str, list[str]], name: str, shape: tuple[int, ...]) -> _Numbers:
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
