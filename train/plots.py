"""Figures of the result tables, and of how a training went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from premir.kernels.codes import ALPHABET
from premir.kernels.pairing import pairing_tensors
from premir.scanner.find.hairpins import Hairpins
from premir.train.validation import Course

mpl.use("agg")

_BLUE, _RED, _GREEN, _GREY = "#2166ac", "#b2182b", "#1b7837", "#777777"


def _figure(columns: int, *, height: float = 3.2) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(3.4 * columns, height), dpi=120, layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


def tensor(hairpin: Hairpins, path: Path) -> Path:
    """Draw the pairing tensor of a hairpin (the paper's Fig. 1): its pairs, and letters by row."""
    (channels,) = pairing_tensors(hairpin.codes, hairpin.pairs, hairpin.mfe, hairpin.offsets)
    figure, axes = _figure(5, height=3.6)
    for number, ax in enumerate(axes):
        ax.spines[:].set_visible(True)
        image = ax.imshow(channels[number], cmap="Greys" if number else "Blues_r")
        ax.set(title=f"{number}: letter {ALPHABET[number - 1]}" if number else "0: pairs")
        if number == 0:
            figure.colorbar(image, ax=ax, label="kcal/mol", location="left", shrink=0.8)
    return _save(figure, path)


_PANELS = (("se", "sensitivity"), ("f", "F-score"), ("auroc", "AUROC"), ("aupr", "AUPR"))


def curves(courses: Sequence[Course], path: Path, *, mark: int) -> Path:
    """Draw loss and measures by epoch, training against validation: each course, and their mean.

    Args:
        courses: of trainings of one kind; each may have ended after other epochs.
        path: PNG to write.
        mark: epoch to mark.
    """
    figure, axes = _figure(1 + len(_PANELS))
    _lines(axes[0], [course.losses for course in courses], _GREY, "training")
    axes[0].set(title="loss")
    for ax, (measure, words) in zip(axes[1:], _PANELS, strict=True):
        _lines(ax, [course.training[measure] for course in courses], _GREY, "training")
        _lines(ax, [course.validation[measure] for course in courses], _BLUE, "validation")
        ax.set(title=words)
    for ax in axes:
        ax.axvline(mark, color=_RED, lw=0.8, ls=":")
        ax.set(xlabel="epoch")
    axes[1].legend(frameon=False, loc="lower right")
    return _save(figure, path)


def _lines(ax: Axes, lines: Sequence[Sequence[float]], colour: str, label: str) -> None:
    """Draw lines by epoch, and their mean as far as all of them go."""
    for line in lines:
        ax.plot(np.arange(1, len(line) + 1), line, color=colour, alpha=0.35, lw=0.6)
    shared = min(map(len, lines))
    mean = np.mean([line[:shared] for line in lines], axis=0)
    marker = "o" if shared == 1 else ""
    ax.plot(np.arange(1, shared + 1), mean, color=colour, label=label, marker=marker)


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
        for method, colour in zip(results["methods"], (_BLUE, _RED, _GREEN), strict=False):
            points = [(row["nt"], row[method]["as_published"][measure]) for row in rows]
            ax.plot(*zip(*points, strict=True), "o-", color=colour, label=method, ms=4)
        ax.axvline(0, color=_GREY, lw=0.8, ls=":")
        ax.set(title=words, xlabel="nt added to both ends", ylim=(0, 1.02))
    axes[0].legend(frameon=False, loc="lower left", fontsize="small")
    return _save(figure, path)
