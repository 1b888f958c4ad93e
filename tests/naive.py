"""Slow, obvious twins of the kernels: plain Python objects, no numpy arithmetic, no cleverness."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

LETTERS = "ACGU"
PAIRING = {"AU", "UA", "CG", "GC", "GU", "UG"}

# codes.py


def encode(sequence: str) -> list[int]:
    return [{"A": 0, "C": 1, "G": 2, "U": 3, "T": 3}.get(letter.upper(), 4) for letter in sequence]


def decode(codes: list[int]) -> str:
    return "".join("ACGUN"[code] for code in codes)


def reverse_complement(codes: list[int]) -> list[int]:
    opposite = {0: 3, 1: 2, 2: 1, 3: 0, 4: 4}
    return [opposite[code] for code in reversed(codes)]


# pairing.py


def pair_table(structure: str) -> list[int]:
    """Partners, or a ValueError whose message is that of the kernel's wrapper."""
    pairs = [-1] * len(structure)
    stack: list[int] = []

    def fault(position: int) -> ValueError:
        return ValueError(
            f"dot-bracket: unexpected or unmatched {structure[position]!r} "
            f"at position {position + 1}"
        )

    for i, letter in enumerate(structure):
        if letter == "(":
            stack.append(i)
        elif letter == ")":
            if not stack:
                raise fault(i)
            j = stack.pop()
            pairs[i], pairs[j] = j, i
        elif letter != ".":
            raise fault(i)
    if stack:
        raise fault(stack[-1])
    return pairs


def dot_bracket(pairs: list[int]) -> str:
    return "".join("." if j < 0 else "(" if j > i else ")" for i, j in enumerate(pairs))


def pairing_tensor(codes: list[int], pairs: list[int], mfe: int, width: int) -> list:
    """One hairpin's 9 x width x width nested list, energies in kcal/mol."""
    tensor = [[[0.0] * width for _ in range(width)] for _ in range(9)]
    for i in range(len(codes)):
        for j in range(len(codes)):
            if pairs[i] == j:
                tensor[0][i][j] = mfe / 100
            for letter in range(4):
                tensor[1 + letter][i][j] = 1.0 if codes[i] == letter else 0.0
                tensor[5 + letter][i][j] = 1.0 if codes[j] == letter else 0.0
    return tensor


def pack_tensor(tensor: list) -> tuple[list[int], list[int], int]:
    """Codes, partners and MFE (dcal/mol) of one dense tensor, padding left out."""
    width = len(tensor[0])
    codes = []
    for i in range(width):
        here = [letter for letter in range(4) if tensor[1 + letter][i][0] == 1]
        if not here:
            break
        codes.append(here[0])
    pairs = [-1] * len(codes)
    energy = 0.0
    for i in range(len(codes)):
        for j in range(len(codes)):
            if tensor[0][i][j] != 0:
                pairs[i] = j
                energy = tensor[0][i][j]
    return codes, pairs, round(energy * 100)


def terminal_loop(pairs: list[int]) -> tuple[int, int] | None:
    """Grow each hairpin-closing pair outwards for as long as one pair encloses just the last."""
    best, answer = 0, None
    for i, j in enumerate(pairs):
        if j <= i or any(partner >= 0 for partner in pairs[i + 1 : j]):
            continue
        size, left, right = 1, i, j
        while True:
            around = [(a, b) for a, b in enumerate(pairs) if a < left and b > right]
            if not around:
                break
            a, b = max(around)  # the enclosing pair that starts last is the nearest one
            between = [*range(a + 1, left), *range(right + 1, b)]
            if any(pairs[k] >= 0 for k in between):
                break  # a multiloop
            size, left, right = size + 1, a, b
        if size > best:
            best, answer = size, (i + 1, j)
    return answer


# stems.py


