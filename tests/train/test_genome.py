"""Training on candidates of genomes, on the demo genome's planted hairpins."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from premir.kernels.codes import UNKNOWN, decode, encode, reverse_complement
from premir.kernels.pairing import pack
from premir.scanner.cli import main as scan_main
from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.find.candidates import PRESETS
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.hairpins import concatenate, join
from premir.scanner.find.loci import Loci
from premir.scanner.find.shards import read_hairpins, read_loci
from premir.scanner.genome.fasta import read_records
from premir.scanner.report.evidence.known.clades import phylum_of
from premir.scanner.score.crossfit import CrossFit, Places
from premir.scanner.score.inference import batch_log_odds
from premir.scanner.score.model import read_model
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.variable import VariableConvNet
from premir.train.cli import main
from premir.train.genome import ablation
from premir.train.genome.backgrounds import held_out
from premir.train.genome.config import ANIMAL_CONFIG, Known, parse_config, read_config
from premir.train.genome.cuts import Choice, cut_genome, matching, touching
from premir.train.genome.judging import Curve, calibrate, judge
from premir.train.genome.planting import (
    FLANK,
    plant_inverted_repeats,
    plant_known,
    plant_tandem_repeats,
    with_flanks,
)
from premir.train.genome.sources import digests, prepare, read_known
from premir.train.genome.stream import (
    ADAPTED_SHARE,
    Stream,
    background,
    balanced,
    mutated,
    shortened,
    with_unknown_letters,
)
from premir.train.genome.trainer import GenomeTrainer
from premir.train.precursors import Precursor

EXAMPLES = Path(__file__).parents[2] / "examples"
CPU = torch.device("cpu")
OWN = replace(PRESETS["animal"], context_nt=20)

TOML = """
name = "tiny"
preset = "animal"
networks = ["stem", "variable"]
contexts = [10, 20]
validation = 0.3
planted = 2
inverted_repeats = 20
tandem_repeats = 20
hard_negatives = 0.5
samples = 160
adapt_samples = 64
batch = 16
mutation = 0.3
shortened = 0.5
unknown_letters = 0.02
genome_balance = 0.5
learning_rate = 0.3  # it rises over 200 steps, of which there are ten

[[known]]
bed = "truth.bed"
genome = "demo.fa"

