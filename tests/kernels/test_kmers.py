from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels import kmers
from premir.kernels.codes import encode, reverse_complement
from premir.kernels.kmers import NO_KMER, PER_ARM, ArmKmers, K, KmerTable

Hit = tuple[int, int, int, int]
"""Start, start of the loop, end of the loop, end."""

RANDOM = "ACGGTCATTGCAAGTCCGATAGCTTACGCATGGATTCACCGTTAGA"
REPEATS = "".join(str(part) for part in ("ACGT" * 10, "A" * 30, "N", "T" * 25, "CAG" * 12))


def counted(sequence: str, kept: slice = slice(None)) -> tuple[KmerTable, list[int]]:
    """Count the k-mers of a sequence that begin at some of its positions."""
    found = kmers.kmer_keys(encode(sequence))
    chosen = found[kept]
    table = KmerTable.of(chosen[chosen != NO_KMER])
    counts = np.zeros(table.keys.size, np.uint32)
    kmers.count_kmers(found, table, counts)
    return table, counts.tolist()


def copies(contig: str, hits: list[Hit], strand: int = 1) -> list[int | None]:
    """Copies of hits, through the kernels."""
    codes = encode(contig)
    own = [codes[a:b] if strand > 0 else reverse_complement(codes[a:b]) for a, _, _, b in hits]
    borders = np.cumsum([0, *(part.size for part in own)])
    arms = []
    for first, last, (start, left, right, end) in zip(borders, borders[1:], hits, strict=False):
        five, three = (left - start, end - right)[::strand]
        arms.append([[first, first + five], [last - three, last]])
    sample = kmers.sample_arms(
        np.concatenate(own), borders[:-1], borders[1:], np.array(arms, np.int64)
    )
    table = sample.table()
    counts = np.zeros(table.keys.size, np.uint32)
    kmers.count_kmers(kmers.kmer_keys(codes), table, counts)
    return [None if value < 0 else value for value in kmers.copies(sample, table, counts).tolist()]


def twin(contig: str, hits: list[Hit], strand: int = 1) -> list[int | None]:
    """The same, the slow way."""
    genome = [naive.canonical_kmers(encode(contig).tolist(), K)]
    expected = []
    for start, left, right, end in hits:
        arms = [(start, left), (right, end)]
        if strand < 0:
            arms = [(end - 1, right - 1), (left - 1, start - 1)]
        expected.append(naive.copies(genome, 0, (start, end), arms, k=K, per_arm=PER_ARM))
    return expected


@pytest.mark.parametrize(
    "sequence",
    [
        "",
        "A",
        RANDOM[: K - 1],
        RANDOM[:K],
        RANDOM,
        RANDOM[:K] + "N" + RANDOM,
        "N" * 40,
        "N" + RANDOM[: K - 1] + "N" + RANDOM[:K] + "n",
        RANDOM.lower(),
        REPEATS,
        "ACGT" * 20,
        "T" * 40 + "A" * 40,
    ],
)
def test_hand_keys_are_equal_where_canonical_kmers_are(sequence: str) -> None:
    codes = encode(sequence)
    keys = kmers.kmer_keys(codes).tolist()
    twin = naive.canonical_kmers(codes.tolist(), K)
    assert len(keys) == len(twin)
    assert [key == NO_KMER for key in keys] == [kmer is None for kmer in twin]
    pairs = set(zip(keys, twin, strict=True))
    assert len(pairs) == len(set(keys)) == len(set(twin))
    assert all(NO_KMER <= key < 4**K for key in keys)
    assert kmers.kmer_keys(reverse_complement(codes)).tolist() == keys[::-1]


@given(st.text("ACGTN", max_size=120))
def test_keys_as_twin(sequence: str) -> None:
    codes = encode(sequence)
    pairs = set(
        zip(
            kmers.kmer_keys(codes).tolist(),
            naive.canonical_kmers(codes.tolist(), K),
            strict=True,
        )
    )
    assert len({key for key, _ in pairs}) == len({kmer for _, kmer in pairs}) == len(pairs)


