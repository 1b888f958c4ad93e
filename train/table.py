"""The paper's tables, cell by cell: what is trained, and what is kept of it."""

from __future__ import annotations

import json
import logging
import os
import platform
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from premir.scanner.errors import InputError
from premir.scanner.files import whole_file, write_json
from premir.scanner.find.folding import Folder, KernelFolder
from premir.scanner.score.card import CARD, Card
from premir.scanner.score.model import read_model
from premir.train.checkpoint import read_history
from premir.train.collapse import CollapseError
from premir.train.judging import Scored, together
from premir.train.lengths import length_counts
from premir.train.protocols import BENCHMARKS, CV_FOLDS, Protocol
from premir.train.recipes import VARIANTS, recipe_of
from premir.train.run import CHECKPOINT, evaluate_baseline, evaluate_model, train
from premir.train.validation import curve

_log = logging.getLogger(__name__)
RESULTS = "results"
LENGTHS, FLANKS = "lengths.json", "flanks.json"
BASELINE, BOOSTED, ENSEMBLE = "baseline", "boosting", "ensemble"
"""Boosted trees on eight numbers and on all, and these with stem-wise networks."""
_NUMBERS = {BASELINE: "eight", BOOSTED: "all"}
_ANNEALED: dict[str, Any] = {"network": "stem", "recipe": "annealed", "epochs": (12,)}
TRIED_NETWORKS = ("fewer-pools", "alexnet", "resnet")
"""Other networks on pairing tensors that the paper's authors tried."""
_NEW, _TESTS = "crossspecies-new", ("human-test", "crossspecies-test")
_CVS, _FOLDS = ("crossspecies-cv", "human-cv"), range(1, CV_FOLDS + 1)


@dataclass(frozen=True, slots=True)
class Cell:
    """One training of the tables.

    Attributes:
        protocol: key of :data:`premir.train.protocols.BENCHMARKS`.
        fold: of a cross-validation, from 1; None elsewhere.
        network: key of :data:`premir.scanner.score.networks.NETWORKS`, or what is none:
            :data:`BASELINE`, :data:`BOOSTED` or :data:`ENSEMBLE`.
        recipe: key of :data:`premir.train.recipes.RECIPES`; None for what is no network.
        seed: of initial weights and sample order.
        ablate: ``pairing`` for the row "without pairing matrix", ``numbers`` for that without the
            numbers of the fold.
        variant: key of :data:`premir.train.recipes.VARIANTS`; None for the recipe as it is.
        epochs: epochs after which the network is judged; 0 for what is none.
        follow: measure after every epoch (Fig. 3).
    """

    protocol: str
    fold: int | None = None
    network: str = "variable"
    recipe: str | None = "paper"
    seed: int = 0
    ablate: str | None = None
    variant: str | None = None
    epochs: tuple[int, ...] = (40,)
    follow: bool = False

    @property
    def plain(self) -> Cell | None:
        """What it is compared with, where it is what the paper's authors also tried; else None."""
        ablated = self.ablate == "pairing"
        if self.variant is None and not ablated and self.network not in TRIED_NETWORKS:
            return None
        return Cell(self.protocol, self.fold, recipe=self.recipe, seed=self.seed)

    @property
    def members(self) -> tuple[Cell, ...]:
        """Whose log odds an ensemble averages; none elsewhere."""
        if self.network != ENSEMBLE:
            return ()
        return tuple(
            Cell(self.protocol, self.fold, seed=seed, **kind)
            for kind, count in ((_ANNEALED, 3), (_unlearned(BOOSTED), 6))
            for seed in range(count)
        )

    @property
    def name(self) -> str:
        """What its files are called."""
        parts = [
            self.protocol,
            f"fold{self.fold}" if self.fold else None,
            self.network,
            self.recipe,
            self.variant,
            f"without-{self.ablate}" if self.ablate else None,
            f"seed{self.seed}",
        ]
        return "-".join(part for part in parts if part)


