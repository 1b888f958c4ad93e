"""Which contigs of a background train and judge, and what is left out of both."""

from __future__ import annotations

from dataclasses import replace

import builders
import numpy as np
import pytest

from premir.scanner.errors import PlanMismatchError
from premir.scanner.find.candidates import PRESETS
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.shards import read_loci
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import open_genome
from premir.train.cli import main
from premir.train.genome.backgrounds import divide
from premir.train.genome.config import Background, GenomeConfig, Known, read_config
from premir.train.genome.cuts import cut_genome
from premir.train.genome.sources import digests, prepare

CELLS = {
    f"{assembly}.{window}": (window, assembly)
    for window in ("w1", "w2")
    for assembly in ("hg", "mm", "gg")
}
OWN = replace(PRESETS["animal"], context_nt=20)


@pytest.fixture
def lent(tmp_path):
    """Two windows in three genomes, and their table."""
    rng = np.random.default_rng(1)
    contigs = {name: builders.random_sequence(rng, 6_000) for name in CELLS}
    builders.write_fasta(tmp_path / "lent.fa", contigs)
    rows = "".join("\t".join([name, *groups]) + "\n" for name, groups in CELLS.items())
    (tmp_path / "groups.tsv").write_text(rows)
    return Background(tmp_path / "lent.fa")


def divided(background, work):
    """Names of the contigs that train, by label, of those that judge, and the whole of it."""
    with open_genome(background.genome) as genome:
        found = divide(background, genome, 0.5, work)
    names = {part.label: [name for name, _ in read_records(part.fasta)] for part in found.training}
    judging = [name for part in found.judging for name, _ in read_records(part.fasta)]
    return names, judging, found


def test_neither_the_window_nor_the_genome_that_judges_trains(lent, tmp_path, caplog):
    groups = tmp_path / "groups.tsv"
    chosen = replace(lent, groups=groups, judging=("w2", "gg"), apart=True)
    with caplog.at_level("INFO", "premir"):
        training, judging, found = divided(chosen, tmp_path)
    assert training == {"hg": ["hg.w1"], "mm": ["mm.w1"]}
    assert judging == ["gg.w2"]
    assert [part.genomes for part in found.judging] == [("gg",)]
    letters = dict(read_records(lent.genome))
    assert read_records(found.training[0].fasta) == [("hg.w1", letters["hg.w1"])]
    assert "0.01 Mb train, 0.01 Mb judge, 0.02 Mb are left aside" in caplog.text
    together, _, _ = divided(replace(chosen, apart=False), tmp_path)
    assert list(together.values()) == [["hg.w1", "mm.w1"]]


@pytest.mark.parametrize(
    "change, trains, judges",
    [
        ({"judging": ()}, set(CELLS), set()),
        ({"judging": ("gg",)}, {"hg.w1", "mm.w1", "hg.w2", "mm.w2"}, {"gg.w1", "gg.w2"}),
        ({"judging": ("gg",), "lends": False}, set(), {"gg.w1", "gg.w2"}),
        ({"judging": ("gg", "hg"), "judges": False}, {"mm.w1", "mm.w2"}, set()),
    ],
)
def test_a_name_up_to_its_first_dot_is_a_group(lent, tmp_path, change, trains, judges):
    training, judging, _ = divided(replace(lent, **change), tmp_path)
    assert {name for names in training.values() for name in names} == trains
    assert set(judging) == judges


def test_without_groups_a_share_of_the_contigs_judges(lent, tmp_path):
    training, judging, _ = divided(lent, tmp_path)
    (names,) = training.values()
    assert sorted([*names, *judging]) == sorted(CELLS)
    assert names
    assert judging


def config_of(folder, background):
    rng = np.random.default_rng(4)
    builders.write_fasta(
        folder / "known.fa", {f"mir-{n}-a": builders.hairpin(rng) for n in range(6)}
    )
    text = (
        'name = "mine"\npreset = "animal"\nplanted = 1\nvalidation = 0.5\n'
        f'[[known]]\nfasta = "known.fa"\n[[backgrounds]]\ngenome = "lent.fa"\n{background}\n'
    )
    (folder / "c.toml").write_text(text)
    return ["genome", "--data", str(folder), "--config", str(folder / "c.toml"), "-q"]


