"""What the stem scan looks for: costs learned by ``train/stem_costs.py``, kept as data."""

from __future__ import annotations

import json
from pathlib import Path

from premir.kernels.stems import StemCosts

_LEARNED = json.loads(Path(__file__).with_name("stem_costs.json").read_text(encoding="utf-8"))

ANIMAL = StemCosts(**_LEARNED["costs"]["animal"])
PLANT = StemCosts(**_LEARNED["costs"]["plant"])

HIGHEST: int = _LEARNED["highest_energy"]
"""Energy in centibits above which there is no candidate; the same for all costs."""