def cells() -> Iterator[Cell]:
    """Yield all cells, in the order in which they are trained."""
    yield from _baselines()
    yield from _test_sets()
    yield from _cross_validations()
    yield from _ours(*_CVS)
    yield from _ours(*_TESTS, _NEW)
    yield from _recurrent_tests()
    yield from _tried(*_TESTS, _NEW)
    yield from _fixed_tests()
    yield from _fixed_cross_validations()
    yield from _tried(*_CVS)


def _baselines() -> Iterator[Cell]:
    for protocol in (_NEW, *_TESTS):
        yield Cell(protocol, **_unlearned(BASELINE))
    for protocol in _CVS:
        for fold in _FOLDS:
            yield Cell(protocol, fold, **_unlearned(BASELINE))


def _unlearned(kind: str) -> dict[str, Any]:
    """What a cell says that is no network."""
    return {"network": kind, "recipe": None, "epochs": (0,)}


def _test_sets() -> Iterator[Cell]:
    late = (40, 80)  # by their logs, the authors' rows for new are of epoch 80
    for seed in range(3):
        for recipe in ("paper", "released"):
            yield Cell(_NEW, recipe=recipe, seed=seed, epochs=late)
            for protocol in _TESTS:
                yield Cell(protocol, recipe=recipe, seed=seed)
    yield Cell(_NEW, ablate="pairing", epochs=late)
    for protocol in _TESTS:
        yield Cell(protocol, ablate="pairing")


def _cross_validations() -> Iterator[Cell]:
    for fold in _FOLDS:
        yield Cell("crossspecies-cv", fold, follow=True)
    for fold in _FOLDS:
        yield Cell("human-cv", fold, epochs=(40, 100), follow=True)
    for protocol in _CVS:
        for fold in _FOLDS:
            yield Cell(protocol, fold, ablate="pairing")
    for protocol in _CVS:
        for fold in _FOLDS:
            yield Cell(protocol, fold, recipe="released", epochs=(30, 40))


def ensemble(protocol: str, fold: int | None = None) -> Cell:
    """Return the cell of an ensemble."""
    return Cell(protocol, fold, **_unlearned(ENSEMBLE))


def _ours(*protocols: str) -> Iterator[Cell]:
    """Yield what ranks better than the paper's networks, as chosen in cross-validation."""
    for protocol in protocols:
        for fold in _FOLDS if protocol in _CVS else (None,):
            yield from ensemble(protocol, fold).members
            yield ensemble(protocol, fold)
            yield Cell(protocol, fold, ablate="numbers", **_ANNEALED)


def _recurrent_tests() -> Iterator[Cell]:
    for protocol in (*_TESTS, _NEW):
        yield Cell(protocol, network="recurrent", epochs=(100,))


def _tried(*protocols: str) -> Iterator[Cell]:
    """Yield what Do et al. (2018) say that they also tried, and found the same or worse."""
    for protocol in protocols:
        for fold in _FOLDS if protocol in _CVS else (None,):
            for variant in VARIANTS:
                yield Cell(protocol, fold, variant=variant)
            for network in TRIED_NETWORKS:
                yield Cell(protocol, fold, network=network)
            epochs = (40, 80) if protocol == _NEW else (30, 40) if fold else (40,)
            yield Cell(protocol, fold, recipe="released", ablate="pairing", epochs=epochs)


def _fixed_tests() -> Iterator[Cell]:
    plan = [(seed, recipe) for seed in range(3) for recipe in ("paper", "released")]
    plan.insert(2, (0, "released-train"))
    for seed, recipe in plan:
        for protocol in (*_TESTS, _NEW):
            epochs = (40, 80) if protocol == _NEW else (40,)
            yield Cell(protocol, network="fixed", recipe=recipe, seed=seed, epochs=epochs)


