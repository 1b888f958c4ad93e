"""The report: a page that holds what it says, for any number of hits, and nothing of others."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import builders
import known_hairpins
import numpy as np
import pytest
from data_sets import data_dir
from golden import DEMO, GOLDEN
from hit_rows import hits_in
from hypothesis import given
from hypothesis import strategies as st

from premir.kernels.codes import encode
from premir.kernels.pairing import pair_table, terminal_loop
from premir.scanner.cli import main
from premir.scanner.find.candidates import PRESETS
from premir.scanner.options import Execution, Outputs, ScanOptions, Search
from premir.scanner.report.hits import Hits, columns_with
from premir.scanner.report.page import top
from premir.scanner.report.page.charts import Histogram, steps
from premir.scanner.report.page.drawing import draw, parts_of
from premir.scanner.report.page.layout import RAILS, STEP, layout
from premir.scanner.report.page.report import Scanned, render
from premir.scanner.report.reading import read_hits
from premir.scanner.run.engine import Tally
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

LIMIT = 2_000_000
VOID = {"meta", "br", "path", "rect"}


class Page(HTMLParser):
    """Elements of a page, their attributes and texts; complains where they do not nest."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.style = self.policy = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append((tag, values))
        assert not any(name == "style" or name.startswith("on") for name in values)
        assert not {"src", "action", "xlink:href"} & values.keys()
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def checked(path):
    """Read a page, and check what holds for every one."""
    text = Path(path).read_text(encoding="utf-8") if isinstance(path, Path) else path
    assert len(text.encode()) < LIMIT
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "http://" not in text.lower()
    assert "https://" not in text.lower()
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert page.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    for tag, values in page.tags:
        if tag == "svg":
            assert values.get("aria-hidden") or values["aria-label"]
        if "scroll" in values.get("class", "").split():
            assert values["tabindex"] == "0"
    return page


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    options = ["--min-prob", "0.5", "--report", str(folder / "report.html"), "-q"]
    assert main([str(DEMO), "--out", str(folder / "hits.bed"), *options]) == 0
    assert (folder / "hits.bed").read_bytes() == (GOLDEN / "demo-0.5.bed").read_bytes()
    return folder


def test_a_page_says_what_the_scan_found(demo):
    page = checked(demo / "report.html")
    hits = sorted(read_hits(demo / "hits.bed"), key=lambda hit: -hit.log_odds)
    headings = re.findall(r"chr\d:\d+-\d+\([+-]\)|scaffold3:\S+", page.text)
    assert {hit.name for hit in hits} <= set(headings)
    ids = [name for name in page.ids if re.fullmatch(r"hit-\d+", name)]
    assert ids == [f"hit-{n}" for n in range(1, len(hits) + 1)]
    assert f"1 {hits[0].name} " in page.text
    summary = json.loads((demo / "hits.bed.summary.json").read_text())
    expected = summary["expected_false"]
    assert f"expect {expected['lowest']} to {expected['highest']} of these hits" in page.text
    assert f"{summary['candidates']} candidates" in page.text
    first = sum(hit.name.startswith("chr1:") for hit in hits)
    assert f"chr1 0.128 {first} {first / 0.128:.2f}"[:-1] in page.text
    assert sum(tag == "svg" and values["class"] == "fold" for tag, values in page.tags) == 47
    # Hits at or above the score of one false call per Mb.
    few = sum(hit.fp_per_mb <= 1 for hit in hits)
    assert re.search(rf"1 and fewer \d+\.\d\d {few} ", page.text)


@pytest.mark.parametrize("options", [["--threads", "2"], ["--tile-size", "20000"]])
def test_equal_scans_give_equal_pages(demo, tmp_path, options):
    report = tmp_path / "report.html"
    command = [str(DEMO), "--out", str(tmp_path / "hits.tsv"), "--report", str(report), "-q"]
    assert main([*command, "--min-prob", "0.5", *options]) == 0
    assert report.read_bytes() == (demo / "report.html").read_bytes()


def test_a_page_without_a_hit_and_of_one(demo, tmp_path):
    best = max(hit.prob for hit in read_hits(demo / "hits.bed"))
    for prob, count in ((1.0, 0), (best, 1)):
        path = tmp_path / f"{count}.html"
        out = ["--out", str(tmp_path / "hits.bed"), "--report", str(path), "--resume", "never"]
        assert main([str(DEMO), *out, "--min-prob", f"{prob}", "-q"]) == 0
        page = checked(path)
        assert f"{count} hit " in page.text if count else "0 hits " in page.text
        assert ("No candidate reached the threshold" in page.text) == (count == 0)


