r"""How far scores of batches lie from canonical ones, against the margin that networks declare.

python benchmarks/bench_margin.py ../shared/data/benchmark/sequences/*.fa \
    --out benchmarks/results/margin.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import bench_network
import numpy as np
import record
import torch

from premir.scanner import load_model
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.score.feeding import FEEDING
from premir.scanner.score.inference import batch_log_odds, single_log_odds
from premir.scanner.score.networks import batches as building
from premir.scanner.score.networks import stem
from premir.scanner.score.networks.network import Network

MODELS = ("premir-animal@3", "premir-plant@1", "do2018-crossspecies-new-variable")
_LOW_BITS = 13
"""Bits of a float32's mantissa that TF32 lacks."""


def as_tf32(tensor: torch.Tensor) -> torch.Tensor:
    """Round float32 to the ten bits of mantissa that a GPU's TF32 keeps of each factor."""
    bits = tensor.contiguous().view(torch.int32)
    return ((bits + (1 << (_LOW_BITS - 1))) & -(1 << _LOW_BITS)).view(torch.float32)


@contextmanager
def in_tf32(network: Network) -> Iterator[None]:
    """Give every layer rounded weights and rounded inputs.

    The first layer of a tensor network reads packed hairpins in a kernel, so that only its weights
    are rounded.
    """
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    with ExitStack() as stack:
        for layer in network.children():
            layer.weight.data = as_tf32(layer.weight.data)  # type: ignore[arg-type]
            stack.enter_context(
                layer.register_forward_pre_hook(lambda _, inputs: (as_tf32(inputs[0]),))
            )
        try:
            yield
        finally:
            network.load_state_dict(weights)


def largest(network: Network, canonical: Network, hairpins: Hairpins) -> dict[str, float]:
    """Return the largest difference of log odds by the way in which batches are computed."""
    cpu, exact = torch.device("cpu"), single_log_odds(canonical, hairpins)

    def difference() -> float:
        return float(np.abs(batch_log_odds(network, hairpins, device=cpu) - exact).max())

    def of(size: int) -> Callable[..., Iterator[np.ndarray]]:  # type: ignore[type-arg]
        batches = network.batches
        return lambda *given: (
            piece
            for index in batches(*given)
            for piece in np.array_split(index, -(-index.size // size))
        )

    found = {"usual batches": difference()}
    for size in (1, 3, 17):
        with patch.object(network, "batches", of(size)):
            found[f"batches of {size} at most"] = difference()
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    found[f"{torch.get_num_threads()} threads in place of {threads}"] = difference()
    torch.set_num_threads(threads)
    with torch.backends.mkldnn.flags(enabled=False):  # type: ignore[no-untyped-call]
        found["without oneDNN"] = difference()
    with patch.object(stem, "LONGEST_FIXED", 0):  # as on a GPU
        found["in float32"] = difference()
        with (
            patch.dict(FEEDING, {"cpu": FEEDING["cuda"]}),
            patch.object(building, "_builds_tensors", return_value=True),
        ):
            found["batches of all sizes, tensors built"] = difference()
        with in_tf32(network):
            found["factors in TF32"] = difference()
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fasta", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=2000, help="hairpins")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    hairpins = bench_network.read_hairpins(args.fasta, args.limit)
    result = record.record(
        "margin",
        ["numba", "torch"],
        {path.name: record.sha256(path) for path in args.fasta},
        hairpins=len(hairpins),
        largest_differences={
            f"{name}: {kind}": {"margin": network.margin, **largest(network, canonical, hairpins)}
            for name in args.models
            for model in [load_model(name)]
            for kind, network, canonical in zip(
                model.kinds, model.networks(), model.networks(dtype=torch.float64), strict=True
            )
        },
    )
    record.write(result, args.out)
    return 0


def test_bench_margin_on_tiny_input(tmp_path: Path) -> None:
    fasta, out = tmp_path / "tiny.fa", tmp_path / "margin.json"
    fasta.write_text(">a\n" + "GGGGTTTTCCCC" * 4 + "\n>b\nGGGGTTTTCCCC\n>c\nGGACC\n")
    assert main([str(fasta), "--models", "premir-animal@3", "--out", str(out)]) == 0
    for found in json.loads(out.read_text())["largest_differences"].values():
        margin, tf32, exact = (
            found.pop(kind) for kind in ("margin", "factors in TF32", "in float32")
        )
        assert max(found.values()) < margin / 5
        assert exact < margin / 100
        assert exact < tf32 < margin / 2  # rounding is seen, and covered


if __name__ == "__main__":
    sys.exit(main())
