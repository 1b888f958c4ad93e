r"""What a megabase costs premir and other programs, on the same sequence, in one run.

python benchmarks/bench_peers.py --hairpins ../shared/data/benchmark/sequences/new_pos.fa \
    --genome celegans=../shared/data/genomes/celegans_dev/genome.fa.gz \
    --genome human=../shared/data/genomes/human_clones/genome.fa.gz \
    --models let-7.cm mir-124.cm mir-1.cm --out benchmarks/results/peers.json

CPU seconds of one thread per Mb, both strands: of a longer piece less those of a shorter one, so
that the start of a program does not count. The unit beside them is one RNA.fold of a benchmark
hairpin, measured before and after. A program that is absent is skipped, with the reason in the
result:

- cmsearch (Infernal) wants ``--models``, covariance models calibrated by cmcalibrate; its cost is
  given for each model;
- miRe2e (PyPI) runs with random weights, as its own lie where a benchmark does not fetch them.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import record
import torch
from bench_candidates import cut_by_rnalfold
from bench_whole import Piece, command, in_folds, rna_fold_seconds, scan, stages

from premir.kernels.codes import encode
from premir.scanner.find.candidates import PRESETS
from premir.scanner.find.folding import InlineViennaFolder
from premir.scanner.genome.fasta import read_records
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

TENSOR_MODEL = "do2018-crossspecies-new-variable"
_MIRE2E = (
    "import sys, torch; from miRe2e import MiRe2e; torch.set_num_threads(1);"
    "MiRe2e(pretrained='no').predict(sys.argv[1], batch_size=256, verbose=False)"
)
Cost = Callable[[Path, float], float]
"""CPU seconds for a FASTA file of so many Mb."""


class AbsentError(Exception):
    """A program is not there, or did not work."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to look at a genome.

    Attributes:
        what: it does, in few words.
        cost: of it.
        slow: takes minutes for a tenth of a megabase.
        share: of the cost that counts: one of so many models.
    """

    what: str
    cost: Cost
    slow: bool = False
    share: float = 1.0


def by_premir(*options: str) -> Cost:
    def cost(fasta: Path, megabases: float) -> float:
        return _worked(scan(fasta, megabases, ["--threads", "1", *options]))

    return cost


def by_command(*words: str) -> Cost:
    """Run a command; ``{}`` stands for the FASTA file."""

    def cost(fasta: Path, megabases: float) -> float:
        if shutil.which(words[0]) is None:
            raise AbsentError(f"{words[0]} is absent")
        return _worked(command([word.replace("{}", str(fasta)) for word in words], megabases))

    return cost


def by_cmsearch(models: Sequence[Path]) -> Cost:
    def cost(fasta: Path, megabases: float) -> float:
        if not models:
            raise AbsentError("no --models")
        total = 0.0
        for model in models:
            one = by_command("cmsearch", "--cpu", "0", "--noali", str(model), "{}")
            total += one(fasta, megabases)
        return total

    return cost


def by_mire2e(fasta: Path, megabases: float) -> float:
    if importlib.util.find_spec("miRe2e") is None:
        raise AbsentError("miRe2e is not installed")
    return by_command(sys.executable, "-c", _MIRE2E, "{}")(fasta, megabases)


def by_rnalfold(fasta: Path, _megabases: float) -> float:
    codes = [encode(letters) for _, letters in read_records(fasta)]
    _, seconds = cut_by_rnalfold([(n, 0, each) for n, each in enumerate(codes)])
    return seconds


def by_naive_windows(fasta: Path, megabases: float) -> float:
    windows = replace(PRESETS["animal"], kind="windows")
    found = stages(fasta, load_model(TENSOR_MODEL), windows, InlineViennaFolder(), naive=True)
    return float(found["cpu_seconds_per_mb_all"]) * megabases


def _worked(result: dict[str, Any]) -> float:
    if result["exit_code"]:
        raise AbsentError(f"exit code {result['exit_code']}")
    return float(result["cpu_seconds"])


def ways(models: Sequence[Path]) -> dict[str, Way]:
    return {
        "premir, as it comes": Way("genome to hits, known families looked up", by_premir()),
        "premir, --known none": Way("genome to hits", by_premir("--known", "none")),
        "cmsearch": Way(
            "hits of one covariance model", by_cmsearch(models), share=1 / max(1, len(models))
        ),
        "RNALfold": Way("structures, without scores", by_rnalfold, slow=True),
        "windows, RNA.fold, dense network": Way("genome to scores", by_naive_windows, slow=True),
        "miRe2e": Way("windows to scores, random weights", by_mire2e, slow=True),
    }


def per_megabase(way: Way, piece: Piece, sizes: tuple[float, float]) -> dict[str, Any]:
    """Measure a way on the beginning of a genome, at two sizes."""
    costs = []
    for size in sizes:
        if not piece.cut(size):
            return {"what": way.what, "skipped": f"the genome has no {size:g} Mb"}
        try:
            costs.append(way.cost(piece.path, size) * way.share)
        except AbsentError as error:
            return {"what": way.what, "skipped": str(error)}
    small, large = sizes
    return {
        "what": way.what,
        "megabases": list(sizes),
        "cpu_seconds": [round(cost, 3) for cost in costs],
        "cpu_seconds_per_mb_all": (costs[1] - costs[0]) / (large - small),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--genome", action="append", required=True, metavar="NAME=FASTA", help="may be repeated")
    add("--hairpins", type=Path, required=True, help="FASTA of benchmark hairpins, for the unit")
    add("--folds", type=int, default=100, help="RNA.fold is timed on so many of them")
    add("--models", type=Path, nargs="*", default=[], help="calibrated covariance models")
    add("--megabases", type=float, nargs=2, default=(1.0, 3.0), help="shorter and longer piece")
    add("--slow-megabases", type=float, nargs=2, default=(0.01, 0.03), help="for what is slow")
    add("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    genomes = {name: Path(path) for name, _, path in (each.partition("=") for each in args.genome)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    unit = rna_fold_seconds(args.hairpins, args.folds)
    units, rows = [unit()], {}
    try:
        for name, genome in genomes.items():
            with tempfile.TemporaryDirectory() as temporary:
                piece = Piece(genome, Path(temporary) / "piece.fa")
                rows[name] = {
                    way: per_megabase(
                        each, piece, args.slow_megabases if each.slow else args.megabases
                    )
                    for way, each in ways(args.models).items()
                }
            units.append(unit())
    finally:
        torch.set_num_threads(threads)
    fold = float(np.median(units))
    for row in rows.values():
        for way, result in row.items():
            if "cpu_seconds_per_mb_all" in result:
                row[way] = in_folds(result, fold)
    data = {name: record.sha256(path) for name, path in genomes.items()}
    data |= {path.name: record.sha256(path) for path in (args.hairpins, *args.models)}
    programs = {"cmsearch": _version("cmsearch", "-h")}
    result = record.record(
        "peers", ["numba", "torch", "viennarna"], data, model=DEFAULT_MODEL, programs=programs,
        rna_fold_seconds=fold, rna_fold_seconds_measured=units, genomes=rows,
    )  # fmt: skip
    record.write(result, args.out)
    return 0


def _version(program: str, option: str) -> str | None:
    """Return the line of a program's help that names its version."""
    if shutil.which(program) is None:
        return None
    text = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
    return next((line.strip("# ") for line in text.splitlines() if "INFERNAL" in line), None)


@pytest.mark.faults
def test_bench_peers_on_tiny_input(tmp_path: Path) -> None:
    import json

    import builders

    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 6000})
    genome = builders.write_fasta(tmp_path / "genome.fa", sequences)
    hairpins = tmp_path / "hairpins.fa"
    hairpins.write_text(">a\n" + "GGGGTTTTCCCC" * 4 + "\n")
    out = tmp_path / "peers.json"
    sizes = ["--megabases", "0.003", "0.005", "--slow-megabases", "0.0005", "0.001"]
    arguments = ["--genome", f"toy={genome}", "--hairpins", str(hairpins), *sizes]
    assert main([*arguments, "--out", str(out)]) == 0
    rows = json.loads(out.read_text())["genomes"]["toy"]
    assert rows["cmsearch"]["skipped"] == "no --models"
    assert rows["RNALfold"]["rna_folds_per_mb"] > 0
    assert min(rows["premir, as it comes"]["cpu_seconds"]) > 0


if __name__ == "__main__":
    sys.exit(main())