[[backgrounds]]
genome = "background.fa"
"""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The demo's hairpins with their loci, and a background of random letters."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "demo.fa").write_bytes((EXAMPLES / "demo.fa").read_bytes())
    (folder / "truth.bed").write_bytes((EXAMPLES / "demo.truth.bed").read_bytes())
    rng = np.random.default_rng(5)
    with (folder / "background.fa").open("w") as handle:
        for name in "abcdefgh":
            handle.write(f">{name}\n{decode(rng.integers(0, 4, 12_000).astype(np.uint8))}\n")
    (folder / "tiny.toml").write_text(TOML)
    return folder


@pytest.fixture(scope="module")
def contigs():
    rng = np.random.default_rng(6)
    return [[rng.integers(0, 4, 9_000).astype(np.uint8) for _ in range(2)] for _ in range(2)]


@pytest.fixture(scope="module")
def sources(data, tmp_path_factory):
    config = read_config(data / "tiny.toml", data)
    return prepare(config, tmp_path_factory.mktemp("work"), KernelFolder())


@pytest.mark.parametrize(
    "change, message",
    [
        (("name =", "nmae ="), "unknown key 'nmae'"),
        (('"animal"', '"fish"'), "preset must be one of animal"),
        (
            ('["stem", "variable"]', '["leaf"]'),
            f"no network 'leaf': there is {', '.join(NETWORKS)}",
        ),
        (('["stem", "variable"]', "[]"), "networks must name one to 16"),
        (("unknown_letters = 0.02", "unknown_letters = 2"), "must be a number from 0 to 1"),
        (("unknown_letters = 0.02", "unknown_letters = '2 %'"), "must be a number from 0 to 1"),
        (("demo.fa", "absent.fa"), "no such file"),
        (('genome = "demo.fa"\n', ""), "give mirbase, or fasta, or bed with genome"),
        (("name =", "name"), "cannot be read as TOML"),
        (('bed = "truth.bed"', 'kind = "moss"'), "[[known]]: kind must be one of animal, plant"),
        (('[[backgrounds]]\ngenome = "background.fa"', ""), "at least one"),
    ],
)
def test_faulty_configurations_are_told(data, tmp_path, change, message, capsys):
    path = tmp_path / "faulty.toml"
    path.write_text(TOML.replace(*change))
    arguments = ["genome", "--config", str(path), "--data", str(data)]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(path) in error
    assert not (tmp_path / "out").exists()


def test_the_shipped_configuration_keeps_to_the_splits():
    backgrounds = tomllib.loads(ANIMAL_CONFIG.read_text())["backgrounds"]
    named = {Path(each["genome"]).parent.name: each for each in backgrounds}
    assert set(named) == {
        "human_clones", "mouse_pieces", "fly_1pct", "arabidopsis_1pct", "mammals_windows",
        "encode_vertebrates", "vertebrate_misc", "insect_misc", "brassica_part",
    }  # fmt: skip
    assert [name for name, each in named.items() if each["judging"] == []] == [
        "human_clones", "mouse_pieces", "fly_1pct", "arabidopsis_1pct",
    ]  # fmt: skip
    assert named["encode_vertebrates"]["lends"] is False
    assert named["brassica_part"]["judges"] is False
    assert len(named["brassica_part"]["judging"]) == 13
    cells = named["mammals_windows"]
    assert len(cells["judging"]) == 3 + 5
    assert {"groups", "left_out"} <= set(cells)


def test_the_configuration_for_plants_keeps_to_the_splits(monkeypatch, tmp_path):
    config = parse_config(ANIMAL_CONFIG.with_name("plant.toml"), tmp_path)
    assert [each.genome.parent.name for each in config.backgrounds] == ["brassica_part"]
    assert (config.preset, [each.kind for each in config.known]) == ("plant", ["plant"])
    species = ("ath", "aly", "bna", "bra", "bol", "osa", "hsa", "gma")
    hairpins = [
        Precursor(f"{name}-MIR1", name, "MIR1", kind, np.zeros(9, np.uint8), (0, 9))
        for name in species
        for kind in ("plant", "animal")
    ]
    monkeypatch.setattr("premir.train.genome.sources.read_precursors", lambda _: hairpins)
    learned = read_known(config.known)
    assert [(each.species, each.kind) for each in learned] == [
        (name, "plant") for name in ("osa", "hsa", "gma")
    ]
    assert {each.kind for each in read_known([Known(mirbase=tmp_path)])} == {"animal"}
    monkeypatch.setattr("premir.train.genome.sources.digest_of", lambda _: "0")
    assert digests(config)["known.0.kind"] == "plant"  # or the training of another kind goes on


def test_known_hairpins_of_a_genome_keep_their_flanks_and_strands(data):
    known = read_known([Known(bed=data / "truth.bed", genome=data / "demo.fa")])
    rows = [line.split("\t") for line in (data / "truth.bed").read_text().splitlines()]
    genome = dict(read_records(data / "demo.fa"))
    rows = [row for row in rows if not row[0].startswith("#")]
    assert len(known) == len(rows) == 20
    assert {row[5] for row in rows} == {"+", "-"}
    for precursor, row in zip(known, rows, strict=True):
        expected = encode(genome[row[0]][int(row[1]) : int(row[2])])
        if row[5] == "-":
            expected = reverse_complement(expected)
        first, last = precursor.core
        assert np.array_equal(precursor.codes[first:last], expected)
        assert first <= FLANK
        assert precursor.codes.size - last <= FLANK


def test_a_locus_beyond_its_contig_is_told(data, tmp_path):
    bed = tmp_path / "x.bed"
    bed.write_text("demo1\t5\t99999999\tx\t0\t+\n")
    with pytest.raises(InputError, match="line 1"):
        read_known([Known(bed=bed, genome=data / "demo.fa")])


def test_cuts_are_those_of_a_scan_and_are_made_once(data, contigs, tmp_path):
    known = read_known([Known(bed=data / "truth.bed", genome=data / "demo.fa")])
    planted = plant_known(tmp_path / "known.fa", known, contigs, np.random.default_rng(1))
    everything = cut_genome(planted.fasta, tmp_path / "all", OWN, KernelFolder())
    again = (planted.fasta, tmp_path / "chosen", OWN, KernelFolder(), Choice(matching, planted))
    chosen = cut_genome(*again)
    loci, all_loci = read_loci(chosen.shards[0]), read_loci(everything.shards[0])
    assert set(loci.contig.tolist()) == set(range(len(known)))  # every demo hairpin is found
    keep = np.flatnonzero(matching(planted, all_loci))
    assert np.array_equal(all_loci.start[keep], loci.start)
    a, b = read_hairpins(chosen.shards[0]), read_hairpins(everything.shards[0]).take(keep)
    assert np.array_equal(a.codes, b.codes)
    assert np.array_equal(a.pairs, b.pairs)
    assert np.all(loci.start - loci.folded_start == 20)  # flanks leave room for the context
    before = chosen.shards[0].stat().st_mtime_ns
    cut_genome(*again)
    assert chosen.shards[0].stat().st_mtime_ns == before
    chosen.shards[0].write_bytes(chosen.shards[0].read_bytes()[:-100])
    cut_genome(*again)
    assert np.array_equal(read_hairpins(chosen.shards[0]).codes, a.codes)


def test_hairpins_without_flanks_of_their_own_get_those_of_others():
    rng = np.random.default_rng(3)
    pieces = [rng.integers(0, 4, 60, dtype=np.uint8) for _ in range(5)]
    cores = [(10, 50), (9, 50), (5, 52), (12, 45), (0, 60)]
    known = [
        Precursor(f"p{n}", "hsa", f"f{n}", "animal", codes, core)
        for n, (codes, core) in enumerate(zip(pieces, cores, strict=True))
    ]
    assert [each.own_flank for each in known] == [10, 9, 5, 12, 0]
    whole = with_flanks(known, 9, np.random.default_rng(4))
    assert [whole[n] is known[n] for n in range(5)] == [True, True, False, True, False]
    for n in (2, 4):
        own, (first, last) = whole[n], whole[n].core
        assert (own.name, own.family) == (known[n].name, known[n].family)
        assert np.array_equal(own.codes[first:last], pieces[n][slice(*cores[n])])
        flanks = [(own.codes[:first].tolist(), own.codes[last:].tolist())]
        lent = [(pieces[m][: cores[m][0]], pieces[m][cores[m][1] :]) for m in (0, 1, 3)]
        assert flanks[0] in [(a.tolist(), b.tolist()) for a, b in lent]
    drawn = {with_flanks(known, 9, np.random.default_rng(n))[4].core[0] for n in range(40)}
    assert drawn == {9, 10, 12}  # of all that lend
    with pytest.raises(InputError, match="no known hairpin has 13 nt"):
        with_flanks(known, 13, rng)


def test_hairpins_without_flanks_of_their_own_train_and_do_not_judge(data, tmp_path):
    config = read_config(data / "tiny.toml", data)
    flanked = read_known(config.known)
    bare = tmp_path / "bare.fa"
    bare.write_text(
        "".join(
            f">bare{n}-1\n{decode(each.codes[slice(*each.core)])}\n"
            for n, each in enumerate(flanked)
        )
    )
    both = replace(config, known=(*config.known, Known(fasta=bare)), planted=1, own_flank=10)
    sides = [held_out(p.family, config.validation) for p in read_known(both.known)]
    assert len(set(sides[len(flanked) :])) == 2
    prepared = prepare(both, tmp_path / "work", KernelFolder())
    assert len(prepared.known.groups) == sum(sides[: len(flanked)])
    groups = prepared.positives[0].groups
    assert len(groups) == sides.count(False)
    sizes = {f"bare{n}": each.core[1] - each.core[0] for n, each in enumerate(flanked)}
    planted = dict(read_records(tmp_path / "work" / "known-0.fa")).values()
    for group, letters in zip(groups, planted, strict=True):
        if group in sizes:
            assert len(letters) >= FLANK + (10 + sizes[group] + 10) + FLANK  # as they were lent


def test_inverted_repeats_are_folded_where_they_were_planted(contigs, tmp_path):
    repeats = plant_inverted_repeats(tmp_path / "x.fa", 40, contigs, np.random.default_rng(2))
    choice = Choice(touching, repeats)
    cuts = cut_genome(repeats.fasta, tmp_path / "cuts", OWN, KernelFolder(), choice)
    loci = read_loci(cuts.shards[0])
    middle = (loci.start + loci.end) // 2
    assert np.all(middle >= repeats.loci[loci.contig, 0])
    assert np.all(middle < repeats.loci[loci.contig, 1])
    assert np.unique(loci.contig).size >= 25  # the longest spacers are beyond the longest span


def test_tandem_repeats_repeat_and_some_fold(contigs, tmp_path):
    repeats = plant_tandem_repeats(tmp_path / "x.fa", 60, contigs, np.random.default_rng(2))
    periodic = 0
    for (_, letters), (start, end) in zip(
        read_records(tmp_path / "x.fa"), repeats.loci, strict=True
    ):
        array = encode(letters)[start:end]
        matches = [(array[n:] == array[:-n]).mean() for n in range(1, array.size // 2)]
        periodic += max(matches, default=0.0) > 0.6
        assert len(letters) == array.size + 2 * FLANK
    assert periodic > 30  # random letters reach 0.4; much exchanged arrays lose their period
    choice = Choice(touching, repeats)
    cuts = cut_genome(repeats.fasta, tmp_path / "cuts", OWN, KernelFolder(), choice)
    assert np.unique(read_loci(cuts.shards[0]).contig).size >= 10


def test_what_judges_never_trains(sources, data):
    training = {name for each in sources.positives for name in each.groups}
    assert training
    assert training.isdisjoint(sources.known.groups)
    names = {contig.name for each in sources.held for contig in each.cuts.contigs}
    assert names == {name for name in "abcdefgh" if held_out(f"{data.name}-background/{name}", 0.3)}
    folders = [path.parents[1] for path in sources.negative_shards]
    train = next(folder for folder in folders if "train" in folder.name)
    headers = train.with_suffix(".fa").read_text().split("\n")[::2]
    assert names.isdisjoint(header.removeprefix(">") for header in headers)


def test_contexts_differ_in_training_and_the_models_own_judges(sources):
    def contexts(paths):
        return {int((loci.start - loci.folded_start).max()) for loci in map(read_loci, paths)}

    assert contexts(path for each in sources.positives for path in each.cuts.shards) == {10, 20}
    assert contexts(sources.known.cuts.shards) == {20}
    assert contexts(path for each in sources.held for path in each.cuts.shards) == {20}


def test_large_phyla_count_less(sources):
    names = sorted({name for each in sources.positives for name in each.groups})
    phyla = {name: "Chordata" if n % 3 else "Arthropoda" for n, name in enumerate(names)}
    known = [replace(each, phyla=tuple(map(phyla.get, each.groups))) for each in sources.positives]
    families = np.concatenate(
        [
            np.array(each.groups)[read_loci(path).contig]
            for each in known
            for path in each.cuts.shards
        ]
    )
    _, shares = balanced(known, 1.0, 1.0).load(np.random.default_rng(0))
    assert shares is not None
    for phylum in ("Arthropoda", "Chordata"):
        own = [name for name in np.unique(families) if phyla[name] == phylum]
        totals = [shares[families == name].sum() for name in own]
        np.testing.assert_allclose(totals, 0.5 / len(own))


def test_phyla_are_told_by_names(sources):
    assert all(len(each.phyla) == len(each.groups) for each in sources.positives)
    assert [phylum_of(name) for name in ("hsa-let-7a-1", "Dme-Bantam", "ath-MIR156a", "own-1")] == [
        "Chordata", "Arthropoda", "", ""
    ]  # fmt: skip


def test_large_families_count_less(sources):
    stream = balanced(sources.positives, 1.0)
    hairpins, shares = stream.load(np.random.default_rng(0))
    assert shares is not None
    assert shares.sum() == pytest.approx(1)
    groups = np.concatenate(
        [
            np.array(each.groups)[read_loci(path).contig]
            for each in sources.positives
            for path in each.cuts.shards
        ]
    )
    assert len(hairpins) == groups.size
    totals = [shares[groups == name].sum() for name in np.unique(groups)]
    np.testing.assert_allclose(totals, 1 / len(totals))


def test_a_window_bounds_what_is_in_memory(sources):
    sizes = [len(read_hairpins(path)) for path in sources.negative_shards]
    window = max(sizes)
    assert sum(sizes) > window
    seen = set()
    for n in range(8):
        stream = Stream(sources.negative_shards, window=window)
        first, _ = stream.load(np.random.default_rng(n))
        again, _ = Stream(sources.negative_shards, window=window).load(np.random.default_rng(n))
        assert np.array_equal(first.codes, again.codes)
        assert len(first) <= window
        seen.add(len(first))
    assert len(seen) > 1
    whole, _ = Stream(sources.negative_shards).load(np.random.default_rng(0))
    assert len(whole) == sum(sizes)


def test_most_negatives_come_from_the_genome_to_adapt_to(sources):
    lending, adapted = sources.negatives[0], sources.held[0].cuts
    stream = background([lending], [adapted], 0.5)
    _, shares = stream.load(np.random.default_rng(0))
    own = adapted.candidates
    assert shares is not None
    each = ADAPTED_SHARE / own
    assert np.isclose(shares, each).sum() == own
    assert shares[np.isclose(shares, each)].sum() == pytest.approx(ADAPTED_SHARE)


@pytest.mark.parametrize("unseen", [0, 1])
def test_a_part_of_the_genome_to_adapt_to_stays_unseen(sources, unseen):
    cuts, cross_fit = sources.held[0].cuts, CrossFit(2, 1_000)
    stream = background(sources.negatives, [cuts], 0.5, cross_fit=cross_fit, unseen=unseen)
    assert stream.weights is not None
    own = np.concatenate(stream.weights[-len(cuts.shards) :])
    loci = Loci.concatenate([read_loci(path) for path in cuts.shards])
    hidden = cross_fit.fold(Places.of(loci, cuts.contigs.lengths)) == unseen
    assert 0 < hidden.sum() < hidden.size
    assert (own[hidden] == 0).all()
    assert np.ptp(own[~hidden]) == 0
    others = sum(weights.sum() for weights in stream.weights[: -len(cuts.shards)])
    assert own.sum() / (own.sum() + others) == pytest.approx(ADAPTED_SHARE)


def test_mutated_hairpins_keep_their_fold():
    rng = np.random.default_rng(3)
    stem = np.array([2, 1, 0, 3] * 5, np.uint8)
    codes = np.concatenate([stem, np.zeros(8, np.uint8), reverse_complement(stem)])
    pairs = np.full(codes.size, -1, np.int16)
    pairs[:20] = np.arange(47, 27, -1)
    pairs[28:] = np.arange(19, -1, -1)
    hairpins = join([(codes, pairs, -1000)] * 400)
    changed = mutated(hairpins, 0.5, rng)
    assert np.array_equal(changed.pairs, hairpins.pairs)
    table = changed.codes.reshape(400, -1)
    partners = table[:, pairs[:20]]
    kinds = {(int(a), int(b)) for a, b in zip(table[:, :20].ravel(), partners.ravel(), strict=True)}
    assert kinds == {(0, 3), (3, 0), (1, 2), (2, 1), (2, 3), (3, 2)}
    same = (table == codes).all(axis=1).mean()
    assert 0.45 < same < 0.65  # every other one, and those whose share came out near zero
    assert (table != codes).mean(axis=1).max() < 0.6


def test_context_that_is_cut_back_is_folded_anew():
    rng = np.random.default_rng(4)
    folder = KernelFolder()
    sequences = [rng.integers(0, 4, size).astype(np.uint8) for size in rng.integers(60, 90, 300)]
    hairpins = folder.fold(*pack(sequences))
    changed = shortened(hairpins, 0.4, 20, folder, np.random.default_rng(1))
    gone = hairpins.lengths - changed.lengths
    assert 0.3 < (gone > 0).mean() < 0.5
    assert 30 < gone.max() <= 40
    sides = set()
    for n in range(len(hairpins)):
        whole, (codes, pairs, mfe) = hairpins[n][0], changed[n]
        (at,) = (k for k in range(gone[n] + 1) if np.array_equal(whole[k : k + codes.size], codes))
        sides |= {("before", at > 0), ("after", gone[n] > at)}
        (again,) = (folder.fold(*pack([codes]))[m] for m in range(1))
        assert np.array_equal(again[1], pairs)
        assert again[2] == mfe
    assert len(sides) == 4
    assert shortened(hairpins, 0.0, 20, folder, rng) is hairpins


def test_unknown_letters_are_few_and_folded_with():
    rng = np.random.default_rng(4)
    folder = KernelFolder()
    sequences = [rng.integers(0, 4, size).astype(np.uint8) for size in rng.integers(40, 160, 300)]
    hairpins = folder.fold(*pack(sequences))
    changed = with_unknown_letters(hairpins, 0.02, folder, np.random.default_rng(1))
    assert changed.lengths.tolist() == hairpins.lengths.tolist()
    assert (changed.unknown <= 0.02 * changed.lengths).all()
    assert set(changed.unknown.tolist()) == {0, 1, 2, 3}
    assert 0.2 < (changed.unknown > 0).mean() < 0.35  # of every other one none to all that may be
    known = changed.codes != UNKNOWN
    assert changed.codes[known].tolist() == hairpins.codes[known].tolist()
    again = folder.fold(changed.codes, changed.offsets)
    assert again.differing(changed) == []
    assert hairpins.differing(changed)
    same = with_unknown_letters(hairpins, 0.02, folder, np.random.default_rng(1))
    assert same.codes.tolist() == changed.codes.tolist()
    assert with_unknown_letters(hairpins, 0.0, folder, rng) is hairpins
    drawn = mutated(changed, 0.5, rng)
    assert ((drawn.codes == UNKNOWN) == ~known).all()


def test_genomes_weigh_alike_where_asked(sources):
    sizes = np.array([each.candidates for each in sources.negatives])
    assert np.ptp(sizes) > 0
    for power, expected in ((0.0, sizes / sizes.sum()), (1.0, np.full(sizes.size, 1 / sizes.size))):
        stream = background(sources.negatives, (), power)
        shards = [path for each in sources.negatives for path in each.shards]
        assert list(stream.shards) == shards
        assert stream.weights is not None
        total = dict.fromkeys(range(sizes.size), 0.0)
        for path, weights in zip(shards, stream.weights, strict=True):
            (genome,) = (n for n, each in enumerate(sources.negatives) if path in each.shards)
            total[genome] += weights.sum()
        share = np.array(list(total.values()))
        np.testing.assert_allclose(share / share.sum(), expected)


def trainer(sources, data, kind="variable", **changes):
    config = replace(read_config(data / "tiny.toml", data), **changes)
    return GenomeTrainer(
        config,
        config.identity(),
        balanced(sources.positives, config.family_balance),
        background(sources.negatives, ()),
        CPU,
        KernelFolder(),
        kind,
    )


def test_the_running_mean_of_weights_has_the_statistics_of_batch_norm_as_they_are(sources, data):
    fixed = trainer(sources, data, "fixed", samples=64)
    fixed.train_round()
    kept, now = dict(fixed.average.named_buffers()), dict(fixed.network.named_buffers())
    assert all(torch.equal(kept[name], now[name]) for name in now)
    assert kept["norm1.running_mean"].abs().max() > 0


def test_a_resumed_training_takes_the_same_path(sources, data, tmp_path, monkeypatch):
    monkeypatch.setattr("premir.train.genome.trainer._ROUND", 48)
    straight = trainer(sources, data)
    while straight.samples < 160:
        straight.train_round()
    first = trainer(sources, data)
    first.train_round()
    first.save(tmp_path / "x.safetensors")
    second = trainer(sources, data)
    second.resume(tmp_path / "x.safetensors")
    while second.samples < 160:
        second.train_round()
    assert [each["samples"] for each in second.history] == [48, 48, 48, 16]
    for name in ("network", "average"):
        mine, theirs = getattr(straight, name).state_dict(), getattr(second, name).state_dict()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert not torch.equal(straight.network.conv1.weight, straight.average.conv1.weight)
    with pytest.raises(PlanMismatchError, match="learning_rate"):
        trainer(sources, data, learning_rate=0.5).resume(tmp_path / "x.safetensors")


def test_hard_negatives_look_more_like_hairpins(sources, data):
    learner = trainer(sources, data)
    hairpins, odds = learner.negatives.load(np.random.default_rng(0))
    scores = batch_log_odds(learner.average, hairpins, device=CPU)
    means = []
    for share in (0.0, 0.5, 1.0):
        learner.config = replace(learner.config, hard_negatives=share)
        drawn = learner._negatives(hairpins, odds, (4, 12), np.random.default_rng(1))
        assert drawn.shape == (4, 12)
        means.append(scores[drawn].mean())
    assert means[0] < means[1] < means[2]


def test_training_lowers_the_loss(sources, data):
    learner = trainer(sources, data, samples=1_600, learning_rate=3e-3, mutation=0.0)
    learner.config = replace(learner.config, samples=1_600)
    losses = []
    for _ in range(2):
        losses.append(learner.train_round()["loss"])
        if learner.samples >= 1_600:
            break
    assert losses[-1] < 0.5  # chance is 0.56 with one positive in four


def test_calibration_recovers_a_known_slope():
    rng = np.random.default_rng(0)
    # Two normal distributions a distance apart have log odds that are linear: 2 x score.
    known, other = rng.normal(1, 1, 40_000), rng.normal(-1, 1, 60_000)
    curve = Curve(known, np.ones(known.size), other, np.sort(other)[::-1], 10.0)
    slope, intercept = calibrate(curve)
    assert slope == pytest.approx(2, abs=0.05)
    assert intercept == pytest.approx(0, abs=0.05)


def test_a_curve_counts_calls_per_megabase():
    calls = np.arange(100.0)[::-1]
    curve = Curve(np.array([200.0, 89.5, 10.0, -np.inf]), np.ones(4), calls, calls, 2.0)
    summary = curve.summary()
    assert summary["false_per_mb_at_recall_0.3"] == 5  # ten calls above 89.5 in two megabases
    assert summary["recall_at_1_per_mb"] == 0.25
    assert summary["recall_at_10_per_mb"] == 0.5
    assert (calls > curve.threshold(1.0)).sum() == 2


def test_a_family_of_n_weighs_the_root_of_n(sources):
    torch.manual_seed(4)
    rest = len(sources.known.groups) - 4
    known = replace(sources.known, groups=("x",) * 4 + ("y",) * rest)
    curve = judge([VariableConvNet()], known, sources.held, CPU)
    assert curve.weights.tolist() == pytest.approx([0.5] * 4 + [rest**-0.5] * rest)


def test_plantings_of_a_hairpin_count_as_one(data, sources, tmp_path):
    torch.manual_seed(4)
    network = VariableConvNet()
    once = judge([network], sources.known, sources.held, CPU)
    config = replace(read_config(data / "tiny.toml", data), judged_plantings=3, planted=1)
    often = prepare(config, tmp_path, KernelFolder()).known
    assert often.groups == sources.known.groups * 3
    curve = judge([network], often, sources.held, CPU)
    assert (curve.hairpins, curve.families) == (once.hairpins, once.families)
    assert curve.hairpins == len(once.known)
    assert curve.weights.sum() == pytest.approx(once.weights.sum())
    assert np.allclose(curve.weights[: once.known.size] * 3, once.weights)
    assert np.allclose(curve.known[: once.known.size], once.known, rtol=1e-5)
    flanked = {contig.sha256 for contig in often.cuts.contigs}
    assert len(flanked) == 3 * curve.hairpins


def test_background_is_scored_shard_by_shard(data, sources, tmp_path, monkeypatch):
    torch.manual_seed(4)
    network = VariableConvNet()
    whole = judge([network], sources.known, sources.held, CPU)
    monkeypatch.setattr("premir.train.genome.cuts.TILE_SIZE", 5_000)
    config = replace(read_config(data / "tiny.toml", data), planted=1)
    tiled = prepare(config, tmp_path, KernelFolder())
    assert len(tiled.held[0].cuts.shards) > len(sources.held[0].cuts.shards)
    sizes = []
    score = batch_log_odds

    def watched(network, hairpins, device):
        sizes.append(len(hairpins))
        return score(network, hairpins, device=device)

    monkeypatch.setattr("premir.train.genome.judging.batch_log_odds", watched)
    curve = judge([network], tiled.known, tiled.held, CPU)
    assert max(sizes) < whole.cuts.size
    np.testing.assert_allclose(np.sort(curve.cuts), np.sort(whole.cuts), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(curve.calls, whole.calls, rtol=1e-4, atol=1e-5)
    assert curve.megabases == whole.megabases
    (genome, *others) = curve.genomes
    assert sum(each.megabases for each in curve.genomes) == pytest.approx(curve.megabases)
    assert genome.calls.size + sum(each.calls.size for each in others) == curve.calls.size
    assert {each.name for each in curve.genomes} == set(tiled.held[0].genomes)


def arguments(data, config="tiny.toml", command=("genome",)):
    common = [*command, "--data", str(data), "--threads", "1"]
    return [*common, "--config", str(data / config)]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A model directory of a whole training."""
    out = tmp_path_factory.mktemp("models") / "tiny"
    assert main([*arguments(data), "--out", str(out), "-q"]) == 0
    return out


