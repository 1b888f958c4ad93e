"""The engine by itself, with an executor that does one task at a time and fails as it is told."""

from __future__ import annotations

import errno
import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from premir.scanner.errors import StoppedError
from premir.scanner.genome.letters import Contigs
from premir.scanner.genome.tiles import place, plan_tiles
from premir.scanner.run.engine import Tally, run_tiles
from premir.scanner.run.executors import WorkerLostError

CONTIGS = Contigs.of(["c"], [1_000], bytes(32))
TILES = plan_tiles(None, CONTIGS, tile_size=100)


class Progress:
    def __init__(self):
        self.told = []

    def advance(self, nucleotides, hits, *, reused):
        self.told.append((nucleotides, hits, reused))

    def tick(self):
        pass


@dataclass
class OneByOne:
    """Tasks end one at a time, the one that began last first.

    Attributes:
        failures: by stage and tile, what its tasks raise, one after another.
        reused: by stage, the tiles whose files are there.
        most: by stage, how many tasks were in flight at most.
        started: by stage and tile, how often.
        groups: tiles of each task that scored.
    """

    window: int = 3
    together: int = 1
    failures: Mapping[tuple[str, int], Sequence[Exception]] = field(default_factory=dict)
    reused: Mapping[str, Collection[int]] = field(default_factory=lambda: {"fold": (), "score": ()})
    most: Counter[str] = field(default_factory=Counter)
    started: Counter[tuple[str, int]] = field(default_factory=Counter)
    groups: list[int] = field(default_factory=list)

    def __post_init__(self):
        self._numbers = itertools.count()

    def fold(self, _job, tile):
        self.started["fold", tile.index] += 1
        return next(self._numbers), "fold", (tile.index,)

    def score(self, _job, tiles):
        self.groups.append(len(tiles))
        self.started.update(("score", tile.index) for tile in tiles)
        return next(self._numbers), "score", tuple(tile.index for tile in tiles)

    def wait(self, handles, _timeout):
        for stage, number in Counter(stage for _, stage, _ in handles).items():
            self.most[stage] = max(self.most[stage], number)
        return [max(handles)]

    def result(self, handle):
        _, stage, indices = handle
        for index in indices:
            errors, tries = self.failures.get((stage, index), ()), self.started[stage, index]
            if tries <= len(errors):
                raise errors[tries - 1]
        return [
            {"state": "reused" if index in self.reused[stage] else "new", "seconds": {}}
            | ({"candidates": 5, "folded": 4} if stage == "fold" else {"hits": index})
            for index in indices
        ]


class Scored:
    model = "any"


class Folded:
    model = None


def run(executor, *, job=Scored, tally=None, check_stop=lambda: None):
    tally, progress = tally or Tally(), Progress()
    run_tiles(
        executor,
        job,
        TILES,
        tally,
        progress,
        check_stop=check_stop,
        name=lambda tile: place(tile, CONTIGS),
    )
    return tally, progress


def test_every_tile_is_folded_and_scored_once():
    executor = OneByOne()
    tally, progress = run(executor)
    assert {tile.index for tile in tally.done} == set(range(10))
    assert set(executor.started.values()) == {1}
    assert len(executor.started) == 20
    assert tally.counts == {"candidates": 50, "folded": 40, "hits": 45}
    assert tally.states == {"fold": {"new": 10}, "score": {"new": 10}}
    assert sorted(progress.told) == [(100, hits, False) for hits in range(10)]
    assert tally.fresh == 1_000


def test_what_is_not_scored_is_done_when_it_is_folded():
    executor = OneByOne()
    tally, _ = run(executor, job=Folded)
    assert len(tally.done) == 10
    assert {stage for stage, _ in executor.started} == {"fold"}


@pytest.mark.parametrize("window", [1, 2, 5])
def test_what_is_in_flight_is_bounded(window):
    executor = OneByOne(window=window)
    run(executor)
    assert executor.most == {"fold": window, "score": window}


def test_scoring_that_lags_behind_holds_folding_up():
    class FoldsFirst(OneByOne):
        lead = 0

        def wait(self, handles, timeout):
            super().wait(handles, timeout)
            return [min(handles, key=lambda handle: (handle[1], handle[0]))]

        def result(self, handle):
            folded = sum(stage == "fold" for stage, _ in self.started)
            self.lead = max(self.lead, folded - len(tally.done))
            return super().result(handle)

    tally, executor = Tally(), FoldsFirst(window=2)
    run(executor, tally=tally)
    assert len(tally.done) == 10
    assert executor.most == {"fold": 2, "score": 2}
    assert executor.lead == 4


