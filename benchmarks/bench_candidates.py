r"""Candidates: recall against candidates per Mb, speed, and two other ways to cut a genome.

python benchmarks/bench_candidates.py --data ../shared/data --out benchmarks/results/candidates.json

Writes a short table beside the JSON (candidates.md). A candidate matches a known locus of the same
strand when it covers at least half of it and the mid-points are at most 25 nt apart. Candidates per
Mb are those of both strands over the length of the genome, unknown letters included.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import record

from premir.kernels.codes import Codes, decode, encode, reverse_complement
from premir.kernels.stems import scan_stems, select_stems
from premir.scanner.find.candidates import PRESETS, Extractor, candidates_of
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import OpenGenome, open_genome

GENOMES = ("celegans_dev", "ebv", "hcmv", "mouse_pieces", "human_clones", "arabidopsis_1pct")
COMPARED = ("ebv", "hcmv", "celegans_dev")
AROUND = 1_000
"""Of a genome above a megabase, RNALfold sees so many nt on both sides of each locus, not all."""

LOOSER = 300
"""How far above the default energy the curve goes, in centibits."""

STEP = 50
LFOLD_SPAN = 150
WINDOW, WINDOW_STEP = 160, 30
MEGABASES = (1, 4, 16, 64)
SPANS = (100, 160, 300)

_I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Intervals of one way to cut a genome.

    Attributes:
        key: int64 (N,), twice the contig's index, plus one on the minus strand.
        start: int64 (N,), plus strand, 0-based half-open.
        end: int64 (N,).
        score: int64 (N,), the lower the better.
    """

    key: _I64
    start: _I64
    end: _I64
    score: _I64


Known = list[tuple[int, int, int]]
"""Key, start and end of loci."""


def read_bed(path: Path, names: Sequence[str]) -> Known:
    """Read loci, each interval once."""
    if not path.exists():
        return []
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line)
    known = {
        (2 * names.index(f[0]) + (f[5].strip() == "-"), int(f[1]), int(f[2]))
        for f in rows
        if f[0] in names
    }
    return sorted(known)


def best_scores(known: Known, found: Found) -> npt.NDArray[np.float64]:
    """Return the lowest score of an interval that matches each locus, infinity where none does."""
    order = np.lexsort((found.start + found.end, found.key))
    key, start, end = found.key[order], found.start[order], found.end[order]
    score = found.score[order]
    best = np.full(len(known), np.inf)
    for n, (own, a, b) in enumerate(known):
        first, last = np.searchsorted(key, own), np.searchsorted(key, own, "right")
        middle = start[first:last] + end[first:last]
        last = first + np.searchsorted(middle, a + b + 50, "right")
        first = first + np.searchsorted(middle, a + b - 50)
        shared = np.minimum(end[first:last], b) - np.maximum(start[first:last], a)
        matching = score[first:last][2 * shared >= b - a]
        best[n] = matching.min() if matching.size else np.inf
    return best


def cut_by_premir(genome: OpenGenome, extractor: Extractor) -> Found:
    """Candidates of all tiles."""
    parts = []
    for candidates in candidates_of(genome, extractor, folder=None):
        loci = candidates.loci
        key = 2 * loci.contig.astype(np.int64) + (loci.strand < 0)
        parts.append(np.stack([key, loci.start, loci.end, loci.stem_energy.astype(np.int64)]))
    return Found(*np.concatenate(parts, axis=1))


def cut_by_windows(lengths: Sequence[int]) -> Found:
    """Windows of one length at a fixed step, on both strands."""
    parts = []
    for contig, length in enumerate(lengths):
        start = np.arange(0, max(length - WINDOW, 0) + 1, WINDOW_STEP)
        for strand in (0, 1):
            key = np.full(start.size, 2 * contig + strand)
            parts.append(np.stack([key, start, np.minimum(start + WINDOW, length), 0 * start]))
    return Found(*np.concatenate(parts, axis=1))


def cut_by_rnalfold(regions: Sequence[tuple[int, int, Codes]]) -> tuple[Found, float]:
    """Locally stable structures as ViennaRNA's RNALfold reports them, and its CPU seconds.

    Args:
        regions: contig, first position and plus-strand letters.
    """
    import RNA

    model = RNA.md()
    model.max_bp_span = model.window_size = LFOLD_SPAN
    rows: list[tuple[int, int, int, int]] = []

    def keep(
        start: int, _end: int, structure: str, energy: float, where: tuple[int, int, int]
    ) -> None:
        key, origin, size = where
        outermost = structure.find("("), structure.rfind(")")
        first, last = start - 1 + outermost[0], start + outermost[1]
        if key % 2:
            first, last = size - last, size - first
        rows.append((key, origin + first, origin + last, round(100 * energy)))

    begin = time.thread_time()
    for contig, origin, codes in regions:
        for strand in (0, 1):
            letters = decode(reverse_complement(codes) if strand else codes)
            compound = RNA.fold_compound(letters, model, RNA.OPTION_MFE | RNA.OPTION_WINDOW)
            compound.mfe_window_cb(keep, (2 * contig + strand, origin, codes.size))
    seconds = time.thread_time() - begin
    return Found(*np.array(rows, np.int64).reshape(-1, 4).T), seconds


