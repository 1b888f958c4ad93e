"""Learns the costs of the stem scan, ``scanner/find/stem_costs.json``.

``premir-train stem-costs`` writes them.

Two steps. First log-odds: known pre-miRNAs are folded, and every term is minus 100 log2 of how
often it stands in their stems over how often chance would put it there. That counts each term as if
it were independent of all others and knows nothing of what a scan meets. So the terms are then
refined together: known pre-miRNAs are planted in background, and a seeded hill climb lowers the
number of candidates that real and random background gives at a fixed recall of the planted.

What it learns from: miRBase hairpins with a curated (MirGeneDB) precursor inside, no more than
three of a family; miRBase plant hairpins with experimental evidence. No nematode, no virus, and no
hairpin that is annotated in one of the genomes that accuracy is measured on. Half of the families
are held out: the highest energy of a candidate is chosen on them. Genomes lend background (flanks
and sequence to scan), never annotation.

That costs which do not know composition find 72 of 72 C. elegans loci at 7,500 candidates per Mb
and 40 of 40 in two herpesviruses at 20,800 was known before this was written.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, reverse_complement
from premir.kernels.pairing import longest_stem, pack
from premir.kernels.stems import StemCosts, scan_stems, select_stems
from premir.scanner.files import sha256
from premir.scanner.find.folding import KernelFolder
from premir.train.precursors import (
    INSECTS,
    Interval,
    Precursor,
    background_contigs,
    best_match,
    cut_background,
    gc_share,
    genome_file,
    read_precursors,
)

_log = logging.getLogger(__name__)

_F64 = npt.NDArray[np.float64]
_I64 = npt.NDArray[np.int64]

TARGET_HIGHEST = -2_000
"""Energy above which a scan has no candidate. Tables are shifted so that it is this for all."""

_RADIUS = 20
_MIN_SPAN = 40
_LOOSEST = 600
"""Energy that no candidate of a preset will ever need."""

_GENOMES = ("mouse_pieces", "human_clones", "arabidopsis_1pct", "fly_1pct")
"""Those that lend background."""

_PER_FAMILY = 3
_RICH_GC = 0.6


@dataclass(frozen=True, slots=True)
class PlantedContig:
    """Known hairpins in background, one after another.

    Attributes:
        codes: the sequence.
        loci: int64 (N, 2), curated precursors in it, 0-based half-open, ascending.
        hairpins: int64 (N, 2), the miRBase hairpins around them.
    """

    codes: Codes
    loci: _I64
    hairpins: _I64


@dataclass(frozen=True, slots=True)
class WeightedBackground:
    """Sequence in which every candidate is one too many, and how much that counts."""

    codes: Codes
    weight: float


def random_codes(rng: np.random.Generator, n: int, gc: float) -> Codes:
    """Draw independent letters."""
    letters = rng.choice(4, size=n, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])
    return letters.astype(np.uint8)


# Log-odds


def log_odds(precursors: Sequence[Precursor]) -> dict[str, float]:
    """Estimate every term of :class:`StemCosts` from folds, in centibits.

    Pairs are compared with the composition of their own hairpin; loops with a chance of 1, since
    unpaired letters are drawn alike in stems and by chance. Lengths beyond a limit are taken for
    geometric.
    """
    hairpins = KernelFolder().fold(*pack([p.codes for p in precursors]))
    seen: dict[str, list[tuple[float, float]]] = {"cg": [], "au": [], "gu": []}
    steps: Counter[tuple[int, int]] = Counter()
    loops, spans = [], []
    for n, precursor in enumerate(precursors):
        stem = longest_stem(hairpins[n][1]).tolist()
        if len(stem) < 10:
            continue
        own = precursor.codes
        gc = (2 * gc_share(own) * own.size + 20) / (2 * own.size + 40)
        chance = {"cg": gc**2 / 2, "au": (1 - gc) ** 2 / 2, "gu": gc * (1 - gc) / 2}
        kinds = Counter({3: "au", 2: "gu", 1: "cg"}[_kind(own[i], own[j])] for i, j in stem)
        for kind, values in seen.items():
            share = (kinds[kind] + 0.5) / (len(stem) + 1.5)
            values.append((gc - 0.5, -100 * np.log2(share / chance[kind])))
        loops.append(stem[0][1] - stem[0][0] - 1)
        spans.append(stem[-1][1] - stem[-1][0] + 1)
        for (a, b), (c, d) in itertools.pairwise(stem):
            steps[a - c - 1, d - b - 1] += 1
    total = steps.total()
    # What was never seen is taken for half a time.
    cost = {
        step: -100 * np.log2(max(steps[step], 0.5) / total) for step in ((0, 0), (1, 1), (2, 2))
    }
    bulge = -100 * np.log2(max(steps[0, 1] + steps[1, 0], 0.5) / 2 / total)
    level = {kind: float(np.mean([y for _, y in v])) for kind, v in seen.items()}
    slope = {kind: _slope(v) for kind, v in seen.items()}
    free, (short, long) = float(np.median(loops)), np.quantile(spans, [0.25, 0.75])
    loop_open = cost[1, 1] - (cost[2, 2] - cost[1, 1])
    return {
        **{kind: value + cost[0, 0] for kind, value in level.items()},
        "loop_open": loop_open,
        "bulge": bulge - loop_open,
        "interior": cost[2, 2] - cost[1, 1],
        "hairpin": 100 * np.log2(2 * free),
        "hairpin_step": _tail(np.array(loops) - free),
        "hairpin_free": free,
        "tilt": (slope["cg"] - slope["au"]) / 2,
        "window": 200.0,
        "short_step": _tail(short - np.array(spans)),
        "short": float(short),
        "long_step": _tail(np.array(spans) - long),
        "long": float(long),
    }


def _kind(a: int, b: int) -> int:
    """Tell A-U (3), C-G (1) and G-U (2) apart."""
    return 2 if {int(a), int(b)} == {2, 3} else int(max(a, b)) - int(min(a, b))


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line."""
    x, y = np.array(points).T
    return float(np.polyfit(x, y, 1)[0])


