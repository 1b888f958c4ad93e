"""Slow, obvious twins of the kernels: plain Python objects, no numpy arithmetic, no cleverness."""

from __future__ import annotations

import itertools
import math
import re
import struct
from fractions import Fraction

import numpy as np

LETTERS = "ACGU"
Tensor = list[list[list[float]]]
PAIRING = {"AU", "UA", "CG", "GC", "GU", "UG"}

# codes.py


def encode(sequence: str) -> list[int]:
    return [{"A": 0, "C": 1, "G": 2, "U": 3, "T": 3}.get(letter.upper(), 4) for letter in sequence]


def decode(codes: list[int]) -> str:
    return "".join("ACGUN"[code] for code in codes)


def reverse_complement(codes: list[int]) -> list[int]:
    opposite = {0: 3, 1: 2, 2: 1, 3: 0, 4: 4}
    return [opposite[code] for code in reversed(codes)]


# cutting.py


def cut(codes: list[int], start: list[int], end: list[int], strand: list[int]) -> list[list[int]]:
    pieces = [codes[a:b] for a, b in zip(start, end, strict=True)]
    return [
        piece if side > 0 else reverse_complement(piece)
        for piece, side in zip(pieces, strand, strict=True)
    ]


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


def pairing_tensor(codes: list[int], pairs: list[int], mfe: int, width: int) -> Tensor:
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


def pack_tensor(tensor: Tensor) -> tuple[list[int], list[int], int]:
    """Codes, partners and MFE (dcal/mol) of one dense tensor, padding left out."""
    width = len(tensor[0])
    rows = [[letter for letter in range(4) if tensor[1 + letter][i][0] == 1] for i in range(width)]
    # A known letter's row is as long as the hairpin.
    length = max((sum(tensor[1 + own[0]][i]) for i, own in enumerate(rows) if own), default=0)
    codes = [own[0] if own else 4 for own in rows[: int(length)]]
    pairs = [-1] * len(codes)
    energy = 0.0
    for i in range(len(codes)):
        for j in range(len(codes)):
            if tensor[0][i][j] != 0:
                pairs[i] = j
                energy = tensor[0][i][j]
    return codes, pairs, round(energy * 100)


def stems_of(pairs):
    """Stems from their hairpin loops outwards, each a list of pairs (i, j)."""
    opens = [i for i, j in enumerate(pairs) if j > i]
    closers = [(i, pairs[i]) for i in opens if all(pairs[k] < 0 for k in range(i + 1, pairs[i]))]
    stems = []
    for i, j in sorted(closers):
        stem = [(i, j)]
        while True:
            outside = [
                (a, b)
                for a, b in ((a, pairs[a]) for a in opens)
                if a < stem[-1][0] and b > stem[-1][1]
            ]
            if not outside:
                break
            a, b = max(outside)  # the nearest pair around; a branch beside it ends the stem
            if any(pairs[k] >= 0 for k in [*range(a + 1, stem[-1][0]), *range(stem[-1][1] + 1, b)]):
                break
            stem.append((a, b))
        stems.append(stem)
    return stems


def longest_stem(pairs: list[int]) -> list[tuple[int, int]]:
    """The first of the stems with the most pairs."""
    return max(stems_of(pairs), key=len, default=[])


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
    intervals: list[tuple[int, int]], order: list[int], exposed: list[bool], turn: int = 0
) -> list[str]:
    """``kept``, ``dropped`` or ``undecided`` for each interval, on a circle of ``turn`` nt."""
    state: dict[int, str] = {}
    for i in order:
        rivals = {
            state[k]
            for k in state
            for by in {-turn, 0, turn}
            if contest(intervals[i], (intervals[k][0] + by, intervals[k][1] + by))
        }
        if "kept" in rivals:
            state[i] = "dropped"
        elif exposed[i] or "undecided" in rivals:
            state[i] = "undecided"
        else:
            state[i] = "kept"
    return [state[i] for i in range(len(intervals))]


