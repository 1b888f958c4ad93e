r"""Reads: verdicts on ideal stacks of annotated matures, and on simulated backgrounds.

D=../shared/data
python benchmarks/bench_reads.py $D/genomes/celegans_dev --matures $D/mirbase/mature.tsv.gz \
    --background $D/genomes/yeast/genome.fa.gz --out benchmarks/results/reads.json

*Ideal*: hairpins whose both matures were seen in experiments, at loci of MirGeneDB; the candidate
there that the default model likes best gets 90 reads of one mature and 10 of the other.
*Backgrounds*: one library of each kind on each of so many candidates of a genome without microRNAs.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import record

from premir.scanner.find.candidates import PRESETS, candidates_of
from premir.scanner.find.folding import make_folder
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.genome.fasta import fasta_pieces
from premir.scanner.genome.letters import OpenGenome, open_genome
from premir.scanner.report.evidence.reads.pattern import Pattern, Reads
from premir.scanner.report.evidence.reads.stacks import UNIT
from premir.scanner.report.evidence.reads.verdict import VERDICTS, verdict_of
from premir.scanner.score.inference import choose_device, one_thread
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

SEED = 20181
AROUND = 500
"""Nucleotides around a locus in which its candidates are sought."""

Rows: TypeAlias = npt.NDArray[np.int64]
"""Reads: start, end, strand (1 for the hairpin's), one row each."""
Kind: TypeAlias = Callable[[np.random.Generator, int, int, int], Rows]


def _rows(start: Any, length: Any, strand: Any) -> Rows:
    start, length, strand = np.broadcast_arrays(start, length, strand)
    return np.stack([start, start + length, strand], axis=1).astype(np.int64)


def sirna(rng: np.random.Generator, low: int, high: int, n: int) -> Rows:
    """Both strands, anywhere, 21 to 24 nt."""
    return _rows(
        rng.integers(low - 10, high - 10, n), rng.choice([21, 22, 24], n), rng.choice([1, -1], n)
    )


def sirna_of_a_hairpin(rng: np.random.Generator, low: int, high: int, n: int) -> Rows:
    """One strand, as Dicer cuts a long hairpin anywhere."""
    return _rows(rng.integers(low - 10, high - 10, n), rng.choice([21, 22, 24], n), 1)


def phased(rng: np.random.Generator, low: int, high: int, n: int) -> Rows:
    """Duplexes of 21 nt one after another, with overhangs of two; a fifth out of phase."""
    register = low + rng.integers(0, 21) + 21 * rng.integers(-1, (high - low) // 21 + 1, n)
    start = np.where(rng.random(n) < 0.8, register, rng.integers(low, high, n))
    strand = rng.choice([1, -1], n)
    return _rows(start - 2 * (strand < 0), 21, strand)


def trna(rng: np.random.Generator, low: int, high: int, n: int) -> Rows:
    """Halves from one 5' end, and pieces of 17 to 22 nt with one 3' end."""
    half = rng.random(n) < 0.6
    first, last = low + rng.integers(0, 6), high - rng.integers(0, 6)
    length = np.where(half, rng.integers(28, 37, n), rng.integers(17, 23, n))
    return _rows(np.where(half, first, last - length), length, 1)


def single_stack(rng: np.random.Generator, low: int, high: int, n: int) -> Rows:
    """One place, as of a mismapped small RNA; one read in twenty a nucleotide beside it."""
    start = rng.integers(low, max(high - 22, low + 1))
    slip = np.where(rng.random(n) < 0.05, rng.choice([-1, 1], n), 0)
    return _rows(start + slip, rng.integers(21, 24), 1)


def two_stacks(rng: np.random.Generator, low: int, high: int, n: int) -> Rows:
    """Two places without relation, a tenth of the reads at the second."""
    one, two = (single_stack(rng, low, high, each) for each in (n - n // 10, n // 10))
    return np.concatenate([one, two])


def uniform(rng: np.random.Generator, low: int, high: int, n: int) -> Rows:
    """Degradation: one strand, anywhere, 18 to 30 nt."""
    return _rows(rng.integers(low - 10, high - 10, n), rng.integers(18, 31, n), 1)


KINDS: dict[str, Kind] = {
    each.__name__: each
    for each in (sirna, sirna_of_a_hairpin, phased, trna, single_stack, two_stacks, uniform)
}


def pattern_of(pairs: Any, low: int, high: int, rows: Rows, count: int = 1) -> Pattern:
    """Lay reads on a hairpin, as the track does: those with their mid-points in it."""
    centre = rows[:, 0] + rows[:, 1] - 1
    rows = rows[(centre >= 2 * low) & (centre <= 2 * (high - 1))]
    places, counts = np.unique(rows, axis=0, return_counts=True)
    sense = places[:, 2] > 0
    reads = Reads(places[sense, 0], places[sense, 1], counts[sense] * count * UNIT)
    return Pattern(pairs, reads, int(counts[~sense].sum()) * count * UNIT, len(places))


def folded(genome: OpenGenome, context: int) -> Iterator[tuple[Loci, Hairpins]]:
    """Find candidates, and fold them with so much context."""
    extractor = replace(PRESETS["animal"], context_nt=context)
    for found in candidates_of(genome, extractor, make_folder("kernel", processes=0)):
        assert found.hairpins is not None
        yield found.loci, found.hairpins


def backgrounds(genome: Path, hairpins: int) -> dict[str, Any]:
    """Judge libraries of each kind on evenly spaced candidates of a genome."""
    rng, context = np.random.default_rng(SEED), load_model(DEFAULT_MODEL).context_nt
    counts: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    with open_genome(genome) as opened:
        for loci, folds in folded(opened, context):
            lead, _ = loci.contexts()
            for n in rng.permutation(len(loci))[: -(-hairpins // 12)].tolist():
                low = int(lead[n])
                high = low + int(loci.end[n] - loci.start[n])
                for name, kind in KINDS.items():
                    depth = int(np.exp(rng.uniform(np.log(12), np.log(2000))))
                    found = pattern_of(folds[n][1], low, high, kind(rng, low, high, depth))
                    counts[name][verdict_of(found).name] += 1
    return {name: _shares(each) for name, each in counts.items()}


def _shares(counts: Counter[str]) -> dict[str, Any]:
    total = counts.total()
    shares = {name: round(counts[name] / total, 5) for name in VERDICTS if counts[name]}
    return {"hairpins": total, **shares}


def annotated(folder: Path, matures: Path) -> Iterator[tuple[str, str, int, int, str, Rows]]:
    """Hairpins at MirGeneDB loci with two experimental matures.

    Yields:
        Name, contig, start, end, strand, and the matures' places on the plus strand.
    """
    arms: dict[str, list[tuple[int, int]]] = {}
    with gzip.open(matures, "rt", encoding="ascii") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            if row["evidence"] == "experimental":
                place = (int(row["start1"]) - 1, int(row["end1"]))
                arms.setdefault(row["hairpin_acc"], []).append(place)
    trusted = [line.split("\t") for line in (folder / "mirgenedb.bed").read_text().splitlines()]
    for line in (folder / "hairpins.bed").read_text().splitlines():
        contig, start, end, name, _, strand, accession, *_ = line.split("\t")
        low, high = int(start), int(end)
        if len(arms.get(accession, [])) != 2 or not any(
            each[0] == contig and each[5] == strand and int(each[1]) < high and int(each[2]) > low
            for each in trusted
        ):
            continue
        places = np.array(sorted(arms[accession]), np.int64)
        places = low + places if strand == "+" else high - places[:, ::-1]
        yield name, contig, low, high, strand, places


def ideal(folder: Path, matures: Path) -> dict[str, Any]:
    """Judge ideal stacks on annotated matures, either of them as the dominant one."""
    model = load_model(DEFAULT_MODEL)
    letters: dict[str, list[bytes]] = {}
    for contig, piece in fasta_pieces(folder / "genome.fa.gz"):
        letters.setdefault(contig, []).append(piece)
    sequences = {contig: b"".join(pieces) for contig, pieces in letters.items()}
    counts, missed, failed = Counter[str](), 0, Counter[str]()
    judged: dict[str, str] = {}
    device = choose_device("cpu")
    for name, contig, start, end, strand, places in annotated(folder, matures):
        first = max(start - AROUND, 0)
        window = sequences[contig][first : end + AROUND]
        [(loci, folds)] = folded(OpenGenome.of({"w": window}), model.context_nt)
        inner = places - first
        low, high = int(inner.min()), int(inner.max())
        fits = np.flatnonzero(
            (loci.strand == (1 if strand == "+" else -1))
            & (np.minimum(loci.end, high) - np.maximum(loci.start, low) > 0.5 * (high - low))
        )
        if not fits.size:
            missed += 1
            continue
        best = int(fits[model.select(folds.take(fits), device).argmax()])
        left, right = int(loci.folded_start[best]), int(loci.folded_end[best])
        on = inner - left if strand == "+" else right - inner[:, ::-1]
        lead, _ = loci.contexts()
        low = int(lead[best])
        high = low + int(loci.end[best] - loci.start[best])
        for dominant in (0, 1):
            times = [90, 10] if dominant == 0 else [10, 90]
            rows = np.repeat(np.column_stack([on, [1, 1]]), times, axis=0)
            verdict = verdict_of(pattern_of(folds[best][1], low, high, rows))
            counts[verdict.name] += 1
            failed.update(verdict.failed)
            judged[f"{name} {'ab'[dominant]}"] = ",".join(verdict.failed)
    return {
        "verdicts": _shares(counts),
        "without_candidate": missed,
        "rules_failed": dict(failed.most_common()),
        "failing": {name: why for name, why in judged.items() if why},
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("genomes", nargs="*", type=Path, help="folders with genome, hairpins.bed")
    parser.add_argument("--matures", type=Path, help="mature.tsv.gz of miRBase")
    parser.add_argument("--background", type=Path, help="FASTA of a genome without microRNAs")
    parser.add_argument("--hairpins", type=int, default=4_000, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    with one_thread():
        result = record.record(
            "reads",
            ["numpy", "ViennaRNA", "torch"],
            {
                "genomes": [folder.name for folder in args.genomes],
                "background": args.background and args.background.parent.name,
                "seed": SEED,
            },
            ideal={folder.name: ideal(folder, args.matures) for folder in args.genomes},
            backgrounds=backgrounds(args.background, args.hairpins) if args.background else {},
        )
    record.write(result, args.out)
    return 0


def test_bench_reads_on_tiny_input(tmp_path: Path) -> None:
    letters = "".join(np.random.default_rng(1).choice(list("ACGT"), 3_000))
    fasta, out = tmp_path / "tiny.fa", tmp_path / "reads.json"
    fasta.write_text(f">a\n{letters}\n", encoding="ascii")
    command = ["--background", str(fasta), "--hairpins", "48", "--out", str(out)]
    assert main(command) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    assert set(result["backgrounds"]) == set(KINDS)
    assert all(kind["hairpins"] >= 1 for kind in result["backgrounds"].values())


if __name__ == "__main__":
    sys.exit(main())
