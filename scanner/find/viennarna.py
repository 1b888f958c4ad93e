"""The ViennaRNA bindings, reached from one place. Light to import: workers load nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TEMPERATURE = 37.0
"""Folding temperature in degrees Celsius."""


def version() -> str:
    """Return the version of the ViennaRNA bindings."""
    import RNA

    return str(RNA.__version__)


def model_details() -> Any:
    """Return the folding model: MFE, 37 degrees, dangles on both sides (2), lonely pairs allowed.

    Every field that changes an energy is set, because the library's defaults are process globals.
    """
    import RNA

    details = RNA.md()
    details.temperature = TEMPERATURE
    details.dangles = 2
    details.noLP = 0
    details.noGU = 0
    details.noGUclosure = 0
    details.special_hp = 1
    details.logML = 0
    details.circ = 0
    details.gquad = 0
    details.max_bp_span = -1
    details.min_loop_size = 3
    details.uniq_ML = 0
    details.energy_set = 0
    return details


def fold(sequences: Sequence[str]) -> list[tuple[str, int]]:
    """Fold sequences of A, C, G, U one after another; the bindings hold the GIL meanwhile.

    Args:
        sequences: upper-case RNA without any other letter.

    Returns:
        Dot-bracket structure and MFE in dcal/mol of each.
    """
    import RNA

    details = model_details()
    folded = []
    for sequence in sequences:
        # An empty sequence would come back with a made-up energy of 100,000 kcal/mol.
        structure, energy = RNA.fold_compound(sequence, details).mfe() if sequence else ("", 0.0)
        folded.append((structure, round(energy * 100)))
    return folded