@pytest.mark.slow
def test_from_a_configuration_to_a_scan(data, trained, tmp_path, capsys):
    spec = read_model(trained)
    assert spec.context_nt == 20
    assert 0 < spec.card["min_prob"] < 1
    assert spec.card["samples"] == 2 * 160
    assert spec.unknown_letters == 0.02
    assert np.isfinite(spec.score(["GGGGCUAGCUAGGAUCCNAAAGGAUCUUAGCUAGCCCCAAAACUAGCUAGG"])).all()
    assert spec.kinds == ("stem", "variable")
    digest = hashlib.sha256((data / "background.fa").read_bytes()).hexdigest()
    assert (
        spec.card["training_sha256"]["backgrounds.0.genome"] == f"{data.name}-background {digest}"
    )
    before = contents(trained)
    assert main([*arguments(data), "--out", str(trained)]) == 0  # nothing is left to do
    assert json.loads(capsys.readouterr().out) == spec.card["held_out"]
    assert contents(trained) == before

    hits = tmp_path / "hits.bed"
    scan = [str(data / "demo.fa"), "--out", str(hits), "--model", str(trained), "-q"]
    assert scan_main([*scan, "--min-prob", "0", "--regions", "chr1:1-9000"]) == 0
    assert len(hits.read_text().splitlines()) > 20

    adapt = arguments(data, command=("adapt", str(data / "background.fa")))
    adapt += ["--start", str(trained), "--contigs", "a,b"]
    assert main([*adapt, "--out", str(tmp_path / "adapted")]) == 0
    card = read_model(tmp_path / "adapted").card
    assert card["started_from"] == "tiny"
    assert card["adapted_to"] == {"genome": "background.fa", "contigs": ["a", "b"]}
    assert card["network"] == "stem + variable + stem + variable"
    assert card["cross_fit"] == {"folds": 2, "block_nt": 100_000}
    again = [*adapt, "--start", str(tmp_path / "adapted"), "--out", str(tmp_path / "x")]
    assert main(again) == 2
    assert "is adapted to a genome: start from what" in capsys.readouterr().err
    assert main([*adapt, "--folds", "9", "--out", str(tmp_path / "x")]) == 2
    assert "--folds 9: 8 at most, with 2 networks in each" in capsys.readouterr().err
    assert main([*adapt, "--folds", "1", "--out", str(tmp_path / "adapted")]) == 4
    assert "adapt.folds is '2', not '1'" in capsys.readouterr().err
    assert main([*adapt[:-1], "nowhere", "--out", str(tmp_path / "x")]) == 2
    assert "no contig 'nowhere'" in capsys.readouterr().err
    assert main([*adapt[:-1], "a", "--out", str(tmp_path / "adapted")]) == 4
    assert "adapt.contigs is 'a b', not 'a'" in capsys.readouterr().err
    assert main([*adapt, "--out", str(trained)]) == 2  # onto what it starts from
    assert contents(trained) == before