def convolve_tensor(codes, pairs, mfe, weight, stride, padding):
    """Convolution of one hairpin's pairing tensor, built and padded; channels last."""
    length, size = len(codes), weight.shape[1]
    tensor = np.zeros((9, length + 2 * padding, length + 2 * padding))
    for i in range(length):
        for j in range(length):
            tensor[0, i + padding, j + padding] = mfe / 100 if pairs[i] == j else 0
            for first, code in ((1, codes[i]), (5, codes[j])):
                if code < 4:
                    tensor[first + code, i + padding, j + padding] = 1
    width = max(0, (length + 2 * padding - size) // stride + 1)
    out = np.zeros((width, width, weight.shape[3]))
    for p in range(width):
        for q in range(width):
            window = tensor[:, stride * p :, stride * q :][:, :size, :size]
            out[p, q] = np.einsum("cab,cabo->o", window, weight)
    return out


_PAIR_POINTS = {"CG": 3, "GC": 3, "AU": 2, "UA": 2, "GU": 1, "UG": 1}


def composition(sequence):
    """Shares of letters and of neighbours, per thousand letters."""
    letters = [sequence.count(x) for x in "ACGU"]
    twos = [sequence[i : i + 2] for i in range(len(sequence) - 1)]
    counts = letters + [twos.count(x + y) for x in "ACGU" for y in "ACGU"]
    return [1000 * count // max(1, len(sequence)) for count in counts]


def facing(sequence, first, last, mirror, shifts):
    """Best points, over shifts, of the pairs between a piece and its mirror image."""
    points = [0]
    for shift in shifts:
        partners = [(i, mirror - i + shift) for i in range(first, last)]
        points.append(
            sum(
                _PAIR_POINTS.get(sequence[i] + sequence[j], 0)
                for i, j in partners
                if last <= j < len(sequence)
            )
        )
    return max(points)


def stem_features(sequence, before, after, stem_energy, segments, shifts):
    """Features of one candidate, given with its context as RNA letters."""
    own = sequence[before : len(sequence) - after]
    shares, half = composition(own), len(own) // 2
    row = [stem_energy, len(own), 100 * stem_energy // len(own), shares[1] + shares[2], *shares]
    for k in range(segments):
        first, last = k * half // segments, (k + 1) * half // segments
        found = facing(own, first, last, len(own) - 1, shifts)
        row.append(1000 * found // max(1, last - first))
    depth = min(before, after)
    mirror = 2 * before + len(own) - 1
    row.append(1000 * facing(sequence, before - depth, before, mirror, shifts) // max(1, depth))
    run = 0
    while run < depth and sequence[before - 1 - run] + sequence[before + len(own) + run] in (
        _PAIR_POINTS
    ):
        run += 1
    return row + [run]


def fold_features(sequence, pairs, mfe, before, after, per_step, steps):
    """Features of one folded candidate, given with its context as RNA letters."""
    size = len(sequence)
    paired = [k for k in range(size) if pairs[k] >= 0]
    letters = [{sequence[k], sequence[pairs[k]]} for k in paired]
    stems = stems_of(pairs)
    row = [mfe, size, 100 * mfe // max(1, size), len(paired) // 2, len(stems)]
    row += [letters.count({"C", "G"}), letters.count({"G", "U"})]
    row += [sum(k < before for k in paired), sum(k >= size - after for k in paired)]
    inside = [[0] * steps, [0] * steps]
    if stems:
        stem = max(stems, key=len)
        gaps = [(a - c - 1, d - b - 1) for (a, b), (c, d) in itertools.pairwise(stem)]
        runs = "".join(" " if sum(gap) else "x" for gap in gaps).split(" ")
        for n, gap in enumerate(gaps):
            at = min((n + 1) // per_step, steps - 1)
            inside[0][at] += gap[0]
            inside[1][at] += gap[1]
        row += [len(stem), stem[0][1] - stem[0][0] - 1]
        row += [stem[-1][0] - before, size - after - 1 - stem[-1][1]]
        row += [sum(map(bool, map(sum, gaps))), sum(map(sum, gaps)), max(map(sum, gaps), default=0)]
        row += [sum(abs(a - b) for a, b in gaps), max(map(len, runs)) + 1]
    else:
        row += [0] * 9
    row += [1000 * row[9] // max(1, row[3]), 2000 * row[3] // max(1, size)]
    return row + inside[0] + inside[1] + composition(sequence[before : size - after])


# stemwise.py


def main_stem(pairs):
    """Pairs around the most deeply nested terminal loop, the first of several, inside out."""
    found: list[tuple[int, int]] = []
    for i, j in enumerate(pairs):
        if j > i and all(k < 0 for k in pairs[i + 1 : j]):
            around = [(a, pairs[a]) for a in range(i, -1, -1) if pairs[a] >= j]
            if len(around) > len(found):
                found = around
    return found


def facing_letters(lefts, rights):
    """Two lists of positions, nearest first, side by side; None where one has ended."""
    return list(itertools.zip_longest(lefts, rights))


def stem_columns(sequence, pairs):
    """Columns as a dictionary each, by the names of the fields; fields that are 0 are left out."""
    stem = main_stem(pairs)
    size = len(sequence)
    first, last = stem[0] if stem else (-1, size)
    inside = list(range(first + 1, last))
    half = len(inside) // 2
    middle = [(inside[half], None)] if len(inside) % 2 else []
    rest = facing_letters(reversed(inside[:half]), inside[len(inside) - half :])
    rows = [(*pair, "loop", len(inside), 0) for pair in middle + rest]
    for number, (i, j) in enumerate(stem):
        helix = next(n for n in range(number + 1) if all(
            stem[m] == (stem[m + 1][0] + 1, stem[m + 1][1] - 1) for m in range(n, number)
        ))  # fmt: skip
        rows.append((i, j, "paired", 0, number - helix + 1))
        out = stem[number + 1] if number + 1 < len(stem) else (-1, size)
        lefts, rights = range(i - 1, out[0], -1), range(j + 1, out[1])
        kind = "fault" if number + 1 < len(stem) else "outside"
        rows += [
            (*pair, kind, len(lefts) + len(rights), 0) for pair in facing_letters(lefts, rights)
        ]
    columns = []
    walked = skew = seen = 0
    for number, (left, right, kind, letters, run) in enumerate(rows):
        column: dict[str, float] = {} if kind == "fault" else {kind: 1}
        for side, at in (("left", left), ("right", right)):
            column |= letter_fields(side, at, sequence, kind != "paired" and pairs)
        if kind == "paired":
            seen += 1
            walked = max(walked, len(inside))
        elif kind != "loop":
            walked += (left is not None) + (right is not None)
            skew += (left is not None) - (right is not None)
        column |= {
            "pairs in a row so far, by 8": run / 8,
            "unpaired letters of this fault, by 8": letters / 8 if kind in ("loop", "fault") else 0,
            "left less right letters so far, by 8": skew / 8,
            "letters from the apex, by 64": (2 * number if kind == "loop" else walked) / 64,
            "pairs so far, by 16": seen / 16,
            "pairs still to come, by 16": (len(stem) - seen) / 16,
        }
        walked += 2 * (kind == "paired")
        columns.append(column)
    return columns


def letter_fields(side, at, sequence, pairs):
    """What a column says of the letter on one of its sides; ``pairs`` where it is not paired."""
    if at is None:
        return {f"{side} gap": 1}
    fields = {f"{side} {sequence[at]}": 1} if sequence[at] in LETTERS else {}
    return fields | ({f"{side} branched": 1} if pairs and pairs[at] >= 0 else {})


# fixedpoint.py


def rectified_conv(rows, weight, bias, dilation):
    """A convolution along rows, then a ReLU; ``weight`` is (taps, inputs, channels)."""
    reach = len(weight) // 2
    return [
        [
            max(0.0, bias[c] + sum(
                value * weight[tap][i][c]
                for tap in range(len(weight))
                if 0 <= (at := r + (tap - reach) * dilation) < len(rows)
                for i, value in enumerate(rows[at])
            ))
            for c in range(len(bias))
        ]
        for r in range(len(rows))
    ]  # fmt: skip


def pool_stem(rows, layers, bins, width):
    """Sums over parts and over all rows, and the largest; each layer is weight, bias, dilation."""
    first, second, third = layers
    kept = rectified_conv(rectified_conv(rows, *first), *second)
    added = rectified_conv(kept, *third)
    maps = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(kept, added, strict=True)]
    parts = [maps[k * width : (k + 1) * width] for k in range(bins)]
    return [
        *([sum(row[c] for row in part) for c in range(len(maps[0]))] for part in [*parts, maps]),
        [max(row[c] for row in maps) for c in range(len(maps[0]))],
    ]


def per_thousand(count, of):
    return 1000 * count // max(1, of)


def fold_numbers(sequence, pairs, mfe, periods=24):
    """Numbers of a fold by their names."""
    size = len(sequence)
    stem = main_stem(pairs)

    def paired(first, last):
        return sum(j >= 0 for j in pairs[max(0, first) : max(0, last)])

    def gc(part):
        return per_thousand(part.count("G") + part.count("C"), len(part))

    words = [sequence[k : k + 3] for k in range(size - 2)]
    repeats = [
        (per_thousand(sum(a == b != "N" for a, b in zip(sequence, sequence[p:], strict=False)),
                      size - p),
         -p)
        for p in range(1, min(periods, size - 1) + 1)
    ]  # fmt: skip
    share, period = max([(0, 0), *repeats])
    numbers = {
        "length": size,
        "mfe in dcal/mol": mfe,
        "mfe per 100 nt": 100 * mfe // max(1, size),
        "terminal loops": sum(
            j > i and all(k < 0 for k in pairs[i + 1 : j]) for i, j in enumerate(pairs)
        ),
        "paired letters among the first 20": paired(0, 20),
        "paired letters among the last 20": paired(size - 20, size),
        **{f"{x} per thousand": per_thousand(sequence.count(x), size) for x in LETTERS},
        "G and C per thousand of the first 20": gc(sequence[:20]),
        "G and C per thousand of the last 20": gc(sequence[-20:]),
        "different 3-mers per thousand": per_thousand(
            len({word for word in words if set(word) <= set(LETTERS)}), min(64, size - 2)
        ),
        "longest homopolymer": max(
            len(list(run)) if letter != "N" else 0 for letter, run in itertools.groupby(sequence)
        ),
        "best tandem period": -period,
        "letters that repeat at it per thousand": share,
    }  # fmt: skip
    if not stem:
        return numbers
    (i, j), (a, b) = stem[0], stem[-1]
    faults = [
        (p - r - 1, s - q - 1)
        for (p, q), (r, s) in itertools.pairwise(stem)
        if (r, s) != (p - 1, q + 1)
    ]
    runs = [1]
    for (p, q), (r, s) in itertools.pairwise(stem):
        if (r, s) == (p - 1, q + 1):
            runs[-1] += 1
        else:
            runs.append(1)
    longest, second, *_ = sorted([*runs, 0], reverse=True)
    kinds = ["".join(sorted(sequence[p] + sequence[q])) for p, q in stem]
    after = sequence[b + 1 : b + 31]
    total = sum(k >= 0 for k in pairs) // 2
    return numbers | {
        "pairs of the stem": len(stem),
        "pairs outside the stem": total - len(stem),
        "size of the loop": j - i - 1,
        "longest run of pairs": longest,
        "second longest run of pairs": second,
        "bulges": sum(0 in fault for fault in faults),
        "interior loops": sum(0 not in fault for fault in faults),
        "unpaired or branched letters inside the stem": sum(map(sum, faults)),
        "largest fault": max(map(sum, faults), default=0),
        "sum of asymmetries": sum(abs(left - right) for left, right in faults),
        "left less right letters": sum(left - right for left, right in faults),
        "branched letters inside the stem": paired(a, i + 1) + paired(j, b + 1) - 2 * len(stem),
        "A-U pairs of the stem": kinds.count("AU"),
        "C-G pairs of the stem": kinds.count("CG"),
        "G-U pairs of the stem": kinds.count("GU"),
        "letters before the stem": a,
        "letters after the stem": size - 1 - b,
        "branched letters before the stem": paired(0, a),
        "branched letters after the stem": paired(b + 1, size),
        "paired letters of the 22 before the loop": paired(i - 21, i + 1),
        "paired letters of the 22 after the loop": paired(j, j + 22),
        "paired letters of the next 11 before the loop": paired(i - 32, i - 21),
        "paired letters of the next 11 after the loop": paired(j + 22, j + 33),
        "span of the stem": b - a + 1,
        "G and C per thousand of the stem's span": gc(sequence[a : b + 1]),
        "CNNC within 30 nt after the stem": int(bool(re.search("C..C", after))),
        "UG within 3 nt of the stem's begin": int("UG" in sequence[max(0, a - 3) : a + 5]),
        "UGU or GUG in the loop or beside it": int(
            any(word in sequence[max(0, i - 2) : j + 3] for word in ("UGU", "GUG"))
        ),
        "unpaired letters of the three pairs' width beside the loop": (
            6 - paired(i - 2, i + 1) - paired(j, j + 3)
        ),
        "share of the stem's pairs per thousand of all": per_thousand(len(stem), total),
    }


def votes(row, nodes, roots):
    """Votes of all trees for one row of features."""
    total = 0
    for at in roots:
        while nodes[at][0] >= 0:
            feature, threshold, low, high, _ = nodes[at]
            at = low if row[feature] <= threshold else high
        total += nodes[at][4]
    return total


def are_trees(nodes, roots, features):
    """Whether nodes are trees that :func:`votes` can walk, with no node reached twice."""
    reached, waiting = set(), list(roots)
    while waiting:
        at = waiting.pop()
        if at in reached or not 0 <= at < len(nodes):
            return False
        reached.add(at)
        if nodes[at][0] >= 0:
            waiting += nodes[at][2:4]
    return all(-1 <= node[0] < features for node in nodes)


# kmers.py


def canonical_kmers(codes: list[int], k: int) -> list[tuple[int, ...] | None]:
    """The smaller of each k-mer and its reverse complement; None where a letter is unknown."""
    found: list[tuple[int, ...] | None] = []
    for i in range(len(codes) - k + 1):
        kmer = codes[i : i + k]
        known = all(code < 4 for code in kmer)
        found.append(min(tuple(kmer), tuple(reverse_complement(kmer))) if known else None)
    return found


def copies(
    genome: list[list[tuple[int, ...] | None]],
    contig: int,
    place: tuple[int, int],
    arms: list[tuple[int, int]],
    *,
    k: int,
    per_arm: int,
) -> int | None:
    """How often the arms of one hit recur, given the canonical k-mers of all contigs.

    An arm is (first, last + 1) on the plus strand, or (last, first - 1) on the minus strand.
    """
    start, end = place
    values = []
    for first, stop in arms:
        step = 1 if first <= stop else -1
        letters = list(range(first, stop, step))
        windows = [letters[i : i + k] for i in range(len(letters) - k + 1)]
        if not windows:
            continue
        m = min(per_arm, len(windows))
        chosen = [windows[math.floor(Fraction(n * (len(windows) - 1), max(1, m - 1)))]
                  for n in range(m)]  # fmt: skip
        elsewhere = []
        for window in chosen:
            kmer = genome[contig][min(window)]
            inside = genome[contig][start : end - k + 1].count(kmer)
            outside = sum(kmers.count(kmer) for kmers in genome) - inside
            elsewhere.append(math.ceil(Fraction(outside, inside)))
        elsewhere.sort()
        values.append(elsewhere[(m - 1) // 2])
    return max(values, default=None)


# shuffling.py


def shuffle(codes: list[int], borders: list[int], draws: list[float]) -> list[int]:
    """Each stretch of known letters of each block as another walk along its own steps."""
    out = list(codes)
    for start, stop in itertools.pairwise(borders):
        known = [i for i in range(start, stop) if codes[i] != 4]
        for i in known:
            if i == start or codes[i - 1] == 4:
                end = next((j for j in range(i, stop) if codes[j] == 4), stop)
                out[i:end] = shuffled_walk(codes[i:end], draws[i:end])
    return out


def shuffled_walk(letters: list[int], draws: list[float]) -> list[int]:
    """Letters in another order in which as many of each follow each other."""
    steps = {a: sorted(y for x, y in itertools.pairwise(letters) if x == a) for a in set(letters)}
    final = letters[-1]
    others = sorted(set(letters) - {final})
    # One way for each choice of a last step, by its position among the steps from that letter.
    trees = [
        dict(zip(others, ways, strict=True))
        for ways in sorted(itertools.product(*(steps[letter] for letter in others)))
        if all(leads_to(final, dict(zip(others, ways, strict=True)), letter) for letter in others)
    ]
    last = trees[int(draws[0] * len(trees))]
    for letter in others:
        steps[letter].remove(last[letter])
    walk = [letters[0]]
    for draw in draws[1:]:
        here = steps[walk[-1]]
        walk.append(here.pop(int(draw * len(here))) if here else last[walk[-1]])
    return walk


def leads_to(final: int, last: dict[int, int], letter: int) -> bool:
    for _ in range(4):
        letter = last.get(letter, letter)
    return letter == final


# stretches.py


def stretches(codes: list[int], fewest: int, k: int) -> set[tuple[int, ...]]:
    """Stretches of k known letters that have enough different words of three letters."""
    found = {tuple(codes[n : n + k]) for n in range(len(codes) - k + 1)}
    return {
        each
        for each in found
        if 4 not in each and len({each[n : n + 3] for n in range(k - 2)}) >= fewest
    }


def fasta(content: bytes) -> tuple[dict[str, bytes], bool]:
    """Records of a FASTA file, line by line, and whether something in it could be misread."""
    records: dict[str, bytes] = {}
    name, bad, star = "", False, False
    for line in re.split(rb"\r\n|\r|\n", content):
        if line.lstrip(b" \t").startswith(b">"):
            header = line.lstrip(b" \t")[1:]
            name = header.split(None, 1)[0].decode() if header.split() else ""
            bad |= not name or header[:1].isspace() or name in records
            records[name], star = b"", False
            continue
        line = line.strip(b" \t")
        if not line or line.startswith(b";"):
            continue
        bad |= star
        star = line.endswith(b"*")
        line = line[:-1] if star else line
        bad |= re.fullmatch(rb"[ACGTUNRYSWKMBDHVX.-]*", line, re.IGNORECASE) is None
        line = re.sub(rb"[X.-]", b"N", line).replace(b"x", b"n")
        records[name] += line
    for letters in records.values():
        ambiguous = re.findall(rb"[^ACGTUN]", letters, re.IGNORECASE)
        bad |= len(letters) >= 20 and 2 * len(ambiguous) > len(letters)
    return records, bad or not any(records.values())


def against(one, other, kind, scores):
    """Score of two letters; an unknown one matches nothing."""
    return scores[kind][0] if one == other < 4 else scores[kind][1]


def extended(rest, letters, kinds, scores, band):
    """Best score of aligning the beginnings of two sequences, the second's classes given."""
    gap = scores[kinds[0]][2] if letters else 0
    best = {n: gap * n for n in range(min(band, len(rest)) + 1)}  # by letters of the first
    top = 0
    for i, (letter, kind) in enumerate(zip(letters, kinds, strict=True), 1):
        gap = scores[kind][2]
        now: dict[int, int] = {}
        for n in range(max(0, i - band), min(len(rest), i + band) + 1):
            ways = [best[n] + gap] if n in best else []
            if n - 1 in best:
                ways.append(best[n - 1] + against(rest[n - 1], letter, kind, scores))
            if n - 1 in now:
                ways.append(now[n - 1] + gap)
            now[n] = max(ways)
        best = now
        top = max([top, *best.values()])
    return top


def alignment(query, begin, letters, kinds, arm, scores, fewest, seed, band):
    """Score of a known hairpin whose mature begins at a letter of a query; None for no match."""
    start, end = arm
    after = start + 1 + seed
    here, wanted = query[begin + 1 : begin + 1 + seed], letters[start + 1 : after]
    if len(here) < seed or max(*here, *wanted) > 3:
        return None
    if sum(a != b for a, b in zip(here, wanted, strict=True)) > 1:
        return None
    laid = {
        i: against(query[begin + i - start], letters[i], kinds[i], scores)
        for i in range(start, end)
        if 0 <= begin + i - start < len(query)
    }
    if sum(laid.values()) < fewest:
        return None
    right = extended(query[begin + 1 + seed :], letters[after:], kinds[after:], scores, band)
    before = query[begin::-1] if begin >= 0 else []
    left = extended(before, letters[start::-1], kinds[start::-1], scores, band)
    return right + left + sum(laid[i] for i in range(start + 1, after))


def nearest_known(query, known, arms, classes, scores, fewest, penalties, seed, band):
    """The known hairpin that a sequence resembles most, by trying every place against every one.

    Letters are 0-4 (4 is unknown), arms of each known hairpin a list of (start, end), classes of
    its letters a list. Returns the index (None where none scores above 0) and the score.
    """
    found: tuple[int | None, int] = (None, 0)
    for own, (letters, kinds) in enumerate(zip(known, classes, strict=True)):
        for arm in arms[own]:
            for begin in range(-1, len(query) - seed):
                score = alignment(query, begin, letters, kinds, arm, scores, fewest, seed, band)
                if score is not None and score - penalties[own] > found[1]:
                    found = (own, score - penalties[own])
    return found


def site_values(sequence, pairs, loop, site):
    """What is known of a site of a hairpin, in the order of ``sites.FIELDS``, without bounds.

    Args:
        sequence: letters.
        pairs: partner of each, -1 for none.
        loop: its terminal loop.
        site: a place.
    """
    size, five = len(sequence), site < loop[0]

    def crosses(k):
        return pairs[k] >= 0 and (k < loop[0]) != (pairs[k] < loop[0])

    paired = [k for k in range(size) if crosses(k)]

    def facing(k):
        nearest = min(paired, key=lambda at: (abs(at - k), at))
        return pairs[nearest] - (k - nearest)

    def kind(k):
        if not 0 <= k < size:
            return 0
        return 1 if pairs[k] < 0 else 2 if crosses(k) else 3

    def letter(k):
        return "ACGUN".index(sequence[k] if 0 <= k < size else "N")

    between = range(site, loop[0]) if five else range(loop[1], site)
    near = range(site - 10, site + 26)
    inside = [min(max(k, 0), size - 1) for k in near]
    return [
        loop[0] - site if five else site - loop[1],
        sum(map(crosses, between)),
        site - paired[0] if five else paired[-1] - site,
        *map(kind, near),
        *(facing(k) + k - facing(site) - site for k in inside),
        *(letter(k) for k in range(site - 4, site + 6)),
        *(letter(k) for k in range(facing(site) - 2, facing(site) + 3)),
    ]


# kin.py


def kin_words(codes: list[int], k: int, fewest: int) -> dict[int, tuple[int, ...]]:
    """Words that are no simple repeats, by where they begin."""
    words = {i: tuple(codes[i : i + k]) for i in range(len(codes) - k + 1)}
    return {
        i: word
        for i, word in words.items()
        if 4 not in word and len(set(itertools.pairwise(word))) >= fewest
    }


def most_beyond(one: list[int], other: list[int], drop: int) -> int:
    score = best = 0
    for a, b in zip(one, other, strict=False):
        score += 1 if a == b != 4 else -1
        best = max(best, score)
        if score < best - drop:
            break
    return best


def kin(
    contigs: list[list[int]], here: int, own: tuple[int, int], strand: int, *, k: int, fewest: int,
    drop: int, least: int, most: int,
) -> int:  # fmt: skip
    """Places of a genome, on either strand, that resemble what lies at one of them."""
    start, end = own
    query = contigs[here][start:end]
    if strand < 0:
        query = reverse_complement(query)
    counts = dict.fromkeys(range(len(query)), 0)
    for sign in (1, -1):
        for number, contig in enumerate(contigs):
            text = contig if sign > 0 else reverse_complement(contig)
            found: dict[tuple[int, ...], list[int]] = {}
            for at, word in kin_words(text, k, fewest).items():
                found.setdefault(word, []).append(at)
            for i, word in kin_words(query, k, fewest).items():
                for at in found.get(word, []):
                    first = at if sign > 0 else len(text) - at - k
                    if number == here and first + k > start and first < end:
                        continue
                    score = k + most_beyond(text[at + k :], query[i + k :], drop)
                    score += most_beyond(text[:at][::-1], query[:i][::-1], drop)
                    counts[i] += score >= least
    return min(most, max(counts.values(), default=0))


# alignments.py


def number_of(kind: str, value: object) -> int | None:
    """What the value of a tag says as a whole number, None if it is none."""
    if kind in "AZ":
        text = str(value)
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
    if kind == "f":
        real = float(value)  # type: ignore[arg-type]
        return None if math.isnan(real) or abs(real) >= 2.0**56 else int(real)
    return int(value) if kind in "cCsSiI" else None  # type: ignore[call-overload]


def mixed(name: bytes) -> int:
    """64 bits of a name, as a signed integer."""
    every = (1 << 64) - 1
    value = (len(name) * 0x9E3779B97F4A7C15) & every
    for first in range(0, len(name), 8):
        value ^= int.from_bytes(name[first : first + 8], "little")
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & every
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & every
        value ^= value >> 31
    return value - (1 << 64) if value >> 63 else value


def bam_record(
    record: bytes, tags: list[str], absent: int, no_number: int
) -> tuple[int, list[int]]:
    """Contig of a record of BAM and the columns of it."""
    _, contig, start, name_size, quality, _, operations, flag, letters, *_ = struct.unpack_from(
        "<iiiBBHHHiiii", record
    )
    if name_size == 0 or letters < 0:
        raise ValueError
    name, cigar = record[36 : 36 + name_size].rstrip(b"\0"), 36 + name_size
    at = cigar + 4 * operations + (letters + 1) // 2 + letters
    if at > len(record):
        raise ValueError
    length = 0
    for operation in struct.unpack_from(f"<{operations}I", record, cigar):
        length += (operation >> 4) * (operation % 16 in (0, 2, 3, 7, 8))
    collapsed = re.search(rb"_x([0-9]+)$", name)
    number = absent
    if collapsed:
        number = int(collapsed[1]) if len(collapsed[1]) <= 18 else no_number
    said = dict.fromkeys(tags, absent)
    while at + 3 <= len(record):
        tag, kind = record[at : at + 2].decode("latin-1"), chr(record[at + 2])
        value: object
        if kind in "ZH":
            end = record.index(b"\0", at) + 1
            value = record[at + 3 : end - 1].decode("latin-1")
        elif kind == "B":
            array, count = struct.unpack_from("<cI", record, at + 3)
            end, value = at + 8 + count * struct.calcsize("<" + _CODES[array.decode()]), None
        else:
            (value,) = struct.unpack_from("<" + _CODES[kind], record, at + 3)
            value = value.decode("latin-1") if isinstance(value, bytes) else value
            end = at + 3 + struct.calcsize("<" + _CODES[kind])
        if end > len(record):
            raise ValueError
        if said.get(tag) == absent:
            found = number_of(kind, value)
            said[tag] = no_number if found is None else found
        at = end
    return contig, [start, length, flag, quality, mixed(name), number, *said.values()]


_CODES = {"A": "c", "c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "f": "f", "d": "d"}
"""Types of tags, as those of the module struct."""


def bam_records(
    data: bytes, contig: int, tags: list[str], most: int, absent: int, no_number: int
) -> tuple[list[list[int]], int, bool]:
    """Rows of columns of the records of a contig, bytes read, and whether the contig ended."""
    rows: list[list[int]] = []
    at = 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            break
        try:
            own, row = bam_record(data[at:end], tags, absent, no_number)
        except (ValueError, KeyError, struct.error):
            raise ValueError("no record") from None
        if own < 0 or own > contig:
            return rows, at, True
        if own == contig:
            if len(rows) == most:
                break
            rows.append(row)
        at = end
    return rows, at, False
