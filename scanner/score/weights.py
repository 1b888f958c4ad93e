"""Weights of networks on disk: safetensors beside a card, checked when loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from premir.kernels.pairing import FEATURE_SCHEMA, WITHOUT_UNKNOWN
from premir.scanner.errors import ModelError
from premir.scanner.files import sha256, whole_file, write_json
from premir.scanner.score.card import (
    CARD,
    MEMBERS,
    MOST_MEMBERS,
    WEIGHTS,
    check_new_card,
    read_card,
)
from premir.scanner.score.model import Model, read_model
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.network import Network

_OF_WEIGHTS = ("gates", "floor")
"""What a card says of the very weights beside it."""


def load_networks(
    model: Model, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> tuple[Network, ...]:
    """Load the networks of a model, ready for inference.

    Args:
        model: which.
        device: where they shall compute.
        dtype: float32 by default.

    Raises:
        ModelError: weights missing, damaged, or made for another network or feature schema.
    """
    path, card = model.directory / WEIGHTS, model.card
    if not path.is_file():
        raise ModelError(f"{path}: weights are missing")
    if sha256(path) != model.digest:
        raise ModelError(f"{path}: digest differs from the card's; fetch or train the model again")
    classes = network_classes(model)
    if card["feature_schema"] not in (FEATURE_SCHEMA, WITHOUT_UNKNOWN):
        raise ModelError(
            f"{model.directory / CARD}: made for feature schema {card['feature_schema']!r}, "
            f"this premir computes {FEATURE_SCHEMA!r}"
        )
    if model.unknown_letters and card["feature_schema"] == WITHOUT_UNKNOWN:
        raise ModelError(
            f"{model.directory / CARD}: unknown_letters is {model.unknown_letters:g}; expected 0 "
            f"with feature schema {WITHOUT_UNKNOWN!r}, which has no such letters"
        )
    networks = tuple(each() for each in classes)
    tensors = _read_weights(path, _tensors(networks))
    for prefix, network in _prefixed(networks):
        own = {name: tensors[prefix + name] for name in network.state_dict()}
        network.load_state_dict(own, strict=True)
        network.to(device, dtype or torch.float32).eval().requires_grad_(False)
    return networks


def network_classes(model: Model) -> tuple[type[Network], ...]:
    """Return what the networks of a model are.

    Raises:
        ModelError: it names too many, or one that there is not.
    """
    if len(model.kinds) > MOST_MEMBERS:
        raise ModelError(f"{model.directory / CARD}: more than {MOST_MEMBERS} networks")
    if unknown := [kind for kind in model.kinds if kind not in NETWORKS]:
        raise ModelError(f"{model.directory / CARD}: unknown network {unknown[0]!r}")
    return tuple(NETWORKS[kind] for kind in model.kinds)


def _prefixed(networks: Sequence[Network]) -> list[tuple[str, Network]]:
    """Pair networks with what stands before the names of their tensors in the file."""
    if len(networks) == 1:
        return [("", networks[0])]
    return [(f"{number}.", network) for number, network in enumerate(networks)]


def _tensors(networks: Sequence[Network]) -> dict[str, torch.Tensor]:
    return {
        prefix + name: tensor
        for prefix, network in _prefixed(networks)
        for name, tensor in network.state_dict().items()
    }


def _read_weights(path: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Read tensors; float32 alone, as anything else would be rounded unseen.

    Raises:
        ModelError: damaged, or a tensor is missing, foreign, of another type or shape, or not
            finite; it is named.
    """
    try:
        with safe_open(path, "pt") as file:
            for name in sorted(set(expected).symmetric_difference(file.keys())):
                what = "is missing" if name in expected else "does not belong there"
                raise ModelError(f"{path}: {name[:60]!r} {what}")
            for name, own in expected.items():
                piece = file.get_slice(name)
                found, wanted = (piece.get_dtype(), piece.get_shape()), ("F32", list(own.shape))
                if found != wanted:
                    raise ModelError(
                        f"{path}: {name} is {found[0]} {found[1]}; expected {wanted[0]} {wanted[1]}"
                    )
            tensors = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: damaged weights: {error}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite")
    return tensors


def save_model(directory: Path, networks: Sequence[Network], card: Mapping[str, Any]) -> Model:
    """Write weights and card; the card gets the digest of the weights.

    Gates and floor stay where the directory holds some that were made for the very same weights.

    Args:
        directory: of the model.
        networks: one, or several.
        card: says what they are; which networks, it is told.

    Raises:
        ModelError: no card may hold what is in this one; nothing is written.
    """
    kinds = {network: kind for kind, network in NETWORKS.items()}
    own = {
        **{name: value for name, value in card.items() if name not in _OF_WEIGHTS},
        "network": MEMBERS.join(kinds[type(network)] for network in networks),
    }
    check_new_card(directory / CARD, own)
    directory.mkdir(parents=True, exist_ok=True)
    with whole_file(directory / WEIGHTS) as temporary:
        save_file(_tensors(networks), temporary)
        temporary.chmod(0o644)  # safetensors makes files that only their owner may read
    own["weights_sha256"] = sha256(directory / WEIGHTS)
    with suppress(ModelError):
        before: Mapping[str, Any] = read_card(directory / CARD)
        if before["weights_sha256"] == own["weights_sha256"]:
            own.update({name: before[name] for name in _OF_WEIGHTS if name in before})
    write_json(directory / CARD, own)
    return read_model(directory)
