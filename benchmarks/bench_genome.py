r"""Networks on genomes: recall of known hairpins against false calls per Mb.

python benchmarks/bench_genome.py celegans_dev --models premir-animal@3 adapted/ \
    --work cuts --out benchmarks/results/genome.json

Candidates are cut and folded once for each context and kept in --work. All are scored (as with
premir-scan --min-prob 0, but by float32 log odds) and merged. A locus counts with its best hit: on
the same strand, covering at least half of it, mid-points at most 25 nt apart. A hit is false if it
shares with no known locus, on either strand, half of the shorter of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import record
import torch
from bench_candidates import Found, Known, best_scores, read_bed
from sklearn.metrics import roc_auc_score

from premir.kernels.pairing import pack
from premir.scanner.find.candidates import PRESETS
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.loci import Loci
from premir.scanner.report.merging import merge
from premir.scanner.report.table import HitTable
from premir.scanner.score.model import log_odds_of
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.dataset import load_dataset
from premir.train.flanks import NTS, lengthened, random_flanks
from premir.train.genome.backgrounds import held_out
from premir.train.genome.config import ANIMAL_CONFIG, read_config
from premir.train.genome.cuts import Cuts, cut_genome, read_cuts
from premir.train.genome.sources import read_known
from premir.train.protocols import BENCHMARKS

RECALLS = tuple(tenths / 10 for tenths in range(1, 10))
BUDGETS = (0.1, 1.0, 10.0)


def called(model: str, cuts: Cuts) -> tuple[HitTable, list[float]]:
    """Score all candidates of a genome, and merge them."""
    loaded = load_model(model)
    loci, scores = [], []
    for path in cuts.shards:
        hairpins, own = read_cuts(path)
        loci.append(own)
        scores.append(loaded.select(hairpins))
    score = np.concatenate(scores).astype(np.float64)
    rows = np.arange(score.size)
    scored = HitTable(Loci.concatenate(loci), score, np.zeros(score.size, np.int64), rows)
    longest = int((scored.loci.end - scored.loci.start).max(initial=0))
    hits, _ = merge(scored, cuts.contigs, longest=longest, scanned=None)
    return hits, score.tolist()


def counted(hits: HitTable, known: Known) -> npt.NDArray[np.bool_]:
    """Which hits are false: they share less than half of the shorter with every known locus."""
    false = np.ones(hits.log_odds.size, np.bool_)
    for key, start, end in known:
        loci = hits.loci
        shared = np.minimum(loci.end, end) - np.maximum(loci.start, start)
        shorter = np.minimum(loci.end - loci.start, end - start)
        false &= (loci.contig != key // 2) | (2 * shared < shorter)
    return false


def best(truth: Known, hits: HitTable) -> npt.NDArray[np.float64]:
    """Return the log odds of each locus's best hit, minus infinity where it has none."""
    key = 2 * hits.loci.contig.astype(np.int64) + (hits.loci.strand < 0)
    lower_is_better: Any = -hits.log_odds
    return -best_scores(truth, Found(key, hits.loci.start, hits.loci.end, lower_is_better))


def curve(hits: HitTable, truth: Known, neutral: Known, megabases: float) -> dict[str, Any]:
    """Return false calls per Mb at some recalls, recall at some budgets, and average precision."""
    scores = best(truth, hits)
    false = np.sort(hits.log_odds[counted(hits, [*truth, *neutral])])[::-1]
    thresholds = np.unique(scores[np.isfinite(scores)])[::-1]
    recall = np.array([(scores >= t).mean() for t in thresholds])
    calls = np.array([(false >= t).sum() for t in thresholds])
    precision = recall * scores.size / (recall * scores.size + calls)
    result: dict[str, Any] = {
        "loci": scores.size,
        "average_precision": round(float((np.diff(recall, prepend=0) * precision).sum()), 4),
    }
    for level in RECALLS:
        at = np.flatnonzero(recall >= level)
        result[f"false_per_mb_at_recall_{level:g}"] = (
            round(float(calls[at[0]] / megabases), 2) if at.size else None
        )
    for budget in BUDGETS:
        within = recall[calls / megabases <= budget]
        result[f"recall_at_{budget:g}_per_mb"] = round(float(within.max(initial=0)), 4)
    return result


