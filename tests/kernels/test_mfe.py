from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_mfe import energy_of_structure, partners

from premir.kernels import mfe as module
from premir.kernels.check_fold import check_fold
from premir.kernels.codes import encode
from premir.kernels.energies import EnergyParameters, current_parameters
from premir.kernels.loop_tables import loop_tables
from premir.kernels.mfe import fold_batch, lowest_energy
from premir.kernels.mfe_kernel import workspace
from premir.kernels.pairing import dot_bracket, pack
from premir.scanner.genome.fasta import read_records

RNA = pytest.importorskip("RNA")

DATA = Path(os.environ.get("PREMIR_DATA", Path(__file__).parents[3] / "shared" / "data"))
JIT = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]  # numba sets it when it starts
compiled_only = pytest.mark.skipif(not JIT, reason="too slow without the compiler")
sequences = st.text("ACGUN", max_size=60 if JIT else 20)


@cache
def turner_2004() -> EnergyParameters:
    RNA.params_load_RNA_Turner2004()
    return current_parameters()


@pytest.fixture
def parameters() -> EnergyParameters:
    return turner_2004()


@pytest.fixture
def viennarna() -> Iterator[Any]:
    """ViennaRNA, whose parameters and temperature are put back afterwards."""
    yield RNA
    RNA.params_load_RNA_Turner2004()
    RNA.cvar.temperature = 37.0


def fold(parameters: EnergyParameters, *batch: str) -> list[tuple[str, int]]:
    codes, offsets = pack([encode(sequence) for sequence in batch])
    pairs, mfe = fold_batch(codes, offsets, parameters)
    assert pairs.dtype == np.int16
    assert mfe.dtype == np.int32
    structures = [dot_bracket(pairs[begin:end]) for begin, end in pairwise(offsets)]
    return list(zip(structures, mfe.tolist(), strict=True))


def rna_fold(sequence: str) -> tuple[str, int]:
    if not sequence:  # RNA.fold_compound refuses it
        return "", 0
    structure, energy = RNA.fold_compound(sequence, RNA.md()).mfe()
    return structure, round(100 * energy)


def assert_like_viennarna(parameters: EnergyParameters, batch: Sequence[str]) -> None:
    for sequence, (structure, mfe) in zip(batch, fold(parameters, *batch), strict=True):
        assert (structure, mfe) == rna_fold(sequence), sequence
        assert energy_of_structure(sequence, structure, parameters) == mfe, sequence


def with_unknown(sequence: str, share: float, rng: random.Random) -> str:
    """Return a sequence with about so many of its letters unknown."""
    return "".join("N" if rng.random() < share else letter for letter in sequence)


def random_sequences(
    seed: int, n: int, shortest: int, longest: int, low_gc: float = 0.2, high_gc: float = 0.8
) -> list[str]:
    rng = random.Random(seed)
    result = []
    for _ in range(n):
        gc = rng.uniform(low_gc, high_gc)
        weights = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
        result.append("".join(rng.choices("ACGU", weights, k=rng.randint(shortest, longest))))
    return result


def hairpin(rng: random.Random, arm: int, loop: int, changes: int) -> str:
    """Return a hairpin with so many random changes (substitutions, insertions, losses)."""
    pair = {"A": "U", "C": "G", "G": "C", "U": "A"}
    five = rng.choices("ACGU", k=arm)
    three = [pair[x] for x in reversed(five)]
    for _ in range(changes):
        side = rng.choice((five, three))
        at = rng.randrange(len(side))
        side[at] = rng.choice(("", *"ACGU", side[at] + rng.choice("ACGU") * rng.randint(1, 9)))
    return "".join([*five, *rng.choices("ACGU", k=loop), *three])


def test_worked_example(parameters: EnergyParameters) -> None:
    assert fold(parameters, "GCCCUUGGCA") == [("(((...))).", -300)]


@pytest.mark.parametrize(
    "sequence",
    [
        "",
        "A",
        "GC",
        "GAAC",
        "GAAAC",
        "GGAAACC",
        "GCGCAAAGCGC",
        "CACGUG",
        "U" * 30,
        "A" * 60,
        "G" * 60,
        "GU" * 30,
        "GGGG" + "A" * 45 + "CCCC",
    ],
)
def test_small_and_odd_sequences(parameters: EnergyParameters, sequence: str) -> None:
    assert_like_viennarna(parameters, [sequence])


def test_empty_batch(parameters: EnergyParameters) -> None:
    assert fold(parameters) == []


