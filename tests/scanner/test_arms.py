"""Arms: where matures lie, by reads, by known hairpins or by the fold."""

from __future__ import annotations

import builders
import numpy as np
import pytest
from hit_rows import hits_in

from premir.kernels.codes import encode
from premir.kernels.energies import current_parameters
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import pack, pair_table, terminal_loop
from premir.kernels.sites import CELLS
from premir.scanner.cli import main
from premir.scanner.report.columns import NO_INT
from premir.scanner.report.evidence.arms.cuts import (
    BOTH,
    Cuts,
    Sites,
    read_cuts,
    shipped,
    write_cuts,
)
from premir.scanner.report.evidence.arms.laying import laid
from premir.scanner.report.evidence.arms.matures import matures
from premir.scanner.report.evidence.arms.track import TRACK, arms_of
from premir.scanner.report.evidence.known.library import KnownHairpin
from premir.scanner.report.reading import read_hits

LET_7 = "UGGGAUGAGGUAGUAGGUUGUAUAGUUUUAGGGUCACACCCACCACUGGGAGAUAACUAUACAAUCUACUGUCUUUCCUA"
"""hsa-let-7a-1; matures are letters 5 to 27 and 56 to 77, 0-based."""
NAMES = [column.name for column in TRACK.columns]


def folded(letters):
    codes, offsets = pack([encode(letters)])
    pairs, _ = fold_batch(codes, offsets, current_parameters())
    return codes, pairs


def zeros():
    return Cuts(
        (np.zeros(CELLS, np.int64), np.zeros(CELLS, np.int64)),
        tuple(np.zeros(high - low + 1, np.int64) for low, high in BOTH),
    )


def test_matures_of_let_7_are_predicted():
    predicted = shipped().predict(*folded(LET_7))
    assert predicted is not None
    (five, five_end), (three, three_end) = predicted
    assert abs(five - 5) <= 2
    assert abs(three - 56) <= 2
    assert 20 <= five_end - five <= 24
    assert 20 <= three_end - three <= 24


def test_the_pair_of_sites_with_the_most_weight_is_predicted():
    """Compared with weights added up one by one."""
    codes, pairs = folded(LET_7)
    sites, rng = Sites.of(codes, pairs), np.random.default_rng(3)
    assert sites is not None
    cuts = zeros()
    for table in (*cuts.sites, *cuts.both):
        table[:] = rng.integers(-100, 100, table.size)
    best = max(
        (
            sum(int(cuts.sites[0][cell]) for cell in sites.cells[0][n])
            + sum(int(cuts.sites[1][cell]) for cell in sites.cells[1][m])
            + sum(int(table[sites.both[k, n, m]]) for k, table in enumerate(cuts.both)),
            (int(five), int(three)),
        )
        for n, five in enumerate(sites.five)
        for m, three in enumerate(sites.three)
        if sites.possible[n, m]
    )
    predicted = cuts.predict(codes, pairs)
    assert predicted is not None
    assert tuple(start for start, _ in predicted) == best[1]


def test_what_is_given_stays_and_the_other_arm_is_cut_opposite():
    codes, pairs = folded(LET_7)
    for five in (3, 5, 8):
        predicted = shipped().predict(codes, pairs, (five, None))
        assert predicted is not None
        assert predicted[0][0] == five
    assert shipped().predict(codes, pairs, (70, None)) is None


@pytest.mark.parametrize("structure", [".", "." * 60, "(...)", "((((....))))" + "." * 30])
def test_folds_without_room_for_matures_have_none(structure):
    codes = encode("A" * len(structure))
    assert shipped().predict(codes, pair_table(structure)) is None
    assert arms_of(codes, pair_table(structure), cuts=shipped()) == [None, None]


def test_what_is_shipped_fits_the_fields_and_survives_writing(tmp_path):
    cuts = shipped()
    assert [table.size for table in cuts.sites] == [CELLS, CELLS]
    assert [table.size for table in cuts.both] == [high - low + 1 for low, high in BOTH]
    write_cuts(tmp_path / "a.json", cuts, {"seed": 1})
    again = read_cuts(tmp_path / "a.json")
    for one, other in zip((*cuts.sites, *cuts.both), (*again.sites, *again.both), strict=True):
        assert (one == other).all()


def changed(letters, *at):
    swap = str.maketrans("ACGU", "GUAC")
    return "".join(c.translate(swap) if n in at else c for n, c in enumerate(letters))