def measure(folder: Path, model: str, work: Path, contigs: Sequence[str]) -> dict[str, Any]:
    """Judge one model on one genome, or on some of its contigs."""
    spec = load_model(model)
    extractor = spec.reading(PRESETS["animal"])
    place = work / f"{folder.name}.context{spec.context_nt}"
    cuts = cut_genome(folder / "genome.fa.gz", place, extractor, KernelFolder())
    hits, scores = called(model, cuts)
    names = [contig.name for contig in cuts.contigs]
    chosen = [n for n, name in enumerate(names) if not contigs or name in contigs]
    hits = hits.take(np.isin(hits.loci.contig, chosen))
    megabases = sum(cuts.contigs[n].length for n in chosen) / 1e6
    hairpins, curated = (
        [locus for locus in read_bed(folder / f"{name}.bed", names) if locus[0] // 2 in chosen]
        for name in ("hairpins", "mirgenedb")
    )
    log_odds = log_odds_of(spec.min_prob)
    false = hits.log_odds[counted(hits, [*hairpins, *curated])]
    result: dict[str, Any] = {
        "contigs": [names[n] for n in chosen],
        "megabases": megabases,
        "candidates": len(scores),
        "false_per_mb_at_min_prob": round(float((false >= log_odds).sum() / megabases), 2),
        "min_prob": spec.min_prob,
    }
    if truth := curated or hairpins:
        result |= curve(hits, truth, hairpins, megabases)
        result["recall_at_min_prob"] = round(float((best(truth, hits) >= log_odds).mean()), 4)
    return result


def benchmark_rows(model: str, data: Path) -> dict[str, Any]:
    """Return AUROC on the paper's set ``new`` with random flanks, and what of it was trained on."""
    spec = load_model(model)
    files = BENCHMARKS["crossspecies-new"].build(data / "benchmark")[0].test
    folder = KernelFolder()
    test = load_dataset(files.positives, files.negatives, folder)
    sequences = [test.hairpins[n][0] for n in range(len(test.hairpins))]
    flanks = random_flanks(sequences, max(NTS), seed=0)
    auroc = {}
    for nt in (0, *NTS):
        hairpins = folder.fold(*pack(lengthened(sequences, flanks, nt)))
        scores = spec.select(hairpins)
        auroc[nt] = round(float(roc_auc_score(test.labels, scores)), 4)
    trained = {
        precursor.codes.tobytes()
        for precursor in read_known(read_config(ANIMAL_CONFIG, data).known)
        if not held_out(precursor.family, spec.card["settings"]["validation"])
    }
    positives = np.flatnonzero(test.labels == 1)
    shared = sum(sequences[n].tobytes() in trained for n in positives)
    return {"auroc": auroc, "positives": positives.size, "positives_trained_on": shared}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("genomes", nargs="*", help="names of genome folders")
    parser.add_argument("--models", nargs="+", required=True, metavar="NAME|DIR")
    parser.add_argument("--contigs", default="", metavar="A,B,...", help="judge on these only")
    parser.add_argument("--benchmark", action="store_true", help="judge on the paper's set too")
    parser.add_argument("--data", type=Path, help="folder with genomes/")
    parser.add_argument("--work", type=Path, required=True, help="folder for folded candidates")
    parser.add_argument("--out", type=Path, help="JSON to write or add to; default: stdout")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    data = args.data or Path(os.environ.get("PREMIR_DATA", "../shared/data"))
    rows: dict[str, Any] = {}
    if args.out and args.out.exists():
        rows = json.loads(args.out.read_text(encoding="utf-8"))["models"]
    contigs = tuple(filter(None, args.contigs.split(",")))

    def keep(model: str, label: str, row: dict[str, Any]) -> None:
        spec = load_model(model)
        name = Path(model).name
        if rows.get(name, {}).get("weights_sha256") != spec.digest:
            rows[name] = {"weights_sha256": spec.digest}
        rows[name][label] = row
        packages = ["numba", "torch", "viennarna"]
        record.write(record.record("genome", packages, "genomes by name", models=rows), args.out)

    for model in args.models:
        if args.benchmark:
            keep(model, "benchmark new", benchmark_rows(model, data))
        for name in args.genomes:
            folder = data / "genomes" / name
            if not (folder / "genome.fa.gz").exists():
                sys.stderr.write(f"{folder}: absent, skipped\n")
                continue
            row = measure(folder, model, args.work, contigs)
            keep(model, f"{name} {args.contigs}".strip(), row)
    return 0


def test_bench_genome_on_tiny_input(tmp_path: Path) -> None:
    import shutil

    examples = Path(__file__).parents[1] / "examples"
    folder = tmp_path / "genomes" / "demo"
    folder.mkdir(parents=True)
    shutil.copy(examples / "demo.fa", folder / "genome.fa.gz")  # read by content, not by name
    shutil.copy(examples / "demo.truth.bed", folder / "hairpins.bed")
    out = tmp_path / "out.json"
    arguments = ["demo", "absent", "--data", str(tmp_path), "--work", str(tmp_path / "cuts")]
    models = [DEFAULT_MODEL, "do2018-crossspecies-new-variable"]
    assert main([*arguments, "--models", *models, "--out", str(out)]) == 0
    rows = json.loads(out.read_text())["models"]
    for model in models:
        row = rows[model]["demo"]
        assert row["loci"] == 20
        assert row["false_per_mb_at_recall_0.3"] <= row["false_per_mb_at_recall_0.7"]
        assert 0 < row["average_precision"] < 1
    one = main([*arguments, "--models", models[0], "--contigs", "chr2", "--out", str(out)])
    assert one == 0
    part = json.loads(out.read_text())["models"][models[0]]["demo chr2"]
    assert part["loci"] == 7


if __name__ == "__main__":
    sys.exit(main())