def test_multiloops(parameters: EnergyParameters) -> None:
    stems = ["GGGCGAAAGCCC", "GCCGAGUUUUCUCGGC", "CCGGAAACCGG"]
    rng = random.Random(5)
    batch = []
    for _ in range(30 if JIT else 3):
        inner = "".join(rng.choice(stems) + "A" * rng.randint(0, 3) for _ in range(3))
        batch.append("GGACGCC" + inner + "GGCGUCC")
    assert_like_viennarna(parameters, batch)
    structures = [structure for structure, _ in fold(parameters, *batch)]
    closed = [s for s in structures if partners(s)[0] == len(s) - 1]
    assert sum(bool(re.search(r"\)\.*\(", s)) for s in closed) > len(batch) // 3


def test_every_special_hairpin(parameters: EnergyParameters) -> None:
    assert {len(loop) for loop in parameters.special_hairpins} == {5, 6, 8}
    batch = []
    for loop in parameters.special_hairpins:
        batch += ["GGGCG" + loop + "CGCCC", "GGC" + loop + "GCC", loop]
        # One letter off, the loop is an ordinary one.
        batch.append("GGGCG" + loop[:2] + "A" + loop[3:] + "CGCCC")
    assert_like_viennarna(parameters, batch if JIT else batch[::8])


