"""What decoys miss: false calls of held-out genomes beside those of the same genomes shuffled."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.errors import InputError
from premir.scanner.files import write_json
from premir.scanner.find.folding import Folder
from premir.scanner.find.loci import Loci
from premir.scanner.report.merging import merge
from premir.scanner.report.table import HitTable
from premir.scanner.score.card import CARD
from premir.scanner.score.crossfit import Places
from premir.scanner.score.decoy_rates import DecoyRates
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.inflation import OWN, Inflation
from premir.scanner.score.model import Model
from premir.train.genome.config import GenomeConfig
from premir.train.genome.cuts import Cuts, read_cuts
from premir.train.genome.sources import Held, ShuffledHeld, prepare_shuffled

_log = logging.getLogger(__name__)

GRID = np.arange(0.0, 13.5, 0.5)
"""Log odds at which calls are counted."""
_OWN = tuple(np.searchsorted(GRID, OWN).tolist())
_FEWEST = 20
"""Calls in decoys of which a factor is told; above the last such log odds it stays the same."""
_SMALLEST = 1.0
"""Mb of genomes that count for the spread: of fewer, a rate says little."""
_COMPARED = 10.0
"""False calls per Mb where genomes are compared: there are enough of them to tell chance apart."""
JUDGED = (10.0, 1.0)
"""Rates that are judged, false calls per Mb."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls in a genome and in its decoys.

    Attributes:
        name: of the genome.
        megabases: of it.
        calls: how many reach each log odds of ``GRID``.
        decoy_megabases: of its decoys.
        decoy_calls: log odds of calls in them, those of 0 and more, ascending.
    """

    name: str
    megabases: float
    calls: list[int]
    decoy_megabases: float
    decoy_calls: list[float]

    @property
    def decoys(self) -> npt.NDArray[np.int64]:
        """Calls in decoys that reach each log odds of ``GRID``."""
        calls = np.array(self.decoy_calls)
        return np.asarray(calls.size - np.searchsorted(calls, GRID), np.int64)

    @property
    def own(self) -> tuple[int, int]:
        """Calls with log odds in ``OWN``, in the genome and in its decoys."""
        calls, decoys = np.array(self.calls), self.decoys
        return tuple((each[_OWN[0]] - each[_OWN[1]]).item() for each in (calls, decoys))


def count_calls(
    model: Model,
    config: GenomeConfig,
    judges: Sequence[Path],
    work: Path,
    folder: Folder,
    *,
    shuffles: int,
    threads: int,
) -> tuple[list[Counts], list[Counts]]:
    """Scan what a model's configuration holds out, and it shuffled.

    Args:
        model: scores candidates.
        config: what it was trained on.
        judges: FASTA files of other genomes without pre-miRNAs, to judge by.
        work: folder for shards; what is there of an earlier call is kept.
        folder: folds candidates.
        shuffles: how often each genome is shuffled.
        threads: workers.

    Returns:
        Calls of the genomes that were held out, and of the judges.

    Raises:
        InputError: a source is faulty, or nothing is held out.
        PlanMismatchError: ``work`` holds candidates of something else.
    """
    held, other = prepare_shuffled(config, judges, work, folder, shuffles=shuffles, threads=threads)
    if not held:
        raise InputError("no contig of the backgrounds judges: what decoys miss cannot be told")
    return _by_genome(model, held), _by_genome(model, other)


def fit(genomes: Sequence[Counts]) -> dict[str, Any]:
    """Fit what a card says of decoys.

    The factor at some log odds is the rate in all genomes over that in all their decoys, and never
    falls with the log odds. Spreads are by how much single genomes differ from all together, in
    logarithms and beyond the chance of counts; the weight follows from how far the rates in decoys
    do, from what their calls with log odds in ``OWN`` say.

    Returns:
        What :class:`premir.scanner.score.inflation.Inflation` holds, ``megabases``,
        ``decoy_megabases`` and the names of the ``genomes``.

    Raises:
        InputError: there are too few calls to tell anything by.
    """
    megabases, decoy_megabases = (
        sum(getattr(each, name) for each in genomes) for name in ("megabases", "decoy_megabases")
    )
    calls = np.sum([each.calls for each in genomes], axis=0)
    decoys = np.sum([each.decoys for each in genomes], axis=0)
    if min(calls[0], decoys[0]) < _FEWEST:
        raise InputError(
            f"{calls[0]} calls in what is held out and {decoys[0]} in its decoys: too few to tell "
            "what decoys miss"
        )
    told = int((decoys >= _FEWEST).sum())
    factor = np.maximum(calls[:told], 1) / megabases / (decoys[:told] / decoy_megabases)
    factor = np.maximum.accumulate(factor)
    table: dict[str, Any] = {"log_odds": GRID[:told].tolist(), "factor": factor.round(3).tolist()}
    large = [each for each in genomes if each.megabases >= _SMALLEST]
    size = np.array([[each.megabases, each.decoy_megabases] for each in large]).reshape(-1, 2).T
    own = np.array([each.own for each in large], np.float64).reshape(-1, 2).T + 0.5
    usual = np.sum([each.own for each in genomes], axis=0) / (megabases, decoy_megabases)
    usual = np.maximum(usual, 1e-9)
    table["own_factor"] = round(float(usual[0] / usual[1]), 3)
    more = own / size / usual[:, None]
    table["own_spread"] = _beyond_chance(more[0] / more[1], (1 / own).sum(axis=0))
    table["calls_spread"] = _beyond_chance(more[0], 1 / own[0])
    at = int(np.argmin(np.abs(np.log(np.maximum(calls, 1) / megabases / _COMPARED))))
    shuffled = np.array([each.decoys[at] for each in large]) + 0.5
    rates = shuffled / size[1] / max(decoys[at] / decoy_megabases, 1e-9)
    between = _beyond_chance(rates / more[1], 1 / shuffled + 1 / own[1])
    table["weight"] = round(float(1 / np.clip(between**2, 0.01, 10)), 2)
    found = np.array([each.calls[at] for each in large]) + 0.5
    inflation = Inflation.of({**table, "spread": 0.0})
    curve = _curve(genomes)
    told_rates = [_rates(inflation, curve, each).per_mb(GRID[[at]])[0] for each in large]
    chance = 1 / found + 1 / (shuffled + table["weight"])
    table["spread"] = _beyond_chance(found / size[0] / np.array(told_rates), chance)
    return {
        **table,
        "megabases": round(megabases, 3),
        "decoy_megabases": round(decoy_megabases, 3),
        "genomes": [each.name for each in genomes],
    }


def predictions(
    held: Sequence[Counts], judges: Sequence[Counts], megabases: float | None = None
) -> Iterator[dict[str, Any]]:
    """Predict the false calls of each genome from its decoys and all other genomes.

    Args:
        held: genomes that the fit is of; each is left out in its turn.
        judges: genomes that it is never of.
        megabases: of decoys to predict from; all that there are where None.

    Yields:
        For each genome of 1 Mb and more and each of ``JUDGED``, at the score at which the others
        make so many false calls per Mb: what was predicted by ``decoys``, with ``low`` and
        ``high``, by the ``card`` alone, and what was ``observed``, per Mb and in ``calls``.
    """
    for each in (*held, *judges):
        if each.megabases < _SMALLEST:
            continue
        others = [other for other in held if other is not each]
        curve = _curve(others)
        share = 1.0 if megabases is None else min(1.0, megabases / each.decoy_megabases)
        rates = _rates(Inflation.of(fit(others)), curve, each, share)
        for rate in JUDGED:
            at = curve.log_odds_at(rate)
            predicted, low, high = rates.interval(at)
            observed = float(np.interp(at, GRID, each.calls))
            yield {
                "genome": each.name,
                "megabases": round(each.megabases, 2),
                "card": rate,
                "decoys": round(predicted, 3),
                "low": round(low, 3),
                "high": round(high, 3),
                "observed": round(observed / each.megabases, 3),
                "calls": round(observed, 1),
            }


def write_inflation(model: Model, table: dict[str, Any]) -> None:
    """Write what decoys miss into a model's card."""
    write_json(model.directory / CARD, {**model.card, "inflation": table})


