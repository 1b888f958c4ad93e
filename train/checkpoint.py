"""Checkpoints: networks and optimiser of a training, and whose training it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.files import whole_file

History = list[dict[str, Any]]

_NAME = "checkpoint{}.safetensors"


def checkpoint_name(member: int = 0) -> str:
    """Return the name of the checkpoint of one of a model's networks."""
    return _NAME.format(f"-{member}" if member else "")


def save_checkpoint(
    path: Path,
    networks: Mapping[str, torch.nn.Module],
    optimizer: torch.optim.Optimizer,
    identity: Mapping[str, Any],
    history: History,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: file to make or replace.
        networks: by name; names hold no dot.
        optimizer: of one of them.
        identity: what must agree before the training may be continued.
        history: what is known of each epoch done.
    """
    tensors = {
        f"{name}.{key}": value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items()}
    metadata = {"identity": json.dumps(identity), "history": json.dumps(history)}
    with whole_file(path) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)


def load_checkpoint(
    path: Path,
    networks: Mapping[str, torch.nn.Module],
    optimizer: torch.optim.Optimizer,
    identity: Mapping[str, Any],
    device: torch.device,
) -> History:
    """Restore networks and optimiser, and return the history.

    Raises:
        PlanMismatchError: it belongs to another training; the differing field is named.
        InputError: it is damaged.
    """
    metadata = check_identity(path, identity)
    with _opened(path, device) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    for name, network in networks.items():
        network.load_state_dict(
            {k.partition(".")[2]: v for k, v in tensors.items() if k.startswith(f"{name}.")}
        )
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "optimizer":
            number, _, field = rest.partition(".")
            state.setdefault(int(number), {})[field] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    history: History = json.loads(metadata["history"])
    return history


def check_identity(path: Path, identity: Mapping[str, Any]) -> dict[str, str]:
    """Check whose checkpoint a file is, and return all that it says beside its tensors.

    Raises:
        PlanMismatchError: it belongs to another training; the differing field is named.
        InputError: it is damaged.
    """
    with _opened(path) as file:
        metadata: dict[str, str] = file.metadata() or {}
    if "history" not in metadata:
        raise PlanMismatchError(f"{path}: of an older premir; choose another --out")
    there, here = json.loads(metadata["identity"]), json.loads(json.dumps(identity))
    for name in {**here, **there}:
        if there.get(name) != here.get(name):
            raise PlanMismatchError(
                f"{path}: belongs to another training: {name} is {there.get(name)!r}, "
                f"not {here.get(name)!r}; choose another --out"
            )
    return metadata


@contextmanager
def _opened(path: Path, device: torch.device | None = None) -> Iterator[Any]:
    try:
        with safe_open(path, "pt", device=str(device or "cpu")) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged checkpoint; remove it to start again") from error


def read_history(path: Path) -> History:
    """Return what a checkpoint tells of each epoch.

    Raises:
        InputError: it is damaged, or of an older premir.
    """
    with _opened(path) as file:
        metadata = file.metadata() or {}
    if "history" not in metadata:
        raise InputError(f"{path}: no checkpoint of a training, or one of an older premir")
    history: History = json.loads(metadata["history"])
    return history
