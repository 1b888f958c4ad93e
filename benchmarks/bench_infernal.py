r"""Known families beside covariance models of the same hairpins: what is found, and what it costs.

python benchmarks/bench_infernal.py ../shared/data/genomes/celegans_dev/genome.fa.gz \
    --truth mirgenedb.bed --neutral hairpins.bed --keep infernal \
    --clade Metazoa,^Nematoda --clade Nematoda,^Caenorhabditis \
    --out benchmarks/results/infernal.json

What is scanned are windows of the genome: 1 kb around each locus (truth and neutral), and random
ones of 10 kb, both from a fixed seed. For each ``--clade`` the hairpins of the library that premir
ships and ``--known-clade`` chooses are taken twice: as they are by premir (``--kin none``, as there
is no genome to look for kin in), and as covariance models of families (``family_models.py``) by
cmsearch, whose filters are set as for the whole genome (``--FZ``) and whose calls are ranked by
their scores in bits. Models that an earlier run left in ``--keep`` are taken as they are.

A call is true where it covers half of a locus on its strand and their mid-points are at most 25 nt
apart, and left aside where it shares half of the shorter one with some locus of either list. Calls
that share half of the shorter one with a better one on their strand are left out first.

``--confirm hits.fasta`` asks the models of the first clade about hits of premir too: what is found
in each, in bits. ``hits.bed`` beside it says which are true.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import record
from bench_whole import command
from family_models import PROGRAMS, build

from premir.scanner import read_hits
from premir.scanner.genome.fasta import read_records
from premir.scanner.report.evidence.known.clades import of_clades
from premir.scanner.report.evidence.known.reading import members_of, shipped

SEED = 20180
AROUND = 1_000
RANDOM = 10_000
LEAST_BITS = 15
"""Of what cmsearch reports."""
LEAST_PROB = "0.193535"
"""Of what premir reports: that from which it compares with known hairpins."""
RATES = (1.0, 10.0)
BITS = (15, 20, 25, 30)


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a strand; ``score`` is that of a call."""

    chrom: str
    start: int
    end: int
    strand: str
    score: float = 0.0

    def shares_half(self, other: Place) -> bool:
        """Whether they share half of the shorter one, on whatever strand."""
        shared = min(self.end, other.end) - max(self.start, other.start)
        return 2 * shared >= min(self.end - self.start, other.end - other.start)

    def finds(self, locus: Place) -> bool:
        """Whether this call is true."""
        shared = min(self.end, locus.end) - max(self.start, locus.start)
        apart = abs(self.start + self.end - locus.start - locus.end)
        return self.strand == locus.strand and 2 * shared >= locus.end - locus.start and apart <= 50


def read_bed(path: Path) -> list[Place]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(
        {Place(row[0], int(row[1]), int(row[2]), row[5].strip()) for row in rows},
        key=lambda each: (each.chrom, each.start, each.end, each.strand),
    )


def windows_of(
    lengths: dict[str, int], loci: Sequence[Place], count: int
) -> list[tuple[str, int, int]]:
    """Choose windows around loci, and random ones; what overlaps is joined."""
    rng = np.random.default_rng(SEED)
    chosen = [
        (
            locus.chrom,
            (locus.start + locus.end - AROUND) // 2,
            (locus.start + locus.end + AROUND) // 2,
        )
        for locus in loci
    ]
    names = [name for name, length in lengths.items() if length > RANDOM]
    weights = np.array([lengths[name] for name in names], float)
    for _ in range(count):
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        start = int(rng.integers(0, lengths[name] - RANDOM))
        chosen.append((name, start, start + RANDOM))
    joined: list[tuple[str, int, int]] = []
    for chrom, start, end in sorted(chosen):
        start, end = max(0, start), min(lengths[chrom], end)
        if joined and joined[-1][0] == chrom and joined[-1][2] >= start:
            joined[-1] = (chrom, joined[-1][1], max(end, joined[-1][2]))
        else:
            joined.append((chrom, start, end))
    return joined


def cut(
    genome: dict[str, str], windows: Sequence[tuple[str, int, int]], fasta: Path
) -> dict[str, tuple[str, int]]:
    """Write windows as contigs; returns by name where in which contig one begins."""
    where = {f"{chrom}_{start}": (chrom, start) for chrom, start, _ in windows}
    pieces = (genome[chrom][start:end] for chrom, start, end in windows)
    fasta.write_text(
        "".join(f">{name}\n{text}\n" for name, text in zip(where, pieces, strict=True))
    )
    return where


def search(models: Path, fasta: Path, table: Path, *options: str) -> float:
    """Search with all models; returns CPU seconds."""
    words = ["cmsearch", "--cpu", "0", "--noali", "-T", str(LEAST_BITS), "--tblout", str(table)]
    done = command([*words, *options, str(models), str(fasta)], 1.0)
    if done["exit_code"]:
        raise RuntimeError(f"cmsearch ended with {done['exit_code']}")
    return float(done["cpu_seconds"])


