"""What reads say of a hairpin: a verdict, by rules, and a log-likelihood ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

from premir.scanner.report.evidence.reads.pattern import OVERHANGS, Pattern
from premir.scanner.report.evidence.reads.stacks import UNIT

VERDICTS = (
    "supported",
    "partial",
    "one_arm",
    "thin",
    "none",
    "weak",
    "antisense",
    "wrong_strand",
    "against",
)
"""From the best to the worst, as lists for people have them."""
SPEAKING = VERDICTS[:3]
"""Verdicts of reads that speak for a microRNA."""

ENOUGH = 10
"""Fewer reads than this, on either strand, say little."""
_ON_EACH_ARM = 2
_HOMOGENEITY = 0.5
_PRECISION = 0.75
_ANTISENSE = 0.2
_FLIPPED = 0.8
_SIZED = 0.8
_APART = 8

_EXACT, _NEAR, _OTHER, _AGAINST = (0.80, 0.30), (0.12, 0.10), (0.06, 0.40), (0.02, 0.20)
"""Shares of reads that are mature or star, near them, elsewhere, and antisense: on hairpins of
microRNAs, and on others."""
_SIZE, _NO_SIZE = (0.95, 0.60), (0.05, 0.40)
"""Likewise shares of the reads of 20 to 26 nt, and of others."""
_MOST = 5.0
"""Reads are not independent: no number of them counts for more than this."""
_STAR_TWO, _STAR_ONE, _NO_STAR, _STAR_ELSEWHERE = 3.9, 2.5, -1.3, -2.6
_NO_PLACE = -3.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What reads say of a hairpin.

    Attributes:
        name: one of :data:`VERDICTS`.
        failed: rules of ``supported`` that are not kept.
        llr: natural logarithm of the likelihood of the reads on a microRNA's hairpin over that
            elsewhere.
    """

    name: str
    failed: tuple[str, ...]
    llr: float


def verdict_of(pattern: Pattern) -> Verdict:
    """Judge a hairpin by its reads.

    Args:
        pattern: of reads beside the fold.
    """
    sense, antisense = pattern.total, pattern.antisense
    if not sense + antisense:
        return Verdict("none", (), 0.0)
    failed = tuple(name for name, kept in _rules(pattern).items() if not kept)
    llr = log_likelihood_ratio(pattern)
    return Verdict(_name(pattern, failed, llr), failed, llr)


def _name(pattern: Pattern, failed: tuple[str, ...], llr: float) -> str:
    every = pattern.total + pattern.antisense
    if every < ENOUGH * UNIT:
        return "thin"
    if pattern.antisense > _FLIPPED * every:
        return "wrong_strand"
    if pattern.antisense > _ANTISENSE * every:
        return "antisense"
    if not failed:
        return "supported"
    if llr < 0:
        return "against"
    if pattern.star == "as_expected":
        return "partial"
    alone = pattern.other is None or pattern.other.reads < _ON_EACH_ARM * UNIT
    if alone and pattern.expected and pattern.precision >= _PRECISION:
        return "one_arm"
    return "weak"


def _rules(pattern: Pattern) -> dict[str, bool]:
    """The rules of ``supported``, and which of them are kept."""
    five, three = pattern.arms
    overhangs, apart = pattern.overhangs, pattern.apart
    every = pattern.total + pattern.antisense
    return {
        "reads": pattern.total >= ENOUGH * UNIT,
        "both_arms": all(
            arm is not None and arm.sized >= _ON_EACH_ARM * UNIT for arm in (five, three)
        ),
        "homogeneity": all(
            arm is not None and arm.homogeneity >= _HOMOGENEITY for arm in (five, three)
        ),
        "overhangs": overhangs is not None
        and all(OVERHANGS[0] <= each <= OVERHANGS[1] for each in overhangs),
        "precision": pattern.precision >= _PRECISION,
        "antisense": pattern.antisense <= _ANTISENSE * every,
        "size": pattern.sized >= _SIZED * pattern.total,
        "apart": apart is not None and apart >= _APART,
        "paired": pattern.expected is not None,
    }


def log_likelihood_ratio(pattern: Pattern) -> float:
    """Weigh reads as evidence for a microRNA against everything else that makes small RNAs.

    ne [fe ln(.80/.30) + fn ln(.12/.10) + fo ln(.06/.40) + fa ln(.02/.20)] + star + fold
    + ne [s ln(.95/.60) + (1 - s) ln(.05/.40)], where fe, fn, fo and fa are shares of reads that are
    mature or star, near them, elsewhere, and antisense, s is the share of 20 to 26 nt, and
    ne = min(ln(1 + n), ln(1 + 10 d), 5) for n reads of both strands at d different places.
    """
    sense, antisense = pattern.total, pattern.antisense
    every = sense + antisense
    counts = (
        (pattern.exact, _EXACT),
        (pattern.near, _NEAR),
        (sense - pattern.exact - pattern.near, _OTHER),
        (antisense, _AGAINST),
    )
    where = sum(count / every * math.log(one / other) for count, (one, other) in counts)
    sized = pattern.sized / sense if sense else 0.0
    size = sized * _ratio(_SIZE) + (1 - sized) * _ratio(_NO_SIZE) if sense else 0.0
    depth = min(math.log1p(every / UNIT), math.log1p(10 * pattern.places), _MOST)
    place = _NO_PLACE if pattern.mature is not None and pattern.expected is None else 0.0
    return depth * (where + size) + _star(pattern) + place


def _ratio(shares: tuple[float, float]) -> float:
    return math.log(shares[0] / shares[1])


def _star(pattern: Pattern) -> float:
    if pattern.star == "as_expected":
        return _STAR_TWO if pattern.star_reads >= 2 * UNIT else _STAR_ONE
    return _NO_STAR if pattern.star == "none" else _STAR_ELSEWHERE