def contents(folder):
    """All files below a folder, but for those that say who worked there last."""
    files = [path for path in folder.rglob("*") if path.is_file() and "lock" not in path.name]
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "change, field",
    [
        (('preset = "animal"', 'preset = "virus"'), "preset is 'animal', not 'virus'"),
        (("contexts = [10, 20]", "contexts = [20]"), r"contexts is \[10, 20\], not \[20\]"),
        (("validation = 0.3", "validation = 0.4"), "validation is 0.3, not 0.4"),
        (("planted = 2", "planted = 1"), "planted is 2, not 1"),
        (("tandem_repeats = 20", "tandem_repeats = 0"), "tandem_repeats is 20, not 0"),
        (("mutation = 0.3", "mutation = 0.2"), "mutation is 0.3, not 0.2"),
        (("unknown_letters = 0.02", ""), "unknown_letters is 0.02, not 0.0"),
        (
            ('["stem", "variable"]', '["stem"]'),
            r"networks is \['stem', 'variable'\], not \['stem'\]",
        ),
        (("background.fa", "other.fa"), "backgrounds.0.genome is '"),
        (("truth.bed", "fewer.bed"), "known.0.bed is '[0-9a-f]{64}', not '[0-9a-f]{64}'"),
        (
            ('"background.fa"', '"background.fa"\nneutral = "truth.bed"'),
            "backgrounds.0.neutral is None, not ",
        ),
    ],
)
def test_another_configuration_keeps_nothing_of_the_old_one(
    data, trained, tmp_path, change, field, capsys
):
    (data / "other.fa").write_bytes((data / "background.fa").read_bytes())
    (data / "fewer.bed").write_text("".join((data / "truth.bed").open().readlines()[:-1]))
    (data / "changed.toml").write_text(TOML.replace(*change))
    before = contents(trained)
    assert main([*arguments(data, "changed.toml"), "--out", str(trained), "-q"]) == 4
    error = capsys.readouterr().err
    assert re.search(f"belongs to another training: {field}", error)
    assert error.count("\n") == 1
    assert contents(trained) == before
    # Without the checkpoint the card is still another's.
    out = shutil.copytree(trained, tmp_path / "out")
    for checkpoint in out.glob("checkpoint*.safetensors"):
        checkpoint.unlink()
    assert main([*arguments(data, "changed.toml"), "--out", str(out), "-q"]) == 4
    assert "card of the model 'tiny', not written by this training" in capsys.readouterr().err


