"""What a genome network is worth: recall of held-out families against false calls per Mb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression

from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.report.merging import merge
from premir.scanner.report.table import HitTable
from premir.scanner.score.crossfit import CrossFit, Places, mean_log_odds
from premir.scanner.score.inference import batch_log_odds
from premir.scanner.score.networks.network import Network
from premir.train.genome.cuts import Cuts, read_cuts
from premir.train.genome.sources import Held, KnownCuts

RECALLS = (0.3, 0.5, 0.7)
BUDGETS = (1.0, 10.0, 50.0)


@dataclass(frozen=True, slots=True)
class GenomeCalls:
    """False calls of one held-out genome.

    Attributes:
        name: of the genome.
        calls: float64 (K,), log odds of what remains after merging.
        megabases: of it.
    """

    name: str
    calls: npt.NDArray[np.float64]
    megabases: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores of held-out known hairpins and of held-out background.

    Attributes:
        known: float64 (N,), log odds of each hairpin's best cut; minus infinity where no
            candidate matches.
        weights: float64 (N,), one over the root of the family's size; where each hairpin was
            planted several times, all of them together.
        cuts: float64 (M,), log odds of all background candidates.
        calls: float64 (K,), of those that remain after merging, descending.
        megabases: of background.
        hairpins: how many known hairpins there are, however often each was planted.
        families: of how many families.
        genomes: the calls by genome.
    """

    known: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    cuts: npt.NDArray[np.float64]
    calls: npt.NDArray[np.float64]
    megabases: float
    hairpins: int = 0
    families: int = 0
    genomes: tuple[GenomeCalls, ...] = ()

    def threshold(self, calls_per_mb: float) -> float:
        """Return the log odds that so many false calls per Mb exceed."""
        number = min(int(calls_per_mb * self.megabases), self.calls.size - 1)
        return float(self.calls[number])

    def labelled(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return labels and log odds of the known hairpins that were found, and of background."""
        known = self.known[~np.isneginf(self.known)]
        labels = np.repeat([1, 0], [known.size, self.cuts.size]).astype(np.int64)
        return labels, np.concatenate([known, self.cuts])

    def summary(self) -> dict[str, Any]:
        """Return false calls per Mb at some recalls, recall at some false calls per Mb, of what."""
        order = np.argsort(-self.known)
        reached = np.cumsum(self.weights[order]) / self.weights.sum()
        result: dict[str, Any] = {}
        for recall in RECALLS:
            at = self.known[order[min(int(np.searchsorted(reached, recall)), order.size - 1)]]
            false = float((self.calls >= at).sum() / self.megabases)
            result[f"false_per_mb_at_recall_{recall:g}"] = round(false, 2)
        for budget in BUDGETS:
            found = self.known > self.threshold(budget)
            share = float(self.weights[found].sum() / self.weights.sum())
            result[f"recall_at_{budget:g}_per_mb"] = round(share, 4)
        result["megabases"] = round(self.megabases, 3)
        result |= {"hairpins": self.hairpins, "families": self.families}
        return result


@dataclass(frozen=True, slots=True)
class _Scorer:
    """Scores candidates of a genome as a scan with these networks does."""

    networks: Sequence[Network]
    device: torch.device
    cross_fit: CrossFit | None

    def __call__(self, hairpins: Hairpins, loci: Loci, cuts: Cuts) -> npt.NDArray[np.float64]:
        score = partial(batch_log_odds, device=self.device)
        places = Places.of(loci, cuts.contigs.lengths)
        return mean_log_odds(self.networks, hairpins, score, self.cross_fit, places)


def judge(
    networks: Sequence[Network],
    known: KnownCuts,
    held: tuple[Held, ...],
    device: torch.device,
    cross_fit: CrossFit | None = None,
) -> Curve:
    """Score what was held out.

    Args:
        networks: in float32, on ``device``; their log odds are averaged.
        known: cuts of known hairpins.
        held: background.
        device: where to compute.
        cross_fit: how the networks share genomes; None where each scores everything.
    """
    score = _Scorer(networks, device, cross_fit)
    best = np.full(len(known.groups), -np.inf)
    for path in known.cuts.shards:
        hairpins, loci = read_cuts(path)
        np.maximum.at(best, loci.contig, score(hairpins, loci, known.cuts))
    families, inverse, counts = np.unique(known.groups, return_inverse=True, return_counts=True)
    sizes = counts[inverse] / known.plantings
    cuts: list[npt.NDArray[np.float64]] = []
    genomes: list[GenomeCalls] = []
    for each in held:
        loci, scores = _scored(score, each.cuts)
        counted = ~_overlap(loci, each.neutral)
        cuts.append(scores[counted])
        genomes += _by_genome(each, _merged(loci.take(counted), scores[counted], each.cuts))
    return Curve(
        known=best,
        weights=sizes**-0.5 / known.plantings,
        cuts=np.concatenate(cuts),
        calls=np.sort(np.concatenate([each.calls for each in genomes]))[::-1],
        megabases=sum(each.cuts.megabases for each in held),
        hairpins=len(known.groups) // known.plantings,
        families=len(families),
        genomes=tuple(genomes),
    )


def calibrate(curve: Curve) -> tuple[float, float]:
    """Fit probability = 1 / (1 + exp(-(slope x log odds + intercept))) at a prior of 1:1.

    Platt's scaling: known hairpins and background candidates weigh half each.
    """
    known = curve.known[np.isfinite(curve.known)]
    weights = curve.weights[np.isfinite(curve.known)]
    scores = np.concatenate([known, curve.cuts])
    labels = np.concatenate([np.ones(known.size), np.zeros(curve.cuts.size)])
    half = np.concatenate(
        [weights / weights.sum(), np.full(curve.cuts.size, 1 / max(curve.cuts.size, 1))]
    )
    fit = LogisticRegression(C=1e6).fit(scores[:, None], labels, sample_weight=half * scores.size)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def _scored(score: _Scorer, cuts: Cuts) -> tuple[Loci, npt.NDArray[np.float64]]:
    """Score a genome shard by shard: hairpins are large, their loci and scores are not."""
    loci, scores = [], [np.empty(0)]
    for path in cuts.shards:
        hairpins, own = read_cuts(path)
        loci.append(own)
        scores.append(score(hairpins, own, cuts))
    return Loci.concatenate(loci), np.concatenate(scores)


def _overlap(loci: Loci, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which loci share nucleotides with one of the places, on either strand."""
    found = np.zeros(len(loci), np.bool_)
    for contig, start, end in places:
        found |= (loci.contig == contig) & (loci.start < end) & (loci.end > start)
    return found


def _by_genome(held: Held, hits: HitTable) -> list[GenomeCalls]:
    """Sort the calls of a background by the genomes that its contigs are of."""
    of_contig = np.array(held.genomes)
    of_hit = of_contig[hits.loci.contig]
    return [
        GenomeCalls(
            str(name),
            hits.log_odds[of_hit == name],
            int(held.cuts.searched[of_contig == name].sum()) / 1e6,
        )
        for name in np.unique(of_contig)
    ]


def _merged(loci: Loci, scores: npt.NDArray[np.float64], cuts: Cuts) -> HitTable:
    rows = np.arange(scores.size)
    longest = int((loci.end - loci.start).max(initial=0))
    scored = HitTable(loci, scores, np.zeros(scores.size, np.int64), rows)
    hits, _ = merge(scored, cuts.contigs, longest=longest, scanned=None)
    return hits
