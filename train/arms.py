"""Where matures begin, learned from those of miRBase: what scans predict arms with.

Known hairpins of animals (:mod:`premir.train.precursors`: no nematode, no virus, no Daphnia) that
have a mature by experiment are planted in background and cut and folded as a scan does it. The
weights of :class:`~premir.scanner.report.evidence.arms.cuts.Cuts` are those under which their
matures' 5' ends are likeliest among all pairs of sites (conditional logit), with a penalty for
large ones; families weigh as the root of their size. Half of the families, apart by name, judge.
"""

from __future__ import annotations

import csv
import gzip
import logging
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from premir.kernels.codes import Codes
from premir.kernels.pairing import Pairs, terminal_loop
from premir.kernels.sites import CELLS
from premir.scanner.errors import InputError
from premir.scanner.files import sha256
from premir.scanner.find.candidates import PRESETS, candidates_of
from premir.scanner.find.folding import KernelFolder
from premir.scanner.genome.letters import open_genome
from premir.scanner.report.evidence.arms.cuts import BOTH, Cuts, Sites, write_cuts
from premir.scanner.score.inference import one_thread
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.gates import LENDERS
from premir.train.genome.cuts import matching
from premir.train.genome.planting import Planted, plant_known, with_flanks
from premir.train.precursors import (
    Interval,
    background_contigs,
    genome_file,
    read_precursors,
)

_log = logging.getLogger(__name__)

SOURCE = "miRBase 22.1, which is in the public domain; precursors by MirGeneDB 2.1"
_FLANK = 10
"""Hairpins with less of their own beside the precursor get the flanks of others."""
_PENALTY = 0.003
_ROUNDS = 40
UNITS = 100
"""Of a natural logarithm: weights are whole numbers of them."""
_NEAR = 2
"""Nucleotides: a prediction so far off still tells which seed to look for."""

Ends = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Example:
    """A known hairpin as a scan folds it.

    Attributes:
        name: miRBase identifier.
        family: of it.
        held_out: whether its family judges.
        codes: uint8 (L,).
        pairs: int16 (L,), pair table.
        ends: 5' ends of the matures of both arms, None where none is known.
    """

    name: str
    family: str
    held_out: bool
    codes: Codes
    pairs: Pairs
    ends: Ends


