"""Representatives of known families from miRBase: the library that scans compare hits with."""

from __future__ import annotations

import csv
import gzip
import itertools
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, encode
from premir.kernels.pairing import Offsets, pack
from premir.scanner.errors import InputError
from premir.scanner.files import sha256
from premir.scanner.find.hairpins import gather
from premir.scanner.genome.fasta import read_records
from premir.scanner.report.evidence.known.library import (
    Arm,
    BackgroundTail,
    KnownHairpin,
    Library,
    count_seeds,
)
from premir.scanner.report.evidence.known.names import species_of
from premir.scanner.report.evidence.known.reading import write_library
from premir.scanner.report.evidence.known.representatives import representatives
from premir.scanner.report.reading import read_hits
from premir.train.genome.relatives import REPEATED, known_stretches
from premir.train.precursors import DAPHNIA, NEMATODES, VIRUSES

_log = logging.getLogger(__name__)

SOURCE = "miRBase 22.1, which is in the public domain"
GROUPS = {"nematodes": NEMATODES, "daphnia": DAPHNIA}
"""Organisms that accuracy is measured on, by names that ``without`` takes."""
FEWEST_GENERA = 2
"""A family counts where hairpins of so many genera have matures by experiment."""
_LONGEST = 300
_HIGH = 0.01
"""Of the background: families that more of it resembles than chance has it are told by these."""
_CHANCE = 5
"""So many more than expected are chance."""
_ROUNDS = 3
_FEWEST = 30
"""Fewer background hairpins make no share: it is extrapolated."""
_LEAST_SHARE = 1e-8
"""No smaller share is claimed."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    known: KnownHairpin
    genus: str


def members_of_families(data: Path, without: Collection[str] = ()) -> list[KnownHairpin]:
    """Return the hairpins of the families of animals and plants that are sure.

    Those are families of which hairpins of two genera have matures by experiment.

    Args:
        data: folder with ``mirbase/hairpin.fa.gz`` and ``mirbase/mature.tsv.gz``.
        without: codes of organisms (``cel``) of which nothing is taken.

    Returns:
        Family by family, each in the order of miRBase.

    Raises:
        InputError: a file is not there.
    """
    left_out = VIRUSES | {code.lower() for code in without}
    families: dict[str, list[_Candidate]] = defaultdict(list)
    for each in _read_candidates(data):
        if species_of(each.known.name) not in left_out:
            families[each.known.family].append(each)
    return [
        each.known
        for members in families.values()
        if len({each.genus for each in members}) >= FEWEST_GENERA
        for each in members
    ]


def _read_candidates(data: Path) -> Iterator[_Candidate]:
    """Read the hairpins of miRBase that have a mature by experiment."""
    folder = data / "mirbase"
    for name in ("hairpin.fa.gz", "mature.tsv.gz"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; check --data")
    arms: dict[str, list[Arm]] = defaultdict(list)
    with gzip.open(folder / "mature.tsv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["evidence"] == "experimental":
                arms[row["hairpin_id"]].append((int(row["start1"]) - 1, int(row["end1"])))
    with gzip.open(folder / "hairpin.fa.gz", "rt", encoding="utf-8") as lines:
        genera = {line[1:].split()[0]: line.split()[2] for line in lines if line.startswith(">")}
    for name, letters in read_records(folder / "hairpin.fa.gz"):
        rna = letters.upper().replace("T", "U")
        own = sorted(arm for arm in set(arms.get(name, ())) if 15 <= arm[1] - arm[0] <= 30)
        if own and len(rna) <= _LONGEST and not set(rna) - set("ACGU"):
            yield _Candidate(KnownHairpin(name, rna, tuple(own)), genera[name])


def make_library(
    data: Path, background: Sequence[Path], without: Collection[str], out: Path
) -> dict[str, Any]:
    """Choose known hairpins, calibrate them, and write the library.

    Args:
        data: folder with ``mirbase/``.
        background: BED files, see :func:`read_background`.
        without: organisms to leave out: codes, names of ``GROUPS``, or several with commas.
        out: file to write.

    Returns:
        What there is in it.

    Raises:
        InputError: an input cannot be used.
    """
    words = [word for text in without for word in text.lower().split(",")]
    codes = frozenset(code for word in words for code in GROUPS.get(word, {word}))
    members = members_of_families(data, codes)
    known = representatives(members)
    hairpins = read_background(background, data)
    library = Library(out.name.removesuffix(".json.gz"), known, measure_tail(known, *hairpins))
    source = {
        "source": SOURCE,
        "without": sorted(codes),
        "background": {path.name: sha256(path) for path in background},
        "background_hairpins": hairpins[1].size - 1,
    }
    write_library(out, library, source, members)
    families = len({each.family for each in known})
    return {
        "hairpins": len(known),
        "members": len(members),
        "families": families,
        "sha256": library.digest,
        **source,
    }


def read_background(hits: Sequence[Path], data: Path) -> tuple[Codes, Offsets]:
    """Read the hairpins of background that a library is calibrated on.

    What shares a stretch with a known hairpin is left out, unless the stretch recurs: it is a
    repeat then, and repeats are background.

    Args:
        hits: BED files of scans, down to the probability from which hits are compared.
        data: folder with ``mirbase/``.

    Returns:
        Codes, packed, and their offsets.

    Raises:
        InputError: a file holds no hits, or none is left.
    """
    codes, offsets = pack([encode(hit.sequence) for path in hits for hit in read_hits(path)])
    stretches = known_stretches(data)
    counts = np.zeros(stretches.keys.size, np.int64)
    for start, end in itertools.pairwise(offsets.tolist()):
        stretches.count(codes[start:end], counts)
    related = stretches.take(counts <= REPEATED).shared_with(codes, offsets[:-1], offsets[1:])
    _log.info("%d of %d background hairpins resemble known ones", related.sum(), related.size)
    if related.all():
        raise InputError("--hits: none is left to compare with")
    flat, borders = gather(offsets, np.flatnonzero(~related))
    return codes[flat], borders


def measure_tail(known: Sequence[KnownHairpin], codes: Codes, offsets: Offsets) -> BackgroundTail:
    """Measure how much background resembles a library.

    Args:
        known: the library.
        codes: background hairpins, packed.
        offsets: their borders, int64 (N + 1,).
    """
    shares = Counter(each.family for each in known)
    penalties: dict[str, int] = {}
    for _ in range(_ROUNDS):
        found, score = _compared(known, penalties, codes, offsets)
        decay = _decay(score)
        high = score >= np.quantile(score, 1 - _HIGH)
        counts = Counter(known[n].family for n in found[high & (found >= 0)].tolist())
        for family, count in counts.items():
            expected = high.sum() * shares[family] / len(known) + _CHANCE
            if count > expected:
                more = int(np.ceil(np.log(count / expected) / decay))
                penalties[family] = penalties.get(family, 0) + more
    _, score = _compared(known, penalties, codes, offsets)
    return BackgroundTail(*_curve(score), penalties, count_seeds(known))


def _compared(
    known: Sequence[KnownHairpin], penalties: Mapping[str, int], codes: Codes, offsets: Offsets
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    nothing = BackgroundTail(np.zeros(1, np.int64), np.ones(1), penalties)
    return Library("", known, nothing).nearest(codes, offsets)


def _decay(score: npt.NDArray[np.int64]) -> float:
    """Fit how the share of background falls with the score, from its highest percent on."""
    high = score[score >= np.quantile(score, 1 - _HIGH)]
    return 1 / float(np.mean(high - high.min() + 0.5))


def _curve(score: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return scores, and the share of background that reaches them.

    Shares are counted where ``_FEWEST`` or more reach a score, and fall exponentially from there.
    """
    ordered = np.sort(score)
    scores = np.arange(ordered[0], ordered[-1] + 1)
    share = (ordered.size - np.searchsorted(ordered, scores)) / ordered.size
    counted = share * ordered.size >= _FEWEST
    last, decay = scores[counted][-1], _decay(score)
    end = int(last + np.ceil(np.log(share[counted][-1] / _LEAST_SHARE) / decay))
    scores = np.arange(scores[0], end + 1)
    tail = share[counted][-1] * np.exp(-decay * (scores[counted.sum() :] - last))
    # As they are written, so that a library is the same before and after.
    shares = [float(f"{value:.4g}") for value in np.concatenate([share[counted], tail])]
    return scores, np.array(shares)
