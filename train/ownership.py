"""Whose directory this is: a training replaces its own model and nobody else's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from premir.scanner.errors import ModelError, PlanMismatchError
from premir.scanner.score.card import CARD, WEIGHTS, read_card
from premir.scanner.score.gates import GATES

TRAINING = "training_identity"
"""Field of a card: the digest of the identity of the training that wrote it."""


def identity_digest(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what tells a training from others."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def check_ours(out: Path, identity: Mapping[str, Any], *, begun: bool) -> None:
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
