"""The paper's own task: classify given sequences."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from premir.kernels.pairing import dot_bracket, pack
from premir.scanner.find.folding import Folder, make_folder
from premir.scanner.genome.hairpin_records import HairpinRecord, hairpin_records, left_out
from premir.scanner.outputs import check_writable, writing
from premir.scanner.run.progress import SequenceProgress
from premir.scanner.score.inference import one_thread
from premir.scanner.score.model import Model, probabilities
from premir.scanner.streams import is_stream

_log = logging.getLogger(__name__)
_HEADER = "name\tprob\tlabel\tmfe\tstructure\tremark\n"
_TRAINED_SHORTEST, _TRAINED_LONGEST = 45, 400
"""Lengths, in nt, that the paper's networks know: their data sets hold hairpins of 45 to 398 nt,
and 400 is the limit of Do et al. (2018)."""
_BLOCK_NT = 20_000
"""Nucleotides folded and scored at a time for each process, some 0.5 s of work."""


def classify(
    sequences: Path, out: Path, model: Model, *, folder_name: str, threads: int, quiet: bool
) -> int:
    """Fold and score every sequence of a FASTA file as a whole, in bounded memory.

    Args:
        sequences: FASTA of hairpins; ``-`` for stdin.
        out: TSV with name, prob, label (1 from probability 0.5), MFE in kcal/mol, structure and a
            remark; ``-`` for stdout.
        model: scores them.
        folder_name: what folds them, ``kernel`` or ``viennarna``.
        threads: processes for the bindings.
        quiet: no progress bar.

    Returns:
        Exit code 0, also where records cannot be folded: those have no values but a remark.

    Raises:
        InputError: a file cannot be used.
    """
    check_writable(out)
    # A file is checked as a whole before time is spent on it; a stream comes only once.
    total = None if is_stream(sequences) else sum(1 for _ in hairpin_records(sequences, say=False))
    records = hairpin_records(sequences, unknown_letters=model.unknown_letters)
    classifier = _Classifier(model)
    folder = make_folder(folder_name, processes=threads)
    try:
        # On two busy cores 690 hairpins took 39 s with two threads in an operation, 7 s with one.
        with (
            one_thread(),
            SequenceProgress(total, quiet=quiet) as progress,
            writing(out) as handle,
        ):
            handle.write(_HEADER)
            for block in _blocks(records, _BLOCK_NT * threads):
                handle.writelines(classifier.rows(block, folder))
                progress.advance(len(block), classifier.positives)
    finally:
        folder.close()
    classifier.report(sequences)
    return 0


def _blocks(records: Iterable[HairpinRecord], nucleotides: int) -> Iterator[list[HairpinRecord]]:
    """Group records until they have so many nucleotides together."""
    block: list[HairpinRecord] = []
    size = 0
    for record in records:
        block.append(record)
        size += record.length if record.codes is not None else 1
        if size >= nucleotides:
            yield block
            block, size = [], 0
    if block:
        yield block


class _Classifier:
    """Turns records into lines of the table, and counts them.

    Attributes:
        positives: sequences called pre-miRNA.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._records = 0
        self.positives = 0
        self._left_out: Counter[str] = Counter()
        self._short = self._long = 0

    def rows(self, block: list[HairpinRecord], folder: Folder) -> Iterator[str]:
        """Yield a line for each record, in their order."""
        self._records += len(block)
        block = [self._readable(record) for record in block]
        hairpins = folder.fold(*pack([r.codes for r in block if r.codes is not None]))
        probs = probabilities(self._model.score(hairpins))
        scored = 0
        for record in block:
            if record.codes is None:
                self._left_out[record.kind] += 1
                yield f"{record.name}\t.\t.\t.\t.\t{record.remark}\n"
                continue
            _, pairs, mfe = hairpins[scored]
            prob = probs[scored]
            scored += 1
            self.positives += bool(prob >= 0.5)
            yield (
                f"{record.name}\t{prob:.6f}\t{int(prob >= 0.5)}\t{mfe / 100:.2f}\t"
                f"{dot_bracket(pairs)}\t{self._remark(record.length)}\n"
            )

    def _readable(self, record: HairpinRecord) -> HairpinRecord:
        """Return a record, without its sequence where the model cannot read one so long."""
        most = self._model.longest
        if record.codes is None or record.length <= most:
            return record
        kind = f"longer than the {most} nt that {self._model.name} reads"
        return replace(record, codes=None, kind=kind, remark=kind)

    def _remark(self, length: int) -> str:
        """Say where a length is beyond those that networks were trained on."""
        if length < _TRAINED_SHORTEST:
            self._short += 1
            return f"shorter than {_TRAINED_SHORTEST} nt"
        if length > _TRAINED_LONGEST:
            self._long += 1
            return f"longer than {_TRAINED_LONGEST} nt"
        return "."

    def report(self, source: Path) -> None:
        """Say how it went, and how far the numbers carry."""
        if self._short or self._long:
            _log.warning(
                "%s: %d sequences are shorter than %d nt and %d longer than %d nt; the paper's "
                "data sets have none of such lengths, and probabilities mean little for them",
                source, self._short, _TRAINED_SHORTEST, self._long, _TRAINED_LONGEST,
            )  # fmt: skip
        unscored = self._left_out.total()
        if unscored:
            _log.warning(
                "%s: %d of %d records cannot be scored and have no values: %s",
                source, unscored, self._records, left_out(self._left_out),
            )  # fmt: skip
        _log.info("%d of %d sequences are called pre-miRNA", self.positives, self._records)
