r"""What a genome costs beside its work: many small genomes against one with the same contigs.

python benchmarks/bench_many.py --genomes 500 --length 20000 --out benchmarks/results/many.json

Both scans do the same work in the same kernels, so that what the first one needs in addition, in
CPU time of this process and its children, is the overhead of so many genomes: folders, locks,
validation, records, outputs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import record

SEED = 0


def scan(arguments: Sequence[str]) -> dict[str, float]:
    """Run premir-scan in a process of its own and say how long it took."""
    before, started = os.times(), time.monotonic()
    command = [sys.executable, "-m", "premir.scanner.cli", *arguments, "-q"]
    subprocess.run(command, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return {
        "cpu_seconds": round(cpu, 2),
        "wall_seconds": round(time.monotonic() - started, 2),
    }


def measure(folder: Path, genomes: int, length: int, options: Sequence[str]) -> dict[str, Any]:
    """Scan so many random genomes, all of them again, and the same contigs in one file."""
    rng = np.random.default_rng(SEED)
    paths, together = [], folder / "together.fa"
    with together.open("wb") as handle:
        for number in range(genomes):
            letters = rng.choice(np.frombuffer(b"ACGT", np.uint8), length).tobytes()
            text = b">c%d\n%s\n" % (number, letters)
            paths.append(folder / f"g{number}.fa")
            paths[-1].write_bytes(text)
            handle.write(text)
    listing = folder / "list.tsv"
    listing.write_text("".join(f"{path.stem}\t{path}\n" for path in paths))
    # One tile a contig, as the small genomes have.
    common = [*options, "--tile-size", str(length)]
    many = ["--genomes", str(listing), "--out-dir", str(folder / "hits"), *common]
    one = [str(together), "--out", str(folder / "hits.bed"), *common]
    scan([str(paths[0]), "--out", str(folder / "warm.bed"), *common])  # compiles kernels
    result = {"one_genome": scan(one), "many_genomes": scan(many), "again": scan(many)}
    hits = (folder / "hits.bed").read_text().splitlines()
    lines = [line for line in hits if not line.startswith("#")]
    found = sum(
        not line.startswith("#")
        for path in (folder / "hits").glob("*.bed")
        for line in path.read_text().splitlines()
    )
    assert found == len(lines)
    extra = result["many_genomes"]["cpu_seconds"] - result["one_genome"]["cpu_seconds"]
    return {
        "genomes": genomes,
        "length": length,
        "options": list(options),
        "hits": found,
        **result,
        "overhead_cpu_ms_per_genome": round(1000 * extra / genomes, 1),
        "again_cpu_ms_per_genome": round(1000 * result["again"]["cpu_seconds"] / genomes, 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--genomes", type=int, default=500)
    parser.add_argument("--length", type=int, default=20_000, help="nt in each")
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args, options = parser.parse_known_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), args.genomes, args.length, options)
    data = f"{args.genomes} random genomes of {args.length} nt, seed {SEED}"
    record.write(record.record("many", ["numba", "torch", "viennarna"], data, **result), args.out)
    return 0


@pytest.mark.faults
def test_bench_many_on_tiny_input(tmp_path: Path) -> None:
    out = tmp_path / "many.json"
    small = ["--genomes", "3", "--length", "1500", "--min-prob", "0"]
    assert main([*small, "--out", str(out)]) == 0
    assert json.loads(out.read_text())["hits"] > 0


if __name__ == "__main__":
    sys.exit(main())
