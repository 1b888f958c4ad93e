"""The paper's own task: classify given sequences."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from premir.kernels.codes import UNKNOWN, encode
from premir.kernels.pairing import MAX_LENGTH, dot_bracket
from premir.scanner.batches import pack
from premir.scanner.errors import InputError
from premir.scanner.fasta import read_records
from premir.scanner.folding import make_folder
from premir.scanner.inference import canonical_probabilities
from premir.scanner.model_store import ModelSpec, load_network
from premir.scanner.outputs import check_writable, writing

_log = logging.getLogger(__name__)
_HEADER = "name\tprob\tlabel\tmfe\tstructure\n"


def classify(
    sequences: Path, out: Path, model: ModelSpec, *, folder_name: str, threads: int
) -> int:
    """Fold and score every sequence of a FASTA file as a whole.

    Args:
        sequences: FASTA of hairpins.
        out: TSV with name, prob, label (1 from probability 0.5), MFE in kcal/mol and structure;
            ``-`` for stdout.
        model: scores them.
        folder_name: what folds them, ``kernel`` or ``viennarna``.
        threads: processes for the bindings.

    Returns:
        Exit code 0.

    Raises:
        InputError: a file cannot be used, or a sequence holds another letter than A, C, G, T, U.
    """
    check_writable(out)
    records = read_records(sequences)
    codes = []
    for name, letters in records:
        sequence = encode(letters)
        if np.any(sequence == UNKNOWN):
            raise InputError(
                f"{sequences}: {name}: holds a letter other than A, C, G, T, U and cannot be "
                "folded; remove the record"
            )
        if sequence.size > MAX_LENGTH:
            raise InputError(f"{sequences}: {name}: longer than {MAX_LENGTH} nt; scan it instead")
        codes.append(sequence)
    network = load_network(model, dtype=torch.float64)
    folder = make_folder(folder_name, processes=threads)
    try:
        hairpins = folder.fold(*pack(codes))
    finally:
        folder.close()
    lines = [_HEADER]
    probabilities = canonical_probabilities(network, hairpins)
    for n, (name, _) in enumerate(records):
        _, pairs, mfe = hairpins[n]
        prob = probabilities[n]
        lines.append(
            f"{name}\t{prob:.6f}\t{int(prob >= 0.5)}\t{mfe / 100:.2f}\t{dot_bracket(pairs)}\n"
        )
    with writing(out) as handle:
        handle.writelines(lines)
    positives = int((probabilities >= 0.5).sum())
    _log.info("%d of %d sequences are called pre-miRNA", positives, len(records))
    return 0
