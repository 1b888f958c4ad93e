"""What candidates and their folds depend on: they are taken up only where it is the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from premir.kernels.energies import current_parameters
from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner import __version__
from premir.scanner.find import viennarna
from premir.scanner.find.candidates import Extractor


def identity_of(extractor: Extractor, *, folds: bool) -> dict[str, Any]:
    """Return everything but the genome that decides what is found in it, and how that folds.

    Args:
        extractor: how candidates are found.
        folds: whether they are folded; if not, ViennaRNA does not matter.
    """
    return {
        "premir": __version__,
        "viennarna": viennarna.version() if folds else None,
        "energy_parameters": current_parameters().digest if folds else None,
        "feature_schema": FEATURE_SCHEMA,
        "extractor": asdict(extractor),
    }
