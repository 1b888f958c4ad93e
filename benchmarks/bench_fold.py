r"""Fold kernel against ViennaRNA's bindings, in one run: per core, and two threads against one.

python benchmarks/bench_fold.py ../shared/data/benchmark/sequences/*.fa \
    --out benchmarks/results/fold.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import record

from premir.kernels.codes import Codes, decode, encode
from premir.kernels.energies import EnergyParameters, current_parameters
from premir.kernels.loop_tables import loop_tables
from premir.kernels.mfe import fold_batch
from premir.kernels.mfe_kernel import workspace
from premir.kernels.pairing import Offsets, dot_bracket, pack
from premir.scanner.genome.fasta import read_records


def read_fasta(path: Path) -> list[str]:
    sequences = [decode(encode(letters)) for _, letters in read_records(path)]
    return [sequence for sequence in sequences if "N" not in sequence]


def summary(seconds: Sequence[float], n: int) -> dict[str, float]:
    """Return the median and the extremes of several runs, in ms per sequence."""
    each = [1000 * s / n for s in seconds]
    return {"median": float(np.median(each)), "min": min(each), "max": max(each)}


def compare(sequences: list[str], parameters: EnergyParameters, repeats: int) -> dict[str, Any]:
    """Time kernel and bindings alternately, in CPU seconds of one thread."""
    import RNA

    codes, offsets = pack([encode(sequence) for sequence in sequences])
    model = RNA.md()
    pairs, mfe = fold_batch(codes, offsets, parameters)
    kernel, bindings = [], []
    for _ in range(repeats):
        begin = time.thread_time()
        fold_batch(codes, offsets, parameters)
        kernel.append(time.thread_time() - begin)
        begin = time.thread_time()
        expected = [RNA.fold_compound(sequence, model).mfe() for sequence in sequences]
        bindings.append(time.thread_time() - begin)
    structures = map(dot_bracket, np.split(pairs, offsets[1:-1]))
    return {
        "sequences": len(sequences),
        "mean_length": codes.size / len(sequences),
        "identical_mfe": sum(
            int(x) == round(100 * y) for x, (_, y) in zip(mfe, expected, strict=True)
        ),
        "identical_structure": sum(x == y for x, (y, _) in zip(structures, expected, strict=True)),
        "kernel_ms": summary(kernel, len(sequences)),
        "rnafold_ms": summary(bindings, len(sequences)),
        "speedup": float(np.median(bindings) / np.median(kernel)),
    }


def scale(sequences: list[str], parameters: EnergyParameters, repeats: int) -> dict[str, Any]:
    """Time the same batches with one thread and with two, in wall seconds."""
    batches = [pack([encode(sequence) for sequence in sequences[k::8]]) for k in range(8)]

    def fold(batch: tuple[Codes, Offsets]) -> None:
        fold_batch(*batch, parameters)

    walls: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repeats):
        for threads, wall in walls.items():
            with ThreadPoolExecutor(threads) as pool:
                begin = time.perf_counter()
                list(pool.map(fold, batches))
                wall.append(time.perf_counter() - begin)
    return {
        "sequences": len(sequences),
        "one_thread_s": walls[1],
        "two_threads_s": walls[2],
        "speedup_of_medians": float(np.median(walls[1]) / np.median(walls[2])),
        "speedup_of_best": min(walls[1]) / min(walls[2]),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fasta", nargs="+", type=Path, help="FASTA files, .gz or not")
    parser.add_argument("--limit", type=int, default=1000, help="sequences for the comparison")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each kind")
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    sequences = [sequence for path in args.fasta for sequence in read_fasta(path)]
    parameters = current_parameters()
    some = sequences[:: max(1, len(sequences) // args.limit)][: args.limit]
    work = workspace(400, loop_tables(parameters, np.int16))
    result = record.record(
        "fold",
        ["numba", "numpy", "viennarna"],
        {path.name: record.sha256(path) for path in args.fasta},
        energy_parameters=parameters.digest,
        workspace_bytes_400_nt=sum(array.nbytes for array in work),
        one_core=compare(some, parameters, args.repeats),
        threads=scale(sequences, parameters, args.repeats),
    )
    record.write(result, args.out)
    return 0


def test_bench_fold_on_tiny_input(tmp_path: Path) -> None:
    fasta, out = tmp_path / "tiny.fa", tmp_path / "fold.json"
    fasta.write_text(">a\nGCCCUUGGCA\n>b\nGGGGTTTTCCCC\n>c\nGGNCC\n>d\nGGGAAA\nACCC\n")
    assert main([str(fasta), "--repeats", "1", "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["one_core"]["identical_structure"] == result["one_core"]["sequences"] == 3
    assert result["threads"]["sequences"] == 3


if __name__ == "__main__":
    sys.exit(main())
