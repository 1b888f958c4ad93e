"""Whose directory this is: a training replaces its own model and nobody else's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from premir.scanner.errors import InputError, ModelError, PlanMismatchError
from premir.scanner.outputs import Named, check_apart
from premir.scanner.score.card import CARD, MOST_MEMBERS, WEIGHTS, read_card
from premir.scanner.score.gating import GATES
from premir.train.checkpoint import checkpoint_name

TRAINING = "training_identity"
"""Field of a card: the digest of the identity of the training that wrote it."""
_WRITTEN = (
    *(CARD, WEIGHTS, GATES, "history.json"),
    *(checkpoint_name(member) for member in range(MOST_MEMBERS)),
)
"""What a training may write into its directory."""


def check_out(
    out: Path, folders: Sequence[Path], inputs: Sequence[Named], places: Sequence[Named] = ()
) -> None:
    """Refuse to train over a file, before anything is written.

    Args:
        out: directory of the training.
        folders: directories of its models.
        inputs: files that it reads.
        places: other folders that it writes to.

    Raises:
        InputError: an output is an input, or no folder.
    """
    for folder in (out, *folders):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; give --out a folder")
    outputs = [("--out", folder / name) for folder in folders for name in _WRITTEN]
    check_apart(inputs, outputs, places)


def identity_digest(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what tells a training from others."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def check_own_model(out: Path, identity: Mapping[str, Any], *, begun: bool) -> None:
    """Refuse a directory with a model that another training wrote.

    Args:
        out: where this training shall write its model.
        identity: tells it from others.
        begun: there is a checkpoint of this very training, which may have been stopped between the
            weights and their card.

    Raises:
        PlanMismatchError: ``out`` holds another model, or what may be one.
    """
    there = [name for name in (CARD, WEIGHTS, GATES) if (out / name).exists()]
    if not there or (begun and CARD not in there):
        return
    whose = f"{out / there[0]}: "
    if CARD in there:
        try:
            card = read_card(out / CARD)
        except ModelError as error:
            raise PlanMismatchError(f"{error}; choose another --out") from error
        if card.get(TRAINING) == identity_digest(identity):
            return
        whose += f"card of the model {card['name']!r}, "
    raise PlanMismatchError(f"{whose}not written by this training; choose another --out")
