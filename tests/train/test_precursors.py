"""Known hairpins: whose family they are of, and who lends none."""

from __future__ import annotations

import data_sets
import pytest

from premir.scanner.genome.fasta import read_records
from premir.train.precursors import DAPHNIA, curated_family, read_precursors


@pytest.mark.parametrize(
    "name, family",
    [
        ("Hsa-Mir-8-P2a_pre", "Mir-8"),
        ("Hsa-Let-7-P2a1_pre", "Let-7"),
        ("Cte-Let-7_pre", "Let-7"),
        ("Hsa-Mir-124-P2-v2_pre", "Mir-124"),
        ("Bta-Mir-219-P2-as_pre", "Mir-219"),
        ("Cel-Mir-36-o17_pre", "Mir-36"),
        ("Dme-Bantam_pre", "Bantam"),
        ("Cbr-Bantam-P1a_pre", "Bantam"),
        ("Cel-Bantam-P3_pre", "Bantam"),
        ("Asu-Bantam-o2_pre", "Bantam"),
        ("Cel-Lsy-6_pre", "Lsy-6"),
        ("Lpo-Iab-4-P3-as_pre", "Iab-4"),
        ("Aae-Novel-1_pre", "aae-Novel-1"),
        ("Bge-Novel-1-P2-v1_pre", "bge-Novel-1"),
    ],
)
def test_a_family_is_neither_paralogue_nor_variant(name, family):
    assert curated_family(name) == family


def test_all_names_of_mirgenedb_give_a_family_and_nothing_else():
    path = data_sets.genomes_dir().parent / "mirbase" / "mirgenedb_ALL_pre.fas.gz"
    names = [name for name, _ in read_records(path)]
    families = {curated_family(name) for name in names}
    odd = [each for each in families if not each.rpartition("-")[2].isdigit()]
    assert odd == ["Bantam"]
    assert len(names) == 16_667
    assert len(families) == 1_723


def test_daphnia_lends_no_hairpin():
    found = read_precursors(data_sets.genomes_dir().parent)
    assert "dpu" in DAPHNIA
    assert not {p.species for p in found} & DAPHNIA
    assert len([p for p in found if p.kind == "animal"]) > 7_000
