"""Known families: names, libraries from files, and what a scan says of hits that resemble one."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import builders
import numpy as np
import pytest
from data_sets import data_dir

from premir.kernels.codes import encode
from premir.kernels.pairing import pack
from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.genome.fasta import read_records
from premir.scanner.report.evidence.known.clades import clades_of, lineages, of_clades
from premir.scanner.report.evidence.known.compared import COMPARED_PER_MB, least_compared
from premir.scanner.report.evidence.known.library import (
    HINGE,
    WEIGHT,
    BackgroundTail,
    KnownHairpin,
    Library,
    count_seeds,
)
from premir.scanner.report.evidence.known.names import family_of, species_of
from premir.scanner.report.evidence.known.reading import (
    chosen_library,
    from_fasta,
    load_library,
    members_of,
    read_made,
    read_members,
    shipped,
    write_library,
)
from premir.scanner.report.reading import read_hits
from premir.scanner.score.model import log_odds_of
from premir.scanner.score.shipped import DEFAULT_MODEL, HAIRPIN_MODEL, load_model

LET_7 = "UGGGAUGAGGUAGUAGGUUGUAUAGUUUUAGGGUCACACCCACCACUGGGAGAUAACUAUACAAUCUACUGUCUUUCCUA"
ARMS = ((5, 27), (56, 77))


@pytest.mark.parametrize(
    "name, family",
    [
        ("hsa-let-7a-1", "let-7"),
        ("Hsa-Let-7-P1a_pre", "let-7"),
        ("hsa-miR-92a-2-3p", "mir-92"),
        ("cel-mir-35", "mir-35"),
        ("Xla-Mir-10-P1d-as_pre", "mir-10"),
        ("ath-MIR156a", "MIR156"),
        ("ath-miR156a-5p", "MIR156"),
        ("dme-bantam", "bantam"),
        ("dme-miR-iab-4-5p", "iab-4"),
        ("Aae-Iab-4-P1_pre", "iab-4"),
        ("cel-lsy-6", "lsy-6"),
        ("Dre-Novel-7-v2_pre", "dre-novel-7"),
        ("ebv-miR-BART1-5p", "mir-bart1"),
        ("let-7", "let-7"),
        ("contig17", "contig17"),
    ],
)
def test_families_are_called_as_users_call_them(name, family):
    assert family_of(name) == family


def test_a_family_is_one_in_mirbase_and_mirgenedb():
    assert species_of("Hsa-Mir-8-P1a_pre") == species_of("hsa-mir-8") == "hsa"


def fasta(path, **records):
    path.write_text(
        "".join(f">{name.replace('_', '-')}\n{text}\n" for name, text in records.items())
    )
    return path


def test_matures_say_where_the_arms_of_their_precursors_are(tmp_path):
    mature, star = (LET_7[start:end] for start, end in ARMS)
    hairpins = fasta(tmp_path / "hairpin.fa", hsa_let_7a_1=LET_7.replace("U", "T"), xyz_mir_1=LET_7)
    matures = fasta(
        tmp_path / "mature.fa", hsa_let_7a_5p=mature, hsa_let_7a_3p=star, hsa_miR_9_5p="ACGU" * 5
    )
    found = {each.name: each for each in from_fasta([hairpins, matures])}
    assert found["hsa-let-7a-1"] == KnownHairpin("hsa-let-7a-1", LET_7, ARMS)
    assert found["hsa-let-7a-1"].matures == [mature, star]
    # Another species's mature says nothing; the ends of a precursor stand for its own.
    assert found["xyz-mir-1"].arms == ((0, 22), (len(LET_7) - 22, len(LET_7)))
    assert found["hsa-miR-9-5p"] == KnownHairpin("hsa-miR-9-5p", "ACGU" * 5, ((0, 20),))
    assert len(found) == 3
    assert count_seeds([found["hsa-let-7a-1"]]) == 2


def test_a_fasta_library_is_as_surprising_as_it_is_small(tmp_path):
    """The best of few known hairpins is less like background than the best of many."""
    library = load_library([fasta(tmp_path / "own.fa", hsa_let_7=LET_7)])
    own, usual = library.calibration, shipped().calibration
    assert (own.seeds, library.name) == (2, "own.fa")
    assert own.share == pytest.approx(usual.share * 2 / usual.seeds)


@pytest.mark.parametrize(
    "content, message",
    [
        (">a\nACGU\n", "a: has 4 letters; matures and precursors have 15 to 1000"),
        (">a\n" + "A" * 1001, "has 1001 letters"),
        ("", "empty"),
    ],
)
def test_faulty_records_are_named_before_the_scan(tmp_path, capsys, content, message):
    (tmp_path / "known.fa").write_text(content)
    (tmp_path / "g.fa").write_text(">c\nACGT\n")
    line = [str(tmp_path / "g.fa"), "--out", str(tmp_path / "h.bed"), "--known"]
    assert main([*line, str(tmp_path / "known.fa")]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert message in said
    assert "known.fa" in said
    assert main([*line, str(tmp_path / "absent.fa")]) == 2
    assert "absent.fa" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [b"", b"text", gzip.compress(b"{}"), gzip.compress(b"[1]"), gzip.compress(b"x")[:-6]],
    ids=["empty", "text", "a table", "a list", "cut off"],  # what gzip writes holds the time
)
def test_a_damaged_library_is_refused(tmp_path, content):
    path = tmp_path / "library.json.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"library\.json\.gz: "):
        read_made(path)


def test_a_library_is_the_same_when_it_was_written_and_read(tmp_path):
    calibration = BackgroundTail(np.array([0, 10]), np.array([1.0, 0.01]), {"let-7": 3}, 2)
    library = Library("mine", [KnownHairpin("hsa-let-7", LET_7, ARMS)], calibration)
    paths = [tmp_path / name for name in ("a.json.gz", "b.json.gz")]
    for path in paths:
        write_library(path, library, {"source": "a test"}, library.known)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = read_made(paths[0])
    assert (again.name, again.digest, again.known) == ("mine", library.digest, library.known)
    assert read_members(paths[0]) == library.known
    table = json.loads(gzip.decompress(paths[0].read_bytes()).splitlines()[0])
    paths[1].write_bytes(gzip.compress(json.dumps(table | {"schema": "premir-known-1"}).encode()))
    assert read_made(paths[1]).digest == library.digest
    assert read_members(paths[1]) == []  # as earlier versions wrote them
    paths[1].write_bytes(gzip.compress(json.dumps(table | {"schema": "premir-known-9"}).encode()))
    message = "is premir-known-9; this premir reads premir-known-1 and premir-known-2"
    with pytest.raises(InputError, match=message):
        read_made(paths[1])


def test_surprise_is_of_the_calibration_and_penalties_count():
    calibration = BackgroundTail(np.array([0, 50, 150]), np.array([1, 0.1, 1e-8]), {"let-7": 7}, 2)
    library = Library("mine", [KnownHairpin("hsa-let-7", LET_7, ARMS)], calibration)
    codes = pack([encode(LET_7), encode("ACG" * 20)])
    found, score = library.nearest(*codes)
    assert found.tolist() == [0, -1]
    assert score[0] == 3 * sum(end - start for start, end in ARMS) - 7
    assert calibration.surprise(np.array([0, 25, 50, 10**6])) == pytest.approx([0, 0.5, 1, 8])


def test_what_premir_ships_holds_families_of_animals_and_plants():
    library = shipped()
    families = {each.family for each in library.known}
    assert {"let-7", "mir-1", "mir-9", "bantam", "lin-4", "MIR156", "MIR166"} <= families
    assert (len(library.known), len(families)) == (3907, 1067)
    assert all(set(each.letters) <= set("ACGU") and each.arms for each in library.known)
    share = library.calibration.share
    assert (np.diff(share) <= 0).all()
    assert (share[0], share[-1]) == (1.0, pytest.approx(1e-8, rel=0.2))
    # Repeats of U and G, which mir-574 resembles, are background.
    assert library.calibration.penalties["mir-574"] > 0


@pytest.mark.parametrize(
    "name, clades",
    [
        ("cel-let-7", {"Nematoda", "Caenorhabditis", "cel"}),
        ("Cel-Let-7_pre", {"Nematoda", "Caenorhabditis", "cel"}),
        ("hsa-miR-92a-3p", {"Vertebrata", "Mammalia", "Primates", "hsa"}),
        ("dma-mir-1", {"Mammalia", "Primates"}),  # of miRBase the aye-aye,
        ("Dma-Mir-1_pre", {"Arthropoda", "Daphnia"}),  # of MirGeneDB a water flea
        ("hvu-MIR156", {"Viridiplantae", "Poaceae"}),
        ("Hvu-Mir-2022_pre", {"Cnidaria"}),
        ("ebv-mir-BART1", {"Viruses", "Herpesviridae"}),
        ("contig17", {"contig17"}),
    ],
)
def test_names_say_of_which_clades_a_hairpin_is(name, clades):
    found = clades_of(name)
    assert clades <= set(found)
    assert found[-1] == name.partition("-")[0].lower()


def test_every_organism_of_what_premir_ships_has_clades():
    assert {species_of(each.name) for each in shipped().known} <= set(lineages())
    names = [clade for clades in lineages().values() for clade in clades]
    assert not {name.lower() for name in names} & {code.lower() for code in lineages()}
    # A clade lies in one other: the names before it are always the same.
    before = {(name, clades[:n]) for clades in lineages().values() for n, name in enumerate(clades)}
    assert len(before) == len(set(names))


def test_every_organism_of_mirbase_and_mirgenedb_has_clades():
    folder = data_dir("mirbase")
    codes = set()
    for name in ("hairpin.fa.gz", "mirgenedb_ALL_pre.fas.gz"):
        codes |= {head.partition("-")[0] for head, _ in read_records(folder / name)}
    assert {code for code in codes if len(clades_of(code)) == 1} == set()
    assert {code.lower() for code in codes} == {code.lower() for code in lineages()}


def names_of(library):
    return {species_of(each.name) for each in library.known}


def of_shipped(*asked):
    return of_clades(shipped(), members_of(shipped()), asked)


def test_clades_are_taken_and_left_out():
    nematodes = of_shipped("nematoda")
    worms = "asu bma cbn cbr cel crm hco hpo ppc prd str".split()
    assert names_of(nematodes) == set(worms)
    assert nematodes.name == "premir-known@1 of Nematoda"
    others = of_shipped("^Nematoda")
    assert not names_of(others) & set(worms)
    assert others.name == "premir-known@1 without Nematoda"
    other_genera = of_shipped("^Caenorhabditis", "Arthropoda", "Nematoda", "^asu")
    assert names_of(other_genera) >= {"dme", "tca", "ppc", "hco"}
    assert not names_of(other_genera) & {"cel", "cbr", "crm", "cbn", "asu", "hsa"}
    assert other_genera.name == ("premir-known@1 of Arthropoda,Nematoda without Caenorhabditis,asu")
    own, usual = nematodes.calibration, shipped().calibration
    assert own.seeds == count_seeds(nematodes.known) < usual.seeds
    assert own.share == pytest.approx(usual.share * own.seeds / usual.seeds)
    assert len({each.digest for each in (nematodes, others, other_genera, shipped())}) == 4


def test_what_stood_for_others_makes_room_for_them():
    """let-7 of worms stands for that of many animals, and is left out with the worms."""
    twin = KnownHairpin("hsa-let-7a-1", LET_7, ARMS)
    first, other = replace(twin, name="cel-let-7"), KnownHairpin("hsa-mir-9-1", LET_7[::-1], ARMS)
    calibration = BackgroundTail(np.array([0, 10]), np.array([1.0, 0.01]), {}, 4)
    library = Library("mine", [first, other], calibration)
    members = [first, twin, other]
    assert of_clades(library, members, ["^Nematoda"]).known == [twin, other]
    assert of_clades(library, members, ["Mammalia"]).known == [twin, other]
    assert of_clades(library, members, ["Nematoda"]).known == [first]
    assert of_clades(library, members, ["Bilateria"]).known == [first, other]
    assert of_clades(library, [], ["^Nematoda"]).known == [other]
    with pytest.raises(InputError, match="has no hairpin of 'Insecta'"):
        of_clades(library, members, ["Insecta"])


@pytest.mark.parametrize(
    "asked, message",
    [
        (["Nematods"], "premir-known@1 has no hairpin of 'Nematods'; it has some of Acrogymno"),
        (["Nematoda", "^Herpesviridae"], "no hairpin of 'Herpesviridae'"),
        (["Drosophila", "^Insecta"], "no hairpin of 'Insecta'"),
        (["Drosophila", "^Arthropoda"], "Drosophila,^Arthropoda leaves nothing of premir-known@1"),
    ],
)
def test_clades_of_which_there_is_nothing_are_refused(tmp_path, capsys, asked, message):
    (tmp_path / "g.fa").write_text(">c\nACGT\n")
    line = [str(tmp_path / "g.fa"), "--out", str(tmp_path / "h.bed")]
    assert main([*line, "--known-clade", ",".join(asked)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert message in said
    assert main([*line, "--known", "none", "--known-clade", "Nematoda"]) == 2
    assert "--known-clade does not go with --known none" in capsys.readouterr().err


def test_models_without_a_curve_compare_with_nothing(tmp_path):
    model = load_model(HAIRPIN_MODEL)
    assert chosen_library(model) is None
    with pytest.raises(InputError, match=r"card of do2018.* has no false_calls_per_mb"):
        chosen_library(model, [fasta(tmp_path / "own.fa", hsa_let_7=LET_7)])
    with pytest.raises(InputError, match=r"--known-clade: the card of do2018"):
        chosen_library(model, clades=["Nematoda"])
    assert chosen_library(load_model(DEFAULT_MODEL), [Path("none")]) is None
    assert chosen_library(load_model(DEFAULT_MODEL)) is shipped()


@pytest.fixture(scope="module")
def own_family(tmp_path_factory):
    """A genome with hits, and a library of one of them: of its letters, and of a distant twin."""
    folder = tmp_path_factory.mktemp("known")
    genome, loci = builders.default_hits_genome()
    path = folder / "g.fa"
    builders.write_fasta(path, genome)
    alone = ["--known", "none", "--kin", "none", "-q"]
    assert main([str(path), "--out", str(folder / "none.bed"), *alone]) == 0
    hits = list(read_hits(folder / "none.bed"))
    return folder, path, hits, loci


@pytest.fixture(scope="module")
def not_reported(own_family):
    """What of that genome known families may lift, and is no hit without them."""
    folder, path, hits, _ = own_family
    out, least = folder / "all.bed", least_compared(load_model(DEFAULT_MODEL))
    low = ["--known", "none", "--min-prob", str(least)]
    assert main([str(path), "--out", str(out), "-q", *low]) == 0
    taken = {hit.name for hit in hits}
    return [hit for hit in read_hits(out) if hit.name not in taken]


def scan(own_family, name, known, *more):
    folder, path, *_ = own_family
    out = folder / f"{name}.bed"
    line = [str(path), "--out", str(out), "-q", "--kin", "none", "--known", str(known)]
    assert main([*line, *more]) == 0
    return list(read_hits(out)), out


def test_hits_that_resemble_known_hairpins_rise(own_family):
    folder, _, hits, _ = own_family
    assert not hasattr(hits[0], "known")
    low = min(hits, key=lambda hit: hit.log_odds)
    # Its inner letters, as a precursor cut where Drosha cuts, under a name of miRBase.
    inner = low.sequence[20:-20]
    library = fasta(folder / "own.fa", hsa_mir_9_1=inner)
    found, out = scan(own_family, "own", library)
    before = {hit.name: hit for hit in hits}
    assert before.keys() <= {hit.name for hit in found}
    (best,) = [hit for hit in found if hit.name == low.name]
    assert (best.known, best.nearest, best.family) == ("exact", "hsa-mir-9-1", "mir-9")
    megabases = json.loads(out.with_name("own.bed.summary.json").read_text())["megabases"]
    expected = 10**-best.similarity * COMPARED_PER_MB * megabases
    assert best.family_evalue == pytest.approx(expected, rel=0.01)
    for hit in found:
        assert (hit.known is None) == (hit.similarity < HINGE) == (hit.nearest is None)
        added = WEIGHT * max(0.0, hit.similarity - HINGE)
        if hit.name in before:
            assert hit.prob == before[hit.name].prob
            assert hit.log_odds == pytest.approx(before[hit.name].log_odds + added, abs=0.002)
    assert best.log_odds == max(hit.log_odds for hit in found if hit.strand == best.strand)
    assert best.fp_per_mb <= before[best.name].fp_per_mb
    lines = out.read_text().splitlines()
    assert sum(line.startswith("## known own.fa sha256 ") for line in lines) == 1
    summary = json.loads(out.with_name("own.bed.summary.json").read_text())
    assert summary["known"] == "own.fa"
    assert summary["known_sha256"] in next(line for line in lines if line.startswith("## known"))


def test_what_the_model_alone_leaves_out_is_found_by_its_family(own_family, not_reported):
    """Below the threshold only what resembles a known hairpin is a hit, and gates stay."""
    folder, _, hits, _ = own_family
    model = load_model(DEFAULT_MODEL)
    taken = {hit.name for hit in hits}
    left = [hit for hit in not_reported if hit.prob < model.min_prob]
    assert left
    low = max(left, key=lambda hit: hit.log_odds)
    library = fasta(folder / "low.fa", hsa_mir_7=low.sequence[20:-20])
    found, told = scan(own_family, "low", library)
    (lifted,) = [hit for hit in found if hit.name == low.name]
    assert lifted.prob == low.prob < model.min_prob
    assert lifted.log_odds >= log_odds_of(model.min_prob)
    assert taken <= {hit.name for hit in found}
    for hit in found:
        assert hit.prob >= model.min_prob or hit.similarity > HINGE
    assert "off" not in json.loads(told.with_name("low.bed.summary.json").read_text())["gates"]
    # The same, whatever the tiles, after nothing was kept that is no hit.
    _, other = scan(own_family, "tiles", library, "--tile-size", "5000", "--threads", "2")
    assert other.read_bytes() == told.read_bytes()
    summary = json.loads(told.with_name("low.bed.summary.json").read_text())
    assert summary["above_threshold"] < len(taken) + len(left)


def test_the_library_is_part_of_a_run(own_family, not_reported, tmp_path, capsys):
    """A run with one library, which lifts nothing, has not folded all that another may lift."""
    _, path, hits, _ = own_family
    below = max(
        (hit for hit in not_reported if hit.prob < min(h.prob for h in hits)), key=lambda h: h.prob
    )
    libraries = [
        fasta(tmp_path / "a.fa", hsa_mir_5_1=LET_7),
        fasta(tmp_path / "b.fa", hsa_mir_9_1=below.sequence[20:-20]),
    ]
    for library, lifted in zip(libraries, (False, True), strict=True):
        out = tmp_path / f"{library.stem}.bed"
        line = [str(path), "--out", str(out), "-q", "--known", str(library), "--keep-work"]
        line += ["--work-dir", str(tmp_path / "work")]
        if lifted:
            assert main(line) == 4
            assert "belongs to another run: known is '" in capsys.readouterr().err
        assert main([*line, "--resume", "never"]) == 0
        assert (below.name in {hit.name for hit in read_hits(out)}) == lifted


def test_a_clade_is_part_of_a_run(own_family, not_reported, tmp_path):
    """What only another clade's hairpin lifts is no hit, and is one again."""
    _, path, hits, _ = own_family
    below = max(
        (hit for hit in not_reported if hit.prob < min(h.prob for h in hits)), key=lambda h: h.prob
    )
    library = fasta(tmp_path / "own.fa", cel_mir_5_1=LET_7, hsa_mir_9_1=below.sequence[20:-20])
    written: dict[str, bytes] = {}
    for clade, lifted in (("Nematoda", False), ("^Nematoda", True), ("Nematoda", False)):
        out = tmp_path / "out.bed"
        line = [str(path), "--out", str(out), "-q", "--known", str(library), "--known-clade", clade]
        assert main([*line, "--report", str(tmp_path / "r.html")]) == 0
        found = list(read_hits(out))
        assert (below.name in {hit.name for hit in found}) == lifted
        assert {hit.nearest for hit in found} <= {None, "hsa-mir-9-1" if lifted else "cel-mir-5-1"}
        assert written.setdefault(clade, out.read_bytes()) == out.read_bytes()
        name = "own.fa without Nematoda" if lifted else "own.fa of Nematoda"
        assert f"## known {name} sha256 ".encode() in out.read_bytes()
        summary = json.loads(out.with_name("out.bed.summary.json").read_text())
        assert summary["known"] == name
        assert f"{name}: 1 hairpin<" in (tmp_path / "r.html").read_text()