def read_table(table: Path) -> list[Place]:
    calls = []
    for line in table.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            row = line.split()
            start, end = sorted((int(row[7]), int(row[8])))
            calls.append(Place(row[0], start - 1, end, row[9], float(row[14])))
    return calls


def scanned(fasta: Path, out: Path, megabases: float, *options: str) -> tuple[list[Place], float]:
    words = [sys.executable, "-m", "premir.scanner.cli", str(fasta), "--out", str(out), "-q"]
    words += ["--kin", "none", "--min-prob", LEAST_PROB, "--threads", "1", *options]
    done = command(words, megabases)
    if done["exit_code"]:
        raise RuntimeError(f"premir-scan ended with {done['exit_code']}")
    calls = [
        Place(hit.chrom, hit.start, hit.end, hit.strand, hit.log_odds) for hit in read_hits(out)
    ]
    return calls, float(done["cpu_seconds"])


def best_of(calls: Sequence[Place]) -> list[Place]:
    """Leave out calls that lie where a better one does."""
    kept: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for call in sorted(calls, key=lambda each: -each.score):
        own = kept[call.chrom, call.strand]
        if not any(call.shares_half(other) for other in own):
            own.append(call)
    return [call for own in kept.values() for call in own]


def judge(
    calls: Sequence[Place], truth: Sequence[Place], neutral: Sequence[Place], megabases: float
) -> dict[str, Any]:
    """Return recall at some rates of false calls, false calls at some recalls, and both at all."""
    best = np.full(len(truth), -np.inf)
    false = []
    for call in calls:
        found = [
            n for n, locus in enumerate(truth) if locus.chrom == call.chrom and call.finds(locus)
        ]
        best[found] = np.maximum(best[found], call.score)
        beside = (each for each in (*truth, *neutral) if each.chrom == call.chrom)
        if not found and not any(call.shares_half(each) for each in beside):
            false.append(call.score)
    ranked = np.sort(false)[::-1]
    reached = np.sort(best[np.isfinite(best)])[::-1]
    rates = np.searchsorted(-ranked, -reached, "right") / megabases
    at = np.arange(1, reached.size + 1)
    return {
        "recall_before_a_false_call": float((rates == 0).sum() / len(truth)),
        **{
            f"recall_at_{rate:g}_per_mb": float((rates <= rate).sum() / len(truth))
            for rate in RATES
        },
        **{
            f"false_per_mb_at_recall_{share}": float(
                rates[np.ceil(share * len(truth)).astype(int) - 1]
            )
            if reached.size >= share * len(truth)
            else None
            for share in (0.3, 0.5)
        },
        "average_precision": float((at / (at + rates * megabases)).sum() / len(truth)),
        "recall": reached.size / len(truth),
        "false_per_mb": len(false) / megabases,
    }