def _fixed_cross_validations() -> Iterator[Cell]:
    for recipe, epochs in (("released", (10,)), ("paper", (10, 40))):
        for protocol in _CVS:
            for fold in _FOLDS:
                yield Cell(protocol, fold, network="fixed", recipe=recipe, epochs=epochs)


def run_all(
    data: Path, out: Path, *, device_name: str, threads: int, only: Sequence[str] = ("*",)
) -> int:
    """Train and judge every cell that has no result yet.

    Several processes may work on the same ``out``: a cell that another one is at is passed over. A
    cell whose training comes to nothing is recorded as ``collapsed``, and the others go on.

    Args:
        data: the released data set.
        out: directory for checkpoints and models of each cell, and for ``results/``: for each cell
            a JSON file and the probabilities of its test set.
        device_name: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads.
        only: shell patterns of the names of cells; others are left for another time.

    Returns:
        Exit code 0.

    Raises:
        InputError: ``out`` cannot be written, or no cell has such a name.
    """
    plan = [cell for cell in cells() if any(fnmatchcase(cell.name, each) for each in only)]
    if not plan:
        raise InputError(
            f"--only {' '.join(only)}: no training has such a name; they are called like "
            f"{next(cells()).name}"
        )
    try:
        (out / RESULTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
    folder = KernelFolder()
    if not (out / RESULTS / LENGTHS).exists():
        write_json(out / RESULTS / LENGTHS, length_counts(data, folder))
    elsewhere = 0
    for number, cell in enumerate(plan, 1):
        directory = out / cell.name
        directory.mkdir(exist_ok=True)
        try:
            with FileLock(directory / ".lock", timeout=0):
                if not is_finished(out / RESULTS, cell):
                    _log.info("cell %d/%d: %s", number, len(plan), cell.name)
                    results = out / RESULTS
                    lacking = [m.name for m in cell.members if not _is_judged(results, m)]
                    if lacking:
                        _log.warning("%s lacks %s", cell.name, ", ".join(lacking))
                        continue
                    _run_cell(cell, data, out, folder, device_name, threads)
        except Timeout:
            elsewhere += 1
    if elsewhere:
        _log.info("%d cells are with another process", elsewhere)
    _log.info("results are in %s", out / RESULTS)
    return 0


def is_finished(results: Path, cell: Cell) -> bool:
    """Whether a cell has been judged after all the epochs that it shall be, or has collapsed."""
    path = results / f"{cell.name}.json"
    return _is_judged(results, cell) or (path.exists() and why_collapsed(path) is not None)


def _is_judged(results: Path, cell: Cell) -> bool:
    path = results / f"{cell.name}.json"
    return path.exists() and cell.epochs == judged_epochs(path)


def judged_epochs(path: Path) -> tuple[int, ...]:
    """Return the numbers of epochs after which a cell has been judged so far."""
    return tuple(map(int, json.loads(path.read_text(encoding="utf-8"))["judged"]))


def why_collapsed(path: Path) -> str | None:
    """Return why the training of a cell came to nothing; None for others."""
    reason: str | None = json.loads(path.read_text(encoding="utf-8")).get("collapsed")
    return reason


def _run_cell(
    cell: Cell, data: Path, out: Path, folder: Folder, device_name: str, threads: int
) -> None:
    """Train, judge and write the result, again after each number of epochs to be judged."""
    protocol = _protocol(cell, data)
    scored: dict[int, Scored] = {}
    if cell.recipe is None:
        if cell.members:
            scored[0] = together([_scored(out / RESULTS, member) for member in cell.members])
        else:
            numbers = _NUMBERS[cell.network]
            scored[0] = evaluate_baseline(protocol, seed=cell.seed, folder=folder, numbers=numbers)
        _write_result(out / RESULTS, cell, scored, {})
        return
    recipe = replace(recipe_of(cell.recipe, cell.network, protocol.name), ablate=cell.ablate)
    if cell.variant is not None:
        recipe = recipe.changed(**VARIANTS[cell.variant][1])
    checkpoint = out / cell.name / CHECKPOINT
    cards: list[Card] = []
    course: dict[str, Any] = {"recipe": asdict(replace(recipe, epochs=cell.epochs[0]))}
    for epochs in cell.epochs:
        model = out / cell.name / f"epoch{epochs}"
        if not (model / CARD).exists():
            try:
                train(
                    protocol,
                    replace(recipe, epochs=epochs),
                    network=cell.network,
                    seed=cell.seed,
                    out=model,
                    device_name=device_name,
                    threads=threads,
                    folder=folder,
                    name=f"do2018-{cell.protocol}-{cell.network}",
                    checkpoint=checkpoint,
                    follow=cell.follow,
                )
            except CollapseError as error:
                _log.warning("%s: %s", cell.name, error)
                _write_result(out / RESULTS, cell, scored, {**course, "collapsed": str(error)})
                return
        spec = read_model(model)
        scored[epochs] = evaluate_model(
            spec, protocol, device_name=device_name, threads=threads, folder=folder
        )
        cards.append(spec.card)
        course = _course(cards, read_history(checkpoint)[:epochs])
        _write_result(out / RESULTS, cell, scored, course)


def _scored(results: Path, cell: Cell) -> Scored:
    """Return how a finished cell has scored its test set, after the last of its epochs."""
    return read_scored_sets(results / f"{cell.name}.npz")[cell.epochs[-1]]


def _write_result(
    results: Path, cell: Cell, scored: dict[int, Scored], course: dict[str, Any]
) -> None:
    result = {
        "cell": asdict(cell),
        **course,
        "machine": {"processor": platform.processor(), "cores": os.cpu_count()},
        "peak_memory_mib": _peak_memory_mib(),
        "judged": {epochs: each.judgement().rounded() for epochs, each in scored.items()},
    }
    if scored:
        write_scored_sets(results / f"{cell.name}.npz", scored)
    write_json(results / f"{cell.name}.json", result)


def _protocol(cell: Cell, data: Path) -> Protocol:
    protocols = BENCHMARKS[cell.protocol].build(data)
    return protocols[cell.fold - 1 if cell.fold else 0]


def _course(cards: Sequence[Card], history: list[dict[str, Any]]) -> dict[str, Any]:
    """What is told of a training: from its models' cards and from its checkpoint."""
    last = {**cards[-1]}
    told = (
        "recipe training_positives training_negatives training_sha256 test_sha256 versions device "
        "threads"
    )
    cpu = [epoch["cpu_seconds"] for epoch in history]
    course: dict[str, Any] = {name: last[name] for name in told.split()}
    course["weights_sha256"] = {card["epochs"]: card["weights_sha256"] for card in cards}
    course["epoch_cpu_seconds"] = {"median": float(np.median(cpu)), "least": min(cpu)}
    course["losses"] = last["losses"]
    for part in ("training", "test"):
        if part in history[0]:
            course[f"{part}_curve"] = curve(history, part)
    return course


def write_scored_sets(path: Path, scored: dict[int, Scored]) -> None:
    """Keep test sets as scored after several numbers of epochs, float32."""
    one = next(iter(scored.values()))
    arrays: dict[str, Any] = {"labels": one.labels == 1, "contaminated": one.contaminated}
    arrays |= {f"epoch{n}": each.probabilities.astype(np.float32) for n, each in scored.items()}
    with whole_file(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def read_scored_sets(path: Path) -> dict[int, Scored]:
    """Read what :func:`write_scored_sets` wrote, by number of epochs."""
    with np.load(path, allow_pickle=False) as arrays:
        labels = arrays["labels"].astype(np.int64)
        return {
            int(name.removeprefix("epoch")): Scored(
                labels, arrays[name].astype(np.float64), arrays["contaminated"]
            )
            for name in arrays.files
            if name.startswith("epoch")
        }


def _peak_memory_mib() -> float:
    """Most memory that this process has used so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