def test_hand_keys_tell_all_kmers_apart_that_differ_in_one_letter() -> None:
    kmer = encode(RANDOM[:K])
    others = np.repeat(kmer[None], 3 * K, axis=0)
    for n in range(3 * K):
        others[n, n // 3] = (kmer[n // 3] + 1 + n % 3) % 4
    keys = {int(kmers.kmer_keys(row)[0]) for row in [kmer, *others]}
    assert len(keys) == 3 * K + 1


@pytest.mark.parametrize("kept", [slice(None), slice(0, 1), slice(3, None, 5), slice(0, 0)])
@pytest.mark.parametrize("sequence", [RANDOM, REPEATS, "A" * 60, "N" * 30, ""])
def test_hand_counts(sequence: str, kept: slice) -> None:
    table, counts = counted(sequence, kept)
    found = kmers.kmer_keys(encode(sequence)).tolist()
    assert table.keys.tolist() == sorted(set(table.keys.tolist()))
    assert counts == [found.count(key) for key in table.keys.tolist()]


@given(st.integers(0, 3000), st.integers(0, 2**32 - 1))
def test_tables_of_any_size_find_what_they_hold_and_nothing_else(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 4**K, size)
    table = KmerTable.of(keys)
    asked = np.concatenate([keys, rng.integers(0, 4**K, 500), [0, 4**K - 1, NO_KMER]])
    counts = np.zeros(table.keys.size, np.uint32)
    kmers.count_kmers(asked, table, counts)
    held = set(keys.tolist())
    assert counts.sum() == sum(key in held for key in asked.tolist())
    assert all(counts >= 1)


def test_counts_are_added_to_what_is_there() -> None:
    found = kmers.kmer_keys(encode(RANDOM))
    table = KmerTable.of(found)
    counts = np.full(table.keys.size, 5, np.uint32)
    kmers.count_kmers(found, table, counts)
    assert set(counts.tolist()) == {6}


ARM = "ACGGTCATTGCAAGTCCGATAGCT"
HAIRPIN = ARM + "CCCAAACC" + str(naive.decode(naive.reverse_complement(naive.encode(ARM))))
SPACER = "GATTTACAGGCGTGAGCCACCG"
LONE = (0, 24, 32, 56)


@pytest.mark.parametrize(
    "contig, hits, expected",
    [
        # Its own two arms are one another's reverse complement, and no copies.
        (HAIRPIN, [LONE], [0]),
        # Nor does a second hairpin count twice, whose arms are alike in the same way.
        (HAIRPIN + SPACER + HAIRPIN, [LONE, (78, 102, 110, 134)], [1, 1]),
        (HAIRPIN + "N" + HAIRPIN + "N" + HAIRPIN, [LONE], [2]),
        # Half a copy is one.
        (HAIRPIN + "N" + ARM, [LONE], [1]),
        (HAIRPIN + SPACER + HAIRPIN + "N" + ARM, [LONE], [2]),
        # One arm recurs: the larger of the two values counts.
        (ARM + "CCCAAACC" + RANDOM[20:44] + "N" + ARM + "N" + ARM, [LONE], [2]),
        (RANDOM[20:44] + "CCCAAACC" + ARM + "N" + ARM + "N" + ARM, [LONE], [2]),
        # An arm of K letters has one k-mer, a shorter one none.
        (ARM[:K] + "CAAACGGGN" + ARM[:K], [(0, K, K + 5, K + 8)], [1]),
        (ARM[: K - 1] + "CAAACGGGN" + ARM[:K], [(0, K - 1, K + 4, K + 7)], [None]),
        ("ACGT", [(0, 0, 4, 4)], [None]),
        # Tandem repeats: how many times as many as inside.
        ("A" * 100, [(20, 40, 50, 70)], [math.ceil((100 - 50) / (50 - K + 1))]),
        ("AC" * 80, [(20, 40, 50, 70)], [math.ceil((160 - 50) / (50 - K + 1))]),
        # Of an even number of k-mers the lower of the two in the middle counts.
        (ARM[: K + 1] + "CAAACN" + ARM[:K], [(0, K + 1, K + 6, K + 6)], [0]),
        (ARM[: K + 2] + "CAAACN" + ARM[: K + 1], [(0, K + 2, K + 7, K + 7)], [1]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("strand", [1, -1])
def test_hand_copies(contig: str, hits: list[Hit], expected: list[int | None], strand: int) -> None:
    assert copies(contig, hits, strand) == expected
    assert twin(contig, hits, strand) == expected


@st.composite
def genomes(draw: st.DrawFn) -> tuple[str, list[Hit]]:
    """A contig of few words, repeated, and hits anywhere in it."""
    words = [draw(st.text("ACGT", min_size=8, max_size=40)) for _ in range(3)]
    contig = "".join(words[k] for k in draw(st.lists(st.integers(0, 2), min_size=4, max_size=9)))
    cuts = st.lists(st.integers(0, len(contig)), min_size=4, max_size=4).map(sorted)
    return contig, [(a, b, c, d) for a, b, c, d in draw(st.lists(cuts, min_size=1, max_size=3))]


@given(genomes(), st.sampled_from([1, -1]))
@settings(max_examples=50)
def test_copies_as_twin(genome: tuple[str, list[Hit]], strand: int) -> None:
    assert copies(*genome, strand) == twin(*genome, strand)


@given(genomes())
def test_copies_mirror(genome: tuple[str, list[Hit]]) -> None:
    contig, hits = genome
    mirror = naive.decode(reverse_complement(encode(contig)).tolist())
    n = len(contig)
    flipped = [(n - d, n - c, n - b, n - a) for a, b, c, d in hits]
    assert copies(contig, hits) == copies(mirror, flipped, strand=-1)


def test_samples_are_put_together() -> None:
    def sample(text: str, loop: int) -> ArmKmers:
        arms = np.array([[[0, loop], [loop + 4, len(text)]]])
        return kmers.sample_arms(encode(text), np.array([0]), np.array([len(text)]), arms)

    one, two = sample(RANDOM, 20), sample(REPEATS[:50], 10)
    both = ArmKmers.concatenate([one, two])
    assert both.taken.tolist() == [*one.taken.tolist(), *two.taken.tolist()]
    assert set(both.table().keys.tolist()) == {
        *one.table().keys.tolist(),
        *two.table().keys.tolist(),
    }
