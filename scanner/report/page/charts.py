"""Small charts as SVG; the style sheet gives them their colours, light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from premir.scanner.score.false_calls import FalseCalls

_F64 = npt.NDArray[np.float64]
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 14.0, 42.0
_DOTS = 400
"""So many hits at most are drawn one by one: more could not be told apart."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts in bins of equal width.

    Attributes:
        first: lower border of the first bin.
        step: width of a bin.
        counts: of each bin.
    """

    first: float
    step: float
    counts: Sequence[int]

    @classmethod
    def of(cls, values: _F64, first: float, step: float, bins: int) -> Histogram:
        """Count values; those beyond are counted in the bin at that end."""
        place = np.clip((values - first) // step, 0, bins - 1).astype(np.int64)
        return cls(first, step, np.bincount(place, minlength=bins).tolist())

    @property
    def shares(self) -> list[float]:
        """Percent of all that each bin holds."""
        total = sum(self.counts)
        return [100 * count / total if total else 0.0 for count in self.counts]

    def cut(self, first: int, end: int) -> Histogram:
        """Return some of the bins."""
        return Histogram(self.first + first * self.step, self.step, self.counts[first:end])


class _Axes:
    """A plane with ticks; what is drawn into it is appended to ``out``."""

    def __init__(
        self, size: tuple[float, float], x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        self.width, self.height = size
        self._x, self._y = x, y
        self.out: list[str] = []

    def x(self, value: float) -> float:
        low, high = self._x
        return _LEFT + (value - low) / (high - low) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return self.height - _BOTTOM - (value - low) / (high - low) * (self.height - _TOP - _BOTTOM)

    def at(self, x: float, y: float) -> str:
        return f"{self.x(x):.1f} {self.y(y):.1f}"

    def ticks(
        self, xs: Sequence[float], ys: Sequence[float], labels: tuple[str, str],
        printed: Callable[[float], str] = lambda value: f"{value:g}",
    ) -> None:  # fmt: skip
        bottom = self.height - _BOTTOM
        for value in ys:
            y = self.y(value)
            self.out.append(f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{self.width - _RIGHT:g}"/>')
            self.text(_LEFT - 6, y + 3.5, printed(value), "tick end")
        for value in xs:
            self.text(self.x(value), bottom + 15, _minus(f"{value:g}"), "tick")
        self.out.append(f'<path class="axis" d="M{_LEFT:g} {bottom:g}H{self.width - _RIGHT:g}"/>')
        self.text((_LEFT + self.width - _RIGHT) / 2, self.height - 8, labels[0], "label")
        x, y = 12.0, (_TOP + bottom) / 2
        self.out.append(
            f'<text class="label" transform="translate({x:g} {y:g}) rotate(-90)">{labels[1]}</text>'
        )

    def text(self, x: float, y: float, text: str, kind: str) -> None:
        self.out.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{text}</text>')

    def svg(self, says: str) -> str:
        size = f"{self.width:g} {self.height:g}"
        inner = "".join(self.out)
        return (
            f'<svg class="chart" viewBox="0 0 {size}" role="img" aria-label="{says}">{inner}</svg>'
        )


def histogram(
    hits: Histogram, known: Histogram | None, label: str, curve: Sequence[tuple[float, float]] = ()
) -> str:
    """Draw the shares of hits as bars, and of known hairpins, in the same bins, as a line.

    Args:
        hits: their values.
        known: those of known hairpins.
        label: of the values.
        curve: in place of ``known``: points of some other share, in percent.
    """
    last = hits.first + hits.step * len(hits.counts)
    shares = [*hits.shares, *(known.shares if known else ()), *(share for _, share in curve)]
    top = max(5.0, *shares)
    axes = _Axes((340, 230), (hits.first, last), (0, top))
    axes.ticks(steps(hits.first, last, 6), steps(0, top, 5), (label, "percent"))
    for n, share in enumerate(hits.shares):
        if share:
            left, right = (
                axes.x(hits.first + n * hits.step),
                axes.x(hits.first + (n + 1) * hits.step),
            )
            y, bottom = axes.y(share), axes.y(0)
            axes.out.append(
                f'<rect class="bar" x="{left + 0.5:.1f}" y="{y:.1f}" '
                f'width="{max(right - left - 1, 0.5):.1f}" height="{bottom - y:.1f}"/>'
            )
    if known is not None:
        line = [axes.at(known.first, 0)]
        for n, share in enumerate(known.shares):
            edges = known.first + n * known.step, known.first + (n + 1) * known.step
            line += [axes.at(edge, share) for edge in edges]
        axes.out.append(f'<path class="known" d="M{"L".join([*line, axes.at(last, 0)])}"/>')
    if curve:
        points = [axes.at(x, y) for x, y in curve if hits.first <= x <= last]
        axes.out.append(f'<path class="known" d="M{"L".join(points)}"/>' if points else "")
        axes.out += [f'<path class="point" d="M{point}h0"/>' for point in points]
    return axes.svg(f"{label}: share of hits, and of known hairpins")


def belief(curve: FalseCalls, log_odds: _F64, threshold: float) -> str:
    """Draw false calls per Mb against log odds, and hits on that curve.

    Args:
        curve: of the model.
        log_odds: of the hits.
        threshold: in log odds; it may be infinite, at a probability of 0 or 1.
    """
    threshold = min(max(threshold, float(curve.log_odds[0])), float(curve.log_odds[-1]))
    first = float(curve.log_odds[0])
    low = min(threshold, *log_odds.tolist(), 0.0) if log_odds.size else min(threshold, 0.0)
    low = max(first, math.floor(low) - 1.0)
    high = max(float(curve.log_odds[-1]), threshold) + 0.5
    if log_odds.size:
        high = max(high, math.ceil(float(log_odds.max())))
    at = np.arange(math.floor(2 * low), math.ceil(2 * high) + 1) / 2
    at = at[(at >= low) & (at <= high)]
    middle, (lowest, highest) = curve.per_mb(at), curve.band(at)
    bottom = math.floor(math.log10(min(float(lowest.min()), float(middle.min()))))
    top = math.ceil(math.log10(float(highest.max())))
    axes = _Axes((880, 320), (low, high), (bottom, max(top, bottom + 1)))
    powers = list(range(bottom, max(top, bottom + 1) + 1))
    axes.ticks(
        steps(low, high, 12), powers, ("log odds of a hit", "false calls per Mb"),
        lambda power: f"{10.0**power:g}",
    )  # fmt: skip
    there = [axes.at(x, math.log10(y)) for x, y in zip(at, highest, strict=True)]
    back = [axes.at(x, math.log10(y)) for x, y in zip(at[::-1], lowest[::-1], strict=True)]
    axes.out.append(f'<path class="band" d="M{"L".join([*there, *back])}Z"/>')
    line = [axes.at(x, math.log10(y)) for x, y in zip(at, middle, strict=True)]
    axes.out.append(f'<path class="curve" d="M{"L".join(line)}"/>')
    x = axes.x(threshold)
    axes.out.append(f'<path class="limit" d="M{x:.1f} {_TOP:g}V{axes.height - _BOTTOM:g}"/>')
    axes.text(x + 5, _TOP + 10, "threshold", "tick start")
    shown = np.unique(np.round(log_odds * _DOTS / (high - low)) / _DOTS * (high - low))
    rates = np.log10(curve.per_mb(shown))
    dots = "".join(f"M{axes.at(x, y)}h0" for x, y in zip(shown, rates, strict=True))
    axes.out.append(f'<path class="hits" d="{dots}"/>' if dots else "")
    return axes.svg("False calls per Mb in held-out genomes against log odds, with the hits on it")


def steps(low: float, high: float, most: int) -> list[float]:
    """Return round numbers between two borders, at most so many and one."""
    span = high - low
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next(unit * k for k in (1, 2, 5, 10) if span / (unit * k) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
