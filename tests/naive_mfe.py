"""Slow, obvious twin of the fold kernel: the energy of a given structure, loop by loop.

It reads the plain parameters by pair type, not the tables that are arranged for the kernel.
"""

from __future__ import annotations

from premir.kernels.codes import encode
from premir.kernels.energies import PAIR_TYPE, PAIRS, EnergyParameters


def partners(structure: str) -> list[int]:
    """Return each position's partner, -1 where unpaired."""
    result, opened = [-1] * len(structure), []
    for i, letter in enumerate(structure):
        if letter == "(":
            opened.append(i)
        elif letter == ")":
            j = opened.pop()
            result[i], result[j] = j, i
    return result


def energy_of_structure(sequence: str, structure: str, e: EnergyParameters) -> int:
    """Return the free energy in dcal/mol, dangles = 2."""
    bases = [int(code) for code in encode(sequence)]
    partner = partners(structure)

    def pair_type(i: int, j: int) -> int:
        found = int(PAIR_TYPE[bases[i], bases[j]])
        assert found >= 0, f"{sequence[i]} and {sequence[j]} do not pair"
        return found

    def terminal(kind: int) -> int:
        return 0 if PAIRS[kind] in ("CG", "GC") else e.terminal_au

    def branches(first: int, last: int) -> list[tuple[int, int]]:
        found, i = [], first
        while i <= last:
            if partner[i] > i:
                found.append((i, partner[i]))
                i = partner[i]
            i += 1
        return found

    def hairpin(i: int, j: int) -> int:
        special = e.special_hairpins.get(sequence[i : j + 1])
        if special is not None and j - i - 1 in (3, 4, 6):
            return special
        kind, size = pair_type(i, j), j - i - 1
        if size == 3:
            return e.loop(e.hairpin, 3) + terminal(kind)
        return e.loop(e.hairpin, size) + int(e.mismatch_hairpin[kind, bases[i + 1], bases[j - 1]])

    def interior(i: int, j: int, p: int, q: int) -> int:
        n1, n2 = p - i - 1, j - q - 1
        outer, inner = pair_type(i, j), pair_type(q, p)
        at_i, at_j, at_p, at_q = bases[i + 1], bases[j - 1], bases[p - 1], bases[q + 1]
        if n1 == n2 == 0:
            return int(e.stack[outer, inner])
        if 0 in (n1, n2):
            size = n1 + n2
            ends = int(e.stack[outer, inner]) if size == 1 else terminal(outer) + terminal(inner)
            return e.loop(e.bulge, size) + ends
        if (n1, n2) == (1, 1):
            return int(e.int11[outer, inner, at_i, at_j])
        if (n1, n2) == (1, 2):
            return int(e.int21[outer, inner, at_i, at_q, at_j])
        if (n1, n2) == (2, 1):
            return int(e.int21[inner, outer, at_q, at_i, at_p])
        if (n1, n2) == (2, 2):
            return int(e.int22[outer, inner, at_i, at_p, at_q, at_j])
        size, asymmetry = n1 + n2, min(e.ninio_max, abs(n1 - n2) * e.ninio)
        mismatch = e.mismatch_interior
        if 1 in (n1, n2):
            mismatch = e.mismatch_interior_1n
        elif size == 5:
            mismatch, asymmetry = e.mismatch_interior_23, e.ninio
        ends = int(mismatch[outer, at_i, at_j]) + int(mismatch[inner, at_q, at_p])
        return e.loop(e.interior, size) + asymmetry + ends

    def multi_stem(i: int, j: int, before: int, after: int) -> int:
        kind = pair_type(i, j)
        mismatch = int(e.mismatch_multi[kind, bases[before], bases[after]])
        return e.multi_stem + mismatch + terminal(kind)

    def exterior_stem(i: int, j: int) -> int:
        kind = pair_type(i, j)
        has_before, has_after = i > 0, j + 1 < len(bases)
        if has_before and has_after:
            neighbours = int(e.mismatch_exterior[kind, bases[i - 1], bases[j + 1]])
        elif has_before:
            neighbours = int(e.dangle5[kind, bases[i - 1]])
        elif has_after:
            neighbours = int(e.dangle3[kind, bases[j + 1]])
        else:
            neighbours = 0
        return neighbours + terminal(kind)

    def closed(i: int, j: int) -> int:
        inside = branches(i + 1, j - 1)
        below = sum(closed(p, q) for p, q in inside)
        if not inside:
            return hairpin(i, j)
        if len(inside) == 1:
            return below + interior(i, j, *inside[0])
        unpaired = j - i - 1 - sum(q - p + 1 for p, q in inside)
        loop = e.multi_closing + unpaired * e.multi_base + multi_stem(j, i, j - 1, i + 1)
        return below + loop + sum(multi_stem(p, q, p - 1, q + 1) for p, q in inside)

    return sum(exterior_stem(i, j) + closed(i, j) for i, j in branches(0, len(bases) - 1))