@compiled_only
def test_perfect_inverted_repeats(parameters: EnergyParameters) -> None:
    rng = random.Random(11)
    assert_like_viennarna(parameters, ["G" * 400, "GC" * 200, "GCGC" * 10 + "AU" * 160])
    batch = [hairpin(rng, (n - loop) // 2, loop, 0) for n in (100, 400) for loop in (4, 8)]
    assert_like_viennarna(parameters, [*batch, "G" * 198 + "AAAA" + "C" * 198])


@compiled_only
def test_hairpins_with_every_kind_of_loop(parameters: EnergyParameters) -> None:
    rng = random.Random(7)
    batch = [hairpin(rng, rng.randint(12, 60), rng.randint(3, 20), 8) for _ in range(200)]
    assert_like_viennarna(parameters, batch)


def test_largest_interior_loops(parameters: EnergyParameters) -> None:
    arm = "GGGCCGCGGAGCC"
    inner = "GGCGCCGAAAAGGCGCC"
    back = "GGCUCCGCGGCCC"
    batch = [
        arm + "A" * left + inner + "A" * (unpaired - left) + back
        for unpaired in (5, 6, 7, 10, 29, 30, 31)
        for left in range(unpaired + 1)
    ]
    assert_like_viennarna(parameters, batch if JIT else batch[::16])


@compiled_only
@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
def test_unknown_letters_are_folded_as_viennarna_folds_them(
    parameters: EnergyParameters, share: float
) -> None:
    rng = random.Random(21)
    batch = [hairpin(rng, rng.randint(12, 60), rng.randint(3, 20), 8) for _ in range(100)]
    batch += random_sequences(22, 60, 5, 150) + ["GGGG" + "GAAA" * 3 + "CCCC"]
    assert_like_viennarna(parameters, [with_unknown(each, share, rng) for each in batch])


def unknown_in_every_place(sequence: str) -> list[str]:
    return [sequence[:k] + "N" + sequence[k + 1 :] for k in range(len(sequence))]


@pytest.mark.parametrize(
    "sequence",
    [
        "AGGCGAAAGCCA",
        "GGCCUUCGGGCC",  # a special loop, which with an unknown letter is none
        "GGACGCAGGCAAAGCCUAGCGUCC",
        "GGGAGGGACCGCAAAGCGGAGGAUGCAAAGCAUCCAGGGGAAACCCCAUCCCAAUCCC",
        "GGGGAACCGAAAGGACCCC",
        "N",
        "NNNNNNNNNN",
        "GNNNNC",
    ],
)
def test_an_unknown_letter_in_every_place(parameters: EnergyParameters, sequence: str) -> None:
    assert_like_viennarna(parameters, unknown_in_every_place(sequence))


@compiled_only
def test_every_loop_of_two_letters_beside_unknown_ones(parameters: EnergyParameters) -> None:
    """2x2 loops stand in no parameter file with unknown letters."""
    batch = [
        f"GGCC{left}G{inner}GAAA{outer}C{right}GGCC"
        for left in ("NA", "CN", "NN", "AC")
        for right in ("NG", "UN", "NN", "CA")
        for inner, outer in (("GC", "GC"), ("AC", "GU"), ("UC", "GG"))
    ]
    assert_like_viennarna(parameters, batch)
    structures = [structure for structure, _ in fold(parameters, *batch)]
    assert sum("(..(" in each and ")..)" in each for each in structures) > len(batch) // 2


@compiled_only
def test_random_sequences(parameters: EnergyParameters) -> None:
    assert_like_viennarna(parameters, random_sequences(1, 250, 5, 150))


@compiled_only
def test_longer_random_sequences(parameters: EnergyParameters) -> None:
    assert_like_viennarna(parameters, random_sequences(2, 6, 300, 400))
    assert_like_viennarna(parameters, random_sequences(3, 1, 700, 700))


@settings(max_examples=150 if JIT else 5, deadline=None)
@given(st.lists(sequences, max_size=4))
def test_any_batch(batch: list[str]) -> None:
    assert_like_viennarna(turner_2004(), batch)


@compiled_only
@settings(max_examples=100, deadline=None)
@given(st.text("GC", max_size=70), st.text("AU", max_size=40), st.text("GCU", max_size=40))
def test_low_complexity(first: str, second: str, third: str) -> None:
    assert_like_viennarna(turner_2004(), [first + second + third])


@compiled_only
@pytest.mark.parametrize("temperature", [5.0, 25.0, 60.0, 90.0, 120.0])
def test_other_temperatures(viennarna: Any, temperature: float) -> None:
    viennarna.cvar.temperature = temperature
    rng = random.Random(23)
    batch = [with_unknown(each, 0.05, rng) for each in random_sequences(4, 40, 20, 120)]
    assert_like_viennarna(current_parameters(temperature), batch)


@compiled_only
@pytest.mark.parametrize(
    "name", ["RNA_Andronescu2007", "RNA_Turner1999", "RNA_Langdon2018", "DNA_Mathews2004"]
)
def test_other_parameter_files(viennarna: Any, name: str) -> None:
    getattr(viennarna, f"params_load_{name}")()
    batch = random_sequences(6, 40, 20, 120)
    rng = random.Random(24)
    batch += [with_unknown(each, 0.05, rng) for each in batch]
    assert_like_viennarna(current_parameters(), batch)


@compiled_only
def test_modified_parameter_file(viennarna: Any, tmp_path: Path) -> None:
    """Another base penalty, asymmetry and tetraloop: what the defaults cannot tell apart."""
    path = tmp_path / "modified.par"
    viennarna.params_save(str(path))
    lines = path.read_text().splitlines()
    for section, offset, values in (
        ("# ML_params", 3, "  20  10  500  3000  -60  -220"),
        ("# NINIO", 2, "  35  320  410"),
        ("# Tetraloops", 1, "\tGGAAAC  -300  -690"),
    ):
        lines[lines.index(section) + offset] = values
    path.write_text("\n".join(lines) + "\n")
    viennarna.params_load(str(path))
    parameters = current_parameters()
    assert (parameters.multi_base, parameters.ninio, parameters.ninio_max) == (20, 35, 410)
    batch = [*random_sequences(8, 60, 20, 200), "CCGGGAAACCGG", "CGGAAACG"]
    assert_like_viennarna(parameters, batch)


@compiled_only
def test_batch_and_order_do_not_matter(parameters: EnergyParameters) -> None:
    batch = random_sequences(9, 30, 0, 200)
    alone = [fold(parameters, sequence)[0] for sequence in batch]
    assert fold(parameters, *batch) == alone
    assert fold(parameters, *reversed(batch)) == alone[::-1]


@compiled_only
def test_threads_agree(parameters: EnergyParameters) -> None:
    batches = [random_sequences(seed, 20, 20, 150) for seed in range(8)]
    expected = [fold(parameters, *batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda batch: fold(parameters, *batch), batches)) == expected


def test_workspace_is_small(parameters: EnergyParameters) -> None:
    tables = loop_tables(parameters, np.int16)
    assert sum(array.nbytes for array in workspace(400, tables)) < 2_000_000


# Energies in int16, and in int32 where those do not fit


@pytest.fixture
def folded_wide(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Indices of the sequences that are folded in int32."""
    found: list[int] = []
    wide = module._fold_wide

    def spy(codes: Any, offsets: Any, which: Any, *rest: Any) -> None:
        found.extend(which.tolist())
        wide(codes, offsets, which, *rest)

    monkeypatch.setattr(module, "_fold_wide", spy)
    return found


def stem_of(pairs: int) -> str:
    return "G" * pairs + "GAAA" + "C" * pairs


@compiled_only
def test_only_what_does_not_fit_int16_is_folded_in_int32(
    parameters: EnergyParameters, folded_wide: list[int]
) -> None:
    batch = [stem_of(n) for n in (20, 110, 60, 150, 198)] + random_sequences(12, 20, 20, 400)
    assert_like_viennarna(parameters, batch)
    floor = lowest_energy(loop_tables(parameters, np.int16), max(map(len, batch)))
    energies = [mfe for _, mfe in fold(parameters, *batch)]
    assert -30_000 < floor < -28_000
    assert (
        sorted(set(folded_wide))
        == [k for k, mfe in enumerate(energies) if mfe < floor]
        == [1, 3, 4]
    )


@compiled_only
def test_on_both_sides_of_the_floor(parameters: EnergyParameters, folded_wide: list[int]) -> None:
    batch = [stem_of(n) for n in range(80, 100)]
    assert_like_viennarna(parameters, batch)
    assert 0 < len(folded_wide) < len(batch)
    assert folded_wide == list(range(folded_wide[0], len(batch)))


@compiled_only
def test_many_stems_that_fit_in_a_multiloop_that_does_not(
    parameters: EnergyParameters, folded_wide: list[int]
) -> None:
    inner = "A".join([stem_of(28)] * 4)
    assert_like_viennarna(parameters, ["GGGG" + inner + "CCCC", "A" + inner])
    assert 0 in folded_wide


@compiled_only
def test_without_the_floor_int16_would_be_wrong(
    parameters: EnergyParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "lowest_energy", lambda *_: -(1 << 20))
    sequence = stem_of(150)
    assert fold(parameters, sequence)[0][1] != rna_fold(sequence)[1]


@compiled_only
def test_int16_and_int32_agree(
    parameters: EnergyParameters, monkeypatch: pytest.MonkeyPatch, folded_wide: list[int]
) -> None:
    rng = random.Random(13)
    batch = random_sequences(14, 150, 5, 250)
    batch += [hairpin(rng, rng.randint(12, 90), rng.randint(3, 20), 12) for _ in range(150)]
    narrow = fold(parameters, *batch)
    assert folded_wide == []
    monkeypatch.setattr(module, "lowest_energy", lambda *_: 0)
    assert fold(parameters, *batch) == narrow
    assert folded_wide == list(range(len(batch)))


def test_the_floor_follows_from_the_energies(parameters: EnergyParameters) -> None:
    tables = loop_tables(parameters, np.int16)
    assert tables.largest >= max(map(abs, parameters.special_hairpins.values()))
    assert tables.largest >= np.abs(tables.costs).max()
    for longest in (50, 400, 32_767):
        loop = parameters.loop(parameters.hairpin, longest - 1)
        assert lowest_energy(tables, longest) == 4 * max(tables.largest, loop) - 32_767
    unpaired = tables._replace(multi_base=-30)
    assert lowest_energy(unpaired, 200) == 4 * 30 * 200 - 32_767
    # No int16 where a closing pair may cost more than any energy.
    assert lowest_energy(tables._replace(largest=10_000_000), 50) > 0


@compiled_only
def test_where_no_int16_fits_all_is_folded_in_int32(viennarna: Any, folded_wide: list[int]) -> None:
    viennarna.params_load_RNA_Langdon2018()
    parameters = current_parameters()
    assert lowest_energy(loop_tables(parameters, np.int16), 100) > 0
    assert_like_viennarna(parameters, random_sequences(6, 5, 20, 120))
    assert folded_wide == list(range(5))


@pytest.mark.parametrize(
    "sequence, offsets, message",
    [
        ("ACGU", [0, 3], "offsets must rise"),
        ("ACGU", [1, 4], "offsets must rise"),
        ("ACGU", [0, 3, 2, 4], "offsets must rise"),
        ("ACGU", [], "offsets must rise"),
        ("A" * 32768, [0, 32768], "longer than 32767"),
    ],
)
def test_refuses(
    parameters: EnergyParameters, sequence: str, offsets: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fold_batch(encode(sequence), np.array(offsets, np.int64), parameters)


def test_refuses_what_is_no_letter(parameters: EnergyParameters) -> None:
    with pytest.raises(ValueError, match="a code above 4 is no letter"):
        fold_batch(np.array([0, 5], np.uint8), np.array([0, 2], np.int64), parameters)


def test_check_fold() -> None:
    result = check_fold(["GCCCUUGGCA", "gcccttggca", "", "GGNCC", "GGGGAAAACCCC"])
    assert result.pop("speedup_vs_rnafold") > 0
    assert result == {
        "n": 4,
        "skipped": 1,
        "identical_mfe": 4,
        "identical_structure": 4,
        "max_abs_diff_dcal": 0,
    }
    assert check_fold([])["n"] == 0


@compiled_only
@pytest.mark.parametrize(
    "name",
    ["mirbase/hairpin.fa.gz", "benchmark/sequences/new_neg.fa", "benchmark/sequences/whole_pos.fa"],
)
def test_real_hairpins(parameters: EnergyParameters, name: str) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {path}: set PREMIR_DATA to the data folder")
    found = [letters.replace("T", "U") for _, letters in read_records(path)]
    some = [s for s in found[:: len(found) // 60] if len(s) <= 200 and set(s) <= set("ACGU")]
    rng = random.Random(25)
    assert_like_viennarna(parameters, some + [with_unknown(s, 0.03, rng) for s in some])
