r"""From FASTA to BED side by side: premir, the naive pipeline, RNALfold, and peers, in one run.

python benchmarks/bench_whole.py ../shared/data/genomes/celegans_dev/genome.fa.gz \
    --hairpins ../shared/data/benchmark/sequences/new_pos.fa --model premir-animal@3 \
    --peer 'mirnafold=/opt/miRNAfold/run {genome} {out}' --out benchmarks/results/whole.json

Times are CPU seconds, of one thread or of a command with all its processes, so that other work on
the machine disturbs little; of whole scans also elapsed seconds, start of the program included. The
unit beside them is one RNA.fold of a benchmark hairpin, measured before, between and after, so that
machines can be compared.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import record
import torch
from bench_candidates import cut_by_rnalfold
from bench_network import dense_logits

from premir.kernels.codes import UNKNOWN, Codes, encode
from premir.kernels.pairing import Offsets
from premir.scanner.find.candidates import PRESETS, Extractor, candidates_of
from premir.scanner.find.folding import Folder, InlineViennaFolder, KernelFolder
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import open_genome
from premir.scanner.score.model import Model
from premir.scanner.score.networks.batches import PairingBatch, batches_by_length
from premir.scanner.score.networks.network import TensorNetwork
from premir.scanner.score.shipped import load_model

CPU = torch.device("cpu")
_DENSE_CELLS = 1 << 18
_UNKNOWN = re.compile("[^ACGTUacgtu]+")


def write_piece(genome: Path, nucleotides: int, out: Path) -> bool:
    """Write the first known nucleotides of a genome as FASTA; False where it has fewer.

    Unknown letters are left out: no way has work with them.
    """
    left = nucleotides
    with out.open("w", encoding="ascii") as handle:
        for name, record in read_records(genome):
            letters = _UNKNOWN.sub("", record)
            handle.write(f">{name}\n{letters[:left]}\n")
            left -= min(left, len(letters))
            if not left:
                return True
    return False


def rna_fold_seconds(path: Path, count: int) -> Callable[[], float]:
    """Return a function that measures one RNA.fold of a benchmark hairpin, in CPU seconds."""
    import RNA

    sequences = [text for _, text in read_records(path) if not np.any(encode(text) == UNKNOWN)]
    chosen = sequences[:: max(1, len(sequences) // count)][:count]

    def measure() -> float:
        begin = time.thread_time()
        for sequence in chosen:
            RNA.fold(sequence)
        return (time.thread_time() - begin) / len(chosen)

    return measure


def dense_scores(network: TensorNetwork, hairpins: Hairpins) -> None:
    with torch.inference_mode():
        for index in batches_by_length(hairpins.lengths, cells=_DENSE_CELLS):
            dense_logits(network, PairingBatch.build(hairpins.take(index), device=CPU))


def stages(
    fasta: Path, spec: Model, extractor: Extractor, folder: Folder, *, naive: bool
) -> dict[str, Any]:
    """Take a FASTA file through the stages of a scan, one after another, and time each.

    Args:
        fasta: what to scan.
        spec: the network, and the gates if it has some.
        extractor: how candidates are found.
        folder: what folds them.
        naive: no gates, and the network's first layer on whole pairing tensors.
    """
    gates = None if naive else spec.gates()
    taken = dict.fromkeys(("reading", "candidates", "folding", "gates", "scoring"), 0.0)
    counts = dict.fromkeys(("candidates", "folded", "scored", "selected"), 0)
    last = time.thread_time()

    def lap(stage: str) -> None:
        nonlocal last
        now = time.thread_time()
        taken[stage] += now - last
        last = now

    def keep(loci: Loci, codes: Codes, offsets: Offsets) -> npt.NDArray[np.bool_]:
        lap("candidates")
        passed = np.ones(len(loci), bool)
        if gates is not None:
            passed = gates.before_folding(loci, codes, offsets)
        lap("gates")
        return passed

    with open_genome(fasta) as genome:
        lap("reading")
        for candidates in candidates_of(genome, extractor, folder, keep):
            lap("folding")
            counts["candidates"] += candidates.found
            hairpins = candidates.hairpins
            assert hairpins is not None
            counts["folded"] += len(hairpins)
            if gates is not None:
                passed = gates.after_folding(candidates.loci, hairpins)
                hairpins = hairpins.take(np.flatnonzero(passed))
            lap("gates")
            counts["scored"] += len(hairpins)
            if naive:
                (network,) = spec.networks()
                assert isinstance(network, TensorNetwork)
                dense_scores(network, hairpins)
            else:
                rough = spec.select(hairpins)
                counts["selected"] += int((rough >= spec.lowest_selected(spec.min_prob)).sum())
            lap("scoring")
    megabases, total = int(genome.contigs.lengths.sum()) / 1e6, sum(taken.values())
    rates = (("candidates", "candidates"), ("folded", "folding"), ("scored", "scoring"))
    return {
        "megabases": megabases,
        "max_span": extractor.max_span,
        "counts_per_mb": {name: count / megabases for name, count in counts.items()},
        "cpu_seconds_per_mb": {name: value / megabases for name, value in taken.items()},
        "cpu_seconds_per_mb_all": total / megabases,
        "per_cpu_second": {
            name: counts[name] / taken[stage] for name, stage in rates if taken[stage]
        },
    }


def command(arguments: Sequence[str], megabases: float) -> dict[str, Any]:
    """Run a command and return its CPU seconds, those of its processes included."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(arguments, stdout=subprocess.DEVNULL, check=False)
    elapsed, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "exit_code": done.returncode,
        "megabases": megabases,
        "cpu_seconds": cpu,
        "elapsed_seconds": elapsed,
        "cpu_seconds_per_mb_all": cpu / megabases,
        "mb_per_cpu_minute": 60 * megabases / cpu,
    }


