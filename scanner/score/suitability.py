"""Whether a model is made for what a scan asks of it, and where its hits begin."""

from __future__ import annotations

import math
from collections.abc import Iterator

from premir.scanner.errors import InputError
from premir.scanner.find.candidates import KINDS
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.model import DECIMALS, Model


def threshold(
    model: Model,
    min_prob: float | None = None,
    max_fp: float | None = None,
    rates: FalseCalls | None = None,
) -> float:
    """Return the least probability of a hit.

    Args:
        model: scores candidates.
        min_prob: as it was asked for; the model's own by default.
        max_fp: in place of ``min_prob``: most false calls per Mb, in genomes that the model never
            saw, of what scores as a hit does.
        rates: false calls of what hits are ranked by; the model's own by default.

    Raises:
        InputError: both are given, or the model's card does not know where there are so few.
    """
    if max_fp is None:
        return model.min_prob if min_prob is None else min_prob
    if min_prob is not None:
        raise InputError("--max-fp and --min-prob both set the threshold: give one of them")
    curve = rates or model.false_calls
    if curve is None:
        raise InputError(
            f"--max-fp: the card of {model.name} has no false_calls_per_mb, for it was not judged "
            "on genomes: use --min-prob"
        )
    if max_fp < curve.fewest:
        raise InputError(
            f"--max-fp {max_fp:g}: what {model.name} was judged on is too little to tell fewer "
            f"than {curve.fewest:.2g} false calls per Mb"
        )
    prob: float = 1 / (1 + math.exp(-curve.log_odds_at(max_fp)))
    # A probability that is rounded up to the threshold must not lie below it.
    steps = 10.0**DECIMALS
    return min(1.0, math.ceil(prob * steps + 0.5) / steps)


def doubts(model: Model, preset: str) -> Iterator[str]:
    """Say why the scores of a scan may mean less than its model's card promises.

    Args:
        model: scores candidates.
        preset: what is looked for.
    """
    trained = model.card.get("preset")
    if trained is None:
        yield (
            f"{model.name} was not trained for genomes, where it takes far more hairpins for "
            "pre-miRNAs than there are"
        )
    elif isinstance(trained, str) and KINDS.get(trained) != KINDS[preset]:
        yield (
            f"{model.name} was trained for --preset {trained}; with --preset {preset} its scores "
            "and what it says of false calls do not hold"
        )