@pytest.mark.parametrize(
    "lines, message",
    [
        ('judging = ["gg", "hs"]', "lent.fa: no contig is of the group 'hs' that judging names"),
        ('groups = "few.tsv"', "few.tsv: lacks contig 'gg.w1' of "),
        ('groups = "odd.tsv"', "odd.tsv: line 2: expected a contig that is new, and its groups"),
        ('groups = "twice.tsv"', "twice.tsv: line 2: expected a contig that is new"),
        ('left_out = "x.bed"', "x.bed: no contig 'xx' in "),
        ('left_out = "odd.tsv"', "odd.tsv: line 1: not BED3"),
        ('judging = "gg"', "[[backgrounds]]: judging must be a list of groups"),
        ("judging = [3]", "[[backgrounds]]: judging must be a list of groups"),
        ("lends = 0", "[[backgrounds]]: lends, judges and apart must be true or false"),
        ('groups = "none.tsv"', "none.tsv: no such file"),
    ],
)
@pytest.mark.usefixtures("lent")
def test_what_does_not_fit_the_contigs_is_told(tmp_path, lines, message, capsys):
    table = (tmp_path / "groups.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "few.tsv").write_text("".join(row for row in table if "gg.w1" not in row))
    (tmp_path / "odd.tsv").write_text(table[0] + "hg.w2\n")
    (tmp_path / "twice.tsv").write_text(table[0] + table[0])
    (tmp_path / "x.bed").write_text("hg.w1\t0\t5\nxx\t1\t2\n")
    assert main([*config_of(tmp_path, lines), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "lines", ['judging = ["gg"]', "lends = false", "judges = false", "apart = true"]
)
@pytest.mark.usefixtures("lent")
def test_another_split_is_another_training(tmp_path, lines):
    config_of(tmp_path, "")
    usual = digests(read_config(tmp_path / "c.toml", tmp_path))
    config_of(tmp_path, lines)
    assert digests(read_config(tmp_path / "c.toml", tmp_path)) != usual


def middles(shards, contig):
    """Mid-points of the candidates of a contig."""
    loci = [read_loci(path) for path in shards]
    return np.concatenate([((each.start + each.end) // 2)[each.contig == contig] for each in loci])


def test_what_is_left_out_neither_trains_nor_counts(lent, tmp_path):
    bed = tmp_path / "dup.bed"
    bed.write_text("hg.w1\t1000\t3000\ngg.w1\t0\t2000\ngg.w1\t1500\t5000\n")
    background = replace(lent, judging=("gg",), left_out=bed)
    known = Known(fasta=tmp_path / "known.fa")
    config_of(tmp_path, "")
    config = GenomeConfig("x", "animal", (known,), (background,), validation=0.5, planted=1)
    sources = prepare(config, tmp_path / "work", KernelFolder())
    assert [each.megabases for each in sources.negatives] == [pytest.approx(0.022)]
    assert sources.held[0].cuts.megabases == pytest.approx(0.007)
    everything = cut_genome(lent.genome, tmp_path / "all", OWN, KernelFolder())
    for shards, contig, own, start, end in (
        (sources.negative_shards, 0, 0, 1_000, 3_000),
        (sources.held[0].cuts.shards, 0, list(CELLS).index("gg.w1"), 0, 5_000),
    ):
        expected = middles(everything.shards, own)
        inside = (expected >= start) & (expected < end)
        assert inside.any()
        assert sorted(middles(shards, contig)) == sorted(expected[~inside])


def test_candidates_of_other_places_are_not_taken(lent, tmp_path):
    def cut(*left_out):
        return cut_genome(lent.genome, tmp_path / "cuts", OWN, KernelFolder(), left_out=left_out)

    first = cut(("hg.w1", 0, 1_000))
    again = cut(("hg.w1", 0, 500), ("hg.w1", 400, 1_000), ("xx", 1, 2))
    assert (again.shards, again.candidates) == (first.shards, first.candidates)
    with pytest.raises(PlanMismatchError, match="holds candidates of something else: where is"):
        cut(("hg.w1", 0, 2_000))


def test_what_was_searched_is_told_contig_by_contig(lent, tmp_path):
    whole, half = list(CELLS)[:2]
    left_out = [(whole, 0, 6_000), (half, 1_000, 4_000)]
    cuts = cut_genome(lent.genome, tmp_path / "cuts", OWN, KernelFolder(), left_out=left_out)
    assert cuts.searched.tolist() == [0, 3_000, *[6_000] * (len(CELLS) - 2)]
    assert cuts.megabases == cuts.searched.sum() / 1e6


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix == ".h5"
    }


def test_shards_are_the_same_with_any_number_of_threads(lent, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("premir.train.genome.cuts.TILE_SIZE", 2_500)
    monkeypatch.setattr("premir.scanner.run.progress._INTERVAL", 0.0)
    folder = KernelFolder()
    one = cut_genome(lent.genome, tmp_path / "one", OWN, folder)
    caplog.clear()
    with caplog.at_level("INFO", "premir"):
        three = cut_genome(lent.genome, tmp_path / "three", OWN, folder, threads=3)
    assert len(one.shards) == 18
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert [path.name for path in one.shards] == [path.name for path in three.shards]
    assert one.candidates == three.candidates
    told = [each.getMessage() for each in caplog.records if "Mb/min" in each.getMessage()]
    assert len(told) == 18
    assert told[-1].startswith("lent: 0.04 of 0.04 Mb done, ")
    assert told[-1].endswith(f" {one.candidates} candidates")
