"""Build the gates of a model, and measure what they lose.

``premir-train gates`` does it, for the preset that the model was trained for. The gates learn from
what the exhaustive path finds in genomes and among known hairpins of the preset's kind planted in
pieces of them (no nematode, no herpesvirus, no Brassicaceae; yeast and E. coli are judges and
refused). A gate is a sum of votes of small trees; its cut keeps all but the allowed
share of the hits among the planted hairpins, and of the genomes' best candidates, as trees vote
that have not seen the hairpin's family, or the candidate's stretch of a genome. Such *best
candidates* (2 per Mb by default, of which a tenth may be lost) are more than the hits, because hits
of a genome unlike these may look like them. Trees learn to tell a broader set still. And a gate
rejects no more than it must: of all of the genomes' candidates it keeps a fixed share.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.gate_features import GATE_FEATURES, Features, fold_features, stem_features
from premir.scanner.errors import InputError
from premir.scanner.files import sha256, whole_file, write_json
from premir.scanner.find.candidates import KINDS, PRESETS, Candidates, candidates_of
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import OpenGenome, open_genome
from premir.scanner.score.card import CARD
from premir.scanner.score.gating import GATES, Gate
from premir.scanner.score.model import Model, probabilities
from premir.train.genome.config import Known
from premir.train.genome.sources import read_known
from premir.train.precursors import Precursor, background_contigs
from premir.train.stem_costs import PlantedContig, plant

_log = logging.getLogger(__name__)
_Mask: TypeAlias = npt.NDArray[np.bool_]

LENDERS = ("mouse_pieces", "human_clones", "fly_1pct", "arabidopsis_1pct")
"""Genomes that gates learn from where no others are asked for."""
_JUDGES = ("celegans", "yeast", "ecoli", "ebv", "hcmv")
_FLANK = 200
_PER_FAMILY = 40
_FOLDS = 4
_SHARES = {"stem": 0.6, "fold": 0.4}
"""How the allowed loss of hits is shared out between the gates."""
_BEST_SHARES = {"stem": 1.0, "fold": 0.0}
"""And that of best candidates: a pass through the network costs half of a fold."""
_BROADER = 3
"""The trees learn to tell so many times more of the genomes' candidates than are kept for sure."""
_TREES, _LEAVES, _RATE = 80, 24, 0.15
_VOTES = 1000
"""Votes for one unit of log-odds."""
_EVERYTHING = -(1 << 60)
"""Fewer votes than any candidate gets."""
_MOST = 10.0
"""Most log-odds that a leaf may add: those of a pure leaf have no bounds."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """All candidates of a genome, folded and scored.

    Attributes:
        stem: features before folding.
        fold: features after it.
        prob: float64 (N,), probability.
        place: int64 (N,), tells pieces of about 100 kb apart, or families.
        megabases: size of the genome.
    """

    stem: Features
    fold: Features
    prob: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]
    megabases: float


def preset_of(model: Model) -> str:
    """Return the preset that a model was trained for."""
    return model.card.get("preset", "animal")


def survey(path: Path, model: Model) -> Surveyed:
    """Fold and score every candidate of a FASTA file as a scan would.

    Raises:
        InputError: the file cannot be used.
    """
    return _survey(path, model)[0]


def _survey(path: Path, model: Model) -> tuple[Surveyed, Loci]:
    """Survey a FASTA file; returns where its candidates lie, too."""
    stems, folds, probs, places, everywhere = [], [], [], [], []
    with open_genome(path) as genome:
        for found in candidates_for(model, genome):
            loci, hairpins, contexts = found.loci, found.hairpins, found.loci.contexts()
            assert hairpins is not None
            codes, offsets = found.codes, found.offsets
            stems.append(stem_features(codes, offsets, *contexts, loci.stem_energy))
            folds.append(fold_features(codes, hairpins.pairs, hairpins.mfe, offsets, *contexts))
            probs.append(probabilities(model.select(hairpins).astype(np.float64)))
            contig = genome.contigs.offsets[loci.contig]
            places.append((contig + loci.start) // 100_000)
            everywhere.append(loci)
        megabases = int(genome.contigs.lengths.sum()) / 1e6
    surveyed = Surveyed(
        np.concatenate(stems),
        np.concatenate(folds),
        np.concatenate(probs),
        np.concatenate(places),
        megabases,
    )
    return surveyed, Loci.concatenate(everywhere)


@dataclass(frozen=True, slots=True)
class Planted:
    """Candidates of planted precursors, and of their flanks.

    Attributes:
        surveyed: their features; their places are the families of the precursors that they are
            next to, so that trees that vote on them to place a cut have not seen the family.
        precursors: how many were planted.
        precursor: int64 (N,), which of them a candidate covers more than half of, or -1.
    """

    surveyed: Surveyed
    precursors: int
    precursor: npt.NDArray[np.int64]


def survey_planted(
    known: Sequence[Precursor], genomes: Sequence[Path], model: Model, *, seed: int, limit: int
) -> Planted:
    """Plant known precursors in pieces of genomes (:func:`plant_in`), and survey them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.fa"
        contig = plant_in(known, genomes, path, seed=seed, limit=limit)
        surveyed, loci = _survey(path, model)
    named = {each.codes.tobytes(): each.family for each in known}
    families = [named[contig.codes[a:b].tobytes()] for a, b in contig.hairpins]
    nearest, covers = nearest_precursors(loci, contig)
    place = np.unique(families, return_inverse=True)[1][nearest]
    precursor = np.where(covers & (loci.strand > 0), nearest, -1)
    return Planted(replace(surveyed, place=place), len(contig.loci), precursor)


