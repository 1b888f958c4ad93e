r"""An epoch of the protocol crossspecies-new: seconds and memory, first layer factorised or dense.

With --networks, the paper's two networks instead: epochs in turns in one process, CPU seconds and
ratios to Algorithm 1; and the peak memory of each, in a process of its own.

python benchmarks/bench_training.py ../shared/data/benchmark/sequences/whole_{pos,neg}.fa \
    --out benchmarks/results/training.json

Every way runs in a process of its own, so that its peak memory is its own; "dense" is what the
factorised first layer replaced. Beside other work (see load_average) wall seconds mean little.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import record
import torch

from premir.scanner.find.folding import KernelFolder
from premir.scanner.score.networks.batches import PairingBatch
from premir.train.dataset import load_dataset
from premir.train.recipes import RECIPES
from premir.train.trainer import Trainer

PAPERS = ("variable", "fixed")
"""Algorithms 1 and 2."""


def epoch(files: Sequence[Path], way: str, threads: int, limit: int | None) -> dict[str, float]:
    """Train one epoch after a short one that warms up."""
    torch.set_num_threads(threads)
    for few in (128, limit):
        trainer = prepared(files, "variable", few)
        if way == "dense":
            network = trainer.network

            def forward(batch: PairingBatch, network: Any = network) -> torch.Tensor:
                logits: torch.Tensor = network.forward_dense(batch)
                return logits

            network.forward = forward  # type: ignore[method-assign]
        trainer.train_epoch()
    last = trainer.history[-1]
    return {
        "hairpins": len(trainer.data.hairpins),
        "loss": last["loss"],
        "load_average": os.getloadavg()[0],
        "wall_seconds": last["wall_seconds"],
        "cpu_seconds": last["cpu_seconds"],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_turns(files: Sequence[Path], rounds: int, limit: int | None) -> dict[str, Any]:
    """Train epochs of both networks in turns, after one each that warms up."""
    torch.set_num_threads(1)
    trainers = {name: prepared(files, name, limit) for name in PAPERS}
    seconds: dict[str, list[float]] = {name: [] for name in PAPERS}
    for number in range(1 + rounds):
        for name, trainer in trainers.items():
            trainer.train_epoch()
            if number:
                seconds[name].append(trainer.history[-1]["cpu_seconds"])
    ratios = [b / a for a, b in zip(*(seconds[name] for name in PAPERS), strict=True)]
    return {
        "hairpins": len(trainers["fixed"].data.hairpins),
        "losses": {name: trainer.losses for name, trainer in trainers.items()},
        "cpu_seconds": seconds,
        "median_cpu_seconds": {name: statistics.median(seconds[name]) for name in PAPERS},
        "fixed_to_variable": {"median": statistics.median(ratios), "of_each_turn": ratios},
        "load_average": os.getloadavg()[0],
    }


def prepared(files: Sequence[Path], network: str, limit: int | None) -> Trainer:
    """Return a trainer of a network by recipe ``paper``."""
    data = load_dataset(files[:1], files[1:], KernelFolder())
    index = np.arange(len(data.hairpins))[:: max(1, len(data.hairpins) // limit) if limit else 1]
    part = replace(data, hairpins=data.hairpins.take(index), labels=data.labels[index])
    return Trainer(network, RECIPES["paper"], 0, part, torch.device("cpu"))


def memory(files: Sequence[Path], network: str, limit: int | None) -> float:
    """Train an epoch; returns the most memory of this process, in MiB."""
    torch.set_num_threads(1)
    prepared(files, network, limit).train_epoch()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def best(files: Sequence[Path], way: str, threads: int, args: argparse.Namespace) -> Any:
    """Run a way several times, each in a fresh process; take the least seconds."""
    command = [sys.executable, __file__, *map(str, files), "--one", way, "--threads", str(threads)]
    command += ["--limit", str(args.limit)] if args.limit else []
    runs = []
    for _ in range(args.repeats):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: (max if name == "peak_memory_mib" else min)(run[name] for run in runs)
        for name in runs[0]
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fasta", nargs=2, type=Path, help="positives and negatives")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=int, help="hairpins; all by default")
    parser.add_argument("--networks", action="store_true", help="compare the paper's two networks")
    parser.add_argument("--one", choices=["factorised", "dense"], help=argparse.SUPPRESS)
    parser.add_argument("--memory", choices=PAPERS, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    if args.one:
        sys.stdout.write(json.dumps(epoch(args.fasta, args.one, args.threads[0], args.limit)))
        return 0
    if args.memory:
        sys.stdout.write(json.dumps(memory(args.fasta, args.memory, args.limit)))
        return 0
    if args.networks:
        return compare(args)
    epochs = {
        f"{way}, {threads} thread{'s' if threads > 1 else ''}": best(args.fasta, way, threads, args)
        for way in ("dense", "factorised")
        for threads in args.threads
    }
    result = record.record(
        "training",
        ["numba", "torch", "viennarna"],
        {path.name: record.sha256(path) for path in args.fasta},
        repeats=args.repeats,
        epoch=epochs,
    )
    record.write(result, args.out)
    return 0


def compare(args: argparse.Namespace) -> int:
    """Compare the paper's two networks."""
    peaks = {}
    for name in PAPERS:
        command = [sys.executable, __file__, *map(str, args.fasta), "--memory", name]
        command += ["--limit", str(args.limit)] if args.limit else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        peaks[name] = float(done.stdout.splitlines()[-1])
    result = record.record(
        "training-networks",
        ["numba", "torch", "viennarna"],
        {path.name: record.sha256(path) for path in args.fasta},
        rounds=args.repeats,
        threads=1,
        epoch=in_turns(args.fasta, args.repeats, args.limit),
        peak_memory_mib=peaks,
    )
    record.write(result, args.out)
    return 0


@pytest.mark.slow
@pytest.mark.faults
def test_bench_training_on_tiny_input(tmp_path: Path) -> None:
    pos, neg, out = tmp_path / "p.fa", tmp_path / "n.fa", tmp_path / "training.json"
    pos.write_text(">a\n" + "GGGGTTTTCCCC" * 4 + "\n>b\n" + "GGGGTTTTCCCC" * 5 + "\n")
    neg.write_text(">c\n" + "GATTACA" * 8 + "\n")
    command = [str(pos), str(neg), "--repeats", "1", "--threads", "1", "--out", str(out)]
    assert main(command) == 0
    found = json.loads(out.read_text())["epoch"]
    assert found["dense, 1 thread"]["loss"] > 0
    assert abs(found["dense, 1 thread"]["loss"] - found["factorised, 1 thread"]["loss"]) < 1e-4
    assert found["factorised, 1 thread"]["hairpins"] == 3
    assert main([*command, "--networks"]) == 0
    compared = json.loads(out.read_text())
    assert set(compared["peak_memory_mib"]) == {"variable", "fixed"}
    assert [len(losses) for losses in compared["epoch"]["losses"].values()] == [2, 2]
    assert compared["epoch"]["fixed_to_variable"]["median"] > 0


if __name__ == "__main__":
    sys.exit(main())