def test_a_changed_source_is_another_training(data, trained, capsys):
    bed = data / "truth.bed"
    text = bed.read_text()
    bed.write_text(text.rstrip("\n") + "\n\n")
    assert main([*arguments(data), "--out", str(trained), "-q"]) == 4
    bed.write_text(text)
    assert "known.0.bed is" in capsys.readouterr().err
    assert main([*arguments(data), "--out", str(trained), "--seed", "1", "-q"]) == 4
    assert "seed is 0, not 1" in capsys.readouterr().err


def test_words_on_the_card_are_no_part_of_the_identity(data, trained, tmp_path):
    out = shutil.copytree(trained, tmp_path / "out")
    assert main([*arguments(data), "--out", str(out), "--name", "renamed", "-q"]) == 0
    old, new = read_model(trained), read_model(out)
    assert (new.name, new.digest) == ("renamed", old.digest)


def test_cuts_of_something_else_are_not_taken(contigs, tmp_path):
    def repeats(name, seed):
        rng = np.random.default_rng(seed)
        return plant_tandem_repeats(tmp_path / name, 9, contigs, rng)

    one, other = repeats("one.fa", 1), repeats("other.fa", 2)
    work, folder = tmp_path / "work", KernelFolder()
    cut_genome(one.fasta, work, OWN, folder, Choice(touching, one))
    before = contents(work)
    for arguments, field in (
        ((other.fasta, work, OWN, folder, Choice(touching, one)), "genome is"),
        ((one.fasta, work, OWN, folder, Choice(touching, other)), "kept.loci is"),
        ((one.fasta, work, OWN, folder, Choice(matching, one)), "kept.rule is 'touching' there"),
        ((one.fasta, work, OWN, folder), "kept is None there and 'all' here"),
        (
            (one.fasta, work, replace(OWN, context_nt=5), folder, Choice(touching, one)),
            "extractor.context_nt is 20 there and 5 here",
        ),
    ):
        with pytest.raises(PlanMismatchError, match="holds candidates of something else") as caught:
            cut_genome(*arguments)
        assert field in str(caught.value)
        assert contents(work) == before


