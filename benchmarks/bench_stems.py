r"""Stem scan and selection: megabases of one strand per CPU second of one core.

python benchmarks/bench_stems.py ../shared/data/genomes/ecoli/genome.fa.gz --name ecoli \
    --out benchmarks/results/stems.json
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

from premir.kernels.codes import Codes, encode, reverse_complement
from premir.kernels.stems import scan_stems, select_stems
from premir.scanner.find.candidates import Extractor
from premir.scanner.genome.fasta import fasta_pieces

SPANS = (100, 160, 300)
SEED = 20180
RANDOM_LENGTH = 4_000_000


def speed(seconds: Sequence[float], nucleotides: int) -> dict[str, float]:
    """Return the median and the extremes of several runs, in Mb/s."""
    each = [nucleotides / 1e6 / s for s in seconds]
    return {
        "median": round(float(np.median(each)), 2),
        "min": round(min(each), 2),
        "max": round(max(each), 2),
    }


def measure(codes: Codes, max_span: int, repeats: int) -> dict[str, Any]:
    """Time the scan, and scan and selection together, at the scanner's own settings."""
    extractor = Extractor(max_span=max_span)

    def scan(strand: Codes) -> Any:
        return scan_stems(
            strand, min_span=extractor.min_span, max_span=max_span, costs=extractor.costs
        )

    def both(strand: Codes) -> Any:
        energy, span = scan(strand)
        return select_stems(energy, span, highest=extractor.highest_energy, radius=extractor.radius)

    candidates = sum(len(both(strand)[0]) for strand in (codes, reverse_complement(codes)))
    cells = codes.size * (max_span - 1)
    scans = record.cpu_seconds(lambda: scan(codes), repeats)
    return {
        "scan_mb_per_s": speed(scans, codes.size),
        "scan_and_select_mb_per_s": speed(
            record.cpu_seconds(lambda: both(codes), repeats), codes.size
        ),
        "scan_gcells_per_s": round(cells / 1e9 / float(np.median(scans)), 2),
        "candidates_per_mb_both_strands": round(candidates / (codes.size / 1e6), 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "fasta", nargs="?", type=Path, help="default: 4 Mb of seeded random sequence"
    )
    parser.add_argument("--name", help="name of the data in the result; default: the file's name")
    parser.add_argument("--repeats", type=int, default=7, help="runs; default: %(default)s")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    data: dict[str, Any]
    if args.fasta is None:
        codes = np.random.default_rng(SEED).integers(0, 4, RANDOM_LENGTH).astype(np.uint8)
        data = {"name": args.name or "random", "seed": SEED}
    else:
        codes = encode(b"".join(letters for _, letters in fasta_pieces(args.fasta)))
        data = {"name": args.name or args.fasta.name, "sha256": record.sha256(args.fasta)}
    result = record.record(
        "stems",
        ["numba", "numpy"],
        {**data, "nucleotides": int(codes.size)},
        threads=1,
        repeats=args.repeats,
        spans={str(span): measure(codes, span, args.repeats) for span in SPANS},
    )
    record.write(result, args.out)
    return 0


def test_bench_stems_on_tiny_input(tmp_path: Path) -> None:
    letters = np.random.default_rng(1).choice(list("ACGT"), size=2_000)
    stem = "GGCTAGCTTGCAGGCATCGGATCCTAGGC"
    partner = stem.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    fasta, out = tmp_path / "tiny.fa", tmp_path / "stems.json"
    fasta.write_text(f">a\n{''.join(letters)}\n>b\n{stem}TTCAAGAA{partner}\n", encoding="ascii")
    assert main([str(fasta), "--name", "tiny", "--repeats", "5", "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    result = json.loads(text)
    assert result["data"]["name"] == "tiny"
    assert result["data"]["nucleotides"] == 2_000 + 2 * len(stem) + 8
    assert set(result["spans"]) == {"100", "160", "300"}
    for row in result["spans"].values():
        assert row["scan_mb_per_s"]["min"] <= row["scan_mb_per_s"]["median"]
        assert row["candidates_per_mb_both_strands"] > 0


def test_bench_stems_on_random_sequence_by_default(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setitem(globals(), "RANDOM_LENGTH", 1_000)
    assert main(["--repeats", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == {
        "name": "random",
        "seed": SEED,
        "nucleotides": 1_000,
    }


if __name__ == "__main__":
    sys.exit(main())