def test_names_are_text_whatever_they_are(tmp_path):
    sequences, _ = builders.default_hits_genome()
    name = "<script>alert(1)</script>&amp;\"'"
    fasta = builders.write_fasta(tmp_path / "a<b>&c.fa", {name: sequences["chr2"]})
    out = ["--out", str(tmp_path / "hits.bed"), "--report", str(tmp_path / "report.html")]
    assert main([str(fasta), *out, "-q"]) == 0
    page = checked(tmp_path / "report.html")
    assert name in page.text
    assert "a<b>&c.fa" in page.text


def test_a_model_whose_card_knows_no_false_calls(tmp_path):
    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 4000})
    fasta = builders.write_fasta(tmp_path / "genome.fa", sequences)
    out = ["--out", str(tmp_path / "hits.bed"), "--report", str(tmp_path / "report.html")]
    model = "do2018-crossspecies-new-variable"
    assert main([str(fasta), *out, "--model", model, "-q"]) == 0
    page = checked(tmp_path / "report.html")
    assert f"Nobody knows: the card of {model} has no false calls per Mb" in page.text
    assert f"{model} was not trained for genomes" in page.text
    assert "expected to be false" not in page.text
    assert "held out from training" not in page.text


@pytest.mark.parametrize(
    "command, message",
    [
        (["--hairpins", "x.fa", "--out", "t.tsv"], "--report does not go with --hairpins"),
        (["x.fa", "--candidates", "c.bed"], "--report does not go with --candidates without --out"),
        (["x.fa", "--out", "r.html"], "r.html: --report is the same file as --out"),
    ],
)
def test_where_there_is_no_report(command, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    builders.write_fasta(tmp_path / "x.fa", {"a": "ACGT" * 30})
    assert main([*command, "--report", "r.html"]) == 2
    assert capsys.readouterr().err.startswith(f"premir-scan: error: {message}")
    assert not (tmp_path / "r.html").exists()


def rendered(folder, names, places, log_odds):
    """The page of hits made by hand."""
    table, material = hits_in(folder, names, places)
    model = load_model(DEFAULT_MODEL)
    table = replace(table, log_odds=log_odds)
    material = replace(material, false_calls=model.false_calls)
    search = Search(genome=Path("genome.fa"), model=model, min_prob=0.5)
    options = ScanOptions(search, Execution(threads=1), Outputs(out=[Path("hits.bed")]))
    job = Job(RunDirectory(folder), PRESETS["animal"], "kernel", model, 0.5, 0.5, "", None, "")
    hits = Hits(columns_with((), decoys=False), table, material, [])
    return render(hits, Scanned(options, job, Tally(), 0.1, None))


def test_a_page_of_a_hundred_thousand_hits(tmp_path):
    count = 100_000
    places = np.zeros((count, 4), np.int64)
    places[:, 1] = np.arange(count) * 984 // count
    places[:, 2] = places[:, 1] + 16
    places[:, 3] = 1
    log_odds = np.random.default_rng(0).normal(3, 3, count).round(6)
    page = checked(rendered(tmp_path, ["c"], places, log_odds))
    assert "The 100 of 100,000 hits" in page.text
    order = np.argsort(-log_odds, kind="stable")
    first = places[order[0], 1]
    assert f"1 c:{first + 1}-{first + 16}(+) plus strand" in page.text
    assert "99999 other hits within 10 kb" in page.text


def test_a_page_without_room_shows_fewer_hits(tmp_path, monkeypatch):
    places = [(0, 20 * n, 20 * n + 16, 1) for n in range(30)]
    monkeypatch.setattr(top, "_ROOM", 30_000)
    page = checked(rendered(tmp_path, ["c" * 5000], places, np.arange(30.0)))
    shown = sum(name.startswith("hit-") for name in page.ids)
    assert 1 <= shown < 30
    assert f"The {shown} of 30 hits" in page.text
    monkeypatch.setattr(top, "_ROOM", 1)
    page = checked(rendered(tmp_path, ["c"], places, np.arange(30.0)))
    assert "The 1 of 30 hits" in page.text


def test_neighbours_are_told_with_their_distance(tmp_path):
    places = [(0, 0, 16, 1), (0, 8, 24, -1), (0, 300, 316, 1), (1, 0, 16, 1)]
    page = checked(rendered(tmp_path, ["a", "b"], places, np.array([4.0, 3, 2, 1])))
    assert "2 other hits within 10 kb: a:9-24(-) (overlaps), a:301-316(+) (284 nt)" in page.text
    assert page.text.count("no other hit within 10 kb") == 1


FOLDS = [hit.structure for hit in read_hits(GOLDEN / "ebv.bed")]


@pytest.mark.parametrize("structure", FOLDS, ids=range(len(FOLDS)))
def test_bases_of_a_fold_do_not_lie_on_each_other(structure):
    pairs = pair_table(structure)
    places = np.array(layout(pairs))
    gaps = np.abs(places[:, None] - places) + np.eye(places.size) * STEP
    assert gaps.min() > 0.5 * STEP
    for i, j in enumerate(pairs.tolist()):
        if j >= 0:
            assert abs(places[i] - places[j]) == pytest.approx(RAILS)
    loop = terminal_loop(pairs)
    assert loop is not None
    stem = places[loop[0] - 1] - places[loop[1]]
    assert stem == pytest.approx(RAILS * 1j)  # the 5' arm above


@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_any_fold_has_a_place_for_each_base(seed, length):
    pairs = np.array(builders.random_pairs(np.random.default_rng(seed), length), np.int16)
    places = layout(pairs)
    assert len(places) == length
    assert len({(round(p.real, 3), round(p.imag, 3)) for p in places}) > length * 0.5
    for i, j in enumerate(pairs.tolist()):
        if j >= 0:
            assert abs(places[i] - places[j]) == pytest.approx(RAILS)


def test_a_fold_of_a_thousand_loops_is_drawn():
    structure = "(." * 700 + "...." + ")" * 700
    assert len(layout(pair_table(structure))) == len(structure)


def test_parts_of_a_drawing():
    sequence = "ggGGGGCAAAAGCCCCcc"
    pairs = pair_table("((((((.....)))))).")
    assert parts_of(18, (2, 16), (6, 11)) == [
        *itertools.repeat("flank", 2),
        *itertools.repeat("five", 4),
        *itertools.repeat("loop", 5),
        *itertools.repeat("three", 5),
        *itertools.repeat("flank", 2),
    ]
    svg = draw(encode(sequence), pairs, (2, 16), (6, 11))
    texts = dict(re.findall(r'<text class="on-(\w+)"[^>]*>(\w+)<', svg))
    assert texts == {"flank": "ggcc", "five": "GGGG", "loop": "CAAAA", "three": "GCCCC"}
    assert svg.count("h0") == 18
    unpaired = pair_table("." * 18)
    parts = re.findall(r'class="on-(\w+)"', draw(encode(sequence), unpaired, (2, 16), (-1, -1)))
    assert parts == ["flank", "loop"]


def test_wobbles_are_drawn_apart():
    svg = draw(encode("GGGAAAACUC"), pair_table("(((....)))"), (0, 10), (3, 7))
    kinds = {kind: svg.count("L", svg.index(f'class="{kind}"')) for kind in ("pair", "wobble")}
    assert re.search(r'class="pair" d="[^"]*L[^"]*L[^"]*"', svg)
    assert re.search(r'class="wobble" d="M[^"L]*L[^"L]*"', svg)
    assert kinds["wobble"] == 1


def test_histograms_count_what_lies_beyond_at_the_ends():
    found = Histogram.of(np.array([-9.0, 0, 4.9, 5, 99]), 0, 5, 3)
    assert found.counts == [3, 1, 1]
    assert found.shares == [60, 20, 20]
    assert found.cut(1, 3) == Histogram(5, 5, [1, 1])
    assert Histogram(0, 1, [0, 0]).shares == [0, 0]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 15))
def test_ticks_are_few_round_and_inside(low, span, most):
    found = steps(low, low + span, most)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * span <= value <= low + span * (1 + 1e-6) for value in found)


def test_known_hairpins_are_those_of_the_script():
    found = known_hairpins.text(known_hairpins.known(data_dir("mirbase").parent))
    assert known_hairpins.PAGE.read_text() == found