def confirmed(
    models: Path,
    fasta: Path,
    places: Sequence[Place],
    loci: Sequence[Sequence[Place]],
) -> dict[str, Any]:
    """Ask models about hits of premir, with their 20 nt on either side."""
    with tempfile.TemporaryDirectory() as temporary:
        table = Path(temporary) / "confirm.tbl"
        megabases = sum(len(text) for _, text in read_records(fasta)) / 1e6
        seconds = search(models, fasta, table, "--toponly")
        bits: dict[str, float] = defaultdict(float)
        for call in read_table(table):
            bits[call.chrom] = max(bits[call.chrom], call.score)
    truth, neutral = loci
    names = [name for name, _ in read_records(fasta)]
    rows: dict[str, list[float]] = {"true": [], "false": []}
    for name, place in zip(names, places, strict=True):
        near = [each for each in (*truth, *neutral) if each.chrom == place.chrom]
        if any(place.finds(locus) for locus in truth if locus.chrom == place.chrom):
            rows["true"].append(bits[name])
        elif not any(place.shares_half(each) for each in near):
            rows["false"].append(bits[name])
    return {
        "hits": len(places),
        "megabases": megabases,
        "cpu_seconds": round(seconds, 2),
        **{
            kind: {"all": len(own), **{f"{b} bits": sum(x >= b for x in own) for b in BITS}}
            for kind, own in rows.items()
        },
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("genome", type=Path)
    add("--truth", type=Path, required=True, help="BED6 of loci")
    add("--neutral", type=Path, required=True, help="BED6 of what counts neither way")
    add("--clade", action="append", required=True, help="as --known-clade; may be repeated")
    add("--windows", type=int, default=100, help="random ones; default: %(default)s")
    add("--confirm", type=Path, metavar="FASTA", help="hits of premir in the whole genome")
    add("--keep", type=Path, required=True, help="folder for windows, models and calls")
    add("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    args.keep.mkdir(parents=True, exist_ok=True)
    genome = dict(read_records(args.genome))
    truth, neutral = read_bed(args.truth), read_bed(args.neutral)
    lengths = {name: len(text) for name, text in genome.items()}
    windows = windows_of(lengths, [*truth, *neutral], args.windows)
    fasta = args.keep / "windows.fa"
    where = cut(genome, windows, fasta)
    megabases = sum(end - start for _, start, end in windows) / 1e6
    whole = sum(lengths.values()) / 1e6

    def judged(calls: Sequence[Place], seconds: float) -> dict[str, Any]:
        placed = [
            replace(call, chrom=where[call.chrom][0], start=where[call.chrom][1] + call.start,
                    end=where[call.chrom][1] + call.end)
            for call in calls
        ]  # fmt: skip
        return {
            "cpu_seconds_per_mb": round(seconds / megabases, 2),
            **judge(best_of(placed), truth, neutral, megabases),
        }

    rows: dict[str, Any] = {
        "premir --known none": judged(
            *scanned(fasta, args.keep / "none.bed", megabases, "--known", "none")
        )
    }
    result: dict[str, Any] = {}
    for number, clade in enumerate(args.clade):
        library = of_clades(shipped(), members_of(shipped()), clade.split(","))
        models = args.keep / f"families-{number}.cm"
        told = models.with_suffix(".json")
        if not told.exists():
            told.write_text(json.dumps(build(library.known, models)))
        result[clade] = json.loads(told.read_text())
        table = args.keep / f"calls-{number}.tbl"
        seconds = search(models, fasta, table, "--FZ", f"{2 * whole:g}")
        rows[f"cmsearch, {clade}"] = judged(read_table(table), seconds)
        rows[f"premir --known-clade {clade}"] = judged(
            *scanned(fasta, args.keep / f"hits-{number}.bed", megabases, "--known-clade", clade)
        )
    confirming = {}
    if args.confirm is not None:
        hits = [
            Place(x.chrom, x.start, x.end, x.strand)
            for x in read_hits(args.confirm.with_suffix(".bed"))
        ]
        confirming = confirmed(args.keep / "families-0.cm", args.confirm, hits, (truth, neutral))
    version = subprocess.run(["cmsearch", "-h"], capture_output=True, text=True, check=True).stdout
    record.write(
        record.record(
            "infernal", ["numba", "torch", "viennarna"],
            {path.name: record.sha256(path) for path in (args.genome, args.truth, args.neutral)},
            infernal=version.splitlines()[1].strip("# "), megabases=megabases, windows=len(windows),
            loci=len(truth), models=result, rows=rows, confirmed=confirming,
        ),
        args.out,
    )  # fmt: skip
    return 0


@pytest.mark.faults
@pytest.mark.skipif(
    not all(shutil.which(program) for program in PROGRAMS),
    reason=f"needs {', '.join(PROGRAMS)} (Debian: infernal, mafft)",
)
def test_bench_infernal_on_tiny_input(tmp_path: Path) -> None:
    import builders

    rng = np.random.default_rng(5)
    letters = builders.random_sequence(rng, 6_000, 0.4)
    (known, *_) = of_clades(shipped(), members_of(shipped()), ["api"]).known
    hairpin = known.letters.replace("U", "T")
    genome = {"c": f"{letters[:3_000]}{hairpin}{letters[3_000:]}"}
    fasta = builders.write_fasta(tmp_path / "g.fa", genome)
    truth, neutral, out = (tmp_path / name for name in ("t.bed", "n.bed", "infernal.json"))
    truth.write_text(f"c\t3000\t{3_000 + len(hairpin)}\tmir-1\t0\t+\n")
    neutral.write_text("c\t100\t180\tother\t0\t-\n")
    hits = tmp_path / "hits.fa"
    hits.write_text(f">c:3001\n{hairpin}\n")
    hits.with_suffix(".bed").write_text(
        f"#chrom\tstart\tend\tname\tscore\tstrand\nc\t3000\t{3_000 + len(hairpin)}\tc:3001\t0\t+\n"
    )
    files = [str(fasta), "--truth", str(truth), "--neutral", str(neutral), "--windows", "0"]
    files += ["--keep", str(tmp_path / "kept"), "--out", str(out), "--confirm", str(hits)]
    assert main([*files, "--clade", "api"]) == 0
    result = json.loads(out.read_text())
    assert set(result["rows"]) == {
        "premir --known none",
        "cmsearch, api",
        "premir --known-clade api",
    }
    assert 1 < result["models"]["api"]["families"] <= result["models"]["api"]["hairpins"]
    assert result["rows"]["cmsearch, api"]["recall"] == 1
    assert result["confirmed"]["true"] == {"all": 1, **{f"{bits} bits": 1 for bits in BITS}}


if __name__ == "__main__":
    sys.exit(main())