def _tail(excess: _F64) -> float:
    """Return the cost of one more nt in a geometric tail."""
    beyond = excess[excess > 0]
    return float(100 * np.log2(1 + 1 / beyond.mean())) if beyond.size else 0.0


# Planting and finding


def plant(
    precursors: Sequence[Precursor],
    rng: np.random.Generator,
    *,
    limit: int,
    flank: int,
    sources: Mapping[str, Sequence[Codes]] | None = None,
    per_family: int = _PER_FAMILY,
) -> PlantedContig:
    """Put hairpins between flanks, in random order, a few of each family.

    Args:
        precursors: what to choose from.
        rng: decides everything.
        limit: at most so many.
        flank: length of each flank in nt.
        sources: contigs to cut flanks from by ``insect``, ``other`` and ``plant``, on either
            strand; without them flanks are random with a GC share of 60 %.
        per_family: at most so many of a family.
    """
    taken: Counter[str] = Counter()
    parts: list[Codes] = []
    loci: list[Interval] = []
    hairpins: list[Interval] = []
    at = 0
    for number in rng.permutation(len(precursors)):
        precursor = precursors[number]
        if len(loci) == limit or taken[precursor.family] == per_family:
            continue
        taken[precursor.family] += 1
        insect = "insect" if precursor.species in INSECTS else "other"
        source = precursor.kind if precursor.kind == "plant" else insect
        for part in (True, False, True):
            if not part:
                start, end = precursor.core
                loci.append((at + start, at + end))
                hairpins.append((at, at + precursor.codes.size))
                parts.append(precursor.codes)
            elif sources is None:
                parts.append(random_codes(rng, flank, _RICH_GC))
            else:
                parts.append(cut_background(sources[source], rng, flank))
            at += parts[-1].size
    return PlantedContig(np.concatenate(parts), np.array(loci), np.array(hairpins))