def proven_arms(data: Path) -> dict[str, list[Interval]]:
    """Read where the matures by experiment lie, by hairpin.

    Raises:
        InputError: the file is not there.
    """
    path = data / "mirbase" / "mature.tsv.gz"
    if not path.is_file():
        raise InputError(f"{path}: no such file; check --data")
    arms: dict[str, list[Interval]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["evidence"] == "experimental":
                arms[row["hairpin_id"]].append((int(row["start1"]) - 1, int(row["end1"])))
    return {name: sorted(own) for name, own in arms.items()}


def read_examples(data: Path, seed: int) -> list[Example]:
    """Plant known hairpins, and fold of each the best candidate that matches it.

    Args:
        data: folder with ``mirbase/`` and ``genomes/``.
        seed: decides where.

    Raises:
        InputError: a file is not there.
    """
    arms = proven_arms(data)
    known = [each for each in read_precursors(data) if each.kind == "animal" and each.name in arms]
    lent = [background_contigs(genome_file(data, genome)) for genome in LENDERS]
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        planted = plant_known(
            Path(folder) / "planted.fa", with_flanks(known, _FLANK, rng), lent, rng
        )
        found = dict(_best_candidates(planted))
    examples = []
    for number, (codes, pairs, core) in sorted(found.items()):
        own = known[number]
        ends = _ends(pairs, [(a + core - own.core[0], b + core - own.core[0])
                             for a, b in arms[own.name]])  # fmt: skip
        if ends != (None, None):
            examples.append(Example(own.name, own.family, own.held_out, codes, pairs, ends))
    return examples


def _best_candidates(planted: Planted) -> Iterator[tuple[int, tuple[Codes, Pairs, int]]]:
    """Give the number of each planted hairpin, its fold, and where its precursor begins there.

    Of several candidates the one with the lowest stem energy comes last.
    """
    extractor = load_model(DEFAULT_MODEL).reading(PRESETS["animal"])
    with open_genome(planted.fasta) as genome:
        for found in candidates_of(
            genome, extractor, KernelFolder(), lambda loci, *_: matching(planted, loci)
        ):
            assert found.hairpins is not None
            for n in np.argsort(-found.loci.stem_energy, kind="stable").tolist():
                number = int(found.loci.contig[n])
                core = int(planted.loci[number][0] - found.loci.folded_start[n])
                codes, pairs, _ = found.hairpins[n]
                yield number, (codes.copy(), pairs.copy(), core)


def _ends(pairs: Pairs, arms: Sequence[Interval]) -> Ends:
    """Return the 5' ends of the matures on either side of the terminal loop."""
    loop = terminal_loop(pairs)
    if loop is None:
        return None, None
    five = [start for start, end in arms if start + end - 1 < 2 * loop[0]]
    three = [start for start, end in arms if start + end - 1 > 2 * (loop[1] - 1)]
    return (five[0] if five else None), (three[0] if three else None)


@dataclass(frozen=True, slots=True)
class _Choices:
    """All pairs of sites of N hairpins, of which some agree with what is known.

    Attributes:
        sites: cells of the sites of either arm, int64 (sites, fields).
        pairs: int64 (5, P), of each pair its sites and what it has of ``BOTH``.
        hairpin: int64 (P,), whose it is.
        right: bool (P,), whether it agrees.
        weight: float64 (N,), of the hairpins.
    """

    sites: tuple[torch.Tensor, torch.Tensor]
    pairs: torch.Tensor
    hairpin: torch.Tensor
    right: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def of(cls, examples: Sequence[Example]) -> _Choices:
        """Take those of examples whose matures begin at possible sites."""
        families = Counter(each.family for each in examples)
        cells: tuple[list[Any], list[Any]] = ([], [])
        pairs, hairpin, right = [], [], []
        weight: list[float] = []
        before = [0, 0]
        for each in examples:
            sites = Sites.of(each.codes, each.pairs)
            if sites is None or not (agree := sites.where(each.ends)).any():
                continue
            five, three = np.nonzero(sites.possible)
            pairs.append(
                np.stack([five + before[0], three + before[1], *sites.both[:, five, three]])
            )
            right.append(agree[five, three])
            hairpin.append(np.full(five.size, len(weight)))
            weight.append(1 / np.sqrt(families[each.family]))
            for arm, own in enumerate(sites.cells):
                cells[arm].append(own)
                before[arm] += len(own)
        of_five, of_three = (torch.from_numpy(np.concatenate(each)) for each in cells)
        return cls(
            (of_five, of_three),
            torch.from_numpy(np.concatenate(pairs, axis=1)),
            torch.from_numpy(np.concatenate(hairpin)),
            torch.from_numpy(np.concatenate(right)),
            torch.tensor(weight, dtype=torch.float64),
        )

    def loss(self, tables: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return minus the mean log-likelihood of what is known, with the penalty."""
        total = torch.zeros(len(self.hairpin), dtype=torch.float64)
        for table, cells, which in zip(tables, self.sites, self.pairs, strict=False):
            total = total + table[cells].sum(1)[which]
        for table, which in zip(tables[2:], self.pairs[2:], strict=True):
            total = total + table[which]
        missed = self._log_sums(total, self.hairpin)
        missed = missed - self._log_sums(total[self.right], self.hairpin[self.right])
        penalty = torch.stack([(table**2).sum() for table in tables]).sum()
        return (self.weight * missed).sum() / self.weight.sum() + _PENALTY / 2 * penalty

    def _log_sums(self, values: torch.Tensor, hairpin: torch.Tensor) -> torch.Tensor:
        """Logarithms of the sums of exponentials, by hairpin."""
        zeros = torch.zeros_like(self.weight)
        highest = (zeros - torch.inf).scatter_reduce(0, hairpin, values.detach(), "amax")
        return zeros.index_add(0, hairpin, torch.exp(values - highest[hairpin])).log() + highest


def learn_cuts(examples: Sequence[Example]) -> Cuts:
    """Learn the weights from examples."""
    choices = _Choices.of(examples)
    sizes = [CELLS, CELLS, *(high - low + 1 for low, high in BOTH)]
    tables = [torch.zeros(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    optimiser = torch.optim.LBFGS(tables, max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = choices.loss(tables)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with one_thread():  # sums depend on how many there are
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    five, three, *both = (
        np.rint(UNITS * table.detach().numpy()).astype(np.int64) for table in tables
    )
    return Cuts((five, three), tuple(both))


def judge_cuts(cuts: Cuts, examples: Sequence[Example]) -> dict[str, Any]:
    """Say how often a prediction is exact, and near.

    Returns:
        By arm of which matures are known: how many were judged, in how many families, and both
        shares: of matures, and of families by the root of their size.
    """
    families = Counter(each.family for each in examples)
    found = [cuts.predict(each.codes, each.pairs) for each in examples]
    judged: dict[str, Any] = {}
    for arm, name in enumerate(("5p", "3p")):
        off, weight, judging = [], [], set()
        for each, ends in zip(examples, found, strict=True):
            end = each.ends[arm]
            if end is not None:
                off.append(abs(ends[arm][0] - end) if ends is not None else np.inf)
                weight.append(1 / np.sqrt(families[each.family]))
                judging.add(each.family)
        if not off:
            continue
        judged[name] = {"matures": len(off), "families": len(judging)}
        for share, most in (("exact", 0), ("within_2", _NEAR)):
            near = np.array(off) <= most
            judged[name][share] = round(float(near.mean()), 3)
            judged[name][f"{share}_by_family"] = round(float(np.average(near, weights=weight)), 3)
    return judged


def make_cuts(data: Path, out: Path, *, seed: int) -> dict[str, Any]:
    """Learn from half of the families, judge by the other, learn from all, and write that.

    Args:
        data: folder with ``mirbase/`` and ``genomes/``.
        out: JSON file to write.
        seed: decides where hairpins are planted.

    Returns:
        What is written beside the weights.

    Raises:
        InputError: a file is not there.
    """
    examples = read_examples(data, seed)
    _log.info("%d hairpins of %d families", len(examples), len({e.family for e in examples}))
    judging = [each for each in examples if each.held_out]
    judged = judge_cuts(learn_cuts([each for each in examples if not each.held_out]), judging)
    _log.info("judged by families that were held out: %s", judged)
    cuts = learn_cuts(examples)
    told = {
        "source": SOURCE,
        "sha256": {
            name: sha256(data / "mirbase" / name)
            for name in ("hairpin.fa.gz", "mature.tsv.gz", "mirgenedb_ALL_pre.fas.gz")
        },
        "seed": seed,
        "hairpins": len(examples),
        "families": len({each.family for each in examples}),
        "held_out": judged,
    }
    write_cuts(out, cuts, told)
    return told