def tilt(codes: list[int], centre: int, costs) -> int:
    """What a C-G pair of this centre loses and an A-U pair gains by the letters around it."""
    # All x with |2 x - centre| <= 2 window.
    near = codes[max(0, (centre + 1) // 2 - costs.window) : centre // 2 + costs.window + 1]
    strong = sum(code in (1, 2) for code in near)
    weak = sum(code in (0, 3) for code in near)
    return math.floor(Fraction(costs.tilt * (strong - weak), 2 * (strong + weak + 20)))


def scan_stems(
    codes: list[int], *, min_span: int, max_span: int, costs, infinite: int, lowest: int = -32_000
) -> tuple[list[list[int]], list[list[int]]]:
    """Best energy and span for each centre i + j, straight from the recurrences.

    What lies inside a pair counts no lower than ``lowest``: the kernel's int16 ends at -32,768.
    """
    n = len(codes)
    tilts = [tilt(codes, centre, costs) for centre in range(2 * n)]
    letters = decode(codes)
    P: dict[tuple[int, int], float] = {}
    L: dict[tuple[int, int], float] = {}
    energy = [[infinite] * n for _ in range(2)]
    span = [[0] * n for _ in range(2)]
    for d in range(1, max_span):
        size = d - 1
        hairpin = costs.hairpin + costs.hairpin_step * max(0, size - costs.hairpin_free)
        closed = min(hairpin, infinite) if size >= costs.min_loop else math.inf
        length = costs.short_step * max(0, costs.short - (d + 1))
        length += costs.long_step * max(0, d + 1 - costs.long)
        for i in range(n - d):
            j = i + d
            pair = "".join(sorted(letters[i] + letters[j]))
            term: float = math.inf
            if pair == "CG":
                term = costs.cg + tilts[i + j]
            elif pair == "AU":
                term = costs.au - tilts[i + j]
            elif pair == "GU":
                term = costs.gu
            inside = min(
                closed,
                P.get((i + 1, j - 1), math.inf),
                L.get((i + 1, j - 1), math.inf),
            )
            p = term + max(lowest, inside)
            P[i, j] = p
            L[i, j] = min(
                p + costs.loop_open,
                L.get((i + 1, j), math.inf) + costs.bulge,
                L.get((i, j - 1), math.inf) + costs.bulge,
                L.get((i + 1, j - 1), math.inf) + costs.interior,
            )
            row, column = (i + j) % 2, (i + j) // 2
            if d + 1 >= min_span and p + length < energy[row][column]:
                energy[row][column], span[row][column] = int(p + length), d + 1
    return energy, span


def select_stems(
    energy: list[list[int]], span: list[list[int]], *, highest: int, radius: int
) -> tuple[list[int], list[int]]:
    """Centres that no other centre within the radius beats; of equal ones the first."""
    by_centre = {2 * column + row: energy[row][column] for row in (0, 1)
                 for column in range(len(energy[0]))}  # fmt: skip
    starts, ends = [], []
    for centre, value in sorted(by_centre.items()):
        rivals = [
            (by_centre[other], other)
            for other in range(centre - radius, centre + radius + 1)
            if other in by_centre
        ]
        if value <= highest and min(rivals) == (value, centre):
            length = span[centre % 2][centre // 2]
            first = (centre - (length - 1)) / 2
            assert first == int(first), "centre and span disagree"
            starts.append(int(first))
            ends.append(int(first) + length)
    return starts, ends


# overlaps.py


def contest(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether two intervals share at least half of the shorter one."""
    shared = len(set(range(*a)) & set(range(*b)))
    return shared > 0 and 2 * shared >= min(a[1] - a[0], b[1] - b[0])


def resolve_overlaps(
    intervals: list[tuple[int, int]], order: list[int], exposed: list[bool]
) -> list[str]:
    """``kept``, ``dropped`` or ``undecided`` for each interval."""
    state: dict[int, str] = {}
    for i in order:
        rivals = {state[k] for k in state if contest(intervals[i], intervals[k])}
        if "kept" in rivals:
            state[i] = "dropped"
        elif exposed[i] or "undecided" in rivals:
            state[i] = "undecided"
        else:
            state[i] = "kept"
    return [state[i] for i in range(len(intervals))]


def convolve_pairs(sample, row, column, energy, weight, stride, padding, count, width):
    """Convolution of sparse matrices: every output looks at every entry under its window."""
    size, _, channels = weight.shape
    out = np.zeros((count, width, width, channels))
    for n, i, j, value in zip(sample, row, column, energy, strict=True):
        for p in range(width):
            for q in range(width):
                a, b = i + padding - stride * p, j + padding - stride * q
                if 0 <= a < size and 0 <= b < size:
                    out[n, p, q] += value * weight[a, b]
    return out
