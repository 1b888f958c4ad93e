"""Gates: what cannot become a hit at a model's threshold is rejected before it costs much.

A model directory may hold ``gates.safetensors``: votes of trees over whole-number features
(:mod:`premir.kernels.gates`), one set before folding and one after it. ``premir.train.gates``
builds them and measures what they lose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.gates import (
    FEATURES,
    Features,
    fold_features,
    stem_features,
    sum_votes,
)
from premir.kernels.pairing import Offsets
from premir.scanner.batches import Hairpins
from premir.scanner.errors import ModelError
from premir.scanner.files import sha256
from premir.scanner.model_store import CARD, ModelSpec
from premir.scanner.options import ScanOptions
from premir.scanner.shards import Loci

GATES = "gates.safetensors"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate.

    Attributes:
        nodes: int32 (M, 5), see :func:`premir.kernels.gates.sum_votes`.
        roots: int32 (trees,), first node of each tree.
        cut: fewest votes that pass.
    """

    nodes: npt.NDArray[np.int32]
    roots: npt.NDArray[np.int32]
    cut: int

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
    """

    stem: Gate
    fold: Gate
    digest: str
    card: dict[str, Any]

    def before_folding(self, loci: Loci, codes: Codes, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Say which candidates are worth folding.

        Args:
            loci: N candidates.
            codes: uint8 (T,), what would be folded of each, packed.
            offsets: int64 (N + 1,), their borders.
        """
        before, after = loci.contexts()
        features = stem_features(codes, offsets, before, after, loci.stem_energy)
        return self.stem.votes(features) >= self.stem.cut

    def after_folding(self, loci: Loci, hairpins: Hairpins) -> npt.NDArray[np.bool_]:
        """Say which folded candidates are worth scoring."""
        before, after = loci.contexts()
        features = fold_features(
            hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets, before, after
        )
        return self.fold.votes(features) >= self.fold.cut


def load_gates(spec: ModelSpec) -> Gates | None:
    """Load the gates of a model, None where it has none.

    Raises:
        ModelError: the file is missing, damaged or made for other features.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    card = spec.card.get("gates")
    if card is None:
        return None
    path = spec.directory / GATES
    if not path.is_file() or sha256(path) != card["sha256"]:
        raise ModelError(
            f"{path}: missing, or not what {CARD} says; use --exhaustive, or build the gates again"
        )
    if card["weights_sha256"] != spec.digest:
        raise ModelError(
            f"{path}: built for other weights; use --exhaustive, or build the gates again"
        )
    if card["features"] != FEATURES:
        raise ModelError(
            f"{path}: made for features {card['features']!r}, this premir computes {FEATURES!r}; "
            "use --exhaustive, or build the gates again"
        )
    try:
        arrays = load_file(path)
        stem, fold = (
            Gate(arrays[f"{name}.nodes"], arrays[f"{name}.roots"], int(arrays[f"{name}.cut"][0]))
            for name in ("stem", "fold")
        )
    except (SafetensorError, KeyError, IndexError) as error:
        raise ModelError(f"{path}: damaged: {error!r}") from error
    return Gates(stem, fold, card["sha256"], card)


def choose_gates(options: ScanOptions) -> tuple[Gates | None, str]:
    """Decide whether a scan uses its model's gates.

    Returns:
        The gates, or None and why there are none.
    """
    if options.exhaustive:
        return None, "--exhaustive"
    gates = load_gates(options.model)
    if gates is None:
        return None, "the model has none"
    built = gates.card
    if options.min_prob < built["min_prob"]:
        wanted, lowest = options.min_prob, built["min_prob"]
        return None, f"--min-prob {wanted:g} is below the {lowest:g} they were built for"
    if options.candidates is not None:
        return None, "--candidates asks for all candidates"
    kind = {"preset": options.preset, "extractor": options.extractor}
    for name, value in kind.items():
        if value != built[name]:
            return None, f"they were built for {name} {built[name]}"
    if options.max_span not in (None, built["max_span"]):
        return None, f"they were built for a span of {built['max_span']}"
    return gates, ""
