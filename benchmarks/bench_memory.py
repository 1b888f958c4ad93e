r"""Peak memory and time of whole scans against genome size: one long contig, many short scaffolds.

python benchmarks/bench_memory.py --out benchmarks/results/memory.json

The genomes are made here. Letters are A and C at random, which cannot pair, with one hairpin in
every million nucleotides: everything of a scan runs at full size (validation, store, tiles, stem
scan of both strands, shards, scores, output), only candidates are few, so that sizes of hundreds
of megabases take minutes. What candidates and hits cost is measured by bench_scan.py.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record

CONTIGS = (75_000_000, 150_000_000, 300_000_000, 600_000_000)
SCAFFOLDS = (125_000, 250_000, 500_000, 1_000_000)
SCAFFOLD = 200
SPACING = 1_000_000
"""Nucleotides between hairpins."""
_LINE = 100
_HAIRPIN = b"GGCTGAGCCGCAGTAGTTCTTCAGTGGCAAGCTTTATGTCCTGACCCAGCTAAAGCTGCCAGTTGAAGAACTGTTGCCCTCTGCC"
"""Human miR-22's precursor, as in miRBase."""


def sequence(rng: np.random.Generator, length: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Random A and C with a hairpin every SPACING nucleotides."""
    letters = np.array([65, 67], np.uint8)[rng.integers(0, 2, length, dtype=np.uint8)]
    insert = np.frombuffer(_HAIRPIN, np.uint8)
    for start in range(50, length - insert.size, SPACING):
        letters[start : start + insert.size] = insert
    return letters


def write_contig(path: Path, length: int) -> None:
    """Write one contig in lines of 100."""
    rng = np.random.default_rng(1)
    with path.open("wb") as handle:
        handle.write(b">chr1\n")
        for first in range(0, length, 10_000_000):
            part = sequence(rng, min(10_000_000, length - first)).reshape(-1, _LINE)
            ends = np.full((part.shape[0], 1), 10, np.uint8)
            handle.write(np.hstack([part, ends]).tobytes())


def write_scaffolds(path: Path, count: int) -> None:
    """Write scaffolds of 200 nt."""
    rng = np.random.default_rng(1)
    with path.open("wb") as handle:
        for first in range(0, count, 10_000):
            some = min(10_000, count - first)
            letters = sequence(rng, some * SCAFFOLD).tobytes()
            for n in range(some):
                text = letters[n * SCAFFOLD : (n + 1) * SCAFFOLD]
                handle.write(b">scaffold%d\n%s\n" % (first + n, text))


def scan(genome: Path, threads: int) -> dict[str, Any]:
    """Scan in a process of its own and say what it took."""
    out = genome.with_suffix(".bed")
    command = [sys.executable, "-m", "premir.scanner.cli", str(genome), "--out", str(out), "-q"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "--threads", str(threads)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(out.with_name(f"{out.name}.summary.json").read_text(encoding="utf-8"))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "megabases": summary["megabases"],
        "contigs": summary["contigs"],
        "tiles": summary["tiles_total"],
        "candidates": summary["candidates"],
        "hits": summary["hits"],
        "peak_memory_mb": round(summary["peak_memory_mb"]),
        "seconds": round(summary["seconds"], 1),
        "cpu_seconds": round(cpu, 1),
        "cpu_us_per_contig": round(cpu / summary["contigs"] * 1e6, 1),
        "cpu_seconds_per_mb": round(cpu / summary["megabases"], 3),
        "seconds_by_stage": {k: round(v, 1) for k, v in summary["seconds_by_stage"].items()},
    }


def page(result: dict[str, Any]) -> str:
    """The results as a Markdown page."""
    lines = [
        "# Peak memory and time against genome size",
        "",
        f"{result['data']}; {result['threads']} threads.",
        "",
        "| genome | Mb | contigs | tiles | hits | peak MB | seconds | CPU seconds | CPU s per Mb |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['genome']} | {row['megabases']:g} | {row['contigs']:,} | {row['tiles']} "
        f"| {row['hits']} | {row['peak_memory_mb']} | {row['seconds']} | {row['cpu_seconds']} "
        f"| {row['cpu_seconds_per_mb']} |"
        for row in result["rows"]
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contigs", type=int, nargs="*", default=CONTIGS, help="lengths in nt")
    parser.add_argument("--scaffolds", type=int, nargs="*", default=SCAFFOLDS, help="how many")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write JSON here, and the table beside it as .md")
    args = parser.parse_args(argv)
    work: list[tuple[str, Any, int]] = [
        *(("one contig", write_contig, length) for length in args.contigs),
        *(("scaffolds of 200 nt", write_scaffolds, count) for count in args.scaffolds),
    ]
    rows = []
    for name, write, size in work:
        with tempfile.TemporaryDirectory() as folder:
            genome = Path(folder) / "genome.fa"
            write(genome, size)
            rows.append({"genome": name, **scan(genome, args.threads)})
        sys.stderr.write(f"{rows[-1]}\n")
    data = f"made by this script: A and C at random, a hairpin every {SPACING} nt"
    result = record.record(
        "memory", ["numba", "numpy", "torch"], data, threads=args.threads, rows=rows
    )
    record.write(result, args.out)
    if args.out is not None:
        args.out.with_suffix(".md").write_text(page(result), encoding="utf-8")
    return 0


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    committed = Path(__file__).parent / "results" / "memory.json"
    result = json.loads(committed.read_text(encoding="utf-8"))
    text = committed.with_suffix(".md").read_text(encoding="utf-8")
    assert text.startswith(page(result))  # below it stands what a person says of it


def test_bench_memory_on_tiny_input(tmp_path: Path) -> None:
    out = tmp_path / "memory.json"
    assert main(["--contigs", "40000", "--scaffolds", "300", "--out", str(out)]) == 0
    contig, scaffolds = json.loads(out.read_text())["rows"]
    assert (contig["contigs"], contig["megabases"], contig["hits"]) == (1, 0.04, 2)
    assert (scaffolds["contigs"], scaffolds["megabases"], scaffolds["tiles"]) == (300, 0.06, 1)
    assert scaffolds["hits"] == 2  # a known hairpin, and what lies opposite
    assert "| one contig | 0.04 | 1 |" in out.with_suffix(".md").read_text()


if __name__ == "__main__":
    sys.exit(main())
