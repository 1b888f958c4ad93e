"""The library that scans compare with: which hairpins stand for families, and its calibration."""

from __future__ import annotations

import gzip
import itertools

import builders
import numpy as np
import pytest
from data_sets import data_dir

from premir.kernels.codes import encode
from premir.kernels.pairing import pack
from premir.scanner.errors import InputError
from premir.scanner.report.evidence.known.clades import of_clades
from premir.scanner.report.evidence.known.library import KnownHairpin, Library
from premir.scanner.report.evidence.known.reading import (
    members_of,
    read_made,
    read_members,
    shipped,
    write_library,
)
from premir.scanner.report.evidence.known.representatives import representatives
from premir.train.known import measure_tail, members_of_families
from premir.train.precursors import NEMATODES

LET_7 = "UGGGAUGAGGUAGUAGGUUGUAUAGUUUUAGGGUCACACCCACCACUGGGAGAUAACUAUACAAUCUACUGUCUUUCCUA"
MIR_9 = "CGGGGUUGGUUGUUAUCUUUGGUUAUCUAGCUGUAUGAGUGGUGUGGAGUCUUCAUAAAGCUAGAUAACCGAAAGUAAAAAUAACCCCA"
GENERA = {
    "hsa": "Homo sapiens",
    "mmu": "Mus musculus",
    "ptr": "Homo other",
    "cel": "Caenorhabditis elegans",
}


def mirbase(folder, rows):
    """Write miRBase of hairpins: name, letters, arms and whether they are by experiment."""
    (folder / "mirbase").mkdir()
    fasta, table = "", "hairpin_id\tstart1\tend1\tevidence\n"
    for name, letters, arms, proven in rows:
        fasta += f">{name} MI1 {GENERA[name.partition('-')[0]]} {name} stem-loop\n{letters}\n"
        for start, end in arms:
            evidence = "experimental" if proven else "not_experimental"
            table += f"{name}\t{start + 1}\t{end}\t{evidence}\n"
    for name, text in (("hairpin.fa.gz", fasta), ("mature.tsv.gz", table)):
        (folder / "mirbase" / name).write_bytes(gzip.compress(text.encode()))
    return folder


def choose_known(data, without=()):
    return representatives(members_of_families(data, without))


def changed(letters, *at):
    swap = str.maketrans("ACGU", "GUAC")
    return "".join(c.translate(swap) if n in at else c for n, c in enumerate(letters))


ARMS = ((5, 27), (56, 77))


def test_families_of_two_genera_are_represented_without_repetition(tmp_path):
    data = mirbase(
        tmp_path,
        [
            ("hsa-let-7a-1", LET_7, ARMS[:1], True),
            ("hsa-let-7b", changed(LET_7, 20, 22), ARMS, True),  # its arm stands for the one above
            ("mmu-let-7c", changed(LET_7, 18, 20, 22), ARMS[:1], True),
            ("mmu-let-7d", LET_7, ARMS, False),
            ("hsa-mir-9-1", MIR_9, ((15, 38),), True),
            ("ptr-mir-9-1", MIR_9, ((15, 38),), True),  # of the same genus
            ("cel-let-7", changed(LET_7, *range(30, 50), 8, 12, 16), ARMS, True),
        ],
    )
    assert [each.name for each in choose_known(data)] == ["hsa-let-7b", "cel-let-7"]
    assert [each.name for each in choose_known(data, ["cel"])] == ["hsa-let-7b"]
    assert choose_known(data, ["cel", "mmu"]) == []
    assert choose_known(data)[0].arms == ARMS


def test_more_letters_than_two_make_another_representative(tmp_path):
    rows = [
        ("hsa-let-7a", LET_7, ARMS[:1], True),
        ("mmu-let-7b", changed(LET_7, 12, 14, 16), ARMS[:1], True),
    ]
    assert [each.name for each in choose_known(mirbase(tmp_path, rows))] == [
        "hsa-let-7a",
        "mmu-let-7b",
    ]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"hairpin\.fa\.gz: no such file; check --data"):
        members_of_families(tmp_path)


def background(n, seed):
    rng = np.random.default_rng(seed)
    return pack([encode(builders.hairpin(rng)) for _ in range(n)])


def random_family(n, seed=0):
    rng = np.random.default_rng(seed)
    letters = [builders.hairpin(rng).replace("T", "U") for _ in range(n)]
    arms = ((2, 24), (46, 68))
    return [KnownHairpin(f"hsa-mir-{n}", each, arms) for n, each in enumerate(letters)]


def test_shares_hold_in_other_background(tmp_path):
    """As many others are as similar as is said."""
    known = random_family(150)
    calibration = measure_tail(known, *background(6_000, 1))
    library = Library("mine", known, calibration)
    _, score = library.nearest(*background(6_000, 2))
    for share in (0.1, 0.03):
        at = calibration.score[np.argmin(np.abs(calibration.share - share))]
        said = calibration.share[calibration.score == at][0]
        assert (score >= at).mean() == pytest.approx(said, rel=0.3)
    assert calibration.share[-1] == pytest.approx(1e-8, rel=0.5)
    write_library(tmp_path / "a.json.gz", library, {}, [*known, *random_family(3, 1)])
    assert read_made(tmp_path / "a.json.gz").digest == library.digest
    assert read_members(tmp_path / "a.json.gz") == [*known, *random_family(3, 1)]


def test_families_that_background_resembles_are_penalised():
    known = random_family(150)
    repeats = [encode(known[40].letters)] * 60
    codes, offsets = background(6_000, 1)
    parts = [codes[start:end] for start, end in itertools.pairwise(offsets)]
    calibration = measure_tail(known, *pack(parts + repeats))
    assert max(calibration.penalties, key=calibration.penalties.__getitem__) == "mir-40"
    library = Library("mine", known, calibration)
    _, score = library.nearest(*pack([repeats[0], encode(known[3].letters)]))
    repeat, other = calibration.surprise(score)
    assert repeat < other - 1


def test_what_is_shipped_is_what_the_command_chooses():
    members = members_of_families(data_dir("mirbase").parent)
    assert members_of(shipped()) == members
    assert list(shipped().known) == representatives(members)


def by_family(known):
    families: dict[str, list[KnownHairpin]] = {}
    for each in known:
        families.setdefault(each.family, []).append(each)
    return families


@pytest.mark.parametrize("clade, codes, more", [("hsa", ["hsa"], 200), ("Nematoda", NEMATODES, 1)])
def test_a_clade_left_out_leaves_what_is_chosen_without_it(clade, codes, more):
    """Relatives that one of the clade stood for are there, as if nobody knew the clade."""
    chosen = by_family(choose_known(data_dir("mirbase").parent, codes))
    left = by_family(of_clades(shipped(), members_of(shipped()), [f"^{clade}"]).known)
    assert {family: left[family] for family in chosen} == chosen
    stood = {each.name for each in shipped().known}
    assert sum(each.name not in stood for own in chosen.values() for each in own) > more
