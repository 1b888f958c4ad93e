"""Gates: what cannot become a hit at a model's threshold is rejected before it costs much.

A model directory may hold ``gates.safetensors``: votes of trees over whole-number features
(:mod:`premir.kernels.gate_features`), one set before folding and one after it. Evidence like known
families lifts hairpins to hits that the model would not call alone; a candidate that nothing lifts
needs more votes, where that can be told from its letters.
``premir.train.gates`` builds them and measures what they lose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.gate_features import (
    FOLD_FEATURES,
    GATE_FEATURES,
    STEM_FEATURES,
    Features,
    fold_features,
    stem_features,
    sum_votes,
)
from premir.kernels.pairing import Offsets
from premir.scanner.errors import ModelError
from premir.scanner.files import sha256
from premir.scanner.find.hairpins import Hairpins, gather
from premir.scanner.find.loci import Loci
from premir.scanner.score.card import CARD, GatesCard
from premir.scanner.score.lift import Lift
from premir.scanner.score.model import Model

GATES = "gates.safetensors"
MOST_LEVELS = 64
"""Nodes on the way from a root to a leaf; trees of ``premir.train.gates`` have 24 leaves."""
_SIZES = {"stem": STEM_FEATURES, "fold": FOLD_FEATURES}
"""Features that each gate may ask for."""
_MOST_BYTES = 1 << 24
"""A candidate passes every tree: larger gates would cost more than they save."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate.

    Attributes:
        nodes: int32 (M, 5), see :func:`premir.kernels.gate_features.sum_votes`.
        roots: int32 (trees,), first node of each tree.
        cut: fewest votes that pass.
        alone: fewest of what no evidence lifts, no fewer than ``cut``.
    """

    nodes: npt.NDArray[np.int32]
    roots: npt.NDArray[np.int32]
    cut: int
    alone: int

    def passes(self, features: Features, *, alone: bool) -> npt.NDArray[np.bool_]:
        """Say which rows of features pass, bool (N,); ``alone`` by which cut."""
        return self.votes(features) >= (self.alone if alone else self.cut)

    def votes(self, features: Features) -> npt.NDArray[np.int64]:
        """Return the votes for each row of features, int64 (N,)."""
        votes = np.zeros(features.shape[0], np.int64)
        sum_votes(features, self.nodes, self.roots, votes)
        return votes


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of a model.

    Attributes:
        stem: before folding.
        fold: after it.
        digest: SHA-256 of their file.
        card: what the model card says about them.
        strict: whether what no evidence lifts needs the votes of :attr:`Gate.alone`.
        lift: says what evidence lifts; None where none does.
    """

    stem: Gate
    fold: Gate
    digest: str
    card: GatesCard
    strict: bool = False
    lift: Lift | None = None

    def __str__(self) -> str:
        alone = f" alone {self.stem.alone} {self.fold.alone}" if self.strict else ""
        return f"sha256 {self.digest}{alone}"

    @property
    def key(self) -> str:
        """Tells what these gates pass from what others do."""
        if not self.strict:
            return self.digest
        return f"{self} {self.lift.digest}" if self.lift is not None else str(self)

    @property
    def judged(self) -> Mapping[str, Any]:
        """What they pass and lose in genomes that they were not built from."""
        return self.card["alone"]["judged"] if self.strict else self.card["judged"]

    def stricter(self, lift: Lift | None) -> Gates:
        """Return the gates for scans in which nothing lifts hairpins, or ``lift`` says which."""
        return replace(self, strict=True, lift=lift) if "alone" in self.card else self

    def before_folding(self, loci: Loci, codes: Codes, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Say which candidates are worth folding.

        Args:
            loci: N candidates.
            codes: uint8 (T,), what would be folded of each, packed.
            offsets: int64 (N + 1,), their borders.
        """
        before, after = loci.contexts()
        features = stem_features(codes, offsets, before, after, loci.stem_energy)
        return self._pass(self.stem, features, codes, offsets)

    def after_folding(self, loci: Loci, hairpins: Hairpins) -> npt.NDArray[np.bool_]:
        """Say which folded candidates are worth scoring."""
        before, after = loci.contexts()
        features = fold_features(
            hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets, before, after
        )
        return self._pass(self.fold, features, hairpins.codes, hairpins.offsets)

    def _pass(
        self, gate: Gate, features: Features, codes: Codes, offsets: Offsets
    ) -> npt.NDArray[np.bool_]:
        votes = gate.votes(features)
        passed = votes >= (gate.alone if self.strict else gate.cut)
        if self.lift is not None:
            asked = np.flatnonzero(~passed & (votes >= gate.cut))
            positions, borders = gather(offsets, asked)
            passed[asked] = self.lift(codes[positions], borders) > 0
        return passed


def load_gates(model: Model) -> Gates | None:
    """Load the gates of a model, None where it has none.

    Raises:
        ModelError: the file is missing, damaged or made for other features.
    """
    from safetensors import SafetensorError, safe_open

    card = model.card.get("gates")
    if card is None:
        return None
    path = model.directory / GATES
    if path.is_file() and path.stat().st_size > _MOST_BYTES:
        raise ModelError(f"{path}: too large for gates")
    if not path.is_file() or sha256(path) != card["sha256"]:
        raise ModelError(
            f"{path}: missing, or not what {CARD} says; use --exhaustive, or build the gates again"
        )
    if card["weights_sha256"] != model.digest:
        raise ModelError(
            f"{path}: built for other weights; use --exhaustive, or build the gates again"
        )
    if card["features"] != GATE_FEATURES:
        raise ModelError(
            f"{path}: made for features {card['features']!r}, this premir computes "
            f"{GATE_FEATURES!r}; "
            "use --exhaustive, or build the gates again"
        )
    try:
        with safe_open(path, "np") as file:
            stem, fold = (
                _read_gate(path, file, name, features, card) for name, features in _SIZES.items()
            )
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: damaged: {error}") from error
    return Gates(stem, fold, card["sha256"], card)


def _read_gate(path: Path, file: Any, name: str, features: int, card: GatesCard) -> Gate:
    """Read one gate from an open file.

    Args:
        path: of the file, for messages.
        file: as ``safetensors.safe_open`` gives it.
        name: ``stem`` or ``fold``.
        features: how many its trees may ask for.
        card: holds the stricter cut, if there is one.

    Raises:
        ModelError: an array is missing, or of another type or shape, or the trees are none.
    """
    arrays: list[Any] = []
    present = set(file.keys())
    for array, dtype in (("nodes", "I32"), ("roots", "I32"), ("cut", "I64")):
        key = f"{name}.{array}"
        if key not in present:
            raise ModelError(f"{path}: damaged: {key} is missing")
        piece = file.get_slice(key)
        found, shape = piece.get_dtype(), piece.get_shape()
        fits = {
            "nodes": len(shape) == 2 and shape[1] == 5,
            "roots": len(shape) == 1,
            "cut": shape == [1],
        }
        if found != dtype or not fits[array]:
            raise ModelError(f"{path}: {key} is {found} {shape}; see docs/formats.md")
        arrays.append(file.get_tensor(key))
    nodes, roots, cut = arrays
    if fault := tree_fault(nodes, roots, features):
        raise ModelError(f"{path}: {name}: {fault}")
    lenient = int(cut[0])
    return Gate(nodes, roots, lenient, max(lenient, card.get("alone", {}).get(name, lenient)))


def tree_fault(
    nodes: npt.NDArray[np.int32], roots: npt.NDArray[np.int32], features: int
) -> str | None:
    """Say why nodes are no trees that can be walked, None where they are.

    No node is reached twice, so that there are neither cycles nor shared branches, and a walk takes
    at most ``MOST_LEVELS`` steps.

    Args:
        nodes: int32 (M, 5), see :func:`premir.kernels.gate_features.sum_votes`.
        roots: int32 (trees,).
        features: how many there are.
    """
    asked = nodes[:, 0]
    if ((asked < -1) | (asked >= features)).any():
        return f"a node asks for a feature that is none of {features}"
    reached = np.zeros(len(nodes), np.bool_)
    level = roots
    for _ in range(MOST_LEVELS):
        if ((level < 0) | (level >= len(nodes))).any():
            return f"leads to a node that is none of {len(nodes)}"
        if reached[level].any() or np.unique(level).size < level.size:
            return "a node is reached twice"
        reached[level] = True
        level = nodes[level[asked[level] >= 0], 2:4].ravel()
        if not level.size:
            return None
    return f"a tree is deeper than {MOST_LEVELS} levels"
