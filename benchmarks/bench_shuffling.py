r"""Shuffles that keep neighbours: megabases per CPU second, random numbers included.

python benchmarks/bench_shuffling.py ../shared/data/genomes/yeast/genome.fa.gz \\
    --out benchmarks/results/shuffling.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record

from premir.kernels.codes import Codes, encode
from premir.kernels.shuffling import shuffle
from premir.scanner.genome.fasta import fasta_pieces

BLOCK = 10_000
"""Letters that are shuffled together, as in decoys."""


def measure(codes: Codes, repeats: int) -> dict[str, Any]:
    """Time the kernel by itself, and with the drawing of its random numbers."""
    borders = np.unique(np.append(np.arange(0, codes.size, BLOCK), codes.size))
    draws = np.random.default_rng(0).random(codes.size)
    drawn = record.cpu_seconds(lambda: np.random.default_rng(0).random(codes.size), repeats)
    shuffled = record.cpu_seconds(lambda: shuffle(codes, borders, draws), repeats)
    megabases, kernel = codes.size / 1e6, float(np.median(shuffled))
    return {
        "kernel_mb_per_s": round(megabases / kernel, 1),
        "with_random_numbers_mb_per_s": round(megabases / (kernel + float(np.median(drawn))), 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("genome", type=Path, help="FASTA")
    parser.add_argument("--repeats", type=int, default=5, help="runs; default: %(default)s")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    codes = encode(b"".join(letters for _, letters in fasta_pieces(args.genome)))
    result = record.record(
        "shuffling",
        ["numba", "numpy"],
        {"sha256": record.sha256(args.genome), "nucleotides": int(codes.size)},
        threads=1,
        repeats=args.repeats,
        speed=measure(codes, args.repeats),
    )
    record.write(result, args.out)
    return 0


def test_bench_shuffling_on_tiny_input(tmp_path: Path) -> None:
    letters = "".join(np.random.default_rng(1).choice(list("ACGT"), size=25_000))
    (tmp_path / "genome.fa").write_text(f">a\n{letters}\n")
    out = tmp_path / "shuffling.json"
    assert main([str(tmp_path / "genome.fa"), "--repeats", "1", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["speed"]["kernel_mb_per_s"] > 0


if __name__ == "__main__":
    sys.exit(main())
