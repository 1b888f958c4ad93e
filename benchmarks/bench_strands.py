r"""Strands: how often the true strand of a hairpin scores better, and what --strand best costs.

premir-scan known-held-out.fa --known none --exhaustive --min-prob 0.9 --out known.bed
premir-scan background.fa --known none --exhaustive --min-prob 0.9 --out background.bed
python benchmarks/bench_strands.py known.bed background.bed --planted known-held-out.fa \
    --out benchmarks/results/strands.json

known-held-out.fa is what ``premir-train genome`` leaves in its work folder: hairpins of held-out
families, on the plus strand, one to a contig. The background is held-out genomes from there: in
strands.json insect_misc, vertebrate_misc and the first 8 Mb of mammals_windows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record

from premir.scanner import read_hits
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.evidence import mirror
from premir.scanner.report.table import HitTable
from premir.train.genome.planting import FLANK

MIN_PROBS = (0.9, 0.99, 0.999, 0.999881)


class Hits:
    """Hits of a file, and whether each lies on the strand that scores worse.

    Args:
        path: BED of ``--strand both``.
        min_prob: threshold.
    """

    def __init__(self, path: Path, min_prob: float) -> None:
        self.hits = [hit for hit in read_hits(path) if hit.prob >= min_prob]
        contigs = {name: n for n, name in enumerate(dict.fromkeys(x.chrom for x in self.hits))}
        start, end = (np.array([getattr(x, name) for x in self.hits]) for name in ("start", "end"))
        loci = Loci(
            np.array([contigs[hit.chrom] for hit in self.hits], np.int32),
            start,
            end,
            np.array([1 if hit.strand == "+" else -1 for hit in self.hits], np.int8),
            np.zeros(len(self.hits), np.int16),
            start,
            end,
        )
        log_odds = np.array([hit.log_odds for hit in self.hits])
        nowhere = np.zeros(len(self.hits), np.int64)
        lengths = [int(end.max(initial=0))] * len(contigs)
        genome = Contigs.of(list(contigs), lengths, bytes(32 * len(contigs)))
        self.table = HitTable(loci, log_odds, nowhere, nowhere)
        self.partner = mirror.partners(self.table, genome)
        self.worse = mirror.worse(self.table, genome)


def planted(path: Path, fasta: Path, min_prob: float) -> dict[str, Any]:
    """Count the strands on which planted hairpins are called."""
    family, length = {}, Counter[str]()
    for line in fasta.read_text(encoding="ascii").splitlines():
        if line.startswith(">"):
            name, _, group = line[1:].partition(" ")
            family[name] = group
        else:
            length[name] += len(line)
    here = Hits(path, min_prob)
    inside = np.array(
        [
            2 * (min(hit.end, length[hit.chrom] - FLANK) - max(hit.start, FLANK))
            >= min(hit.end - hit.start, length[hit.chrom] - 2 * FLANK)
            for hit in here.hits
        ],
        np.bool_,
    )
    plus = inside & (here.table.loci.strand > 0)
    minus = inside & (here.table.loci.strand < 0)
    pairs = np.flatnonzero(plus & (here.partner >= 0))
    better = here.table.log_odds[pairs] > here.table.log_odds[here.partner[pairs]]
    of_family = [family[here.hits[n].chrom] for n in pairs.tolist()]
    shares = [better[np.array(of_family) == each].mean() for each in dict.fromkeys(of_family)]
    return {
        "min_prob": min_prob,
        "hairpins": len(family),
        "true_strand": int(plus.sum()),
        "other_strand": int(minus.sum()),
        "other_strand_alone": int((minus & (here.partner < 0)).sum()),
        "both": len(pairs),
        "true_better": int(better.sum()),
        "true_better_share": round(float(better.mean()), 3) if len(pairs) else None,
        "true_better_share_of_families": round(float(np.mean(shares)), 3) if shares else None,
        "true_lost_by_best": int((plus & here.worse).sum()),
        "other_lost_by_best": int((minus & here.worse).sum()),
    }


def background(path: Path, megabases: float, min_prob: float) -> dict[str, Any]:
    """Count the false hits that are left out because the other strand scores better."""
    here = Hits(path, min_prob)
    return {
        "min_prob": min_prob,
        "hits": len(here.hits),
        "per_mb": round(len(here.hits) / megabases, 3),
        "lost_by_best": int(here.worse.sum()),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("known", type=Path, help="hits in planted hairpins, BED")
    parser.add_argument("background", type=Path, help="hits in held-out genomes, BED")
    parser.add_argument("--planted", type=Path, required=True, help="FASTA of the former")
    parser.add_argument("--min-prob", type=float, nargs="+", default=MIN_PROBS)
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    told = json.loads(Path(f"{args.background}.summary.json").read_text(encoding="utf-8"))
    result = record.record(
        "strands",
        ["numpy"],
        {
            "model": told["model"],
            "planted_sha256": record.sha256(args.planted),
            "background_genome_sha256": told["genome_sha256"],
            "background_megabases": told["megabases_scanned"],
        },
        planted=[planted(args.known, args.planted, each) for each in args.min_prob],
        background=[
            background(args.background, told["megabases_scanned"], each) for each in args.min_prob
        ],
    )
    record.write(result, args.out)
    return 0


def test_bench_strands_on_tiny_input(tmp_path: Path) -> None:
    """Three hairpins: called on both strands, the other one better; on both; on the other alone."""
    known, fasta = tmp_path / "known.bed", tmp_path / "known.fa"
    letters = "A" * (2 * FLANK + 80)
    fasta.write_text("".join(f">{n} f{n // 2}\n{letters}\n" for n in range(3)), encoding="ascii")
    header = "## format premir-hits 2\n#chrom\tstart\tend\tstrand\tprob\tlog_odds\n"
    rows = ["0\t+\t3", "0\t-\t4", "1\t+\t5", "1\t-\t4", "2\t-\t4"]
    lines = (row.split("\t") for row in rows)
    known.write_text(
        header + "".join(f"{n}\t{FLANK}\t{FLANK + 80}\t{s}\t0.99\t{x}\n" for n, s, x in lines),
        encoding="ascii",
    )
    summary = {
        "model": "x", "genome_sha256": "x", "megabases_scanned": 2.0
    }  # fmt: skip
    Path(f"{known}.summary.json").write_text(json.dumps(summary), encoding="utf-8")
    out = tmp_path / "strands.json"
    command = [str(known), str(known), "--planted", str(fasta), "--min-prob", "0.5"]
    assert main([*command, "--out", str(out)]) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    (found,), (false,) = result["planted"], result["background"]
    assert (found["true_strand"], found["other_strand"], found["other_strand_alone"]) == (2, 3, 1)
    assert (found["both"], found["true_better"], found["true_better_share"]) == (2, 1, 0.5)
    assert (found["true_lost_by_best"], found["other_lost_by_best"]) == (1, 1)
    assert (false["hits"], false["per_mb"], false["lost_by_best"]) == (5, 2.5, 2)


if __name__ == "__main__":
    sys.exit(main())
