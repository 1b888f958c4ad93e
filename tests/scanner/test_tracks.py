"""Tracks and formats of one's own, and the order of the steps between scores and hits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hit_rows import STRUCTURE, folds, hits_in, rows, search_of

from premir.scanner.cli import main
from premir.scanner.find.candidates import PRESETS
from premir.scanner.options import Execution, Outputs, ScanOptions
from premir.scanner.preparing import make_job
from premir.scanner.report import evidence, formats, sealing
from premir.scanner.report.columns import NO_INT, Column
from premir.scanner.report.documenting import columns_table
from premir.scanner.report.evidence.track import Track, add_tracks
from premir.scanner.report.filtering import at_least, within
from premir.scanner.report.formats.format import Format
from premir.scanner.report.hits import Hits, columns_with
from premir.scanner.report.material import Material
from premir.scanner.report.reading import read_hits
from premir.scanner.report.second_opinion import refold
from premir.scanner.report.table import HitTable
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.model import probabilities
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model


def paired(table: HitTable, material: Material) -> list[npt.NDArray[np.float64]]:
    """Share of the letters that pair; no value for hits on the minus strand."""
    shares = [
        np.diff(np.concatenate([[0], np.cumsum(chunk.hairpins.pairs >= 0)])[chunk.hairpins.offsets])
        / chunk.hairpins.lengths
        for chunk in material.chunks(table)
    ]
    return [np.where(table.loci.strand > 0, np.concatenate([np.empty(0), *shares]), np.nan)]


TOY = Track(
    "toy", (Column("paired", float, "share of paired letters", form=".3f", optional=True),), paired
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(evidence, "TRACKS", (*evidence.TRACKS, TOY))


@pytest.mark.usefixtures("toy")
def test_a_track_is_a_column_of_hits_and_of_the_docs(default_genome, default_scan, tmp_path):
    out = tmp_path / "hits.bed"
    assert main([str(default_genome[0]), "--out", str(out), "--quiet"]) == 0
    hits, before = rows(out.read_text()), rows(default_scan[0])
    names = list(hits[0])
    assert names[names.index("sequence") - 1] == "paired"
    for hit in hits:
        share = 1 - hit["structure"].count(".") / len(hit["structure"])
        assert hit.pop("paired") == ("." if hit["strand"] == "-" else f"{share:.3f}")
    assert hits == before
    assert {hit["strand"] for hit in hits} == {"+", "-"}
    assert "|  | paired | float or `.` |  | share of paired letters |\n" in columns_table()
    assert f"| {names.index('copies') + 1} | copies |" in columns_table()
    values = [hit.paired for hit in read_hits(out)]
    assert [value is None for value in values] == [hit["strand"] == "-" for hit in hits]
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert "toy" in summary["seconds_by_stage"]


def write_names(handle, hits):
    name = next(column for column in hits.columns if column.name == "name")
    for chunk in hits.chunks():
        handle.writelines(f"{value}\n" for value in name.values(chunk))


@pytest.mark.parametrize("out", ["hits.toy", "hits.TOY", "hits.toy.gz", "hits.txt"])
def test_a_format_is_chosen_by_the_name_of_the_file(out, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, Format("toy", write_names)))
    path = tmp_path / out
    table, material = hits_in(tmp_path / "run", ["c"], [(0, 10, 26, 1), (0, 50, 66, -1)])
    hits = Hits(columns_with((), decoys=False), table, material, ["x"])
    formats.write_hits(path, hits)
    if out.endswith(".gz"):
        assert not path.with_name(f"{out}.tbi").exists()
        return
    is_toy = out.lower().endswith(".toy")
    assert (path.read_text() == "c:11-26(+)\nc:51-66(-)\n") == is_toy
    assert path.read_text().startswith("c:" if is_toy else "## format premir-hits 2\n## x\n#chrom")


def logit(prob):
    return np.log(np.array(prob) / (1 - np.array(prob)))


def test_early_tracks_see_all_hits_and_late_ones_what_is_written(tmp_path, monkeypatch):
    """Evidence of merged candidates, threshold, second opinion, late evidence, limits."""
    table, material = hits_in(tmp_path, ["c"], [(0, 100 * n, 100 * n + 16, 1) for n in range(8)])
    table = replace(table, log_odds=logit([0.2, 0.9, 0.4, 0.8, 0.3, 0.7, 0.6, 0.5]))
    seen: list[tuple[str, list[float], list[str] | None]] = []

    def track(name, *, late):
        def compute(table, _material):
            seen.append((name, table.prob.tolist(), sorted(table.columns)))
            return [np.arange(len(table))]

        return Track(name, (Column(name, int, "number"),), compute, late=late)

    class Refolder:
        refolded = disagreements = 0

        def check(self, hairpins, log_odds, _places, total):
            seen.append(("refolder", probabilities(total).tolist(), None))
            return hairpins, log_odds

    tracks = (track("late", late=True), track("early", late=False))
    monkeypatch.setattr(evidence, "TRACKS", tracks)
    monkeypatch.setattr(sealing, "_merged", lambda *_: table)
    job = Job(RunDirectory(tmp_path), PRESETS["animal"], "kernel", None, 0.5, 0.5, "", None, "")
    done = sealing.Done()
    material = replace(material, search=search_of(tmp_path, limits={"late": 2}))
    hits, _ = sealing.reported_hits(material, None, job, done, Refolder())
    assert seen == [
        ("early", table.prob.tolist(), []),
        ("refolder", [0.9, 0.8, 0.7, 0.6, 0.5], None),
        ("late", [0.9, 0.8, 0.7, 0.6, 0.5], ["early"]),
    ]
    assert hits.columns["early"].tolist() == [1, 3, 5]
    assert hits.columns["late"].tolist() == [0, 1, 2]
    assert done.tally.counts["over_max_late"] == 2
    assert set(done.tally.seconds) == {"early", "late"}


def constant(name: str, weight: float, **settings) -> Track:
    """A track that weighs all hits alike."""
    return Track(
        name,
        (Column(name, int, "number"),),
        lambda table, _: [np.arange(len(table))],
        weigh=lambda table: np.full(len(table), weight),
        **settings,
    )


def test_evidence_moves_log_odds_and_hits_but_never_prob(tmp_path, monkeypatch):
    """Rates of false calls take in what random sequence can have too, and nothing else."""
    table, material = hits_in(tmp_path, ["c"], [(0, 100 * n, 100 * n + 16, 1) for n in range(4)])
    table = replace(table, log_odds=np.array([-3.0, -2.0, 0.5, 2.0]))
    rates = np.array([8.0, 1.0])
    curve = FalseCalls(np.array([-9.0, 9.0]), rates, rates, rates, fewest=0.1)
    material = replace(material, false_calls=curve)
    tracks = (constant("family", 1.25), constant("reads", 1.0000004, in_decoys=False))
    monkeypatch.setattr(evidence, "TRACKS", tracks)
    monkeypatch.setattr(sealing, "_merged", lambda *_: table)
    job = Job(RunDirectory(tmp_path), PRESETS["animal"], "kernel", None, 0.5, 0.1, "", None, "")
    hits, _ = sealing.reported_hits(material, None, job, sealing.Done(), None)
    assert hits.row.tolist() == [1, 2, 3]
    assert hits.prob.tolist() == table.prob[1:].tolist()
    assert hits.ranked.tolist() == [-0.75, 1.75, 3.25]
    assert hits.total.tolist() == [0.25, 2.75, 4.25]
    columns = {column.name: column for column in columns_with(tracks, decoys=False)}
    (chunk,) = material.chunks(hits)
    assert columns["log_odds"].texts(chunk) == ["0.250000", "2.750000", "4.250000"]
    assert columns["fp_per_mb"].values(chunk) == curve.per_mb(hits.ranked).tolist()
    both = HitTable.concatenate([hits.take(np.array([2])), hits.take(np.array([0]))])
    assert both.total.tolist() == [4.25, 0.25]


def test_a_scan_has_the_tracks_that_it_asks_for(tmp_path, monkeypatch):
    def wanted(search):
        return search.preset == "plant"

    other = constant("other", 1, asked=wanted, lowest=lambda search: search.min_prob / 2)
    monkeypatch.setattr(evidence, "TRACKS", (TOY, other))
    animal, plant = (search_of(tmp_path, preset=preset) for preset in ("animal", "plant"))
    assert evidence.tracks_for(animal) == (TOY,)
    assert evidence.tracks_for(plant) == (TOY, other)
    assert [evidence.lowest_prob(search) for search in (animal, plant)] == [0.5, 0.25]
    model = load_model(DEFAULT_MODEL)
    for preset, lowest in (("animal", model.min_prob), ("plant", model.min_prob / 2)):
        search = replace(search_of(tmp_path, preset=preset), model=model, min_prob=model.min_prob)
        options = ScanOptions(search, Execution(threads=1), Outputs())
        job = make_job(options, RunDirectory(tmp_path))
        assert (job.lowest, job.min_prob) == (lowest, model.min_prob)
        assert (job.gates is None) == (preset == "plant")


def test_a_track_gives_an_array_for_each_of_its_columns(tmp_path):
    table, material = hits_in(tmp_path, ["c"], [(0, 10, 26, 1)])
    columns = (Column("a", int, "one"), Column("b", int, "two"))
    with pytest.raises(ValueError, match="zip"):
        add_tracks([Track("t", columns, lambda *_: [np.zeros(1)])], table, material, {})


def test_thresholds_and_limits_are_inclusive_and_hits_without_a_value_stay(tmp_path):
    table, _ = hits_in(tmp_path, ["c"], [(0, 100 * n, 100 * n + 16, 1) for n in range(4)])
    table = replace(table, log_odds=logit([0.1, 0.5, 0.499999, 0.9]))
    assert at_least(table, 0.5).prob.tolist() == [0.5, 0.9]
    columns = {"n": np.array([3, NO_INT, 4, 2]), "x": np.array([np.nan, 0.5, 0.1, 0.6])}
    table = replace(table, columns=columns)
    counts: dict[str, int] = {}
    assert within(table, {"n": 3, "x": 0.5}, counts).row.tolist() == [0, 1]
    assert counts == {"over_max_n": 1, "over_max_x": 1}


def test_what_viennarna_folds_otherwise_is_what_is_written(tmp_path):
    table, material = hits_in(tmp_path, ["c"], [(0, 100 * n, 100 * n + 16, 1) for n in range(6)])
    table = table.take(np.arange(1, 6))
    other = "(((((......)))))"

    class Refolder:
        refolded = disagreements = 0

        def check(self, _hairpins, log_odds, _places, _total):
            changed = log_odds + [0, 0.1, 0, 0, 0]
            return folds([STRUCTURE, other, STRUCTURE, STRUCTURE, other]), changed

    hits, reported = refold(table, material, Refolder())
    assert hits.log_odds.tolist() == [0, 0.1, 0, 0, 0]
    assert sorted(reported.corrected) == [(0, 2), (0, 5)]
    structure = next(
        column for column in columns_with((), decoys=False) if column.name == "structure"
    )
    # Also of some of them, in whatever table.
    (chunk,) = reported.chunks(hits.take(np.array([1, 3, 4])))
    assert structure.values(chunk) == [other, STRUCTURE, other]
    (chunk,) = material.chunks(hits)
    assert structure.values(chunk) == 5 * [STRUCTURE]
