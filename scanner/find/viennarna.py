"""The ViennaRNA bindings, reached from one place. Light to import: workers load nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from premir.kernels.folding_model import model_details


def version() -> str:
    """Return the version of the ViennaRNA bindings."""
    import RNA

    return str(RNA.__version__)


def fold(sequences: Sequence[str]) -> list[tuple[str, int]]:
    """Fold sequences of A, C, G, U, N one after another; the bindings hold the GIL meanwhile.

    Args:
        sequences: upper-case RNA without any other letter.

    Returns:
        Dot-bracket structure and MFE in dcal/mol of each.
    """
    import RNA

    details = model_details()
    folded = []
    for sequence in sequences:
        # An empty sequence would come back with a made-up energy of 100,000 kcal/mol.
        structure, energy = RNA.fold_compound(sequence, details).mfe() if sequence else ("", 0.0)
        folded.append((structure, round(energy * 100)))
    return folded
