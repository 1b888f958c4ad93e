r"""Copies: how fast the k-mers of hits are counted in a genome, by the number of hits.

python benchmarks/bench_copies.py ../shared/data/genomes/celegans_dev/genome.fa.gz \
    --name celegans_dev --hits 3000 300000 --out benchmarks/results/copies.json

Hits are random intervals of 80 nt, the middle 10 of which are the loop.
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

from premir.kernels import kmers
from premir.kernels.codes import UNKNOWN, Codes, encode
from premir.scanner.genome.fasta import fasta_pieces
from premir.scanner.report.evidence.pieces import _PIECE

SEED = 20180
RANDOM_LENGTH = 4_000_000
LENGTH, ARM = 80, 35


def sample(codes: Codes, hits: int) -> kmers.ArmKmers:
    """Choose the k-mers of random intervals without unknown letters."""
    unknown = np.concatenate([[0], np.cumsum(codes == UNKNOWN)])
    places = np.random.default_rng(SEED).integers(0, codes.size - LENGTH, 2 * hits)
    places = places[unknown[places + LENGTH] == unknown[places]][:hits]
    inside = places[:, None] + np.arange(LENGTH)
    start = np.arange(places.size) * LENGTH
    arms = start[:, None] + np.array([0, ARM, LENGTH - ARM, LENGTH])
    return kmers.sample_arms(codes[inside].ravel(), start, start + LENGTH, arms.reshape(-1, 2, 2))


def measure(letters: np.ndarray[Any, Any], hits: int, repeats: int) -> dict[str, Any]:
    """Time one thread that reads letters as a scan does, in pieces."""
    chosen = sample(encode(letters), hits)
    table = chosen.table()
    counts = np.zeros(table.keys.size, np.uint32)

    def count() -> None:
        for first in range(0, letters.size, _PIECE):
            codes = encode(letters[first : first + _PIECE + kmers.K - 1])
            kmers.count_kmers(kmers.kmer_keys(codes), table, counts)

    seconds = record.cpu_seconds(count, repeats)
    tables = record.cpu_seconds(chosen.table, repeats)
    return {
        "hits": int(chosen.taken.shape[0]),
        "kmers": int(table.keys.size),
        "count_mb_per_s": round(letters.size / 1e6 / float(np.median(seconds)), 1),
        "table_seconds": round(float(np.median(tables)), 3),
        "table_mb": round(
            sum(part.nbytes for part in (table.keys, table.bits, table.directory, counts)) / 1e6, 1
        ),
        "sample_mb": round(
            sum(part.nbytes for part in (chosen.keys, chosen.own, chosen.taken)) / 1e6, 1
        ),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "fasta", nargs="?", type=Path, help="default: 4 Mb of seeded random sequence"
    )
    parser.add_argument("--name", help="name of the data in the result; default: the file's name")
    parser.add_argument("--hits", type=int, nargs="+", default=[3_000, 30_000])
    parser.add_argument("--repeats", type=int, default=3, help="runs; default: %(default)s")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    data: dict[str, Any]
    if args.fasta is None:
        rng = np.random.default_rng(SEED)
        letters = rng.choice(np.frombuffer(b"ACGT", np.uint8), RANDOM_LENGTH)
        data = {"name": args.name or "random", "seed": SEED}
    else:
        # One contig after another: what lies across a border is counted here, as it costs the same.
        text = b"".join(piece for _, piece in fasta_pieces(args.fasta))
        letters = np.frombuffer(text, np.uint8)
        data = {"name": args.name or args.fasta.name, "sha256": record.sha256(args.fasta)}
    result = record.record(
        "copies",
        ["numba", "numpy"],
        {**data, "nucleotides": int(letters.size)},
        threads=1,
        repeats=args.repeats,
        runs=[measure(letters, hits, args.repeats) for hits in args.hits],
    )
    record.write(result, args.out)
    return 0


def test_bench_copies_on_tiny_input(tmp_path: Path) -> None:
    letters = "".join(
        np.random.default_rng(1).choice(list("ACGTN"), 3_000, p=[0.249] * 4 + [0.004])
    )
    fasta, out = tmp_path / "tiny.fa", tmp_path / "copies.json"
    fasta.write_text(f">a\n{letters}\n>b\n{letters}\n", encoding="ascii")
    command = [str(fasta), "--name", "tiny", "--hits", "5", "40", "--repeats", "1"]
    assert main([*command, "--out", str(out)]) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["data"]["nucleotides"] == 6_000
    assert [run["hits"] for run in result["runs"]] == [5, 40]
    assert all(run["hits"] * 9 < run["kmers"] <= run["hits"] * 16 for run in result["runs"][:1])
    assert all(run["count_mb_per_s"] > 0 for run in result["runs"])


if __name__ == "__main__":
    sys.exit(main())