def scan(fasta: Path, megabases: float, options: Sequence[str]) -> dict[str, Any]:
    """Scan with the command line in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "hits.bed"
        arguments = ["-m", "premir.scanner.cli", str(fasta), "--out", str(out), "-q", *options]
        result = command([sys.executable, *arguments], megabases)
        if result["exit_code"] == 0:
            summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
            kept = ("candidates", "folded", "scored", "above_threshold", "hits", "peak_memory_mb")
            result |= {name: summary[name] for name in kept}
    return result


def scans(
    fasta: Path, megabases: float, model: str, threads: Sequence[int], rounds: int
) -> list[dict[str, Any]]:
    """Scan in turns with each number of threads; the round of median elapsed time counts."""
    taken: dict[int, list[dict[str, Any]]] = {number: [] for number in threads}
    for _ in range(rounds):
        for number, results in taken.items():
            results.append(scan(fasta, megabases, ["--model", model, "--threads", str(number)]))
    rows = []
    for number, results in taken.items():
        results.sort(key=lambda result: result["elapsed_seconds"])
        elapsed = [result["elapsed_seconds"] for result in results]
        rows.append({"threads": number, **results[rounds // 2], "elapsed_of_all": elapsed})
    return rows


def in_folds(result: dict[str, Any], fold_seconds: float) -> dict[str, Any]:
    """Add what a megabase costs in folds of a benchmark hairpin by ViennaRNA."""
    return {**result, "rna_folds_per_mb": result["cpu_seconds_per_mb_all"] / fold_seconds}


@dataclass(frozen=True, slots=True)
class Piece:
    """The beginning of a genome.

    Attributes:
        genome: FASTA that it is cut from.
        path: FASTA that it is written to.
    """

    genome: Path
    path: Path

    def cut(self, megabases: float) -> bool:
        """Make it so long; False, and a word on stderr, where the genome is shorter."""
        whole = write_piece(self.genome, round(1e6 * megabases), self.path)
        if not whole:
            sys.stderr.write(f"{self.genome}: has no {megabases:g} Mb, skipped\n")
        return whole


def whole_scans(args: argparse.Namespace, piece: Piece) -> list[dict[str, Any]]:
    """Scan pieces of each size with each number of threads."""
    rows = []
    for megabases in args.megabases:
        if piece.cut(megabases):
            rows += scans(piece.path, megabases, args.model, args.threads, args.rounds)
    return rows


def stages_by_span(args: argparse.Namespace, piece: Piece, spec: Model) -> list[dict[str, Any]]:
    """Time the stages with each longest span."""
    if not piece.cut(args.stage_megabases):
        return []
    shape = spec.reading(PRESETS["animal"])
    warm = stages(piece.path, spec, shape, KernelFolder(), naive=False)
    return [
        stages(piece.path, spec, replace(shape, max_span=span), KernelFolder(), naive=False)
        if span != shape.max_span
        else warm
        for span in args.spans
    ]


def naive_ways(args: argparse.Namespace, piece: Piece, spec: Model) -> dict[str, dict[str, Any]]:
    """Time the naive pipeline and RNALfold."""
    megabases = args.naive_megabases
    if not piece.cut(megabases):
        return {}
    windows = replace(PRESETS["animal"], kind="windows")
    naive = stages(piece.path, spec, windows, InlineViennaFolder(), naive=True)
    (codes,) = (encode(letters) for _, letters in read_records(piece.path))
    _, seconds = cut_by_rnalfold([(0, 0, codes)])
    rnalfold = {
        "megabases": megabases,
        "what": "extraction and folding only",
        "cpu_seconds_per_mb_all": seconds / megabases,
    }
    return {"naive": naive, "rnalfold": rnalfold}


def peers(args: argparse.Namespace, piece: Piece) -> dict[str, dict[str, Any]]:
    """Run other programs, those that are there."""
    found = {}
    for name, template in (peer.split("=", 1) for peer in args.peer):
        parts = shlex.split(template)
        if shutil.which(parts[0]) is None:
            sys.stderr.write(f"--peer {name}: {parts[0]} is absent, skipped\n")
        elif piece.cut(args.stage_megabases):
            places = {"genome": str(piece.path), "out": str(piece.path.with_name("peer.out"))}
            arguments = [part.format(**places) for part in parts]
            found[name] = command(arguments, args.stage_megabases)
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run everything that was asked for."""
    spec = load_model(args.model)
    unit = rna_fold_seconds(args.hairpins, args.folds)
    units = [unit()]
    with tempfile.TemporaryDirectory() as temporary:
        piece = Piece(args.genome, Path(temporary) / "piece.fa")
        whole = whole_scans(args, piece)
        units.append(unit())
        by_span = stages_by_span(args, piece, spec)
        naive = naive_ways(args, piece, spec)
        others = peers(args, piece)
    units.append(unit())
    fold = float(np.median(units))
    return {
        "model": spec.name,
        "min_prob": spec.min_prob,
        "premir": [in_folds(result, fold) for result in whole],
        "stages": [in_folds(result, fold) for result in by_span],
        **{name: in_folds(result, fold) for name, result in naive.items()},
        "peers": {name: in_folds(result, fold) for name, result in others.items()},
        "rna_fold_seconds": fold,
        "rna_fold_seconds_measured": units,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("genome", type=Path, help="FASTA; its first megabases are scanned")
    add("--hairpins", type=Path, required=True, help="FASTA of benchmark hairpins, for the unit")
    add("--folds", type=int, default=100, help="RNA.fold is timed on so many of them")
    add("--model", default="do2018-crossspecies-new-variable")
    add("--megabases", type=float, nargs="*", default=[1, 4, 16, 64], help="sizes of whole scans")
    add("--spans", type=int, nargs="*", default=[100, 160, 300], help="longest hairpins, by stage")
    add("--stage-megabases", type=float, default=1.0, help="size for spans and peers")
    add("--naive-megabases", type=float, default=0.01, help="size for the naive ways")
    add("--threads", type=int, nargs="*", default=[1, 2], help="numbers of threads to scan with")
    add("--rounds", type=int, default=3, help="scans of each kind; the median counts")
    add("--peer", action="append", default=[], metavar="NAME=COMMAND",
        help="another program; {genome} and {out} are replaced; may be repeated")  # fmt: skip
    add("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = measure(args)
    finally:
        torch.set_num_threads(threads)
    data = {path.name: record.sha256(path) for path in (args.genome, args.hairpins)}
    packages = ["numba", "torch", "viennarna"]
    record.write(record.record("whole", packages, data, **found), args.out)
    return 0


@pytest.mark.faults
def test_bench_whole_on_tiny_input(tmp_path: Path, capfd: Any) -> None:
    import builders

    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 4000})
    genome = builders.write_fasta(tmp_path / "genome.fa", sequences)
    hairpins = tmp_path / "hairpins.fa"
    hairpins.write_text(">a\n" + "GGGGTTTTCCCC" * 4 + "\n>n\nGGNCC\n")
    out = tmp_path / "whole.json"
    options = ["--megabases", "0.003", "1", "--spans", "100", "160", "--stage-megabases", "0.003"]
    options += ["--naive-megabases", "0.0005", "--rounds", "1", "--out", str(out)]
    options += ["--peer", "none=/no/such/program {genome}", "--peer", "copy=cp {genome} {out}"]
    assert main([str(genome), "--hairpins", str(hairpins), *options]) == 0
    result = json.loads(out.read_text())
    assert [scan["exit_code"] for scan in result["premir"]] == [0, 0]
    assert [stage["max_span"] for stage in result["stages"]] == [100, 160]
    assert (
        result["naive"]["counts_per_mb"]["folded"]
        > result["stages"][1]["counts_per_mb"]["candidates"]
    )
    assert list(result["peers"]) == ["copy"]
    assert result["premir"][0]["rna_folds_per_mb"] > 0
    error = capfd.readouterr().err
    assert "has no 1 Mb, skipped" in error
    assert "--peer none: /no/such/program is absent, skipped" in error


if __name__ == "__main__":
    sys.exit(main())
