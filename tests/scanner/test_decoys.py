"""Decoys: which letters they have, and that nothing but those decides what a scan says by them."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace

import builders
import numpy as np
import pytest
from hit_rows import rows, search_of

from premir.kernels.codes import decode, encode
from premir.scanner.cli import main
from premir.scanner.find.candidates import PRESETS, candidates_of_tile
from premir.scanner.find.pieces import Pieces
from premir.scanner.genome.decoys import BLOCK, plan_decoys
from premir.scanner.genome.letters import Contigs, OpenGenome
from premir.scanner.genome.tiles import place
from premir.scanner.preparing import decoy_length
from premir.scanner.report.reading import read_hits
from premir.scanner.score.shipped import DEFAULT_MODEL, HAIRPIN_MODEL, load_model

RNG = np.random.default_rng(17)
SEQUENCES = {
    "long": builders.random_sequence(RNG, 24_000) + 300 * "N" + builders.random_sequence(RNG, 900),
    "short": builders.random_sequence(RNG, 700, gc=0.7),
    "tiny": "ACGTTGCA",
}
SCAN = ("--min-prob", "0.2", "--decoys", "0.12", "-q")


def contigs_of(*lengths):
    return Contigs.of([f"c{n}" for n in range(len(lengths))], lengths, bytes(32 * len(lengths)))


def spans(tiles):
    return [
        (tile.shuffle, span.contig, span.start, span.end) for tile in tiles for span in tile.spans
    ]


def decoy_letters(genome, tiles, halo=0):
    """Letters of decoys by shuffle, contig and position, as tiles read them."""
    found: dict[tuple[int, int, int], str] = {}
    for tile in tiles:
        pieces = Pieces.read(genome.store, tile, halo)
        for n, span in enumerate(tile.spans):
            text = decode(pieces.codes[pieces.borders[n] : pieces.borders[n + 1]])
            origin = int(pieces.borders[n] + pieces.shift[n])
            for k, letter in enumerate(text, origin):
                place = (tile.shuffle, span.contig, k)
                assert found.setdefault(place, letter) == letter
    return found


def contig(found, number, shuffle=0):
    letters = {k: x for (s, c, k), x in found.items() if (s, c) == (shuffle, number)}
    return "".join(letters[k] for k in sorted(letters))


def test_whole_shuffles_and_evenly_spaced_stretches():
    contigs = contigs_of(600_000, 150_000, 250_000)
    tiles = plan_decoys(contigs, 2_200_000, tile_size=10**6)
    assert [tile.index for tile in tiles] == list(range(len(tiles)))
    assert {tile.name for tile in tiles} == {f"decoy-{n:06d}" for n in range(len(tiles))}
    whole = [(0, 600_000), (0, 150_000), (0, 250_000)]
    assert spans(tiles) == [
        *((s, c, *part) for s in (0, 1) for c, part in enumerate(whole)),
        (2, 0, 0, 100_000),
        (2, 0, 500_000, 600_000),
    ]
    assert place(tiles[0], contigs) == "decoys of c0:1 to c2:250000 (3 pieces)"


@pytest.mark.parametrize("length", [1, 99_999, 100_001, 730_000, 999_999, 1_000_000, 3_141_592])
def test_there_are_as_many_as_were_asked_for(length):
    contigs = contigs_of(400_000, 1, 99_999, *[500] * 200, 400_000)
    tiles = plan_decoys(contigs, length, tile_size=70_000)
    assert sum(tile.length for tile in tiles) == length
    taken = spans(tiles)
    for (s, c, _, end), (t, d, start, _) in itertools.pairwise(taken):
        assert (s, c, end) <= (t, d, start)
    pieces = spans(plan_decoys(contigs, length, tile_size=10**9))
    covered: list[set[tuple[int, int, int]]] = [set(), set()]
    for here, found in zip(covered, (taken, pieces), strict=True):
        for s, c, start, end in found:
            here.update((s, c, k) for k in (start, end - 1))
    assert covered[1] <= covered[0]


def test_no_decoys():
    assert plan_decoys(contigs_of(1_000), 0, tile_size=100) == []


@pytest.mark.parametrize("size, halo", [(10**6, 0), (10**6, 77), (3_000, 500), (9_999, 12_000)])
def test_letters_depend_on_no_tile(size, halo):
    genome = OpenGenome.of(SEQUENCES)
    expected = decoy_letters(genome, plan_decoys(genome.contigs, 60_000, tile_size=10**6))
    tiles = plan_decoys(genome.contigs, 60_000, tile_size=size)
    found = decoy_letters(genome, tiles, halo)
    assert all(found[place] == letter for place, letter in expected.items())


def test_neighbours_are_as_frequent_and_shuffles_differ():
    genome = OpenGenome.of(SEQUENCES)
    found = decoy_letters(genome, plan_decoys(genome.contigs, 52_000, tile_size=10**6))
    for number, letters in enumerate(SEQUENCES.values()):
        rna = decode(encode(letters))
        shuffles = [contig(found, number, shuffle) for shuffle in (0, 1)]
        for text in shuffles:
            assert Counter(itertools.pairwise(text)) == Counter(itertools.pairwise(rna))
            assert [k for k, x in enumerate(text) if x == "N"] == [
                k for k, x in enumerate(rna) if x == "N"
            ]
        assert number == 2 or len({rna, *shuffles}) == 3


def test_letters_follow_from_their_block_alone():
    """Not from other blocks, other contigs, the name or case."""
    genome = OpenGenome.of(SEQUENCES)
    found = decoy_letters(genome, plan_decoys(genome.contigs, 26_000, tile_size=10**6))
    changed = SEQUENCES["long"][: BLOCK + 5] + "A" + SEQUENCES["long"][BLOCK + 6 :].lower()
    other = OpenGenome.of({"x": "ACG", "y": changed})
    tiles = plan_decoys(other.contigs, len(changed) + 3, tile_size=10**6)
    one, two = contig(found, 0), contig(decoy_letters(other, tiles), 1)
    assert changed[BLOCK + 5] != SEQUENCES["long"][BLOCK + 5]
    assert one[:BLOCK] == two[:BLOCK]
    assert one[2 * BLOCK :] == two[2 * BLOCK :]
    assert one[BLOCK : 2 * BLOCK] != two[BLOCK : 2 * BLOCK]


def test_blocks_with_the_same_letters_are_shuffled_apart():
    block = builders.random_sequence(np.random.default_rng(2), BLOCK)
    genome = OpenGenome.of({"c": 2 * block})
    text = contig(decoy_letters(genome, plan_decoys(genome.contigs, 20_000, tile_size=10**6)), 0)
    assert text[:BLOCK] != text[BLOCK:]


def test_candidates_depend_on_no_tile():
    genome = OpenGenome.of({"c": builders.random_sequence(np.random.default_rng(4), 40_000)})
    extractor = replace(PRESETS["animal"], context_nt=20)

    def found(size):
        places = set()
        for tile in plan_decoys(genome.contigs, 60_000, tile_size=size):
            loci = candidates_of_tile(genome.store, tile, extractor, None).loci
            columns = (loci.start, loci.end, loci.strand, loci.stem_energy, loci.folded_start)
            places |= {(tile.shuffle, *map(int, row)) for row in zip(*columns, strict=True)}
        return places

    assert found(10**6) == found(7_777) != set()


@pytest.fixture(scope="module")
def undisturbed(small_genome, tmp_path_factory):
    out = tmp_path_factory.mktemp("decoys") / "hits.bed"
    assert main([str(small_genome[0]), "--out", str(out), *SCAN]) == 0
    return out


def test_decoys_add_a_column_and_are_in_no_hit(small_genome, undisturbed, tmp_path):
    plain = tmp_path / "hits.bed"
    assert main([str(small_genome[0]), "--out", str(plain), "--min-prob", "0.2", "-q"]) == 0
    with_decoys, without = rows(undisturbed.read_text()), rows(plain.read_text())
    names = list(with_decoys[0])
    assert names[names.index("fp_per_mb") + 1] == "q_value"
    moved = {"q_value", "fp_per_mb", "score", "item_rgb"}
    assert [{k: v for k, v in row.items() if k not in moved} for row in with_decoys] == [
        {k: v for k, v in row.items() if k not in moved} for row in without
    ]
    assert "## decoys 0.12 Mb\n" in undisturbed.read_text()
    assert "decoys" not in plain.read_text()


def test_what_a_scan_says_of_them(small_genome, undisturbed, tmp_path, capsys):
    summary = json.loads(undisturbed.with_name("hits.bed.summary.json").read_text())
    told, decoys = summary["expected_false"], summary["decoys"]
    assert decoys["megabases"] == told["decoy_megabases"] == 0.12
    assert decoys["candidates"] > 0
    assert summary["megabases_scanned"] == pytest.approx(0.035, rel=0.02)
    hits = list(read_hits(undisturbed))
    assert told["hits"] == summary["hits"] == len(hits)
    # Printed q-values have three digits.
    below, sure = (sum(hit.q_value <= q for hit in hits) for q in (0.1995, 0.2))
    assert below <= told["sure"] <= sure
    assert 0 <= told["lowest"] <= told["highest"] <= len(hits)
    assert told["per_mb_lowest"] < told["per_mb"] < told["per_mb_highest"]
    assert max(hit.fp_per_mb for hit in hits) <= told["per_mb"] * 1.01
    ranked = sorted(hits, key=lambda hit: hit.log_odds)
    assert all(a.q_value >= b.q_value for a, b in itertools.pairwise(ranked))
    assert main([str(small_genome[0]), "--out", str(tmp_path / "hits.bed"), *SCAN[:-1]]) == 0
    said = f"of {len(hits)} hits expect {told['lowest']} to {told['highest']} to be false, by "
    assert said + f"0.12 Mb of decoys; {told['sure']} have q <= 0.2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "steps",
    [
        [("--threads", "1", "--tile-size", "7000")],
        [("--threads", "2", "--tile-size", "11000", "--keep-work")],
        [("--tile-size", "9000", *part) for part in (("--part", "2/3"), ("--part", "1/3"))]
        + [("--tile-size", "9000", "--part", "3/3"), ("--tile-size", "9000", "--finalise")],
    ],
    ids=["one thread", "two threads", "parts"],
)
def test_the_same_bytes_however_it_runs(small_genome, undisturbed, tmp_path, steps):
    out = tmp_path / "hits.bed"
    for step in steps:
        assert main([str(small_genome[0]), "--out", str(out), *SCAN, *step]) == 0
    assert out.read_text() == undisturbed.read_text()


def test_the_same_bytes_after_a_kill(small_genome, undisturbed, crash_server, tmp_path):
    out = tmp_path / "hits.bed"
    command = [str(small_genome[0]), "--out", str(out), *SCAN, "--tile-size", "15000"]
    ending = crash_server.scan(*command, kill_before=120)
    assert ending.code == -9
    done = sorted(path.name for path in out.with_name("hits.bed.premir-work").glob("shards/*"))
    assert "decoy-000000.h5" in done
    assert main(command) == 0
    assert out.read_text() == undisturbed.read_text()


def test_parts_name_missing_decoys(small_genome, tmp_path, capsys):
    command = [str(small_genome[0]), "--out", str(tmp_path / "hits.bed"), *SCAN]
    assert main([*command, "--tile-size", "40000", "--part", "1/3"]) == 0
    assert main([*command, "--tile-size", "40000", "--finalise"]) == 1
    error = capsys.readouterr().err
    assert "2 of 5 tiles are missing" in error
    assert "part 2/3, decoys of chr1:1 to tiny:7 (5 pieces) (not done)" in error


def test_other_decoys_are_another_run(small_genome, tmp_path, capsys):
    command = [str(small_genome[0]), "--out", str(tmp_path / "hits.bed"), *SCAN, "--keep-work"]
    assert main(command) == 0
    assert main([*command, "--decoys", "0.05"]) == 4
    assert "decoys is 120000 there and 50000 here" in capsys.readouterr().err


def test_max_q_leaves_hits_out(small_genome, undisturbed, tmp_path):
    values = [hit.q_value for hit in read_hits(undisturbed)]
    distinct = sorted(set(values))
    limit = float(np.mean(distinct[len(distinct) // 2 :][:2]))
    out = tmp_path / "hits.bed"
    command = [str(small_genome[0]), "--out", str(out), *SCAN, "--max-q", repr(limit)]
    assert main(command) == 0
    kept = list(read_hits(out))
    assert 0 < len(kept) < len(values)
    assert [hit.name for hit in kept] == [
        hit.name for hit in read_hits(undisturbed) if hit.q_value <= limit
    ]
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert summary["over_max_q"] == len(values) - len(kept)
    assert summary["expected_false"]["hits"] == len(values)


@pytest.mark.parametrize(
    "options, message",
    [
        (("--max-q", "2"), "'2' is not a number from 0 to 1"),
        (("--decoys", "0"), "'0' is neither auto nor none nor Mb of decoys, up to 100000"),
        (("--decoys", "many"), "'many' is neither auto nor none nor Mb of decoys"),
    ],
)
def test_what_is_no_number_is_said(small_genome, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        main([str(small_genome[0]), "--out", str(tmp_path / "hits.bed"), *options])
    assert message in capsys.readouterr().err


def test_a_limit_of_q_needs_decoys(small_genome, tmp_path, capsys):
    command = [str(small_genome[0]), "--out", str(tmp_path / "hits.bed"), "--max-q", "0.1"]
    assert main([*command, "--decoys", "none"]) == 2
    assert "--max-q needs decoys: give --decoys MB" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_region_has_the_hits_of_the_whole_genome(small_genome, undisturbed, tmp_path):
    out = tmp_path / "hits.bed"
    command = [str(small_genome[0]), "--out", str(out), *SCAN, "--regions", "chr2:2001-9000"]
    assert main(command) == 0
    inside = [
        hit
        for hit in read_hits(undisturbed)
        if hit.chrom == "chr2" and 2_000 <= (hit.start + hit.end) // 2 < 9_000
    ]
    found = list(read_hits(out))
    assert inside
    assert [(hit.name, hit.prob) for hit in found] == [(hit.name, hit.prob) for hit in inside]
    assert all(0 < hit.q_value <= 1 for hit in found)
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert summary["decoys"]["megabases"] == 0.12


def test_rates_hang_on_no_threshold(default_genome, tmp_path):
    """What tells them is called from one probability on, and gates are off for it."""
    told = []
    for number, threshold in enumerate(([], ["--min-prob", "0.9"])):
        out = tmp_path / f"{number}.bed"
        command = [str(default_genome[0]), "--out", str(out), "-q", "--decoys", "0.05"]
        assert main([*command, *threshold]) == 0
        told.append({hit.name: (hit.fp_per_mb, hit.q_value) for hit in read_hits(out)})
        summary = json.loads(out.with_name(f"{number}.bed.summary.json").read_text())
        assert (
            f"0.5 is below the {load_model(DEFAULT_MODEL).min_prob:g}" in summary["gates"]["off"]
            or threshold
        )
    few, many = told
    assert 0 < len(few) < len(many)
    assert few.items() <= many.items()


def test_as_much_as_the_genome_within_limits(default_genome, tmp_path, capsys):
    command = [str(default_genome[0]), "--out", str(tmp_path / "x.bed"), "--plan"]
    assert main([*command, "--decoys", "auto"]) == 0
    assert "decoys\t2.000 Mb of this genome shuffled, " in capsys.readouterr().out
    for options in ([], ["--decoys", "auto", "--regions", "chr1"]):
        assert main([*command, *options]) == 0
        assert "decoys\tnone\n" in capsys.readouterr().out
    model = load_model(DEFAULT_MODEL)
    search = search_of(default_genome[0], decoys="auto")
    for length, expected in ((10**7, 10**7), (10**9, 2 * 10**7)):
        assert decoy_length(replace(search, model=model), contigs_of(length)) == expected
    assert decoy_length(replace(search, model=load_model(HAIRPIN_MODEL)), contigs_of(10**7)) == 0
