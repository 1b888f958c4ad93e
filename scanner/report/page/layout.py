"""Where the bases of a fold are drawn: its main stem straight from left to right.

The chain of pairs around one terminal loop lies on two rails, the 5' arm above. What faces each
other in a loop on the way is spread between the pairs on either side of it, bent outwards; other
branches stand on the rails at right angles, and the terminal loop is a circle.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass

from premir.kernels.pairing import Pairs, terminal_loop

STEP = 10.0
"""Distance of neighbours along a rail."""
RAILS = 15.0
"""Distance of the two letters of a pair."""
_BENT = 3.5
"""How far an unpaired letter of a loop stands out, at most."""
_BRANCH = 3
"""Places on a rail that a branch takes."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a stem begins and which way it goes, in a plane of complex numbers."""

    origin: complex
    towards: complex

    def at(self, along: float, aside: float) -> complex:
        """Return a place by its distance along the stem and to the left of it."""
        return self.origin + self.towards * complex(along, aside)


def layout(pairs: Pairs) -> list[complex]:
    """Return a place for each base of a fold: x from left to right, y upwards.

    Args:
        pairs: int16 (N,), partner or -1, nested.
    """
    plan = _Plan(pairs.tolist(), terminal_loop(pairs))
    plan.region(0, len(plan.pairs), _Frame(0j, 1 + 0j), closed=False)
    while plan.closed:  # no recursion: folds may be a thousand loops deep
        plan.region(*plan.closed.pop(), closed=True)
    return plan.places


class _Plan:
    def __init__(self, pairs: Sequence[int], loop: tuple[int, int] | None) -> None:
        self.pairs = pairs
        self.places = [0j] * len(pairs)
        self.closed: list[tuple[int, int, _Frame]] = []
        self._middle = loop[0] if loop is not None else -1

    def region(self, first: int, end: int, frame: _Frame, *, closed: bool) -> None:
        """Place what lies in ``first:end``, behind a pair at 0 of the frame where it is closed.

        It is a loop with all that branches off; a fold is the region that no pair closes.
        """
        main = self._main(first, end)
        if main is None:
            self._circle(first, end, frame) if closed else self._line(first, end, frame)
            return
        left = self._items(first, main)
        right = self._items(self.pairs[main] + 1, end)[::-1]
        size = max(_room(left), _room(right)) + 1 if closed else 0
        self._side(left, frame, 1, size)
        self._side(right, frame, -1, size)
        self._stem(main, _Frame(frame.at(size * STEP, 0), frame.towards))

    def _stem(self, i: int, frame: _Frame) -> None:
        """Place a pair at 0 of the frame and those stacked on it; what they close comes later."""
        j, along = self.pairs[i], 0.0
        while True:
            self.places[i] = frame.at(along, RAILS / 2)
            self.places[j] = frame.at(along, -RAILS / 2)
            if i + 1 >= j or self.pairs[i + 1] != j - 1:
                break
            i, j, along = i + 1, j - 1, along + STEP
        self.closed.append((i + 1, j, _Frame(frame.at(along, 0), frame.towards)))

    def _side(self, items: Sequence[int], frame: _Frame, side: int, size: int) -> None:
        """Place what lies on one rail of a loop, from 0 to ``size`` steps; before it if 0."""
        room = _room(items)
        taken = 0.0
        for item in items:
            width = 1 if item >= 0 else _BRANCH
            middle = taken + (width + 1) / 2
            taken += width
            if size:
                share = middle / (room + 1)
                along, out = share * size * STEP, _BENT * math.sin(math.pi * share)
            else:
                # The items of the 5' side are counted from its end, those of the 3' side backwards.
                along, out = (middle - room - 1) * STEP, 0.0
            aside = side * (RAILS / 2 + out)
            if item >= 0:
                self.places[item] = frame.at(along, aside)
            else:
                turned = frame.towards * complex(0, side)
                self._stem(~item, _Frame(frame.at(along, aside), turned))

    def _items(self, first: int, end: int) -> list[int]:
        """Unpaired bases in their order, and branches as the complement of their first base."""
        items, n = [], first
        while n < end:
            partner = self.pairs[n]
            items.append(n if partner < 0 else ~n)
            n = max(n, partner) + 1
        return items

    def _main(self, first: int, end: int) -> int | None:
        """First base of the branch that goes straight on: to the loop, or else the longest."""
        branches = [~item for item in self._items(first, end) if item < 0]
        for i in branches:
            if i < self._middle <= self.pairs[i]:
                return i
        return max(branches, key=lambda i: self.pairs[i] - i, default=None)

    def _circle(self, first: int, end: int, frame: _Frame) -> None:
        """Place a terminal loop on a circle through the pair that closes it."""
        count = end - first
        if not count:
            return
        # The chord of the pair and count + 1 chords of one step close the circle.
        radius = (RAILS + (count + 1) * STEP) / (2 * math.pi)
        half = math.asin(min(1.0, RAILS / 2 / radius))
        middle = frame.at(radius * math.cos(half), 0)
        for n in range(count):
            turn = math.pi - half - (n + 1) * (2 * math.pi - 2 * half) / (count + 1)
            self.places[first + n] = middle + frame.towards * cmath.rect(radius, turn)

    def _line(self, first: int, end: int, frame: _Frame) -> None:
        for n in range(first, end):
            self.places[n] = frame.at((n - first) * STEP, 0)


def _room(items: Sequence[int]) -> int:
    return sum(1 if item >= 0 else _BRANCH for item in items)