def candidates_for(model: Model, genome: OpenGenome) -> Iterator[Candidates]:
    """Find and fold the candidates of a genome that a scan with a model would."""
    return candidates_of(genome, model.reading(PRESETS[preset_of(model)]), KernelFolder())


def plant_in(
    known: Sequence[Precursor], genomes: Sequence[Path], out: Path, *, seed: int, limit: int
) -> PlantedContig:
    """Write known hairpins in flanks cut from genomes as FASTA; returns what stands there."""
    everything = [piece for path in genomes for piece in background_contigs(path)]
    sources = {"insect": everything, "other": everything, "plant": everything}
    planted = plant(
        known,
        np.random.default_rng(seed),
        limit=limit,
        flank=_FLANK,
        sources=sources,
        per_family=_PER_FAMILY,
    )
    letters = np.frombuffer(bytearray(b"ACGTN"), np.uint8)[planted.codes]
    out.write_bytes(b">planted\n" + letters.tobytes() + b"\n")
    return planted


def nearest_precursors(loci: Loci, planted: PlantedContig) -> tuple[npt.NDArray[np.int64], _Mask]:
    """Tell which planted precursors candidates are next to.

    Args:
        loci: N candidates of the contig with the planted hairpins.
        planted: what stands in it.

    Returns:
        The last precursor that begins before a candidate's middle (else the first), int64 (N,), and
        whether the candidate covers more than half of it.
    """
    start, end = planted.loci.T
    middle = (loci.start + loci.end) // 2
    nearest = np.clip(np.searchsorted(start, middle, side="right") - 1, 0, None)
    covered = np.minimum(loci.end, end[nearest]) - np.maximum(loci.start, start[nearest])
    return nearest, 2 * covered > end[nearest] - start[nearest]


