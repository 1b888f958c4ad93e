r"""Networks on one core, in one run: map-wise (factorised, dense first layer) and stem-wise.

python benchmarks/bench_network.py ../shared/data/benchmark/sequences/*.fa \
    --out benchmarks/results/network.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from torch.nn import functional

from premir.kernels.codes import UNKNOWN, encode
from premir.kernels.pairing import pack
from premir.kernels.stemwise import COLUMN_FIELDS, count_columns, fill_columns, numbers_of
from premir.scanner.find.folding import InlineViennaFolder, KernelFolder
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.genome.fasta import read_records
from premir.scanner.score.inference import batch_log_odds, single_log_odds
from premir.scanner.score.networks.batches import PairingBatch, batches_by_length
from premir.scanner.score.networks.network import Network, TensorNetwork
from premir.scanner.score.networks.stem import StemConvNet
from premir.scanner.score.networks.variable import VariableConvNet

CPU = torch.device("cpu")
_CELLS = 1 << 18  # what the dense tensors of a batch may take


def read_hairpins(paths: Sequence[Path], limit: int) -> Hairpins:
    """Fold at most ``limit`` sequences, taken at even distances from all files."""
    codes = [encode(letters) for path in paths for _, letters in read_records(path)]
    codes = [sequence for sequence in codes if not np.any(sequence == UNKNOWN)]
    return KernelFolder().fold(*pack(codes[:: max(1, len(codes) // limit)][:limit]))


def dense_logits(network: TensorNetwork, batch: PairingBatch) -> torch.Tensor:
    return network.forward_dense(batch)


def score(network: TensorNetwork, hairpins: Hairpins) -> None:
    with torch.inference_mode():
        for index in batches_by_length(hairpins.lengths, cells=_CELLS):
            dense_logits(network, PairingBatch.build(hairpins.take(index), device=CPU))


def describe(hairpins: Hairpins) -> None:
    """Columns and numbers, some hundred hairpins at a time."""
    for first in range(0, len(hairpins), 100):
        part = hairpins.take(np.arange(first, min(first + 100, len(hairpins))))
        ends = count_columns(part.pairs, part.offsets).cumsum()
        rows = np.zeros((ends[-1], len(COLUMN_FIELDS)), np.float32)
        fill_columns(part.codes, part.pairs, part.offsets, np.append(0, ends[:-1]), rows)
        numbers_of(part.codes, part.pairs, part.mfe, part.offsets)


def train(
    logits: Callable[[PairingBatch], torch.Tensor], network: Network, hairpins: Hairpins
) -> None:
    for index in batches_by_length(hairpins.lengths, cells=_CELLS):
        network.zero_grad()
        batch = PairingBatch.build(hairpins.take(index), device=CPU)
        labels = torch.zeros(len(index), dtype=torch.int64)
        functional.cross_entropy(logits(batch), labels, reduction="sum").backward()


def measure(hairpins: Hairpins, repeats: int) -> dict[str, float]:
    """Return medians in CPU milliseconds per hairpin; the ways take turns."""
    torch.manual_seed(0)
    network, canonical = VariableConvNet(), VariableConvNet().double().requires_grad_(False)
    stem, stem_canonical = StemConvNet(), StemConvNet().double().requires_grad_(False)
    some = hairpins.take(np.arange(0, len(hairpins), 10))
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "score_factorised": (
            lambda: batch_log_odds(network, hairpins, device=CPU),
            len(hairpins),
        ),
        "score_dense": (lambda: score(network, hairpins), len(hairpins)),
        "score_canonical": (lambda: single_log_odds(canonical, some), len(some)),
        "train_factorised": (lambda: train(network, network, hairpins), len(hairpins)),
        "train_dense": (
            lambda: train(lambda batch: dense_logits(network, batch), network, hairpins),
            len(hairpins),
        ),
        "stem_columns_and_numbers": (lambda: describe(hairpins), len(hairpins)),
        "stem_score": (lambda: batch_log_odds(stem, hairpins, device=CPU), len(hairpins)),
        "stem_score_canonical": (lambda: single_log_odds(stem_canonical, some), len(some)),
        "stem_train": (lambda: train(stem, stem, hairpins), len(hairpins)),
        "rnafold": (lambda: InlineViennaFolder().fold(some.codes, some.offsets), len(some)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, (work, count) in ways.items():
            begin = time.thread_time()
            work()
            if turn:  # the first turn warms up
                seconds[name].append((time.thread_time() - begin) / count)
    return {name: 1000 * float(np.median(values)) for name, values in seconds.items()}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fasta", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=1000, help="hairpins")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    hairpins = read_hairpins(args.fasta, args.limit)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ms: dict[str, Any] = measure(hairpins, args.repeats)
    finally:
        torch.set_num_threads(threads)
    result = record.record(
        "network",
        ["numba", "torch", "viennarna"],
        {path.name: record.sha256(path) for path in args.fasta},
        hairpins=len(hairpins),
        mean_length=float(hairpins.lengths.mean()),
        threads=1,
        cpu_ms_per_hairpin=ms,
        speedup_scoring=ms["score_dense"] / ms["score_factorised"],
        speedup_training=ms["train_dense"] / ms["train_factorised"],
    )
    record.write(result, args.out)
    return 0


def test_bench_network_on_tiny_input(tmp_path: Path) -> None:
    fasta, out = tmp_path / "tiny.fa", tmp_path / "network.json"
    fasta.write_text(">a\n" + "GGGGTTTTCCCC" * 4 + "\n>b\nGGGGTTTTCCCC\n>c\nGGNCC\n")
    assert main([str(fasta), "--repeats", "1", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["hairpins"] == 2


if __name__ == "__main__":
    sys.exit(main())
