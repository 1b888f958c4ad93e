r"""Hairpins per second of the network on a device, beside the floor that arithmetic sets.

python benchmarks/bench_device.py ../shared/data/benchmark/sequences/new_*.fa --device cuda \
    --out benchmarks/results/device-cuda.json

The floor is the time of the network's multiply-adds at the rate of a large float32 matrix product
measured in the same run. On a GPU the pairing tensors are built and convolved whole; on the CPU the
first layer costs next to nothing, and its multiply-adds are not counted. Batches of maps
of one size and of all sizes are both timed, whichever the device is fed with in scans.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import record
import torch
from bench_network import read_hairpins
from torch import nn

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.score.feeding import FEEDING
from premir.scanner.score.inference import batch_log_odds, choose_device
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.network import Network
from premir.scanner.score.networks.variable import VariableConvNet


def multiply_adds(network: Network, length: int, device: torch.device) -> int:
    """Count the multiply-adds of the layers for one hairpin, those with padding included.

    On the CPU a kernel does the first layer's work with far fewer; these are left out.
    """
    total = 0

    def count(layer: Any, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight.numel() * out[0, 0].numel()

    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    hairpin = Hairpins(
        np.zeros(length, np.uint8), np.full(length, -1, np.int16),
        np.zeros(1, np.int32), np.array([0, length]),
    )  # fmt: skip
    with torch.inference_mode():
        network(PairingBatch.build(hairpin, device=device))
    for hook in hooks:
        hook.remove()
    return total


def seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median of several runs: of elapsed time on a GPU, of CPU time on the CPU."""

    def now() -> float:
        if device.type == "cpu":
            return time.thread_time()
        torch.cuda.synchronize(device)
        return time.monotonic()

    work()
    taken = []
    for _ in range(repeats):
        begin = now()
        work()
        taken.append(now() - begin)
    return float(np.median(taken))


def measure(hairpins: Hairpins, device: torch.device, repeats: int, side: int) -> dict[str, Any]:
    """Time the network and a matrix product of ``side`` on a device."""
    torch.manual_seed(0)
    network = VariableConvNet().to(device).eval().requires_grad_(False)
    matrix = torch.randn(side, side, device=device)
    rate = side**3 / seconds(lambda: matrix @ matrix, device, repeats)
    own, by_batches = FEEDING[device.type], {}
    for mixed in (False, True):
        feeding = replace(own, mixed=mixed)
        with patch.dict(FEEDING, {device.type: feeding}):
            taken = seconds(
                lambda: batch_log_odds(network, hairpins, device=device), device, repeats
            )
        sizes = [index.size for index in network.batches(hairpins.lengths, feeding)]
        by_batches["of all sizes" if mixed else "of one size"] = {
            "hairpins_per_batch": float(np.mean(sizes)),
            "hairpins_per_s": len(hairpins) / taken,
        }
    rate_here = by_batches["of all sizes" if own.mixed else "of one size"]["hairpins_per_s"]
    dense = device.type != "cpu"
    arithmetic = sum(
        multiply_adds(network, int(n), device) * int(count)
        for n, count in zip(*np.unique(hairpins.lengths, return_counts=True), strict=True)
    )
    floor = arithmetic / rate
    return {
        "device": torch.cuda.get_device_name(device) if dense else "cpu, one thread",
        "hairpins": len(hairpins),
        "mean_length": float(hairpins.lengths.mean()),
        "hairpins_per_s": rate_here,
        "batches": by_batches,
        "matrix_product_gmac_per_s": rate / 1e9,
        "mega_multiply_adds_per_hairpin": arithmetic / len(hairpins) / 1e6,
        "floor_hairpins_per_s": len(hairpins) / floor,
        "times_floor": len(hairpins) / rate_here / floor,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fasta", nargs="+", type=Path)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--limit", type=int, default=4000, help="hairpins")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", type=int, default=2048, help="of the matrices of the product")
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    hairpins = read_hairpins(args.fasta, args.limit)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = measure(hairpins, choose_device(args.device), args.repeats, args.side)
    finally:
        torch.set_num_threads(threads)
    data = {path.name: record.sha256(path) for path in args.fasta}
    record.write(record.record("device", ["torch"], data, **found), args.out)
    return 0


def test_bench_device_on_tiny_input(tmp_path: Path) -> None:
    fasta, out = tmp_path / "tiny.fa", tmp_path / "device.json"
    fasta.write_text(">a\n" + "GGGGTTTTCCCC" * 4 + "\n>b\nGGGGTTTTCCCC\n")
    command = [str(fasta), "--device", "cpu", "--repeats", "1", "--side", "64", "--out", str(out)]
    assert main(command) == 0
    result = json.loads(out.read_text())
    assert result["hairpins"] == 2
    assert result["floor_hairpins_per_s"] > 0
    assert {name: own["hairpins_per_batch"] for name, own in result["batches"].items()} == {
        "of one size": 1,
        "of all sizes": 2,
    }


def test_multiply_adds_are_those_of_the_layers() -> None:
    sides = {"maps": (93 + 2 * 10 - 11) // 4 + 1}
    sides["second"] = (sides["maps"] // 2 + 2 * 4 - 5) // 2 + 1
    expected = sides["second"] ** 2 * 64 * 32 * 25 + (sides["second"] // 2) ** 2 * 64 * 64 * 9
    expected += 256 * 1024 + 2 * 256
    assert multiply_adds(VariableConvNet(), 93, torch.device("cpu")) == expected


if __name__ == "__main__":
    sys.exit(main())
