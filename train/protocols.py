"""Which hairpins a network is trained on and judged by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
        name: what ``--protocol`` calls it.
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


def crossspecies_new(data: Path) -> Protocol:
    """Train on the whole cross-species set, test on ``new`` (Do et al. 2018, Table 4).

    Args:
        data: folder of the released data set, the one that holds ``sequences/``.
    """
    folder = data / "sequences"
    return Protocol(
        "crossspecies-new",
        "train on cross-species (1,677 positives, 8,266 negatives), test on new (690, 8,246)",
        Files((folder / "whole_pos.fa",), (folder / "whole_neg.fa",)),
        Files((folder / "new_pos.fa",), (folder / "new_neg.fa",)),
        (
            "151 of the training positives are hairpins of C. elegans.",
            "36 training positives stand among the negatives of new, 2 among its positives.",
            "23 training sequences are both positive and negative.",
            "Trained on hairpins cut as the benchmark cuts them: it separates real from false "
            "hairpins of a genome far worse than those of the benchmark.",
        ),
    )


def custom(training: Files, test: Files) -> Protocol:
    """Train on anyone's FASTA files, and judge by others where they are given."""
    return Protocol(
        "custom",
        "train on the files given",
        training,
        test,
        ("Trained on a user's own data; see training_sha256.",),
    )