def stem_candidates(
    codes: Codes, costs: StemCosts, max_span: int, highest: int = _LOOSEST
) -> tuple[_I64, _I64, _I64]:
    """Return start, end and energy of one strand's candidates, by centre."""
    energy, span = scan_stems(codes, min_span=_MIN_SPAN, max_span=max_span, costs=costs)
    start, end = select_stems(energy, span, highest=highest, radius=_RADIUS)
    centre = start + end - 1
    return start, end, energy[centre % 2, centre // 2].astype(np.int64)


def best_energies(planted: PlantedContig, costs: StemCosts, max_span: int) -> _I64:
    """Return the lowest energy of a candidate for each planted locus; ``_LOOSEST`` if none."""
    start, end, energy = stem_candidates(planted.codes, costs, max_span)
    matches = best_match(planted.loci, start, end)
    return np.array([energy[match].min(initial=_LOOSEST) for match in matches])


def background_energies(background: WeightedBackground, costs: StemCosts, max_span: int) -> _I64:
    """Return the energies of all candidates of both strands, ascending."""
    strands = (background.codes, reverse_complement(background.codes))
    return np.sort(np.concatenate([stem_candidates(s, costs, max_span)[2] for s in strands]))


def loss(
    costs: StemCosts,
    planted: Sequence[PlantedContig],
    backgrounds: Mapping[str, WeightedBackground],
    max_span: int,
    recalls: Sequence[float],
) -> float:
    """Weighted mean log of candidates per Mb at fixed recalls of planted hairpins.

    The energy that reaches the recall is taken twice: for the first set of planted hairpins, and
    for the worst of all sets. So all sets end up with much the same energy, whatever their GC.
    """
    found = [best_energies(each, costs, max_span) for each in planted]
    rates = {n: background_energies(b, costs, max_span) for n, b in backgrounds.items()}
    total = sum(b.weight for b in backgrounds.values())

    def log_rate(highest: int) -> float:
        terms = (
            b.weight
            * np.log((np.searchsorted(rates[n], highest, "right") + 1) * 1e6 / b.codes.size)
            for n, b in backgrounds.items()
        )
        return float(sum(terms)) / total

    terms = []
    for recall in recalls:
        highest = [int(np.quantile(energy, recall, method="higher")) for energy in found]
        if max(highest) >= _LOOSEST:  # The recall is out of reach: not a low number of candidates.
            return float("inf")
        terms += [log_rate(highest[0]), log_rate(max(highest))]
    return float(np.mean(terms))


_STEPS = {
    "cg": 12, "au": 12, "gu": 20, "loop_open": 25, "bulge": 40, "interior": 25, "hairpin": 40,
    "hairpin_step": 7, "hairpin_free": 2, "tilt": 60, "window": 80, "short_step": 4, "short": 5,
    "long_step": 2.5, "long": 8,
}  # fmt: skip
"""Standard deviations of the hill climb's steps."""

_AT_LEAST = {"bulge": 0, "interior": 0, "hairpin_step": 0, "hairpin_free": 0, "window": 40,
             "short_step": 0, "long_step": 0}  # fmt: skip


def rounded(values: Mapping[str, float]) -> StemCosts:
    """Turn numbers into costs."""
    return StemCosts(
        **{name: max(round(v), _AT_LEAST.get(name, -9_999)) for name, v in values.items()}
    )


def refine(
    values: Mapping[str, float],
    planted: Sequence[PlantedContig],
    backgrounds: Mapping[str, WeightedBackground],
    *,
    max_span: int,
    recalls: Sequence[float],
    steps: int,
    rng: np.random.Generator,
) -> tuple[StemCosts, list[float]]:
    """Climb from log-odds to costs that give fewer candidates at the same recall.

    A fifth of the steps is spent on each of three climbs; the best of them goes on, in steps that
    become shorter.

    Returns:
        The costs, and the loss at the beginning and at the end.
    """

    def judge(trial: Mapping[str, float]) -> float:
        return loss(rounded(trial), planted, backgrounds, max_span, recalls)

    def climb(best: dict[str, float], lowest: float, wide: _F64) -> tuple[float, dict[str, float]]:
        for width in wide:
            trial = dict(best)
            for name in rng.choice(list(_STEPS), size=rng.integers(1, 5), replace=False):
                trial[name] += rng.normal() * _STEPS[name] * width
                trial[name] = max(trial[name], _AT_LEAST.get(name, -9_999))
            value = judge(trial)
            if value < lowest:
                best, lowest = trial, value
                _log.info("%.3f %s", value, rounded(best))
        return lowest, best

    first = judge(values)
    starts = [climb(dict(values), first, np.full(steps // 5, 1.5)) for _ in range(3)]
    lowest, best = min(starts, key=lambda start: start[0])
    lowest, best = climb(best, lowest, np.geomspace(1.0, 0.3, steps - 3 * (steps // 5)))
    return rounded(best), [first, lowest]


# The table


def _end_distance(
    planted: PlantedContig, costs: StemCosts, max_span: int, highest: int
) -> list[float]:
    """Mean distance of both ends from the miRBase hairpin's, for overhangs of 0 to 7 nt."""
    start, end, energy = stem_candidates(planted.codes, costs, max_span, highest)
    off = []
    for locus, match in zip(planted.hairpins, best_match(planted.loci, start, end), strict=True):
        if match.size:
            best = match[energy[match].argmin()]
            off.append((start[best] - locus[0], locus[1] - end[best]))
    return [round(float(np.abs(np.array(off) - k).mean()), 2) for k in range(8)]


def learn_costs(data: Path, *, steps: int, scanned: int, seed: int) -> dict[str, Any]:
    """Learn the costs of all presets.

    Args:
        data: folder with ``mirbase/`` and ``genomes/``.
        steps: of the hill climb; half as many for plants, which go on from animals.
        scanned: nucleotides of each genome that lends background.
        seed: everything random follows from it.

    Returns:
        ``tables`` by preset, and ``report``.
    """
    rng = np.random.default_rng(seed)
    precursors = read_precursors(data)
    contigs = {name: background_contigs(genome_file(data, name)) for name in _GENOMES}
    flanks = {
        "insect": contigs["fly_1pct"],
        "other": contigs["mouse_pieces"] + contigs["human_clones"],
        "plant": contigs["arabidopsis_1pct"],
    }
    weights = {"mouse_pieces": 0.5, "human_clones": 0.7, "arabidopsis_1pct": 1.0, "fly_1pct": 1.0}
    backgrounds = {
        name: WeightedBackground(np.concatenate(contigs[name])[:scanned], weight)
        for name, weight in weights.items()
    }
    for gc, weight in ((0.3, 0.3), (0.4, 0.3), (0.5, 0.3), (0.6, 0.6), (0.66, 0.2)):
        backgrounds[f"random GC {gc}"] = WeightedBackground(
            random_codes(rng, scanned // 2, gc), weight
        )
    backgrounds["GC-rich"] = WeightedBackground(_rich_pieces(flanks["other"])[:scanned], 0.8)

    unshifted: dict[str, int] = {}
    tables: dict[str, Any] = {}
    report: dict[str, Any] = {}
    plan = (("animal", 160, (0.93, 0.95, 0.965), 300), ("plant", 300, (0.75, 0.8, 0.85), 400))
    for kind, max_span, recalls, flank in plan:
        sides = []
        for held_out in (False, True):
            own = [p for p in precursors if p.kind == kind and p.held_out == held_out]
            many = 1000 if kind == "animal" else 500
            sets = [plant(own, rng, limit=many, flank=flank, sources=flanks)]
            if kind == "animal":
                rich = [p for p in own if gc_share(p.codes) >= 0.5]
                sets.append(plant(rich, rng, limit=400, flank=flank))
            sides.append((own, sets))
        (known, training), (_, held) = sides
        if kind == "animal":
            begin = log_odds(known)
        else:
            begin = {k: v for k, v in unshifted.items() if k != "min_loop"}
            begin |= {"hairpin_step": 8.0, "long": 120.0, "long_step": 1.0}
        chosen = backgrounds
        if kind == "plant":
            chosen = {n: b for n, b in backgrounds.items() if n[0] in "ar"}
        costs, losses = refine(
            begin,
            training,
            chosen,
            max_span=max_span,
            recalls=recalls,
            steps=steps if kind == "animal" else steps // 2,
            rng=rng,
        )
        found = [best_energies(each, costs, max_span) for each in held]
        rates = {n: background_energies(b, costs, max_span) for n, b in backgrounds.items()}
        animal = kind == "animal"
        highest = _animal_highest(found) if animal else _plant_highest(rates, backgrounds)
        unshifted = asdict(costs)
        # Energies are odds up to a constant, which the hairpin loop's initiation carries.
        tables[kind] = asdict(replace(costs, hairpin=costs.hairpin + TARGET_HIGHEST - highest))
        report[kind] = {
            "learned_from": [len(each.loci) for each in training],
            "held_out": [len(each.loci) for each in held],
            "begin": {k: round(float(v), 1) for k, v in begin.items()},
            "loss": [round(value, 3) for value in losses],
            "held_out_recall": [round(float((e <= highest).mean()), 4) for e in found],
            "candidates_per_mb": {
                n: round(float((rates[n] <= highest).sum() * 1e6 / b.codes.size))
                for n, b in backgrounds.items()
            },
            "end_distance_by_overhang": _end_distance(training[0], costs, max_span, highest),
            "end_distance_by_overhang_held_out": _end_distance(held[0], costs, max_span, highest),
        }
    return {"tables": tables, "report": report}


def _animal_highest(found: Sequence[_I64]) -> int:
    """Choose the strictest multiple of ten that keeps 99 % of every held-out set."""
    levels = range(-3000, _LOOSEST, 10)
    kept = (h for h in levels if min((e <= h).mean() for e in found) >= 0.99)
    return next(kept, _LOOSEST)


def _plant_highest(rates: Mapping[str, _I64], backgrounds: Mapping[str, WeightedBackground]) -> int:
    """Choose the loosest multiple of ten with 6,000 candidates per Mb of any AU-rich background.

    miRBase holds many plant hairpins that no stem scan finds at any energy: recall cannot decide.
    """
    poor = ("arabidopsis_1pct", "random GC 0.3", "random GC 0.4")
    within = (
        h
        for h in range(_LOOSEST, -4000, -10)
        if all((rates[n] <= h).sum() * 1e6 <= 6_000 * backgrounds[n].codes.size for n in poor)
    )
    return next(within, -4000)


def _rich_pieces(contigs: Sequence[Codes], piece: int = 2_000, gc: float = 0.57) -> Codes:
    """Return the pieces of real sequence with the largest shares of G and C, joined."""
    rich = []
    for contig in contigs:
        for start in range(0, contig.size - piece + 1, piece):
            part = contig[start : start + piece]
            if (part < 4).all() and gc_share(part) >= gc:
                rich.append(part)
    return np.concatenate(rich) if rich else np.concatenate(contigs)[:piece]


def table_of_costs(
    learned: Mapping[str, Any], data: Path, options: Mapping[str, int]
) -> dict[str, Any]:
    """Return what the scanner reads, and what it was learned from."""
    sources = sorted((data / "mirbase").glob("*_pre.fas.gz")) + [
        data / "mirbase" / "hairpin.fa.gz",
        *(data / "genomes" / name / "genome.fa.gz" for name in sorted(_GENOMES)),
    ]
    return {
        "what": "costs of the stem scan in centibits, learned by train/stem_costs.py: not to edit",
        "highest_energy": TARGET_HIGHEST,
        "costs": learned["tables"],
        "learned": {
            "options": dict(options),
            "sources": {path.relative_to(data).as_posix(): sha256(path) for path in sources},
            **learned["report"],
        },
    }


if __name__ == "__main__":
    from premir.train.cli import moved

    sys.exit(moved("premir.train.stem_costs", "stem-costs"))
