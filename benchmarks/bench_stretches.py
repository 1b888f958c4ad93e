r"""Stretches of known hairpins: megabases per CPU second in which they are looked for and counted.

python benchmarks/bench_stretches.py ../shared/data \\
    --out benchmarks/results/stretches.json
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record

from premir.kernels.codes import Codes, encode
from premir.kernels.stretches import Stretches
from premir.scanner.genome.fasta import fasta_pieces
from premir.train.genome.relatives import known_stretches

PART = 200
"""Letters of a piece that is asked whether it holds a stretch."""


def measure(stretches: Stretches, codes: Codes, repeats: int) -> dict[str, Any]:
    """Time both ways of asking, the set as trainings have it."""
    start = np.arange(0, codes.size, PART)
    end = np.minimum(start + PART, codes.size)
    megabases = codes.size / 1e6
    asked = record.cpu_seconds(lambda: stretches.shared_with(codes, start, end), repeats)
    counts = np.zeros(stretches.keys.size, np.int64)
    counted = record.cpu_seconds(lambda: stretches.count(codes, counts), repeats)
    return {
        "stretches": int(stretches.keys.size),
        "parts_with_one": int(stretches.shared_with(codes, start, end).sum()),
        "shared_with_mb_per_s": round(megabases / float(np.median(asked)), 1),
        "count_mb_per_s": round(megabases / float(np.median(counted)), 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with mirbase/ and genomes/")
    parser.add_argument("--genome", default="yeast", help="genome to look in; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="runs; default: %(default)s")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    fasta = args.data / "genomes" / args.genome / "genome.fa.gz"
    codes = encode(b"".join(letters for _, letters in fasta_pieces(fasta)))
    result = record.record(
        "stretches",
        ["numba", "numpy"],
        {"name": args.genome, "sha256": record.sha256(fasta), "nucleotides": int(codes.size)},
        threads=1,
        repeats=args.repeats,
        speed=measure(known_stretches(args.data), codes, args.repeats),
    )
    record.write(result, args.out)
    return 0


def test_bench_stretches_on_tiny_input(tmp_path: Path) -> None:
    hairpin = "GGCUAGCUUGCAGGCAUCGGAUCCUAGGCAAUUCGCCUAGGAUCCGAUGCCUGCAAGCUAGCC"
    (tmp_path / "mirbase").mkdir()
    (tmp_path / "genomes" / "tiny").mkdir(parents=True)
    table = "hairpin_id\tacc\tn_experimental\nhsa-mir-1\tMI1\t1\n"
    for name, text in (
        ("hairpin.fa.gz", f">hsa-mir-1\n{hairpin}\n"),
        ("hairpin.tsv.gz", table),
        ("mirgenedb_ALL_pre.fas.gz", f">Hsa-Mir-1_pre\n{hairpin}\n"),
    ):
        (tmp_path / "mirbase" / name).write_bytes(gzip.compress(text.encode()))
    letters = "".join(np.random.default_rng(1).choice(list("ACGT"), size=1_000))
    genome = f">a\n{letters}{hairpin.replace('U', 'T')}{letters}\n"
    (tmp_path / "genomes" / "tiny" / "genome.fa.gz").write_bytes(gzip.compress(genome.encode()))
    out = tmp_path / "stretches.json"
    assert main([str(tmp_path), "--genome", "tiny", "--repeats", "1", "--out", str(out)]) == 0
    speed = json.loads(out.read_text())["speed"]
    assert speed["parts_with_one"] == 1
    assert speed["stretches"] == len(hairpin) - 19


if __name__ == "__main__":
    sys.exit(main())
