from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premir.kernels.overlaps import DROPPED, KEPT, UNDECIDED, resolve_overlaps

NAMES = {KEPT: "kept", DROPPED: "dropped", UNDECIDED: "undecided"}

Interval = tuple[int, int]


def resolve(
    intervals: list[Interval], order: list[int], exposed: list[bool] | None = None
) -> list[str]:
    """Through the kernel; intervals must be sorted by start."""
    starts, ends = zip(*intervals, strict=True) if intervals else ((), ())
    states = resolve_overlaps(
        np.array(starts, np.int64),
        np.array(ends, np.int64),
        np.array(order, np.int64),
        np.array(exposed or [False] * len(intervals), np.bool_),
    )
    assert states.dtype == np.uint8
    return [NAMES[int(state)] for state in states]


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Interval], list[int], list[bool]]:
    """Sorted intervals with many ties and overlaps, an order, and who is exposed."""
    n = draw(st.integers(0, 25))
    starts = sorted(draw(st.lists(st.integers(0, 60), min_size=n, max_size=n)))
    sizes = draw(st.lists(st.integers(1, 30), min_size=n, max_size=n))
    order = draw(st.permutations(range(n)))
    exposed = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    intervals = [(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    return intervals, list(order), exposed


@pytest.mark.parametrize(
    "intervals, order, exposed, expected",
    [
        ([], [], [], []),
        ([(0, 10)], [0], [False], ["kept"]),
        ([(0, 10)], [0], [True], ["undecided"]),
        # Exactly half of the shorter one contests, one nucleotide less does not.
        ([(0, 10), (5, 15)], [0, 1], [False] * 2, ["kept", "dropped"]),
        ([(0, 10), (6, 16)], [0, 1], [False] * 2, ["kept", "kept"]),
        ([(0, 10), (5, 15)], [1, 0], [False] * 2, ["dropped", "kept"]),
        # It is half of the shorter one, not of the longer one.
        ([(0, 100), (98, 102)], [0, 1], [False] * 2, ["kept", "dropped"]),
        # Touching is not overlapping.
        ([(0, 10), (10, 20)], [0, 1], [False] * 2, ["kept", "kept"]),
        # A dropped interval drops nobody.
        ([(0, 10), (4, 14), (8, 18)], [0, 1, 2], [False] * 3, ["kept", "dropped", "kept"]),
        # What an undecided one contests is undecided, and so on.
        ([(0, 10), (4, 14), (8, 18)], [0, 1, 2], [True, False, False], ["undecided"] * 3),
        # Whoever loses to a kept one is out, exposed or not.
        ([(0, 10), (4, 14)], [0, 1], [False, True], ["kept", "dropped"]),
        (
            [(0, 10), (4, 14), (8, 18)],
            [0, 2, 1],
            [True, False, False],
            ["undecided", "dropped", "kept"],
        ),
        # A long one that starts far back still reaches the last.
        ([(0, 100), (1, 2), (3, 4), (95, 105)], [0, 1, 2, 3], [False] * 4,
         ["kept", "dropped", "dropped", "dropped"]),
    ],
)  # fmt: skip
def test_hand_cases(
    intervals: list[Interval], order: list[int], exposed: list[bool], expected: list[str]
) -> None:
    assert resolve(intervals, order, exposed) == expected
    assert naive.resolve_overlaps(intervals, order, exposed) == expected


@given(problems())
def test_as_twin(problem: tuple[list[Interval], list[int], list[bool]]) -> None:
    intervals, order, exposed = problem
    assert resolve(intervals, order, exposed) == naive.resolve_overlaps(intervals, order, exposed)


@given(problems())
def test_nothing_kept_is_contested_and_everything_dropped_is(
    problem: tuple[list[Interval], list[int], list[bool]],
) -> None:
    intervals, order, _ = problem
    states = resolve(intervals, order)
    rank = {k: position for position, k in enumerate(order)}
    for i, state in enumerate(states):
        winners = [
            k
            for k in range(len(intervals))
            if k != i and states[k] == "kept" and naive.contest(intervals[i], intervals[k])
        ]
        if state == "kept":
            assert not winners
        else:
            assert state == "dropped"
            assert any(rank[k] < rank[i] for k in winners)


@given(problems(), st.sets(st.integers(0, 24)))
def test_what_is_decided_stays_when_the_unknown_becomes_known(
    problem: tuple[list[Interval], list[int], list[bool]], hidden: set[int]
) -> None:
    """The promise behind ``--regions``: KEPT and DROPPED hold whatever lies outside."""
    intervals, order, _ = problem
    complete = resolve(intervals, order)
    known = [k for k in range(len(intervals)) if k not in hidden]
    place = {k: position for position, k in enumerate(known)}
    exposed = [
        any(k < len(intervals) and naive.contest(intervals[i], intervals[k]) for k in hidden)
        for i in known
    ]
    partial = resolve(
        [intervals[k] for k in known], [place[k] for k in order if k in place], exposed
    )
    for position, k in enumerate(known):
        assert partial[position] in (complete[k], "undecided")


@given(problems())
def test_mirror_image_has_mirrored_states(
    problem: tuple[list[Interval], list[int], list[bool]],
) -> None:
    intervals, order, exposed = problem
    mirrored = [(-end, -start) for start, end in intervals]
    by_start = sorted(range(len(mirrored)), key=lambda k: mirrored[k])
    place = {k: position for position, k in enumerate(by_start)}
    states = resolve(
        [mirrored[k] for k in by_start],
        [place[k] for k in order],
        [exposed[k] for k in by_start],
    )
    assert [states[place[k]] for k in range(len(intervals))] == resolve(intervals, order, exposed)
