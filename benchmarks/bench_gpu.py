r"""Hairpins per second of the network on a device, beside the floor that arithmetic sets.

python benchmarks/bench_gpu.py ../shared/data/benchmark/sequences/new_*.fa --device cuda \
    --out benchmarks/results/gpu.json

The floor is the time of the network's multiply-adds at the rate of a large float32 matrix product
measured in the same run. On a GPU the pairing tensors are built and convolved whole; on the CPU the
first layer costs next to nothing, and its multiply-adds are not counted.
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
from bench_network import read_hairpins

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.score.inference import batch_probabilities, choose_device
from premir.scanner.score.networks.variable import VariableConvNet


def multiply_adds(network: VariableConvNet, length: int, *, dense: bool) -> int:
    """Count the multiply-adds of one hairpin, those with padding included."""
    side = (length + 2 * 10 - 11) // 4 + 1
    total = side**2 * network.conv1.weight.numel() if dense else 0
    side = (side // 2 + 2 * 4 - 5) // 2 + 1
    total += side**2 * network.conv2.weight.numel()
    total += (side // 2) ** 2 * network.conv3.weight.numel()
    return total + network.fc1.weight.numel() + network.fc2.weight.numel()


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
    taken = seconds(lambda: batch_probabilities(network, hairpins, device=device), device, repeats)
    dense = device.type != "cpu"
    arithmetic = sum(multiply_adds(network, int(n), dense=dense) for n in hairpins.lengths)
    floor = arithmetic / rate
    return {
        "device": torch.cuda.get_device_name(device) if dense else "cpu, one thread",
        "hairpins": len(hairpins),
        "mean_length": float(hairpins.lengths.mean()),
        "hairpins_per_s": len(hairpins) / taken,
        "matrix_product_gmac_per_s": rate / 1e9,
        "mega_multiply_adds_per_hairpin": arithmetic / len(hairpins) / 1e6,
        "floor_hairpins_per_s": len(hairpins) / floor,
        "times_floor": taken / floor,
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
    record.write(record.record("gpu", ["torch"], data, **found), args.out)
    return 0


def test_bench_gpu_on_tiny_input(tmp_path: Path) -> None:
    fasta, out = tmp_path / "tiny.fa", tmp_path / "gpu.json"
    fasta.write_text(">a\n" + "GGGGTTTTCCCC" * 4 + "\n>b\nGGGGTTTTCCCC\n")
    command = [str(fasta), "--device", "cpu", "--repeats", "1", "--side", "64", "--out", str(out)]
    assert main(command) == 0
    result = json.loads(out.read_text())
    assert result["hairpins"] == 2
    assert result["floor_hairpins_per_s"] > 0


def test_multiply_adds_are_those_of_the_layers() -> None:
    network = VariableConvNet()
    shapes: list[int] = []
    for layer in (network.conv1, network.conv2, network.conv3, network.fc1, network.fc2):
        layer.register_forward_hook(
            lambda layer, _, out: shapes.append(layer.weight.numel() * out[0, 0].numel())
        )
    maps = network.conv1(torch.zeros(1, 9, 93, 93))
    maps = torch.nn.functional.avg_pool2d(maps, 2)
    maps = network.conv3(torch.nn.functional.max_pool2d(network.conv2(maps), 2))
    network.fc2(network.fc1(torch.nn.functional.adaptive_avg_pool2d(maps, 4).flatten(1)))
    assert multiply_adds(network, 93, dense=True) == sum(shapes)
    assert multiply_adds(network, 93, dense=False) == sum(shapes[1:])


if __name__ == "__main__":
    sys.exit(main())
