r"""The strongest false hits of a scan, with their structures and what they are.

python benchmarks/bench_worst.py hits.bed ../shared/data/genomes/celegans_dev \
    --truth mirgenedb.bed --neutral hairpins.bed --out docs/results/genome-worst.md

The genome's folder holds genome.fa.gz and the BED files. A hit is false if it shares less than half
of the shorter with every known locus. What it is, is told from the sequence alone: *tandem repeat*
where a shift of at most 60 nt matches four of its letters in five; *longer inverted repeat* where
the 60 nt on either side pair with one another by half; the column copies says how often its arms
recur.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bench_candidates import Known
from bench_candidates import read_bed as read_loci

from premir.kernels.codes import Codes, encode, reverse_complement
from premir.scanner.genome.fasta import read_records

Row = dict[str, str]
_PERIOD, _SIMILAR = 60, 0.8
_FLANK, _PAIRED = 60, 0.5


def read_hits(path: Path) -> list[Row]:
    """Read the hits of a BED file of ours, strongest first."""
    lines = [text for text in path.read_text(encoding="utf-8").splitlines() if text]
    (names,) = [text[1:].split("\t") for text in lines if text.startswith("#chrom")]
    rows = [dict(zip(names, text.split("\t"), strict=True)) for text in lines if text[:1] != "#"]
    return sorted(rows, key=lambda row: -float(row["log_odds"]))


def is_false(row: Row, known: Known, contigs: Sequence[str]) -> bool:
    """Whether a hit shares less than half of the shorter with every known locus."""
    start, end, contig = int(row["start"]), int(row["end"]), contigs.index(row["chrom"])
    return all(
        key // 2 != contig or 2 * (min(end, b) - max(start, a)) < min(end - start, b - a)
        for key, a, b in known
    )


def tandem_unit(codes: Codes) -> int:
    """Return the shortest shift that matches four letters in five, or 0."""
    for shift in range(1, min(_PERIOD, codes.size // 2) + 1):
        if (codes[shift:] == codes[:-shift]).mean() >= _SIMILAR:
            return shift
    return 0


def flank_pairing(left: Codes, right: Codes) -> float:
    """Return the share of the flanks that pairs with the opposite one in their MFE structure."""
    import RNA

    letters = "".join("ACGU"[min(code, 3)] for code in [*left, *right])
    table = RNA.ptable(RNA.fold(letters)[0])[1:]
    across = sum(i < left.size < j for i, j in enumerate(table))
    return float(across / max(1, min(left.size, right.size)))


def what(row: Row, contig: Codes) -> str:
    """Say what a hit is."""
    start, end = int(row["start"]), int(row["end"])
    if shift := tandem_unit(contig[start:end]):
        unit = contig[start : start + shift]
        if row["strand"] == "-":
            unit = reverse_complement(unit)
        return f"tandem repeat of {''.join('ACGTN'[code] for code in unit)}"
    paired = flank_pairing(contig[max(0, start - _FLANK) : start], contig[end : end + _FLANK])
    if paired >= _PAIRED:
        return f"longer inverted repeat: {paired:.0%} of its flanks pair"
    return "stands alone"


def page(rows: Sequence[Row], contigs: dict[str, Codes], title: str) -> str:
    """Return a Markdown page of hits."""
    lines = [f"# {title}", "", "| place | prob | mfe | copies | what | sequence and structure |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {row['name']} | {row['prob']} | {row['mfe']} | {row['copies']} "
        f"| {what(row, contigs[row['chrom']])} | `{row['sequence']}`<br>`{row['structure']}` |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("hits", type=Path, help="BED file of premir-scan")
    parser.add_argument("genome", type=Path, help="folder with genome.fa.gz and the BED files")
    parser.add_argument("--truth", required=True, help="BED file of known loci")
    parser.add_argument("--neutral", help="BED file of others that count as no false hits")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True, help="Markdown page to write")
    args = parser.parse_args(argv)
    contigs = {name: encode(text) for name, text in read_records(args.genome / "genome.fa.gz")}
    names = list(contigs)
    known = [
        each
        for bed in (args.truth, args.neutral)
        if bed is not None
        for each in read_loci(args.genome / bed, names)
    ]
    rows = [row for row in read_hits(args.hits) if is_false(row, known, names)]
    title = f"The {args.count} strongest false hits in {args.genome.name}"
    args.out.write_text(page(rows[: args.count], contigs, title), encoding="utf-8")
    return 0


def test_bench_worst_on_tiny_input(tmp_path: Path) -> None:
    import builders

    from premir.scanner.cli import main as premir_scan

    sequences, truth = builders.planted_genome(seed=3, contigs={"chr1": 4000})
    rng = np.random.default_rng(1)
    flanks = ["".join(rng.choice(list("ACGT"), 300)) for _ in range(2)]
    sequences["tandem"] = flanks[0] + "GGCTTA" * 60 + flanks[1]
    genome = builders.write_fasta(tmp_path / "genome.fa.gz", sequences)
    lines = [f"{c}\t{a}\t{b}\t{name}\t0\t{strand}\n" for c, a, b, name, strand in truth]
    (tmp_path / "known.bed").write_text("".join(lines))
    hits, out = tmp_path / "hits.bed", tmp_path / "page.md"
    assert premir_scan([str(genome), "--out", str(hits), "--min-prob", "0", "--quiet"]) == 0
    arguments = [hits, tmp_path, "--truth", "known.bed", "--count", 1000, "--out", out]
    assert main([str(argument) for argument in arguments]) == 0
    rows = out.read_text().splitlines()[4:]
    assert 0 < len(rows) < len(read_hits(hits))
    repeats = [row for row in rows if row.startswith("| tandem:") and "tandem repeat of" in row]
    assert len(repeats) > 1
    assert any("stands alone" in row for row in rows if row.startswith("| chr1:"))


if __name__ == "__main__":
    sys.exit(main())
