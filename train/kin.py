"""How many kin false calls have: the share of background hits with 0, 1, ... of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from premir.kernels.kin import MOST
from premir.scanner.errors import InputError
from premir.scanner.files import sha256, write_json
from premir.scanner.report.reading import read_hits
from premir.scanner.score.card import CARD
from premir.scanner.score.model import Model

LEAST = 0.5
"""Least probability of background hits that count: there are few with a high one."""


def measure_kin(hits: Sequence[Path]) -> dict[str, Any]:
    """Count the kin of background hits.

    Args:
        hits: BED files of scans of genomes that the model never saw, each by itself.

    Returns:
        What :attr:`premir.scanner.score.model.Model.kin` reads, ``hits`` and ``files``.

    Raises:
        InputError: a file holds no hits with kin, or there are none at all.
    """
    found = []
    for path in hits:
        for hit in read_hits(path):
            if not hasattr(hit, "kin"):
                raise InputError(f"{path}: has no column kin; scan without --kin none")
            if hit.prob >= LEAST:
                found.append(hit.kin)
    if not found:
        raise InputError(f"--hits: no hit has a probability of {LEAST} and more")
    counts = np.bincount(found, minlength=MOST + 1)
    return {
        "share": (counts / counts.sum()).round(6).tolist(),
        "hits": len(found),
        "files": {path.name: sha256(path) for path in hits},
    }


def write_kin(model: Model, table: dict[str, Any]) -> None:
    """Write how many kin false calls have into a model's card."""
    write_json(model.directory / CARD, {**model.card, "kin": table})
