r"""Whole scans of real genomes: speed, known hairpins found, agreement of the two folders.

python benchmarks/bench_scan.py ebv hcmv --min-prob 0 --out benchmarks/results/scan.json

Genomes are folders of ../shared/data/genomes (or $PREMIR_DATA/genomes) with genome.fa.gz and
hairpins.bed. A result that is in the output file already is replaced genome by genome.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record

from premir.scanner.cli import main as premir_scan

KEPT = (
    "megabases", "model", "min_prob", "preset", "extractor", "max_span", "folder", "executor",
    "threads",
    "candidates", "folded", "scored", "above_threshold", "hits", "refolded", "fold_disagreements",
    "seconds", "cpu_seconds",
    "seconds_by_stage", "mb_per_min", "peak_memory_mb",
)  # fmt: skip

Interval = tuple[str, int, int, str]


def read_bed(path: Path) -> list[tuple[Interval, list[str]]]:
    """Return interval and fields of each line that is no comment."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            fields = line.split("\t")
            rows.append(((fields[0], int(fields[1]), int(fields[2]), fields[5]), fields))
    return rows


def found(truth: Sequence[Interval], hits: Sequence[Interval]) -> int:
    """Count the loci of which a hit covers at least half, mid-points at most 25 nt apart."""
    by_place: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for contig, start, end, strand in hits:
        by_place.setdefault((contig, strand), []).append((start, end))
    return sum(
        any(
            2 * (min(end, b) - max(start, a)) >= end - start and abs(start + end - a - b) <= 50
            for a, b in by_place.get((contig, strand), [])
        )
        for contig, start, end, strand in set(truth)
    )


def scan(folder: Path, options: Sequence[str]) -> dict[str, Any]:
    """Scan one genome and say what came out."""
    before = time.process_time()
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "hits.bed"
        genome = folder / "genome.fa.gz"
        code = premir_scan([str(genome), "--out", str(out), *options])
        if code != 0:
            raise SystemExit(code)
        hits = [interval for interval, _ in read_bed(out)]
        summary = json.loads(out.with_name("hits.bed.summary.json").read_text(encoding="utf-8"))
    result = {name: summary[name] for name in KEPT}
    result["cpu_seconds"] -= before  # of the process, and so of genomes before this one
    for name in ("hairpins", "mirgenedb"):
        bed = folder / f"{name}.bed"
        if bed.exists() and bed.stat().st_size:
            truth = [interval for interval, _ in read_bed(bed)]
            result[name] = {"loci": len(set(truth)), "found": found(truth, hits)}
    return {
        **result,
        "hits_per_mb": len(hits) / summary["megabases"],
        "genome_sha256": summary["genome_sha256"],
        "commit": record.commit(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("genomes", nargs="+", help="names of genome folders")
    parser.add_argument("--data", type=Path, help="folder with genomes/")
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args, options = parser.parse_known_args(argv)
    data = args.data or Path(os.environ.get("PREMIR_DATA", "../shared/data"))
    before: dict[str, Any] = {}
    if args.out and args.out.exists():
        before = json.loads(args.out.read_text(encoding="utf-8"))["genomes"]
    for name in args.genomes:
        folder = data / "genomes" / name
        if not (folder / "genome.fa.gz").exists():
            sys.stderr.write(f"{folder}: absent, skipped\n")
            continue
        before[name] = scan(folder, options)
        result = record.record(
            "scan", ["numba", "torch", "viennarna"], "genomes by name", genomes=before
        )
        record.write(result, args.out)
    return 0


def test_bench_scan_on_tiny_input(tmp_path: Path) -> None:
    import builders

    folder = tmp_path / "genomes" / "tiny"
    folder.mkdir(parents=True)
    sequences, truth = builders.planted_genome(seed=3, contigs={"chr1": 4000})
    builders.write_fasta(folder / "genome.fa.gz", sequences)
    lines = [f"{c}\t{a}\t{b}\t{name}\t0\t{strand}\n" for c, a, b, name, strand in truth]
    (folder / "hairpins.bed").write_text("".join(lines))
    out = tmp_path / "scan.json"
    command = ["tiny", "absent", "--data", str(tmp_path), "--out", str(out), "--min-prob", "0"]
    assert main([*command, "--quiet"]) == 0
    (result,) = json.loads(out.read_text())["genomes"].values()
    assert result["hairpins"] == {"loci": len(truth), "found": len(truth)}
    assert result["fold_disagreements"] == 0


if __name__ == "__main__":
    sys.exit(main())
