"""Figures of the result tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("agg")

_BLUE, _RED, _GREY = "#2166ac", "#b2182b", "#777777"


def _figure(columns: int, *, height: float = 3.2) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(3.4 * columns, height), dpi=120, layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


def curves(results: Sequence[dict[str, Any]], path: Path) -> Path:
    """Draw measures by epoch, training against validation: each fold, and their mean.

    Args:
        results: cells with ``training_curve`` and ``test_curve``.
        path: PNG to write.
    """
    panels = (("se", "sensitivity"), ("f", "F-score"), ("auroc", "AUROC"), ("aupr", "AUPR"))
    figure, axes = _figure(len(panels))
    for ax, (measure, words) in zip(axes, panels, strict=True):
        for part, words_of_part, colour in (
            ("training", "training", _GREY),
            ("test", "validation", _BLUE),
        ):
            values = np.array([result[f"{part}_curve"][measure] for result in results])
            epochs = np.arange(1, values.shape[1] + 1)
            ax.plot(epochs, values.T, color=colour, alpha=0.35, lw=0.6)
            ax.plot(epochs, values.mean(axis=0), color=colour, label=words_of_part)
        ax.axvline(40, color=_RED, lw=0.8, ls=":")
        ax.set(xlabel="epoch", title=words)
    axes[1].legend(frameon=False, loc="lower right")
    return _save(figure, path)


def lengths(counts: dict[str, Any], path: Path) -> Path:
    """Draw how many hairpins have which length, for each data set (the paper's Fig. 4)."""
    sets = [name for name in counts if name not in ("width", "sha256")]
    figure, axes = _figure(len(sets))
    for ax, name in zip(axes, sets, strict=True):
        for kind, colour in (("negatives", _GREY), ("positives", _BLUE)):
            share = np.array(counts[name][kind]) / sum(counts[name][kind])
            edges = counts["width"] * np.arange(share.size + 1)
            mean = float(np.sum(share * (edges[:-1] + edges[1:] - 1) / 2))
            ax.stairs(share, edges, color=colour, fill=True, alpha=0.5, label=kind)
            ax.axvline(mean, color=colour, lw=1.0, ls="--")
        ax.set(title=name, xlabel="length, nt", xlim=(40, 400))
    axes[0].set_ylabel(f"share in bins of {counts['width']} nt")
    axes[0].legend(frameon=False)
    return _save(figure, path)


def flanks(results: dict[str, Any], path: Path) -> Path:
    """Draw AUROC, SE and SP on ``new`` by nucleotides added to (or cut from) both ends."""
    figure, axes = _figure(3)
    rows = results["protocols"]["crossspecies-new"]["random"]
    for ax, (measure, words) in zip(
        axes, (("auroc", "AUROC"), ("se", "sensitivity"), ("sp", "specificity")), strict=True
    ):
        for method, colour in zip(results["methods"], (_BLUE, _RED), strict=True):
            points = [(row["nt"], row[method]["as_published"][measure]) for row in rows]
            ax.plot(*zip(*points, strict=True), "o-", color=colour, label=method, ms=4)
        ax.axvline(0, color=_GREY, lw=0.8, ls=":")
        ax.set(title=words, xlabel="nt added to both ends", ylim=(0, 1.02))
    axes[0].legend(frameon=False, loc="lower left", fontsize="small")
    return _save(figure, path)
