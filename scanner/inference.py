"""Probabilities: batches select, one canonical path decides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.batches import Hairpins, batches_by_length
from premir.scanner.network import PairingBatch, VariableConvNet

CANONICAL_DECIMALS = 6
"""Decimals of a canonical score; it is rounded before anything is compared with it."""

_CELLS = 1 << 18
"""Padded matrix cells in a batch: some 30 hairpins of 93 nt."""


def batch_probabilities(
    network: VariableConvNet, hairpins: Hairpins, *, device: torch.device
) -> npt.NDArray[np.float32]:
    """Score hairpins in batches of similar length.

    The last digits of a float32 score move with the batch's size, so these scores select only.

    Args:
        network: in float32, on ``device``.
        hairpins: N hairpins of any lengths.
        device: where to compute.

    Returns:
        float32 (N,), probability of pre-miRNA.
    """
    scores = np.empty(len(hairpins), np.float32)
    with torch.inference_mode():
        for index in batches_by_length(hairpins.lengths, cells=_CELLS):
            batch = PairingBatch.build(hairpins.take(index), device=device)
            scores[index] = network(batch).softmax(dim=1)[:, 1].cpu().numpy()
    return scores


def canonical_probabilities(
    network: VariableConvNet, hairpins: Hairpins
) -> npt.NDArray[np.float64]:
    """Score hairpins one at a time in float64 on the CPU: the scores that are printed.

    Args:
        network: in float64, on the CPU.
        hairpins: N hairpins.

    Returns:
        float64 (N,), probability of pre-miRNA rounded to six decimals.
    """
    cpu = torch.device("cpu")
    scores = np.empty(len(hairpins))
    with torch.inference_mode():
        for n in range(len(hairpins)):
            batch = PairingBatch.build(hairpins.take([n]), device=cpu, dtype=torch.float64)
            scores[n] = network(batch).softmax(dim=1)[0, 1].item()
    return scores.round(CANONICAL_DECIMALS)


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device; ``auto`` takes a GPU where there is one.

    Raises:
        InputError: ``cuda`` was asked for and there is none.
    """
    from premir.scanner.errors import InputError

    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no usable CUDA device found; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
