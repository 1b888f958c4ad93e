"""Model cards: what ``card.json`` may hold, field by field.

A card may come from a stranger. Whatever a scan or a message takes from it is declared here, once;
other fields are for readers and may hold anything that JSON can.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn, NotRequired, TypedDict, cast

from premir.scanner.errors import ModelError

CARD, WEIGHTS = "card.json", "weights.safetensors"
"""Files of a model directory."""
MEMBERS = " + "
"""Stands between the networks of a model on its card."""
MOST_MEMBERS = 16
_MOST_BYTES = 1 << 24
FALSE_CALLS = ("log_odds", "all", "lowest", "highest")
"""Rows of the table of false calls, which have the same length."""
INFLATION = ("log_odds", "factor")
"""Rows of the table of what decoys miss, likewise."""
MOST_KIN = 63
"""A card has shares of so many kin, and of fewer."""
_LONGEST = 10_000
_LARGEST = 1e300
"""A whole number may have any digits; a float has none for some."""
_DEEPEST = 32
"""Nested tables and lists; those of our own cards nest four deep."""
_SHOWN = 60
"""Characters of a faulty value that a message shows."""


class Calibration(TypedDict):
    """How log odds follow from those of the networks: slope x these + intercept."""

    slope: float
    intercept: float


class CrossFitCard(TypedDict):
    """How the networks of an adapted model share genomes (:mod:`premir.scanner.score.crossfit`)."""

    folds: int
    block_nt: int


class GatesCard(TypedDict):
    """What a card says of a model's gates: what they were made for, and what they lose."""

    features: str
    sha256: str
    weights_sha256: str
    preset: str
    extractor: str
    max_span: int
    min_prob: float
    judged: dict[str, Any]
    alone: NotRequired[dict[str, Any]]


