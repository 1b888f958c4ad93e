"""What the fold kernel computes, in ViennaRNA's words. Light: imports nothing but ViennaRNA."""

from __future__ import annotations

from typing import Any

TEMPERATURE = 37.0
"""Folding temperature in degrees Celsius: of the kernel and of the bindings alike."""


def model_details() -> Any:
    """Return the folding model: MFE, dangles on both sides (2), lonely pairs allowed.

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