def test_matures_of_known_hairpins_are_laid_where_four_of_five_letters_agree():
    codes, pairs = folded("GGGA" + LET_7 + "UCCC")
    loop = terminal_loop(pairs)
    assert loop is not None
    twin = changed(LET_7, 7, 9, 20, 60, 62, 64, 66, 68)
    known = KnownHairpin("mmu-let-7x", twin, ((5, 27), (56, 77)))
    assert laid(known, codes, loop) == ((9, 31), None)
    known = KnownHairpin("mmu-let-7x", LET_7, ((5, 27), (56, 77), (57, 77)))
    assert laid(known, codes, loop) == ((9, 31), (60, 81))
    assert laid(KnownHairpin("x", "ACGU" * 40, ((0, 150),)), codes, loop) == (None, None)
    # What lies around the loop is of neither arm.
    start, end = loop[0] - 10 - 4, loop[1] + 10 - 4
    assert laid(KnownHairpin("x", LET_7, ((start, end),)), codes, loop) == (None, None)


def test_reads_say_it_before_known_hairpins_and_these_before_the_fold():
    codes, pairs = folded(LET_7)
    known = KnownHairpin("mmu-let-7x", LET_7, ((5, 27), (56, 77)))
    five = KnownHairpin("mmu-let-7x", LET_7, ((5, 27),))
    cuts = shipped()
    assert arms_of(codes, pairs, nearest=known, cuts=cuts) == [
        ((5, 27), "known"),
        ((56, 77), "known"),
    ]
    assert arms_of(codes, pairs, ((4, 26), None), known, cuts) == [
        ((4, 26), "reads"),
        ((56, 77), "known"),
    ]
    one, other = arms_of(codes, pairs, nearest=five, cuts=cuts)
    assert one == ((5, 27), "known")
    assert other is not None
    assert other[1] == "fold"
    assert arms_of(codes, pairs, nearest=five) == [((5, 27), "known"), None]
    predicted = cuts.predict(codes, pairs)
    assert predicted is not None
    assert arms_of(codes, pairs, cuts=cuts) == [(each, "fold") for each in predicted]


def test_hits_made_by_hand_have_no_matures(tmp_path):
    table, _ = hits_in(tmp_path / "run", ["c"], [(0, 10, 26, 1)])
    assert list(matures(table)) == [[]]
    columns = {name: np.full(1, NO_INT) for name in NAMES}
    assert list(matures(table.take(np.array([0])))) == [[]]
    assert set(columns) == set(NAMES)


@pytest.fixture(scope="module")
def both_ways(default_genome, tmp_path_factory):
    """TSV of a genome and of its reverse complement, without known families."""
    folder = tmp_path_factory.mktemp("arms")
    mirrored = {name: builders.reverse_complement(text) for name, text in default_genome[1].items()}
    builders.write_fasta(folder / "mirror.fa", mirrored)
    found = []
    for path in (default_genome[0], folder / "mirror.fa"):
        out = folder / f"{path.stem}.tsv"
        assert main([str(path), "--out", str(out), "--known", "none", "-q"]) == 0
        found.append(list(read_hits(out)))
    return found


def test_the_mirrored_genome_has_mirrored_matures(default_genome, both_ways):
    size = {name: len(text) for name, text in default_genome[1].items()}
    forward, back = both_ways

    def places(hit, mirrored):
        for arm in ("5p", "3p"):
            start, end = (getattr(hit, f"mature_{arm}_{side}") for side in ("start", "end"))
            length = size[hit.chrom]
            yield arm, (length - end, length - start) if mirrored else (start, end)

    assert {(hit.chrom, *places(hit, False)) for hit in forward} == {
        (hit.chrom, *places(hit, True)) for hit in back
    }
    assert {hit.arms_from_5p for hit in forward} == {"fold"}


def test_predicted_matures_lie_on_their_arms(both_ways):
    for hit in both_ways[0]:
        five, three = hit.mature_5p_start, hit.mature_3p_start
        assert (five < three) == (hit.strand == "+")
        middle = (hit.loop_start + hit.loop_end) / 2
        assert (hit.mature_5p_end < middle + 12) == (hit.strand == "+")


def test_folds_of_plants_predict_nothing(default_genome, tmp_path):
    line = [str(default_genome[0]), "--preset", "plant", "--min-prob", "0.0001", "-q"]
    assert main([*line, "--out", str(tmp_path / "hits.tsv"), "--known", "none"]) == 0
    hits = list(read_hits(tmp_path / "hits.tsv"))
    assert hits
    assert all(hit.mature_5p_start is None and hit.arms_from_5p is None for hit in hits)
