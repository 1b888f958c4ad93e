"""Networks at work: in batches, and one hairpin at a time."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.errors import InputError
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.score.feeding import FEEDING
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.network import Network

_log = logging.getLogger(__name__)


def batch_log_odds(
    network: Network, hairpins: Hairpins, *, device: torch.device
) -> npt.NDArray[np.float32]:
    """Score hairpins in batches, as the device is fed.

    The last digits of a float32 score move with the batch's size, so these scores select only. When
    a device has not enough memory for a batch, it and those that follow are halved.

    Args:
        network: in float32, on ``device``.
        hairpins: N hairpins of any lengths.
        device: where to compute.

    Returns:
        float32 (N,), log odds of pre-miRNA (the difference of the two logits).

    Raises:
        torch.OutOfMemoryError: a single hairpin is too much.
    """
    scores = np.empty(len(hairpins), np.float32)
    feeding = FEEDING[device.type]
    waiting = list(network.batches(hairpins.lengths, feeding))
    waiting.reverse()
    flying: deque[tuple[npt.NDArray[np.int64], _Result]] = deque()
    with feeding.turns, torch.inference_mode():
        while waiting or flying:
            if not waiting or len(flying) == feeding.in_flight:
                index, result = flying.popleft()
                scores[index] = result.wait()
                continue
            index = waiting.pop()
            try:
                batch = PairingBatch.build(hairpins.take(index), device=device)
                logits = network(batch)
                flying.append((index, _Result(logits[:, 1] - logits[:, 0])))
            except torch.OutOfMemoryError:
                if index.size == 1:
                    raise
                _log.warning("%d hairpins are too many for %s: half as many", index.size, device)
                parts = [np.array_split(whole, 2) for whole in (*waiting, index)]
                waiting = [half for halves in parts for half in halves[::-1] if half.size]
                torch.cuda.empty_cache()
    return scores


class _Result:
    """Scores on their way from a device to the host."""

    def __init__(self, scores: torch.Tensor) -> None:
        self._copied: torch.cuda.Event | None = None
        self._host = scores
        if scores.is_cuda:
            self._host = torch.empty(scores.shape, pin_memory=True)
            self._host.copy_(scores, non_blocking=True)
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()

    def wait(self) -> npt.NDArray[np.float32]:
        """Return them when they have arrived."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._host.numpy()


def single_log_odds(network: Network, hairpins: Hairpins) -> npt.NDArray[np.float64]:
    """Score hairpins one at a time in float64 on the CPU.

    Args:
        network: in float64, on the CPU.
        hairpins: N hairpins.

    Returns:
        float64 (N,), log odds of pre-miRNA.
    """
    cpu = torch.device("cpu")
    scores = np.empty(len(hairpins))
    with torch.inference_mode():
        for n in range(len(hairpins)):
            batch = PairingBatch.build(hairpins.take([n]), device=cpu, dtype=torch.float64)
            logits = network(batch)[0]
            scores[n] = (logits[1] - logits[0]).item()
    return scores


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside an operation, and with as many as before afterwards.

    Feature maps are small: a second thread costs more than it brings.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device; ``auto`` takes a GPU where there is one.

    Raises:
        InputError: ``cuda`` was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no usable CUDA device found; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
