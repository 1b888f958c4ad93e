"""Which hairpins a network is trained on and judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from premir.scanner.errors import InputError
from premir.train.download import benchmark_folder

CV_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Files:
    """FASTA files of labelled hairpins.

    Attributes:
        positives: files of pre-miRNAs.
        negatives: files of other hairpins.
    """

    positives: tuple[Path, ...] = ()
    negatives: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """A training set and the test set that goes with it.

    Attributes:
        name: what the commands call it; with ``/N`` for cross-validation fold N.
        description: one sentence.
        training: files to train on.
        test: files to judge by, empty where there is no test set.
        limits: what a user of the network must know.
    """

    name: str
    description: str
    training: Files
    test: Files
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A protocol of the seed paper, before it is told where the data are.

    Attributes:
        name: what the commands call it.
        description: two lines for ``premir-train protocols``.
        build: turns the released data set's folder into one protocol, or one per fold.
    """

    name: str
    description: str
    build: Callable[[Path], list[Protocol]]


_GENOME_LIMIT = (
    "Trained on hairpins cut as the benchmark cuts them: it separates real from false hairpins of "
    "a genome far worse than those of the benchmark."
)
_HUMAN_LIMITS = ("33 sequences of the human set are both positive and negative.", _GENOME_LIMIT)
_CROSSSPECIES_LIMITS = (
    "151 of the cross-species positives are hairpins of C. elegans.",
    "23 sequences of the cross-species set are both positive and negative.",
    _GENOME_LIMIT,
)


def _pair(folder: Path, stem: str, suffix: str) -> Files:
    return Files(
        (folder / f"{stem}_pos{suffix}.fa",),
        (folder / f"{stem}_neg{suffix}.fa",),
    )


def _test(name: str, stem: str, limits: tuple[str, ...]) -> Callable[[Path], list[Protocol]]:
    def build(data: Path) -> list[Protocol]:
        return [
            Protocol(
                f"{name}-test",
                f"train on 90 % of {name}, test on the released 10 %",
                _pair(data / "cv" / stem, stem, "_all"),
                _pair(data / "test" / stem, stem, "_test"),
                limits,
            )
        ]

    return build


def _cross_validation(
    name: str, stem: str, limits: tuple[str, ...]
) -> Callable[[Path], list[Protocol]]:
    def build(data: Path) -> list[Protocol]:
        folder = data / "cv" / stem
        return [
            Protocol(
                f"{name}-cv/{fold}",
                f"cross-validation fold {fold} of {CV_FOLDS} on 90 % of {name}",
                _pair(folder / "train", stem, f"_train_f{fold}"),
                _pair(folder / "val", stem, f"_val_f{fold}"),
                limits,
            )
            for fold in range(1, CV_FOLDS + 1)
        ]

    return build


def _crossspecies_new(data: Path) -> list[Protocol]:
    return [
        Protocol(
            "crossspecies-new",
            "train on cross-species (1,677 positives, 8,266 negatives), test on new (690, 8,246)",
            _pair(data / "sequences", "whole", ""),
            _pair(data / "sequences", "new", ""),
            (
                *_CROSSSPECIES_LIMITS,
                "36 training positives stand among the negatives of new, 2 among its positives.",
            ),
        )
    ]


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            "human-cv",
            "five-fold cross-validation on 777 human pre-miRNAs and 6,680 other hairpins\n"
            "(released folds; one network per fold; Do et al. 2018, Table 2)",
            _cross_validation("human", "human", _HUMAN_LIMITS),
        ),
        Benchmark(
            "human-test",
            "train on those 777 and 6,680, test on the released 86 and 742\n"
            "(Do et al. 2018, Table 2)",
            _test("human", "human", _HUMAN_LIMITS),
        ),
        Benchmark(
            "crossspecies-cv",
            "five-fold cross-validation on 1,510 pre-miRNAs of many species and 7,440 others\n"
            "(released folds; one network per fold; Do et al. 2018, Table 3)",
            _cross_validation("crossspecies", "whole", _CROSSSPECIES_LIMITS),
        ),
        Benchmark(
            "crossspecies-test",
            "train on those 1,510 and 7,440, test on the released 167 and 826\n"
            "(Do et al. 2018, Table 3)",
            _test("crossspecies", "whole", _CROSSSPECIES_LIMITS),
        ),
        Benchmark(
            "crossspecies-new",
            "train on all 1,677 and 8,266 of cross-species, test on 690 newer pre-miRNAs and\n"
            "8,246 others (Do et al. 2018, Table 4)",
            _crossspecies_new,
        ),
    )
}
"""The protocols of the seed paper by name."""


def released(name: str, data: Path | None) -> list[Protocol]:
    """Return a protocol of the paper, or its folds.

    Args:
        name: key of :data:`BENCHMARKS`.
        data: the released data set; fetched once into the user's cache where None.

    Raises:
        InputError: it cannot be fetched.
    """
    return BENCHMARKS[name].build(benchmark_folder(data))


def own_files(
    positives: Sequence[Path],
    negatives: Sequence[Path],
    test_positives: Sequence[Path] = (),
    test_negatives: Sequence[Path] = (),
) -> Protocol:
    """Train on anyone's FASTA files, and judge by others where they are given.

    Raises:
        InputError: files are missing.
    """
    if not (positives and negatives):
        raise InputError("own files need --positives and --negatives")
    if bool(test_positives) != bool(test_negatives):
        raise InputError("--test-positives and --test-negatives go together")
    return Protocol(
        "custom",
        "train on the files given",
        Files(tuple(positives), tuple(negatives)),
        Files(tuple(test_positives), tuple(test_negatives)),
        ("Trained on a user's own data; see training_sha256.",),
    )