def grow_trees(features: Features, wanted: _Mask, seed: int) -> Gate:
    """Learn to tell what is wanted; the gate returned passes everything.

    Both classes weigh the same. Votes are log-odds, rounded.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    forest = GradientBoostingClassifier(
        n_estimators=_TREES,
        max_leaf_nodes=_LEAVES,
        max_depth=None,
        learning_rate=_RATE,
        subsample=0.3,
        max_features="sqrt",
        random_state=seed,
    )
    weight = np.where(wanted, (~wanted).sum() / max(1, wanted.sum()), 1.0)
    forest.fit(features, wanted, sample_weight=weight)
    nodes: list[npt.NDArray[np.int32]] = []
    roots: list[int] = []
    for (grown,) in forest.estimators_:
        tree, first = grown.tree_, sum(len(part) for part in nodes)
        leaf = tree.children_left < 0
        columns = [
            np.where(leaf, -1, tree.feature),
            np.floor(np.where(leaf, 0.0, tree.threshold)),
            np.where(leaf, 0, tree.children_left + first),
            np.where(leaf, 0, tree.children_right + first),
            np.where(
                leaf, np.rint(_VOTES * np.clip(_RATE * tree.value[:, 0, 0], -_MOST, _MOST)), 0.0
            ),
        ]
        nodes.append(np.stack(columns, axis=1).astype(np.int32))
        roots.append(first)
    return Gate(np.concatenate(nodes), np.array(roots, np.int32), _EVERYTHING, _EVERYTHING)


def vote_blindly(
    features: Features, wanted: _Mask, place: Any, *, seed: int
) -> npt.NDArray[np.int64]:
    """Let trees vote on candidates that have not seen their place, int64 (N,).

    Args:
        features: int32 (N, features).
        wanted: bool (N,), what the trees learn to tell.
        place: int64 (N,).
        seed: decides everything.
    """
    part = np.random.default_rng(seed).permutation(int(place.max()) + 1)[place] % _FOLDS
    votes = np.zeros(wanted.size, np.int64)
    for k in range(_FOLDS):
        trees = grow_trees(features[part != k], wanted[part != k], seed)
        votes[part == k] = trees.votes(np.ascontiguousarray(features[part == k]))
    return votes


def place_cut(
    votes: npt.NDArray[np.int64], groups: Sequence[_Mask], allowed: Sequence[float]
) -> int:
    """Return the fewest votes that pass where little enough is lost.

    Args:
        votes: int64 (N,), of trees that have not seen the candidate.
        groups: sets of candidates, bool (N,) each, of which at most the allowed share may be
            rejected.
        allowed: share for each of ``groups``.
    """
    return min(
        int(np.sort(votes[group])[min(int(share * group.sum()), group.sum() - 1)])
        for group, share in zip(groups, allowed, strict=True)
        if group.any()
    )


def judge_gates(
    surveyed: Surveyed, gates: dict[str, Gate], min_prob: float, *, alone: bool = False
) -> dict[str, Any]:
    """Say what gates pass and what they lose of a genome's candidates; ``alone`` by which cuts."""
    hit = surveyed.prob >= min_prob
    folded = gates["stem"].passes(surveyed.stem, alone=alone)
    scored = folded & gates["fold"].passes(surveyed.fold, alone=alone)
    lost = int((hit & ~scored).sum())
    return {
        "megabases": round(surveyed.megabases, 3),
        "candidates_per_mb": round(hit.size / surveyed.megabases, 1),
        "folded_per_mb": round(folded.sum() / surveyed.megabases, 1),
        "scored_per_mb": round(scored.sum() / surveyed.megabases, 1),
        "hits": int(hit.sum()),
        "hits_lost": lost,
        "loss": round(lost / max(1, int(hit.sum())), 5),
    }


class Allowed(NamedTuple):
    """What gates may lose, and how much they pass whatever they lose.

    Attributes:
        loss: share of hits that both together may lose.
        best_loss: share of best candidates that the gate before folding may lose; the other keeps
            them all.
        keep: least share of the genomes' candidates that the gate before folding passes.
        keep_folded: and of those that reach it the gate after folding.
    """

    loss: float
    best_loss: float
    keep: float
    keep_folded: float

    def of(self, gate: str) -> list[float]:
        """Return the shares that a gate may lose of hits, best candidates, and all candidates."""
        least = self.keep if gate == "stem" else self.keep_folded
        return [self.loss * _SHARES[gate], self.best_loss * _BEST_SHARES[gate], 1 - least]


def build_gates(
    model: Model,
    data: Path,
    allowed: Allowed,
    alone: Allowed | None,
    *,
    genomes: Sequence[Path],
    judges: Sequence[Path],
    best_per_mb: float,
    planted: int,
    seed: int,
) -> dict[str, Any]:
    """Build the gates of a model, write them into its directory, and say what they do.

    Args:
        model: which; its card is rewritten.
        data: folder with ``genomes/`` and ``mirbase/``.
        allowed: what they may lose.
        alone: and of what no evidence lifts; None for the same.
        genomes: FASTA files of genomes to learn from.
        judges: FASTA files of other genomes, to measure the loss on.
        best_per_mb: so many best candidates per Mb of the genomes are kept as if they were hits.
        planted: most known hairpins to plant.
        seed: decides everything.

    Returns:
        What stands in the card.

    Raises:
        InputError: a genome must not be learned from, or holds too little.
    """
    names = [f"{path.parent.name}/{path.name}" for path in genomes]
    for path in genomes:
        if path.parent.name.startswith(_JUDGES):
            raise InputError(f"--genomes {path}: is a judge, and nothing may be learned from it")
    preset = preset_of(model)
    precursors = read_known([Known(mirbase=data, kind=KINDS[preset])])
    known = survey_planted(precursors, genomes, model, seed=seed, limit=planted)
    backgrounds = []
    for name, path in zip(names, genomes, strict=True):
        backgrounds.append(survey(path, model))
        _log.info("%s: %d candidates", name, backgrounds[-1].prob.size)
    gates = learn_gates(
        known.surveyed,
        backgrounds,
        model.min_prob,
        allowed,
        alone,
        best_per_mb=best_per_mb,
        seed=seed,
    )
    surveys = {f"{path.parent.name}/{path.name}": survey(path, model) for path in judges}

    def level(shares: Allowed, *, alone: bool) -> dict[str, Any]:
        return {
            "allowed_loss": shares.loss,
            "best_loss": shares.best_loss,
            "keep": shares.keep,
            "keep_folded": shares.keep_folded,
            "judged": {
                name: judge_gates(surveyed, gates, model.min_prob, alone=alone)
                for name, surveyed in surveys.items()
            },
        }

    card = {
        "features": GATE_FEATURES,
        "weights_sha256": model.digest,
        "preset": preset,
        "extractor": PRESETS[preset].kind,
        "max_span": PRESETS[preset].max_span,
        "min_prob": model.min_prob,
        "genomes": names,
        "planted_hairpins": known.precursors,
        "best_per_mb": best_per_mb,
        "seed": seed,
        **level(allowed, alone=False),
    }
    if alone is not None:
        cuts = {name: gate.alone for name, gate in gates.items()}
        card["alone"] = {**cuts, **level(alone, alone=True)}
    return write_gates(model, gates, card)


