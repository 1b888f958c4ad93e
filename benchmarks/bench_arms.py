r"""Arms: where a scan says that matures lie, beside those of miRBase at loci of MirGeneDB.

D=../shared/data; G=$D/genomes/celegans_dev
premir-scan $G/genome.fa.gz --regions-file $G/mirgenedb.bed --min-prob 0.01 --known none \
    --out fold.tsv
python benchmarks/bench_arms.py $G fold.tsv --matures $D/mirbase/mature.tsv.gz

Judged are hairpins whose both matures were seen in experiments; of several hits there the one with
the highest log odds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import record
from bench_reads import Rows, annotated

from premir.scanner import read_hits


def judge(hits: Path, known: Iterable[tuple[str, str, int, int, str, Rows]]) -> dict[str, Any]:
    """Compare the matures of hits with those that are known.

    Args:
        hits: TSV of a scan.
        known: as :func:`bench_reads.annotated` gives it.

    Returns:
        How many hairpins there are and how many are hits; and by what said where a mature lies,
        and by arm, how many there are, and the shares whose 5' end is exact and within one and two
        nucleotides, and whose 3' end is.
    """
    by_contig: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for hit in read_hits(hits):
        by_contig[hit.chrom, hit.strand].append(hit)
    off: dict[str, list[tuple[int, int]]] = defaultdict(list)
    hairpins = found = 0
    for _, contig, _, _, strand, places in known:
        low, high = int(places.min()), int(places.max())
        fits = [
            hit
            for hit in by_contig[contig, strand]
            if 2 * (min(hit.end, high) - max(hit.start, low)) > high - low
        ]
        hairpins += 1
        if not fits:
            continue
        found += 1
        best = max(fits, key=lambda hit: hit.log_odds)
        for arm, (start, end) in zip(("5p", "3p"), places.tolist(), strict=True):
            begun, ended = (getattr(best, f"mature_{arm}_{side}") for side in ("start", "end"))
            if begun is not None:
                distance = (abs(begun - start), abs(ended - end))
                origin = getattr(best, f"arms_from_{arm}")
                off[f"{origin} {arm}"].append(distance if strand == "+" else distance[::-1])
    return {"hairpins": hairpins, "hits": found} | {
        kind: {
            "matures": len(distances),
            **_shares("5'", [five for five, _ in distances]),
            **_shares("3'", [three for _, three in distances]),
        }
        for kind, distances in sorted(off.items())
    }


def _shares(end: str, off: list[int]) -> dict[str, float]:
    return {
        f"{end} {name}": round(sum(each <= most for each in off) / len(off), 3)
        for name, most in (("exact", 0), ("within 1", 1), ("within 2", 2))
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("genome", type=Path, help="folder with hairpins.bed and mirgenedb.bed")
    parser.add_argument("hits", type=Path, nargs="+", help="TSV files of scans of it")
    parser.add_argument("--matures", type=Path, required=True, help="mature.tsv.gz of miRBase")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    result = record.record(
        "arms",
        ["numpy", "ViennaRNA"],
        {"genome": args.genome.name},
        scans={path.stem: judge(path, annotated(args.genome, args.matures)) for path in args.hits},
    )
    record.write(result, args.out)
    return 0


def test_bench_arms_on_tiny_input(tmp_path: Path) -> None:
    (tmp_path / "hairpins.bed").write_text("c\t10\t90\tx-mir-1\t1\t-\tMI1\texact\n")
    (tmp_path / "mirgenedb.bed").write_text("c\t15\t85\tX-Mir-1_pre\t0\t-\n")
    matures = tmp_path / "mature.tsv.gz"
    rows = ["hairpin_acc\tstart1\tend1\tevidence", *(f"MI1\t{a}\t{b}\texperimental" for a, b in (
        (6, 27), (52, 73),
    ))]  # fmt: skip
    matures.write_bytes(gzip.compress("\n".join(rows).encode()))
    names = "chrom start end strand log_odds".split()
    ends = ("mature", "_start"), ("mature", "_end"), ("arms_from", "")
    arms = [f"{name}_{arm}{end}" for arm in ("5p", "3p") for name, end in ends]
    best = "c 9 91 - 5.0 64 85 fold 17 37 known".split()
    worse = "c 9 91 - 4.0 60 80 fold 17 36 fold".split()
    hits, out = tmp_path / "hits.tsv", tmp_path / "arms.json"
    hits.write_text("".join("\t".join(row) + "\n" for row in ([*names, *arms], best, worse)))
    assert main([str(tmp_path), str(hits), "--matures", str(matures), "--out", str(out)]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))["scans"]["hits"]
    assert (found["hairpins"], found["hits"]) == (1, 1)
    assert found["fold 5p"]["5' exact"] == 1
    assert found["fold 5p"]["3' exact"] == 0
    assert found["known 3p"]["5' within 1"] == 0
    assert found["known 3p"]["5' within 2"] == 1


if __name__ == "__main__":
    sys.exit(main())