def test_two_backgrounds_of_one_name_are_told(data, tmp_path, capsys):
    text = TOML + '\n[[backgrounds]]\ngenome = "background.fasta"\n'
    (data / "background.fasta").write_bytes((data / "background.fa").read_bytes())
    (data / "twice.toml").write_text(text)
    assert main([*arguments(data, "twice.toml"), "--out", str(tmp_path / "out")]) == 2
    assert f"two backgrounds are named {data.name}-background" in capsys.readouterr().err


@pytest.mark.parametrize("words", ['name = "a\\nb"', "name = 5", 'name = "x"\ndescription = 5'])
def test_words_that_no_card_may_hold_are_refused_at_once(data, tmp_path, words, capsys):
    (data / "words.toml").write_text(TOML.replace('name = "tiny"', words))
    assert main([*arguments(data, "words.toml"), "--out", str(tmp_path / "out")]) == 2
    assert "card.json: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_training_that_learns_nothing_leaves_no_model(data, trained, tmp_path, capsys):
    for rate, message in (("1e30", "after 160 hairpins: the loss is nan"), ("1e-9", "collapsed")):
        (data / "rate.toml").write_text(
            TOML.replace("learning_rate = 0.3", f"learning_rate = {rate}")
        )
        out = tmp_path / rate
        shutil.copytree(trained / "work", out / "work")  # whose cuts it takes up
        assert main([*arguments(data, "rate.toml"), "--out", str(out), "-q"]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert not (out / "card.json").exists()


def test_ablation_judges_each_repeat_of_each_variant_once_and_writes_a_table(
    data, tmp_path, monkeypatch, capsys
):
    kept = ("everything", "without mutation", "background of the first four genomes")
    monkeypatch.setattr(ablation, "VARIANTS", {name: ablation.VARIANTS[name] for name in kept})
    out, page = tmp_path / "out", tmp_path / "page.md"
    arguments = ["--data", data, "--config", data / "tiny.toml", "--samples", 640, "--repeats", 2]
    arguments += ["--out", out, "--table", page]
    assert main(["ablation", *map(str, arguments)]) == 0
    results = json.loads(capsys.readouterr().out)
    assert list(results) == list(kept)
    assert [len(repeats) for repeats in results.values()] == [2, 2, 2]
    everything = results["everything"]
    assert everything[0] != everything[1]
    assert everything != results["without mutation"]
    model = read_model(out / "without-mutation" / "repeat-1")
    assert (model.card["settings"]["mutation"], model.card["settings"]["repeat"]) == (0, 1)
    row = [line for line in page.read_text().splitlines() if line.startswith("| everything |")]
    low, high = sorted(repeat["false_per_mb_at_recall_0.3"] for repeat in everything)
    assert row[0].split(" | ")[1] == f"{(low + high) / 2:.4g} ({low:g} to {high:g})"
    weights = [path for path in out.glob("*/*/weights.safetensors")]
    made = {path: path.stat().st_mtime_ns for path in weights}
    assert main(["ablation", *map(str, arguments)]) == 0
    assert {path: path.stat().st_mtime_ns for path in weights} == made


def test_concatenated_batches_are_packed():
    parts = [join([(np.zeros(3, np.uint8), np.full(3, -1, np.int16), n)]) for n in range(3)]
    whole = concatenate(parts)
    assert whole.offsets.tolist() == [0, 3, 6, 9]
    assert whole.mfe.tolist() == [0, 1, 2]
    assert len(concatenate([])) == 0