def learn_gates(
    known: Surveyed,
    backgrounds: Sequence[Surveyed],
    min_prob: float,
    allowed: Allowed,
    alone: Allowed | None,
    *,
    best_per_mb: float,
    seed: int,
) -> dict[str, Gate]:
    """Learn both gates, the second one from what passes the first.

    Args:
        known: candidates of planted hairpins and their flanks.
        backgrounds: candidates of genomes.
        min_prob: the model's threshold.
        allowed: what they may lose.
        alone: and of what no evidence lifts; None for the same.
        best_per_mb: so many best candidates per Mb of the genomes are kept as if they were hits.
        seed: decides everything.

    Raises:
        InputError: too few candidates, or all or none of them are hits.
    """
    parts = [known, *backgrounds]
    prob = np.concatenate([part.prob for part in parts])
    is_known = np.arange(prob.size) < known.prob.size
    shift = np.cumsum([0] + [int(part.place.max()) + 1 for part in parts])
    place = np.concatenate([part.place + s for part, s in zip(parts, shift, strict=False)])
    rank = int(best_per_mb * sum(part.megabases for part in backgrounds))
    ranked = np.sort(prob[~is_known])[::-1]
    if not 0 < rank < ranked.size / _BROADER:
        raise InputError(f"--genomes: too few candidates: {ranked.size}")
    best = prob >= min(min_prob, float(ranked[rank]))
    wanted, hit = prob >= min(min_prob, float(ranked[_BROADER * rank])), prob >= min_prob
    if not hit.any() or wanted.all():
        raise InputError(f"nothing to tell apart at a threshold of {min_prob:g}")
    groups = [is_known & hit, ~is_known & best, ~is_known]
    gates: dict[str, Gate] = {}
    levels = [allowed, alone or allowed]
    reach = np.arange(prob.size)
    passed = [np.ones(prob.size, np.bool_) for _ in levels]
    for name in _SHARES:
        features = np.concatenate([getattr(part, name) for part in parts])[reach]
        blind = vote_blindly(features, wanted[reach], place[reach], seed=seed)
        cuts = []
        for shares, mask in zip(levels, passed, strict=True):
            still = mask[reach]
            own = [group[reach][still] for group in groups]
            cuts.append(place_cut(blind[still], own, shares.of(name)))
        trees = grow_trees(features, wanted[reach], seed)
        gates[name] = replace(trees, cut=cuts[0], alone=max(cuts))
        for mask, strict in zip(passed, (False, True), strict=True):
            mask[reach] &= gates[name].passes(features, alone=strict)
        reach = np.flatnonzero(passed[0])
        _log.info(
            "%s gate: %d of %d candidates pass so far, %d of them where no evidence lifts them",
            *(name, reach.size, prob.size, passed[1].sum()),
        )
    return gates


def write_gates(model: Model, gates: dict[str, Gate], card: dict[str, Any]) -> dict[str, Any]:
    """Write gates into a model's directory and its card; returns what the card says of them."""
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, gate in gates.items():
        arrays[f"{name}.nodes"], arrays[f"{name}.roots"] = gate.nodes, gate.roots
        arrays[f"{name}.cut"] = np.array([gate.cut], np.int64)
    with whole_file(model.directory / GATES) as temporary:
        save_file(arrays, temporary)
        temporary.chmod(0o644)
    card = {**card, "sha256": sha256(model.directory / GATES)}
    write_json(model.directory / CARD, {**model.card, "gates": card})
    return card


if __name__ == "__main__":
    from premir.train.cli import moved

    sys.exit(moved("premir.train.gates", "gates"))
