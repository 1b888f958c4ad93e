r"""Kin: how fast places that resemble hits are counted in a genome, by the number of hits.

python benchmarks/bench_kin.py ../shared/data/genomes/celegans_dev/genome.fa.gz \
    --name celegans_dev --hits 200 10000 --out benchmarks/results/kin.json

Hits are random intervals of 90 nt.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record

from premir.kernels.codes import UNKNOWN, encode
from premir.kernels.pairing import pack
from premir.scanner.genome.letters import Genome, read_genome, read_letters
from premir.scanner.report.evidence.kin import kin_in_genome

SEED = 20180
LENGTH = 90


def measure(genome: Genome, hits: int, repeats: int) -> dict[str, Any]:
    """Time one thread that counts the kin of random intervals."""
    codes = encode(read_letters(genome.store, 0, genome.length))
    unknown = np.concatenate([[0], np.cumsum(codes == UNKNOWN)])
    starts = np.random.default_rng(SEED).integers(0, codes.size - LENGTH, 2 * hits)
    starts = starts[unknown[starts + LENGTH] == unknown[starts]][:hits]
    packed, offsets = pack([codes[start : start + LENGTH] for start in starts])
    own = np.stack([starts, starts + LENGTH], axis=1)
    found = kin_in_genome(packed, offsets, own, genome, threads=1)
    seconds = record.cpu_seconds(
        lambda: kin_in_genome(packed, offsets, own, genome, threads=1), repeats, time.process_time
    )
    return {
        "hits": int(starts.size),
        "with_kin": round(float((found > 0).mean()), 3),
        "seconds": round(float(np.median(seconds)), 3),
        "mb_per_s": round(genome.length / 1e6 / float(np.median(seconds)), 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fasta", type=Path)
    parser.add_argument("--name", help="name of the data in the result; default: the file's name")
    parser.add_argument("--hits", type=int, nargs="+", default=[200, 10_000])
    parser.add_argument("--repeats", type=int, default=3, help="runs; default: %(default)s")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        genome = read_genome(args.fasta, Path(folder) / "genome.seq")
        result = record.record(
            "kin",
            ["numba", "numpy"],
            {
                "name": args.name or args.fasta.name,
                "sha256": record.sha256(args.fasta),
                "nucleotides": genome.length,
            },
            threads=1,
            repeats=args.repeats,
            runs=[measure(genome, hits, args.repeats) for hits in args.hits],
        )
    record.write(result, args.out)
    return 0


def test_bench_kin_on_tiny_input(tmp_path: Path) -> None:
    letters = "".join(
        np.random.default_rng(1).choice(list("ACGTN"), 3_000, p=[0.249] * 4 + [0.004])
    )
    fasta, out = tmp_path / "tiny.fa", tmp_path / "kin.json"
    fasta.write_text(f">a\n{letters}\n>b\n{letters}\n", encoding="ascii")
    command = [str(fasta), "--name", "tiny", "--hits", "5", "40", "--repeats", "1"]
    assert main([*command, "--out", str(out)]) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["data"]["nucleotides"] == 6_000
    assert [run["hits"] for run in result["runs"]] == [5, 40]
    # Each contig is a copy of the other.
    assert all(run["with_kin"] > 0.9 and run["mb_per_s"] > 0 for run in result["runs"])


if __name__ == "__main__":
    sys.exit(main())