class Card(TypedDict, total=False):
    """A model card; docs/formats.md explains its fields.

    Those after ``floor`` are for readers.
    """

    name: str
    description: str
    network: str
    feature_schema: str
    context_nt: int
    unknown_letters: float
    min_prob: float
    weights_sha256: str
    calibration: Calibration
    cross_fit: CrossFitCard
    gates: GatesCard
    false_calls_per_mb: dict[str, Any]
    inflation: dict[str, Any]
    kin: dict[str, Any]
    floor: dict[str, Any]
    preset: str
    protocol: str
    recipe: dict[str, Any]
    seed: int
    epochs: int
    losses: list[float]
    limits: list[str]
    samples: int
    settings: dict[str, Any]
    configuration: dict[str, Any]
    started_from: str | None
    adapted_to: dict[str, Any]
    training_sha256: dict[str, str]
    training_identity: str
    test_metrics: dict[str, Any] | None
    held_out: dict[str, Any]
    reliability: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of value.

    Attributes:
        expected: what a message calls it.
        fits: tells it from others.
    """

    expected: str
    fits: Callable[[Any], bool]


def _whole(low: int, high: int) -> _Kind:
    return _Kind(
        f"a whole number from {low} to {high}",
        lambda value: type(value) is int and low <= value <= high,
    )


def _printable(value: Any) -> bool:
    # Not printable are control and format characters, line separators and lone surrogates.
    return isinstance(value, str) and value.isprintable()


_TEXT = _Kind("a text without control characters", _printable)
_NAME = _Kind(
    "a text of 1 to 200 characters without control characters",
    lambda value: _printable(value) and 0 < len(value.strip()) <= len(value) <= 200,
)
_DIGEST = _Kind(
    "64 hexadecimal digits in lower case",
    lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None,
)
_PROBABILITY = _Kind(
    "a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1
)
_POSITIVE = _Kind(
    "a number above 0",
    lambda value: type(value) in (int, float) and 0 < value < _LARGEST,
)
_NUMBER = _Kind(
    "a number", lambda value: type(value) in (int, float) and -_LARGEST < value < _LARGEST
)
_TABLE = _Kind("a table", lambda value: isinstance(value, dict))


def _numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= _LONGEST
        and all(_NUMBER.fits(each) for each in value)
    )


_RISING = _Kind(
    "a list of rising numbers",
    lambda value: _numbers(value) and all(a < b for a, b in pairwise(value)),
)
_RATES = _Kind(
    "a list of numbers of 0 and more",
    lambda value: _numbers(value) and min(value) >= 0,
)
_FACTORS = _Kind(
    "a list of numbers above 0",
    lambda value: _numbers(value) and min(value) > 0,
)
_SHARES = _Kind(
    f"{MOST_KIN + 1} numbers of 0 and more that add up to 1",
    lambda value: _RATES.fits(value) and len(value) == MOST_KIN + 1 and abs(sum(value) - 1) < 1e-3,
)
_SPREAD = _Kind(
    "a number from 0 to 10", lambda value: type(value) in (int, float) and 0 <= value <= 10
)

_FIELDS = {
    "name": _NAME,
    "description": _TEXT,
    "network": _NAME,
    "feature_schema": _NAME,
    "context_nt": _whole(0, 200),
    "unknown_letters": _PROBABILITY,
    "min_prob": _PROBABILITY,
    "weights_sha256": _DIGEST,
    "calibration": _TABLE,
    "cross_fit": _TABLE,
    "gates": _TABLE,
    "false_calls_per_mb": _TABLE,
    "inflation": _TABLE,
    "kin": _TABLE,
    "floor": _TABLE,
}
_CALIBRATION = {"slope": _POSITIVE, "intercept": _NUMBER}
_CROSS_FIT = {"folds": _whole(2, MOST_MEMBERS), "block_nt": _whole(1, 1 << 40)}
_GATES = {
    "features": _NAME,
    "sha256": _DIGEST,
    "weights_sha256": _DIGEST,
    "preset": _NAME,
    "extractor": _NAME,
    "max_span": _whole(1, 10_000),
    "min_prob": _PROBABILITY,
    "judged": _TABLE,
}
_VOTES = _whole(-(1 << 60), 1 << 60)
_GATES_ALONE = {"stem": _VOTES, "fold": _VOTES, "judged": _TABLE}
_FLOOR = {"log_odds": _NUMBER, "min_prob": _PROBABILITY}
_FALSE_CALLS = {
    **dict.fromkeys(FALSE_CALLS, _RATES),
    "log_odds": _RISING,
    "megabases": _POSITIVE,
}
_INFLATION = {
    "log_odds": _RISING,
    "factor": _FACTORS,
    "own_factor": _POSITIVE,
    "own_spread": _SPREAD,
    "calls_spread": _SPREAD,
    "spread": _SPREAD,
    "weight": _POSITIVE,
}
_KIN = {"share": _SHARES}
_OPTIONAL = frozenset(
    {
        "unknown_letters",
        "min_prob",
        "calibration",
        "cross_fit",
        "gates",
        "floor",
        "false_calls_per_mb",
        "inflation",
        "kin",
    }
)


def read_card(path: Path) -> Card:
    """Read a model card and check every field that something depends on.

    Raises:
        ModelError: it cannot be read or is no JSON table, or a field is missing or of another kind;
            file and field are named.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise ModelError(f"{path}: too large for a model card")
    try:
        card = json.loads(
            content.decode("utf-8"),
            parse_constant=_refuse,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except RecursionError as error:
        raise ModelError(f"{path}: damaged model card: nests too deeply") from error
    except ValueError as error:
        raise ModelError(f"{path}: damaged model card: {error}") from error
    if _nests_too_deeply(card):
        raise ModelError(f"{path}: damaged model card: nests too deeply")
    if not isinstance(card, dict):
        raise ModelError(f"{path}: damaged model card: is {_shown(card)}; expected a table")
    check_card(path, card)
    return cast("Card", card)


def check_card(path: Path, card: Mapping[str, Any]) -> None:
    """Check the fields of a card.

    Raises:
        ModelError: names ``path`` and the first field that is missing or of another kind.
    """
    _check(path, card, _FIELDS, "")
    for name, fields in (
        ("calibration", _CALIBRATION),
        ("cross_fit", _CROSS_FIT),
        ("gates", _GATES),
        ("floor", _FLOOR),
        ("false_calls_per_mb", _FALSE_CALLS),
        ("inflation", _INFLATION),
        ("kin", _KIN),
    ):
        if name in card:
            _check(path, card[name], fields, f"{name}.")
    if "alone" in card.get("gates", {}):
        _check(path, card["gates"], {"alone": _TABLE}, "gates.")
        _check(path, card["gates"]["alone"], _GATES_ALONE, "gates.alone.")
    networks, folds = card["network"].count(MEMBERS) + 1, card.get("cross_fit", {}).get("folds", 1)
    if networks % folds:
        raise ModelError(f"{path}: cross_fit.folds is {folds}; expected equal shares of {networks}")
    for name, rows in (("false_calls_per_mb", FALSE_CALLS), ("inflation", INFLATION)):
        if len({len(value) for row, value in card.get(name, {}).items() if row in rows}) > 1:
            raise ModelError(f"{path}: {name}: its lists differ in length")


def check_new_card(path: Path, card: Mapping[str, Any]) -> None:
    """Check a card before there are weights; raises as :func:`check_card` does."""
    check_card(path, {**card, "weights_sha256": "0" * 64})


def _check(path: Path, table: Mapping[str, Any], fields: Mapping[str, _Kind], prefix: str) -> None:
    for name, kind in fields.items():
        if name not in table:
            if name in _OPTIONAL and not prefix:
                continue
            raise ModelError(f"{path}: {prefix}{name} is missing; expected {kind.expected}")
        if not kind.fits(table[name]):
            shown = _shown(table[name])
            raise ModelError(f"{path}: {prefix}{name} is {shown}; expected {kind.expected}")


def _shown(value: Any) -> str:
    """Write a value as JSON, in ASCII and shortened: it may be anything."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, which is no number")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"holds {text[:_SHOWN]}, which is too large a number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the field {_shown(twice)} stands twice")
    return table


def _nests_too_deeply(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)