def counts_as_json(counts: Sequence[Counts]) -> list[dict[str, Any]]:
    """Return counts as a result file holds them: of decoys, too, how many reach each log odds."""
    rows = [{**asdict(each), "decoys": each.decoys.tolist()} for each in counts]
    return [{name: row[name] for name in row if name != "decoy_calls"} for row in rows]


def _rates(inflation: Inflation, curve: FalseCalls, each: Counts, share: float = 1.0) -> DecoyRates:
    """Return the rates of a genome by a share of its decoys."""
    return DecoyRates.of_genome(
        _thinned(np.array(each.decoy_calls), share),
        each.decoy_megabases * share,
        low=each.own[0],
        searched=each.megabases,
        inflation=inflation,
        curve=curve,
    )


def _curve(genomes: Sequence[Counts]) -> FalseCalls:
    megabases = sum(each.megabases for each in genomes)
    rates = np.sum([each.calls for each in genomes], axis=0) / megabases
    return FalseCalls(GRID, rates, rates, rates, fewest=0.5 / megabases)


def _thinned(calls: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    """Keep a share of calls, evenly spaced."""
    steps = np.floor(np.arange(calls.size + 1) * share)
    return np.asarray(calls[np.diff(steps) > 0])


def _beyond_chance(ratios: npt.NDArray[np.float64], chance: npt.NDArray[np.float64]) -> float:
    """Return the root mean square of the logarithms of ratios, less what chance makes of it.

    Args:
        ratios: float64 (N,), to what is expected.
        chance: float64 (N,), variance by chance of the logarithm of each, which weighs the less
            the larger that is, as in a meta-analysis (DerSimonian and Laird 1986).
    """
    if not ratios.size:
        return 0.0
    weights = 1 / chance
    square = (weights @ np.log(ratios) ** 2 - ratios.size) / weights.sum()
    return round(float(np.sqrt(max(square, 0.0))), 3)


def _by_genome(model: Model, held: Sequence[ShuffledHeld]) -> list[Counts]:
    """Score and merge, and count by genome."""
    counts = []
    for each in held:
        genomes = np.array(each.held.genomes)
        found = _merged(model, each.held.cuts, each.held)
        shuffled = [_merged(model, cuts, None) for cuts in each.decoys]
        for name in np.unique(genomes).tolist():
            mine = genomes == name
            calls = found.log_odds[mine[found.loci.contig]]
            decoys = [hits.log_odds[mine[hits.loci.contig]] for hits in shuffled]
            megabases = int(each.held.cuts.searched[mine].sum()) / 1e6
            reached = (calls[:, None] >= GRID).sum(axis=0).tolist()
            kept = np.sort(np.concatenate([np.empty(0), *decoys]))
            counts.append(Counts(name, megabases, reached, megabases * len(decoys), kept.tolist()))
            _log.info("%s: %.2f Mb, %d calls, %d in decoys", name, megabases, reached[0], kept.size)
    return counts


def _merged(model: Model, cuts: Cuts, held: Held | None) -> HitTable:
    """Return the merged calls of 0 log odds and more; those at places that do not count go."""
    loci, log_odds = [], [np.empty(0)]
    for path in cuts.shards:
        hairpins, own = read_cuts(path)
        places = Places.of(own, cuts.contigs.lengths)
        scores = model.select(hairpins, torch.device("cpu"), places).astype(np.float64)
        counted = scores >= GRID[0]
        for contig, start, end in held.neutral if held is not None else ():
            counted &= ~((own.contig == contig) & (own.start < end) & (own.end > start))
        loci.append(own.take(counted))
        log_odds.append(scores[counted])
    where, scores = Loci.concatenate(loci), np.concatenate(log_odds)
    rows = np.arange(scores.size)
    scored = HitTable(where, scores, np.zeros_like(rows), rows)
    longest = int((where.end - where.start).max(initial=0))
    hits, _ = merge(scored, cuts.contigs, longest=longest, scanned=None)
    return hits
