"""How much a benchmark's result hangs on where its hairpins were cut.

Test hairpins are lengthened by random nucleotides at both ends, or trimmed, folded again and
scored; those that stand in a genome are lengthened by what really stands beside them, too.
``premir-train flanks`` writes what comes of it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.pairing import pack
from premir.scanner.find.folding import Folder, KernelFolder
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.score.model import Model, probabilities, read_model
from premir.scanner.score.shipped import list_models
from premir.train.baseline import fit_baseline
from premir.train.dataset import Dataset, load_dataset
from premir.train.judging import Scored, averaged, contaminated
from premir.train.loci import Locus, find_loci
from premir.train.protocols import BENCHMARKS
from premir.train.table import ensemble

_log = logging.getLogger(__name__)
NTS = (5, 10, 20)
"""Nucleotides added to both ends, or cut off."""
NETWORK, BASELINE, OURS = "network", "eight numbers", "networks and boosting"
Scorer = Callable[[Hairpins], npt.NDArray[np.float64]]


def random_flanks(sequences: Sequence[Codes], nt: int, *, seed: int) -> list[tuple[Codes, Codes]]:
    """Draw flanks that continue each sequence by its own dinucleotide frequencies.

    A Markov chain of first order with the counts of the sequence starts at its last nucleotide;
    on the 5' side one with the counts read backwards starts at its first. Where a nucleotide never
    has a successor the composition decides. Flanks of fewer nucleotides are the inner ends of
    those of more.

    Args:
        sequences: N sequences without unknown letters.
        nt: nucleotides on each side.
        seed: of the draws.

    Returns:
        The flank before and the flank after each sequence, 5' to 3'.
    """
    after = _walk(sequences, nt, np.random.default_rng([seed, 0]))
    before = _walk([codes[::-1] for codes in sequences], nt, np.random.default_rng([seed, 1]))
    return [(b[::-1], a) for b, a in zip(before, after, strict=True)]


def _walk(sequences: Sequence[Codes], nt: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    count = len(sequences)
    steps = np.zeros((count, 4, 4))
    for n, codes in enumerate(sequences):
        np.add.at(steps[n], (codes[:-1], codes[1:]), 1)
        steps[n, steps[n].sum(axis=1) == 0] = np.bincount(codes, minlength=4)
    levels = steps.cumsum(axis=2) / steps.sum(axis=2, keepdims=True)
    state = np.array([codes[-1] for codes in sequences])
    walk = np.empty((count, nt), np.uint8)
    for step in range(nt):
        drawn = rng.random((count, 1))
        state = (drawn >= levels[np.arange(count), state]).sum(axis=1)
        walk[:, step] = state
    return walk


def lengthened(
    sequences: Sequence[Codes], flanks: Sequence[tuple[Codes, Codes]], nt: int
) -> list[Codes]:
    """Add ``nt`` nucleotides of the flanks to both ends, or cut ``-nt`` off where it is negative.

    Args:
        sequences: N sequences, longer than twice what is cut off.
        flanks: what stands before and after each, at least ``nt`` long.
        nt: how many.
    """
    if nt < 0:
        return [codes[-nt:nt] for codes in sequences]
    return [
        np.concatenate([before[before.size - nt :], codes, after[:nt]])
        for codes, (before, after) in zip(sequences, flanks, strict=True)
    ]


def judge_flanks(
    test: Dataset,
    training: Dataset,
    loci: Sequence[Locus],
    scorers: dict[str, Scorer],
    folder: Folder,
) -> dict[str, Any]:
    """Judge scorers on a test set with random flanks, and on part of it with real ones.

    Args:
        test: hairpins as the benchmark cuts them.
        training: says which of them are contaminated.
        loci: where some of them stand in genomes, with flanks.
        scorers: by name.
        folder: folds.

    Returns:
        ``random``: for each number of nucleotides the measures of each scorer on the whole test
        set; ``real``: on the hairpins of ``loci``, with real and with random flanks.
    """
    sequences = [test.hairpins[n][0] for n in range(len(test.hairpins))]
    flanks = random_flanks(sequences, max(NTS), seed=0)
    bad = contaminated(training, test)

    def scored(kept: npt.NDArray[np.int64], beside: Any, nt: int) -> dict[str, Scored]:
        cut = lengthened([sequences[n] for n in kept], beside, nt)
        hairpins = folder.fold(*pack(cut))
        return {
            name: Scored(test.labels[kept], score(hairpins), bad[kept])
            for name, score in scorers.items()
        }

    everything = np.arange(test.labels.size)
    result: dict[str, Any] = {"random": [], "real": None}
    for nt in (*(-nt for nt in reversed(NTS)), 0, *NTS):
        _log.info("%d nt at both ends", nt)
        rows = scored(everything, flanks, nt)
        result["random"].append(
            {"nt": nt, **{name: each.judgement().rounded() for name, each in rows.items()}}
        )
    found = np.array([locus.index for locus in loci], np.int64)
    labels = test.labels[found]
    if 0 < labels.sum() < labels.size:
        real = [(locus.before, locus.after) for locus in loci]
        by_chance = [flanks[n] for n in found]
        rows_of_loci = []
        for nt in (0, *NTS):
            for kind, beside in (("real", real), ("random", by_chance)):
                row: dict[str, Any] = {"nt": nt, "flanks": kind if nt else None}
                for name, each in scored(found, beside, nt).items():
                    row[name] = each.judgement().as_published.rounded()
                if nt or kind == "real":
                    rows_of_loci.append(row)
        result["real"] = {
            "positives": int(labels.sum()),
            "negatives": int((labels == 0).sum()),
            "genomes": {
                name: sum(locus.genome == name for locus in loci)
                for name in sorted({locus.genome for locus in loci})
            },
            "rows": rows_of_loci,
        }
    return result


def measure_flanks(data: Path, genomes: Path, runs: Path | None = None) -> dict[str, Any]:
    """Judge shipped networks of the seed paper, each beside the baseline, with flanks.

    Args:
        data: the released data set.
        genomes: folder of folders with ``genome.fa.gz``.
        runs: folder of ``premir-train table``, whose ensembles are judged too; None for none.

    Returns:
        ``methods`` and, by protocol, the model and what :func:`judge_flanks` finds.
    """
    folder = KernelFolder()
    protocols: dict[str, Any] = {}
    shipped = {model.name: model for model in list_models()}
    for name in ("crossspecies-new", "crossspecies-test"):
        model = shipped.get(f"do2018-{name}-variable")
        if model is None:
            continue
        (protocol,) = BENCHMARKS[name].build(data)
        training, test = (
            load_dataset(files.positives, files.negatives, folder)
            for files in (protocol.training, protocol.test)
        )
        scorers = {NETWORK: _scorer(model), BASELINE: fit_baseline(training, seed=0)}
        if runs is not None:
            scorers[OURS] = ensemble_scorer(name, runs, training)
        sequences = [test.hairpins[n][0] for n in range(len(test.hairpins))]
        loci = find_loci(sequences, genomes, nt=max(NTS))
        _log.info("%s: %d of %d stand in a genome", name, len(loci), len(sequences))
        protocols[name] = {
            "model": {"name": model.name, "weights_sha256": model.digest},
            "test_sha256": test.digests,
            **judge_flanks(test, training, loci, scorers, folder),
        }
    methods = [NETWORK, BASELINE, *([OURS] if runs is not None else [])]
    return {"methods": methods, "protocols": protocols}


def _scorer(model: Model) -> Scorer:
    return lambda hairpins: probabilities(model.select(hairpins).astype(np.float64))


def ensemble_scorer(protocol: str, runs: Path, training: Dataset) -> Scorer:
    """Return what the ensemble of the tables makes of hairpins; its trees are grown again."""
    scorers = [
        _scorer(read_model(runs / member.name / f"epoch{member.epochs[-1]}"))
        if member.recipe
        else fit_baseline(training, seed=member.seed, numbers="all")
        for member in ensemble(protocol).members
    ]
    return lambda hairpins: averaged([score(hairpins) for score in scorers])


if __name__ == "__main__":
    from premir.train.cli import moved

    sys.exit(moved("premir.train.flanks", "flanks"))