def regions_around(
    known: Known, codes: Sequence[Codes], around: int
) -> list[tuple[int, int, Codes]]:
    """Whole contigs of small genomes; of large ones what lies around the known loci, joined."""
    if sum(c.size for c in codes) <= 1_000_000:
        return [(contig, 0, own) for contig, own in enumerate(codes)]
    regions: list[list[int]] = []
    for key, a, b in sorted((key // 2, a, b) for key, a, b in known):
        first, last = max(0, a - around), min(codes[key].size, b + around)
        if regions and regions[-1][0] == key and first <= regions[-1][2]:
            regions[-1][2] = max(last, regions[-1][2])
        else:
            regions.append([key, first, last])
    return [(contig, first, codes[contig][first:last]) for contig, first, last in regions]


def inside(found: Found, regions: Sequence[tuple[int, int, Codes]]) -> Found:
    """Keep intervals whose mid-point lies in a region."""
    middle = (found.start + found.end) // 2
    keep = np.zeros(middle.size, bool)
    for contig, origin, codes in regions:
        keep |= (found.key // 2 == contig) & (origin <= middle) & (middle < origin + codes.size)
    return Found(found.key[keep], found.start[keep], found.end[keep], found.score[keep])


def best_per_centre(found: Found, radius: int) -> Found:
    """Keep intervals that none of the same strand beats within so many half-nucleotides.

    premir's own rule: without it a hairpin counts once for each start that RNALfold reports.
    """
    order = np.lexsort((found.start + found.end, found.key))
    # Strands lie far apart on one axis.
    middle = (found.start + found.end + (found.key << 40))[order]
    score = found.score[order]
    first = np.searchsorted(middle, middle - radius)
    last = np.searchsorted(middle, middle + radius, "right")
    keep = order[
        [
            n == a + int(score[a:b].argmin())
            for n, (a, b) in enumerate(zip(first, last, strict=True))
        ]
    ]
    return Found(found.key[keep], found.start[keep], found.end[keep], found.score[keep])


def lowest(found: Found, many: int) -> Found:
    """Keep so many intervals of the lowest scores."""
    keep = np.argsort(found.score, kind="stable")[:many]
    return Found(found.key[keep], found.start[keep], found.end[keep], found.score[keep])


def curve(truths: dict[str, Known], found: Found, megabases: float, default: int) -> Any:
    """Recall and candidates per Mb at each energy."""
    best = {name: best_scores(known, found) for name, known in truths.items()}
    score = np.sort(found.score)
    rows = []
    for energy in range(default - 16 * STEP, default + LOOSER + 1, STEP):
        row: dict[str, Any] = {
            "highest_energy": energy,
            "candidates_per_mb": round(int(np.searchsorted(score, energy, "right")) / megabases),
        }
        for name, each in best.items():
            row[name] = f"{int((each <= energy).sum())}/{each.size}"
        rows.append(row)
    return rows


def speed(codes: Codes, extractor: Extractor, repeats: int) -> float:
    """Megabases of one strand per CPU second of one core, scan and selection together."""

    def work() -> None:
        energy, span = scan_stems(
            codes, min_span=extractor.min_span, max_span=extractor.max_span, costs=extractor.costs
        )
        select_stems(energy, span, highest=extractor.highest_energy, radius=extractor.radius)

    seconds = float(np.median(record.cpu_seconds(work, repeats)))
    return round(codes.size / 1e6 / seconds, 2)


def compare(
    found: Found, codes: Sequence[Codes], truths: dict[str, Known], premir_speed: float
) -> dict[str, Any]:
    """Put premir, RNALfold at the same number of candidates, and windows into one table."""
    known = truths.get("mirgenedb") or truths["mirbase"]
    regions = regions_around(known, codes, AROUND)
    megabases = sum(own.size for _, _, own in regions) / 1e6
    premir = inside(found, regions)
    others, seconds = cut_by_rnalfold(regions)
    thinned = best_per_centre(others, PRESETS["animal"].radius)
    fold_speed = round(2 * megabases / seconds, 4)
    windows = inside(cut_by_windows([own.size for own in codes]), regions)

    def row(intervals: Found, mb_per_s: float | None) -> dict[str, Any]:
        return {
            "candidates_per_mb": round(intervals.key.size / megabases),
            "found": f"{int(np.isfinite(best_scores(known, intervals)).sum())}/{len(known)}",
            "mb_per_s_strand_core": mb_per_s,
        }

    whole_genome = sum(own.size for own in codes) <= 1_000_000
    return {
        "truth": "mirgenedb" if truths.get("mirgenedb") else "mirbase",
        "where": "the whole genome" if whole_genome else f"within {AROUND} nt of the loci",
        "megabases": round(megabases, 4),
        "premir": row(premir, premir_speed),
        "RNALfold, best per centre, as many": row(lowest(thinned, premir.score.size), fold_speed),
        "RNALfold, as many": row(lowest(others, premir.score.size), fold_speed),
        "RNALfold, all": row(others, fold_speed),
        f"windows of {WINDOW} every {WINDOW_STEP}": row(windows, None),
    }


def measure(folder: Path, preset: str, repeats: int, *, rnalfold: bool) -> dict[str, Any]:
    """Everything about one genome."""
    extractor = PRESETS[preset]
    loose = replace(extractor, highest_energy=extractor.highest_energy + LOOSER)
    source = folder / "genome.fa.gz"
    with open_genome(source) as genome:
        found = cut_by_premir(genome, loose)
    names = [contig.name for contig in genome.contigs]
    truths = {
        name: known
        for name, file in (("mirbase", "hairpins.bed"), ("mirgenedb", "mirgenedb.bed"))
        if (known := read_bed(folder / file, names))
    }
    megabases = sum(contig.length for contig in genome.contigs) / 1e6
    codes = contigs_of(source)
    gc = sum(int(((own == 1) | (own == 2)).sum()) for own in codes)
    known_letters = sum(int((own < 4).sum()) for own in codes)
    fast = speed(np.concatenate(codes)[:4_000_000], extractor, repeats)
    result = {
        "preset": preset,
        "megabases": round(megabases, 3),
        "gc_percent": round(100 * gc / known_letters, 1),
        "mb_per_s_strand_core": fast,
        "default": {},
        "curve": curve(truths, found, megabases, extractor.highest_energy),
    }
    at = next(r for r in result["curve"] if r["highest_energy"] == extractor.highest_energy)
    result["default"] = at
    if rnalfold and truths:
        keep = found.score <= extractor.highest_energy
        chosen = Found(found.key[keep], found.start[keep], found.end[keep], found.score[keep])
        result["comparison"] = compare(chosen, codes, truths, fast)
    return result


def contigs_of(source: Path) -> list[Codes]:
    """Codes of each contig, in order."""
    return [encode(letters) for _, letters in read_records(source)]


def linearity(codes: Codes, megabases: Sequence[int], repeats: int) -> dict[str, Any]:
    """Speed by length and by span."""
    animal = PRESETS["animal"]
    lengths = {}
    for mb in megabases:
        if codes.size >= mb * 900_000:
            lengths[f"{mb} Mb"] = speed(codes[: mb * 1_000_000], animal, repeats if mb < 16 else 1)
    return {
        "what": "megabases of one strand per CPU second of one core, scan and selection",
        "by_length_at_span_160": lengths,
        "by_span": {
            str(span): speed(codes[:4_000_000], replace(animal, max_span=span), repeats)
            for span in SPANS
        },
    }


def table(result: dict[str, Any]) -> str:
    """Return the default row of each genome, and the comparison, as Markdown."""
    lines = [
        "# Candidates",
        "",
        "Both strands. Made by `benchmarks/bench_candidates.py`; candidates.json has the curves,",
        "machine and versions. premir's speed is that of scan and selection, RNALfold's that of",
        "its folding.",
        "",
        "| genome | preset | GC % | candidates/Mb | miRBase | MirGeneDB | Mb/s (strand, core) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in result["genomes"].items():
        row = each["default"]
        lines.append(
            f"| {name} | {each['preset']} | {each['gc_percent']} | {row['candidates_per_mb']:,} "
            f"| {row.get('mirbase', '')} | {row.get('mirgenedb', '')} "
            f"| {each['mb_per_s_strand_core']} |"
        )
    lines += [
        "",
        "| genome | where | method | candidates/Mb | found | Mb/s (strand, core) |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in result["genomes"].items():
        for method, row in each.get("comparison", {}).items():
            if isinstance(row, dict):
                lines.append(
                    f"| {name} | {each['comparison']['where']} | {method} "
                    f"| {row['candidates_per_mb']:,} | {row['found']} "
                    f"| {row['mb_per_s_strand_core'] or ''} |"
                )
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = Path(os.environ.get("PREMIR_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, help="folder that holds genomes/")
    parser.add_argument(
        "--genomes", nargs="+", default=list(GENOMES), help="absent ones are left out"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs; default: %(default)s")
    parser.add_argument("--no-rnalfold", action="store_true", help="leave the slow comparison out")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    folders = {name: args.data / "genomes" / name for name in args.genomes}
    folders = {name: f for name, f in folders.items() if (f / "genome.fa.gz").exists()}
    genomes = {
        name: measure(folder, "animal", args.repeats,
                      rnalfold=name in COMPARED and not args.no_rnalfold)
        for name, folder in folders.items()
    }  # fmt: skip
    if "arabidopsis_1pct" in folders:
        own = measure(folders["arabidopsis_1pct"], "plant", args.repeats, rnalfold=False)
        genomes["arabidopsis_1pct, plant"] = own
    for name in ("ebv", "hcmv"):
        if name in folders:
            own = measure(folders[name], "virus", args.repeats, rnalfold=False)
            genomes[f"{name}, virus"] = own
    large = folders.get("celegans_dev", next(iter(folders.values()), None))
    codes = (
        np.concatenate(contigs_of(large / "genome.fa.gz"))
        if large
        else np.random.default_rng(0).integers(0, 4, 1_000_000).astype(np.uint8)
    )
    result = record.record(
        "candidates",
        ["numba", "numpy", "viennarna"],
        {name: {"sha256": record.sha256(f / "genome.fa.gz")} for name, f in folders.items()},
        threads=1,
        repeats=args.repeats,
        genomes=genomes,
        linearity=linearity(codes, MEGABASES, args.repeats),
    )
    record.write(result, args.out)
    if args.out:
        args.out.with_suffix(".md").write_text(table(result), encoding="utf-8")
    return 0


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    committed = Path(__file__).parent / "results" / "candidates.json"
    result = json.loads(committed.read_text(encoding="utf-8"))
    assert committed.with_suffix(".md").read_text(encoding="utf-8") == table(result)


def _tiny_genome(data: Path, name: str, seed: int) -> None:
    import builders  # of the tests: not on the path when this runs as a script

    folder = data / "genomes" / name
    folder.mkdir(parents=True)
    sequences, truth = builders.planted_genome(seed, {"chr1": 6_000, "scaffold": 200})
    builders.write_fasta(folder / "genome.fa.gz", sequences)
    bed = "".join(f"{c}\t{a}\t{b}\t{n}\t0\t{s}\n" for c, a, b, n, s in truth)
    (folder / "hairpins.bed").write_text(bed, encoding="utf-8")


def test_bench_candidates_on_tiny_input(tmp_path: Path) -> None:
    for seed, name in enumerate(("ebv", "arabidopsis_1pct")):
        _tiny_genome(tmp_path, name, seed)
    out = tmp_path / "candidates.json"
    assert main(["--data", str(tmp_path), "--repeats", "1", "--out", str(out)]) == 0
    text, short = (
        out.read_text(encoding="utf-8"),
        out.with_suffix(".md").read_text(encoding="utf-8"),
    )
    assert str(tmp_path) not in text + short
    result = json.loads(text)
    assert set(result["genomes"]) == {
        "ebv", "arabidopsis_1pct", "arabidopsis_1pct, plant", "ebv, virus",
    }  # fmt: skip
    ebv = result["genomes"]["ebv"]
    found, loci = map(int, ebv["default"]["mirbase"].split("/"))
    assert found >= 0.8 * loci > 0
    recalls = [int(row["mirbase"].split("/")[0]) for row in ebv["curve"]]
    counts = [row["candidates_per_mb"] for row in ebv["curve"]]
    assert recalls == sorted(recalls)
    assert counts == sorted(counts)
    methods = {k: v for k, v in ebv["comparison"].items() if isinstance(v, dict)}
    assert len(methods) == 5
    assert methods["premir"]["found"] == ebv["default"]["mirbase"]
    assert all(row["candidates_per_mb"] > 0 for row in methods.values())
    assert "| ebv | the whole genome | premir |" in short


def test_matches_as_the_rule_says() -> None:
    known = [(0, 100, 160), (1, 100, 160), (2, 100, 160)]
    intervals = Found(
        np.array([0, 0, 0, 1, 2]),
        np.array([95, 131, 60, 126, 105]),
        np.array([170, 200, 129, 186, 155]),
        np.array([-5, -9, -8, -7, -6]),
    )
    # Less than half covered; mid-points 25.5 and 26 nt apart: only the first and last two count.
    assert best_scores(known, intervals).tolist() == [-5, np.inf, -6]


if __name__ == "__main__":
    sys.exit(main())
