"""How long the hairpins of the data sets are (Fig. 4 of the seed paper)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from premir.scanner.find.folding import Folder
from premir.train.dataset import load_dataset

DATA_SETS = {"human": "human", "cross-species": "whole", "new": "new"}
"""Names of the released files by name of the data set."""
WIDTH = 10
"""Nucleotides in a bin."""


def length_counts(data: Path, folder: Folder) -> dict[str, Any]:
    """Count hairpins by length.

    Args:
        data: the released data set.
        folder: folds what the cache lacks.

    Returns:
        ``width`` of a bin in nt; by data set ``positives`` and ``negatives``, counts of the bins
        from 0 on; and ``sha256`` of the files.
    """
    counts: dict[str, Any] = {"width": WIDTH, "sha256": {}}
    for name, stem in DATA_SETS.items():
        files = [data / "sequences" / f"{stem}_{kind}.fa" for kind in ("pos", "neg")]
        one = load_dataset(files[:1], files[1:], folder)
        bins = one.hairpins.lengths // WIDTH
        counts[name] = {
            kind: np.bincount(bins[one.labels == label]).tolist()
            for kind, label in (("positives", 1), ("negatives", 0))
        }
        counts["sha256"] |= one.digests
    return counts
