"""The models that premir ships, and models by name or directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from premir.scanner.errors import ModelError
from premir.scanner.score.card import CARD, WEIGHTS

if TYPE_CHECKING:
    from premir.scanner.score.model import Model

DEFAULT_MODEL = "premir-animal@3"
PLANT_MODEL = "premir-plant@1"
"""The default with the preset ``plant``."""
HAIRPIN_MODEL = "do2018-crossspecies-new-variable"
"""For sequences without flanks: hairpins cut as those of the benchmark are."""
RETIRED = {"premir-animal@1": "4ff7a80", "premir-animal@2": "00637e5"}
"""Models of earlier releases that are shipped no longer, and the commit that has them."""
SHIPPED = Path(__file__).parent / "models"


def default_model(preset: str) -> str:
    """Return the name of the model that scans with a preset where none is asked for."""
    return PLANT_MODEL if preset == "plant" else DEFAULT_MODEL


def list_models() -> list[Model]:
    """Return the models that premir ships, by name."""
    from premir.scanner.score.model import read_model

    return [read_model(path.parent) for path in sorted(SHIPPED.glob(f"*/{CARD}"))]


def judged(model: Model) -> str:
    """Say in a few words how a model was judged, by its card."""
    told = model.card.get("held_out", {})
    rate = told.get("false_per_mb_at_recall_0.5")
    if isinstance(rate, int | float):
        return (
            f"genomes that it never saw: {rate:g} false calls per Mb where half of the held-out "
            "precursors are found"
        )
    published = (model.card.get("test_metrics") or {}).get("as_published", {})
    area = published.get("aupr")
    if isinstance(area, int | float):
        return f"for given sequences, not for genomes: AUPR {area:g} on its test set"
    return "its card does not say how it was judged"


def load_model(name: str) -> Model:
    """Find a shipped model by name, or a model directory by path.

    Raises:
        ModelError: neither exists, or its card is damaged.
    """
    from premir.scanner.score.model import read_model

    for directory in (SHIPPED / name, Path(name)):
        try:
            found = (directory / CARD).is_file()
        except OSError as error:
            raise ModelError(f"{name}: cannot be read: {error.strerror}") from error
        if found:
            return read_model(directory)
    if name in RETIRED:
        raise ModelError(
            f"{name}: is shipped no longer; git show {RETIRED[name]}:scanner/score/models/{name} "
            "has it: give its directory"
        )
    known = ", ".join(path.parent.name for path in sorted(SHIPPED.glob(f"*/{CARD}")))
    raise ModelError(
        f"{name}: no such model; give one of {known}, or a directory with {CARD} and {WEIGHTS}"
    )