@pytest.mark.parametrize("window", [1, 3])
def test_tiles_are_scored_together_as_many_as_a_device_wants(window):
    executor = OneByOne(window=window, together=4)
    tally, progress = run(executor)
    assert executor.groups == [4, 4, 2]
    assert executor.most["fold"] <= window + 3
    assert sorted(progress.told) == [(100, hits, False) for hits in range(10)]
    assert tally.states == {"fold": {"new": 10}, "score": {"new": 10}}


@pytest.mark.parametrize("together", [4, 16])
@pytest.mark.parametrize("error, tries", [(ValueError, 2), (WorkerLostError, 5)])
def test_a_tile_at_fault_takes_none_of_its_group_along(error, tries, together, caplog):
    executor = OneByOne(together=together, failures={("score", 3): [error("boom")] * 9})
    tally, _ = run(executor)
    ((tile, _),) = tally.quarantined
    assert tile.index == 3
    assert {tile.index for tile in tally.done} == set(range(10)) - {3}
    assert executor.started["score", 3] == 1 + tries
    group = min(together, 10)
    assert executor.groups.count(1) == group - 1 + tries
    assert sum(executor.groups) == 10 + group - 1 + tries
    assert f"and {group - 1} others failed (boom); trying each alone" in caplog.text
    assert f"failed {'twice' if tries == 2 else '5 times'}, set aside: boom" in caplog.text


def test_a_failed_task_is_tried_once_more_in_its_own_stage(caplog):
    failures = {("fold", 2): [ValueError("x")], ("score", 4): [ValueError("y")]}
    executor = OneByOne(failures=failures)
    tally, _ = run(executor)
    assert len(tally.done) == 10
    assert not tally.quarantined
    assert {task: n for task, n in executor.started.items() if n > 1} == {
        ("fold", 2): 2,
        ("score", 4): 2,
    }
    assert "c:201-300 failed (x); trying once more" in caplog.text


@pytest.mark.parametrize(
    "error, tries, times",
    [(ValueError, 2, "twice"), (WorkerLostError, 5, "5 times")],
)
@pytest.mark.parametrize("stage", ["fold", "score"])
def test_a_tile_that_goes_on_failing_is_set_aside(error, tries, times, stage, caplog):
    executor = OneByOne(failures={(stage, 3): [error("boom")] * tries})
    tally, _ = run(executor)
    assert executor.started[stage, 3] == tries
    assert executor.started["score", 3] == (0 if stage == "fold" else tries)
    ((tile, reason),) = tally.quarantined
    assert (tile.index, reason) == (3, f"{error.__name__}: boom")
    assert {tile.index for tile in tally.done} == set(range(10)) - {3}
    assert f"c:301-400 failed {times}, set aside: boom" in caplog.text


def test_lost_workers_do_not_count_as_failures_of_the_tile():
    errors = [WorkerLostError()] * 4
    tally, _ = run(OneByOne(failures={("fold", 0): [*errors, ValueError()]}))
    assert not tally.quarantined
    tally, _ = run(OneByOne(failures={("fold", 0): [ValueError(), *errors, ValueError()]}))
    assert len(tally.quarantined) == 1


def test_what_every_tile_would_meet_ends_the_run():
    full = OSError(errno.ENOSPC, "No space left on device")
    executor = OneByOne(failures={("score", 1): [full]})
    with pytest.raises(OSError, match="No space left"):
        run(executor)
    assert executor.started["score", 1] == 1


def test_work_stops_when_it_is_told_to():
    def stop():
        raise StoppedError("enough")

    executor = OneByOne()
    with pytest.raises(StoppedError):
        run(executor, check_stop=stop)
    assert not executor.started


def test_speed_counts_tiles_for_which_something_was_computed():
    reused = {"fold": range(6), "score": range(3)}
    tally, progress = run(OneByOne(reused=reused))
    assert tally.fresh == 700
    assert sum(nucleotides for nucleotides, _, reused in progress.told if reused) == 300
    assert tally.states["fold"] == {"new": 4, "reused": 6}
    # Scores may be there where a shard was not.
    tally, _ = run(OneByOne(reused={"fold": (), "score": range(10)}))
    assert tally.fresh == 1_000
