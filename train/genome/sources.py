"""From a configuration to shards: what trains, and what judges."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes, encode, reverse_complement
from premir.scanner.errors import InputError
from premir.scanner.files import sha256, whole_file
from premir.scanner.find.candidates import PRESETS, Extractor
from premir.scanner.find.folding import Folder
from premir.scanner.genome.fasta import read_records
from premir.train.genome.config import Background, GenomeConfig, Known, Source
from premir.train.genome.cuts import Choice, Cuts, cut_genome, matching, touching
from premir.train.genome.planting import (
    FLANK,
    Planted,
    plant_inverted_repeats,
    plant_known,
    plant_tandem_repeats,
)
from premir.train.precursors import Precursor, precursor_files, read_precursors

_log = logging.getLogger(__name__)

RIGHT = frozenset({"there", "as expected"})
"""States of sources that can be used (:func:`state_of`)."""

_SHORTEST = 5_000
"""Contigs that flanks are cut from have more nucleotides than this."""


@dataclass(frozen=True, slots=True)
class KnownCuts:
    """Cuts of known hairpins.

    Attributes:
        cuts: of a planted genome.
        groups: family of each of its contigs.
    """

    cuts: Cuts
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out background.

    Attributes:
        cuts: its candidates.
        neutral: int64 (N, 3), contig, start and end of hairpins that are not counted.
    """

    cuts: Cuts
    neutral: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sources:
    """All that a training reads.

    Attributes:
        positives: cuts of known hairpins to train on.
        negatives: shards of background candidates to train on.
        known: cuts of known hairpins of other families, to judge by.
        held: background contigs to judge by.
        adapted: shards of candidates of the genome that the network adapts to, if any.
    """

    positives: tuple[KnownCuts, ...]
    negatives: tuple[Path, ...]
    known: KnownCuts
    held: tuple[Held, ...]
    adapted: tuple[Path, ...] = ()


def held_out(name: str, share: float) -> bool:
    """Whether a family or contig judges, chosen by its name."""
    return zlib.crc32(name.lower().encode()) % 10_000 < share * 10_000


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A genome whose unlabelled candidates are negatives too.

    Attributes:
        genome: FASTA.
        contigs: names of the contigs to take; all where empty.
    """

    genome: Path
    contigs: tuple[str, ...] = ()


def digests(config: GenomeConfig, adapt: Adaptation | None = None) -> dict[str, str]:
    """Say what a training reads: SHA-256 of each source, by its place in the configuration.

    Raises:
        InputError: a source cannot be read.
    """
    found = {source.place: digest_of(source) for source in config.sources()}
    for number, lending in enumerate(config.backgrounds):
        # Its name decides, with those of its contigs, what of it judges.
        place = f"backgrounds.{number}.genome"
        found[place] = f"{_stem(lending)} {found[place]}"
    if adapt is not None:
        found["adapt.genome"] = _sha256(adapt.genome)
        found["adapt.contigs"] = " ".join(sorted(adapt.contigs))
    return found


def digest_of(source: Source) -> str:
    """Return the SHA-256 of a source; of miRBase's folder, that over names and files that count.

    Raises:
        InputError: it cannot be read.
    """
    if source.key != "mirbase":
        return _sha256(source.path)
    files = precursor_files(source.path)
    text = "".join(f"{path.relative_to(source.path)} {_sha256(path)}\n" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()


def state_of(source: Source) -> str:
    """Say whether a source is there, and is what it is expected to be.

    Returns:
        ``missing``, ``differs``, ``as expected``, or ``there`` where no digest is expected.
    """
    files = precursor_files(source.path) if source.key == "mirbase" else [source.path]
    if not all(path.is_file() for path in files):
        return "missing"
    if not source.sha256:
        return "there"
    return "as expected" if digest_of(source) == source.sha256 else "differs"


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def prepare(
    config: GenomeConfig, work: Path, folder: Folder, adapt: Adaptation | None = None
) -> Sources:
    """Cut and fold everything; what is there from an earlier call for the same is kept.

    Args:
        config: what to train on.
        work: folder for shards.
        folder: folds candidates.
        adapt: genome to adapt to; it lends candidates and flanks.

    Raises:
        InputError: a source is faulty, or the split leaves nothing to train on or to judge by.
        PlanMismatchError: ``work`` holds candidates of something else.
    """
    stems = [_stem(lending) for lending in config.backgrounds]
    if len(set(stems)) < len(stems):
        raise InputError(f"two backgrounds are named {max(stems, key=stems.count)}: rename a file")
    work.mkdir(parents=True, exist_ok=True)
    known = read_known(config.known)
    _log.info(
        "preparing candidates of known hairpins (%d) and genomes (%d); what is there is kept",
        len(known),
        len(stems) + (adapt is not None),
    )
    preset = PRESETS[config.preset]
    extractors = [replace(preset, context_nt=context) for context in config.contexts]
    own = [replace(preset, context_nt=config.context_nt)]

    genomes = [_split(background, config.validation, work) for background in config.backgrounds]
    negatives: list[Path] = []
    lending, held, lending_held = [], [], []
    for background, (training, judging) in zip(config.backgrounds, genomes, strict=True):
        if contigs := _contigs(training):
            lending.append(contigs)
            negatives += _shards(_cut(training, extractors, folder))
        if contigs := _contigs(judging):
            lending_held.append(contigs)
            (cuts,) = _cut(judging, own, folder)
            held.append(Held(cuts, _neutral(background.neutral, cuts)))
    adapted: list[Path] = []
    if adapt is not None:
        path = _chosen(adapt, work)
        lending.append(_contigs(path))
        adapted += _shards(_cut(path, extractors, folder))
    sides = [[p for p in known if held_out(p.family, config.validation) == side] for side in (0, 1)]
    if not lending or not held or not all(sides):
        raise InputError(
            "nothing is left to train on or to judge by: give more known hairpins and background "
            "contigs, or change validation"
        )
    _log.info("%d known hairpins to train on, %d to judge by", *map(len, sides))

    for kind, count, plant, stage in (
        ("inverted", config.inverted_repeats, plant_inverted_repeats, 1),
        ("tandem", config.tandem_repeats, plant_tandem_repeats, 5),
    ):
        if count:
            rng = np.random.default_rng([config.seed, stage])
            path = work / f"{kind}-repeats.fa"
            repeats = plant(path, count, lending, rng)
            negatives += _shards(_cut(path, extractors, folder, Choice(touching, repeats)))
    positives = []
    for copy in range(config.planted):
        rng = np.random.default_rng([config.seed, 2, copy])
        planted = plant_known(work / f"known-{copy}.fa", sides[0], lending, rng)
        positives += _known_cuts(planted, extractors, folder)
    rng = np.random.default_rng([config.seed, 3])
    judges = plant_known(work / "known-held-out.fa", sides[1], lending_held, rng)
    (judging_cuts,) = _known_cuts(judges, own, folder)
    return Sources(
        tuple(positives),
        tuple(negatives),
        judging_cuts,
        tuple(held),
        tuple(adapted),
    )


def read_known(sources: Sequence[Known]) -> list[Precursor]:
    """Read the known hairpins of a configuration."""
    found: list[Precursor] = []
    for source in sources:
        if source.mirbase is not None:
            found += [p for p in read_precursors(source.mirbase) if p.kind == "animal"]
        elif source.fasta is not None:
            for name, letters in read_records(source.fasta):
                codes = encode(letters)
                family = name.rpartition("-")[0] or name
                found.append(Precursor(name, "", family, "animal", codes, (0, codes.size)))
        elif source.bed is not None and source.genome is not None:
            found += _from_genome(source.bed, source.genome)
    return [p for p in found if not np.any(p.codes == UNKNOWN)]


def _from_genome(bed: Path, genome: Path) -> list[Precursor]:
    """Cut loci out of their genome, with the flanks that they have there."""
    contigs = dict(read_records(genome))
    found = []
    for number, (chrom, start, end, name, strand) in enumerate(read_bed(bed), 1):
        if chrom not in contigs or not 0 <= start < end <= len(contigs[chrom]):
            raise InputError(f"{bed}: line {number}: {chrom}:{start}-{end} is not in {genome}")
        codes = encode(contigs[chrom][max(0, start - FLANK) : end + FLANK])
        left, right = min(start, FLANK), min(len(contigs[chrom]) - end, FLANK)
        if strand == "-":
            codes, left, right = reverse_complement(codes), right, left
        found.append(Precursor(name, "", name, "animal", codes, (left, codes.size - right)))
    return found


def read_bed(path: Path) -> list[tuple[str, int, int, str, str]]:
    """Read contig, start, end, name and strand of a BED6 file.

    Raises:
        InputError: a line is not BED6.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t")
        try:
            rows.append((fields[0], int(fields[1]), int(fields[2]), fields[3], fields[5]))
        except (IndexError, ValueError) as error:
            raise InputError(f"{path}: line {number}: not BED6: {line[:60]!r}") from error
    return rows


def _stem(background: Background) -> str:
    return f"{background.genome.parent.name}-{background.genome.name.partition('.')[0]}"


def _split(background: Background, share: float, work: Path) -> tuple[Path, Path]:
    """Write the contigs of a background to two files: those that train, those that judge."""
    source, stem = background.genome, _stem(background)
    paths = work / f"{stem}-train.fa", work / f"{stem}-held-out.fa"
    records = read_records(source)
    for path, side in zip(paths, (False, True), strict=True):
        with whole_file(path) as temporary, temporary.open("w", encoding="ascii") as handle:
            for name, letters in records:
                if held_out(f"{stem}/{name}", share) == side:
                    handle.write(f">{name}\n{letters}\n")
    return paths


def _chosen(adapt: Adaptation, work: Path) -> Path:
    """Write the contigs to adapt to."""
    records = read_records(adapt.genome)
    for name in adapt.contigs:
        if name not in dict(records):
            raise InputError(f"{adapt.genome}: no contig {name!r}; see --contigs")
    path = work / "adapted.fa"
    with whole_file(path) as temporary, temporary.open("w", encoding="ascii") as handle:
        for name, letters in records:
            if not adapt.contigs or name in adapt.contigs:
                handle.write(f">{name}\n{letters}\n")
    return path


def _contigs(path: Path) -> list[Codes]:
    if not path.stat().st_size:
        return []
    codes = [encode(letters) for _, letters in read_records(path)]
    return [each for each in codes if each.size > _SHORTEST]


def _cut(
    fasta: Path, extractors: Sequence[Extractor], folder: Folder, choice: Choice | None = None
) -> list[Cuts]:
    """Cut a genome with each extractor, and say what there is of it."""
    found = [
        cut_genome(fasta, fasta.with_suffix(f".context{each.context_nt}"), each, folder, choice)
        for each in extractors
    ]
    _log.info(
        "%s: %.2f Mb, candidates with %s nt of context: %s",
        fasta.stem,
        found[0].contigs.lengths.sum() / 1e6,
        ", ".join(str(each.context_nt) for each in extractors),
        ", ".join(f"{cuts.candidates:,}" for cuts in found),
    )
    return found


def _shards(cuts: Sequence[Cuts]) -> list[Path]:
    return [path for each in cuts for path in each.shards]


def _known_cuts(
    planted: Planted, extractors: Sequence[Extractor], folder: Folder
) -> list[KnownCuts]:
    cuts = _cut(planted.fasta, extractors, folder, Choice(matching, planted))
    return [KnownCuts(each, planted.groups) for each in cuts]


def _neutral(bed: Path | None, cuts: Cuts) -> npt.NDArray[np.int64]:
    numbers = {contig.name: number for number, contig in enumerate(cuts.contigs)}
    rows = [
        (numbers[chrom], start, end)
        for chrom, start, end, _, _ in (read_bed(bed) if bed is not None else [])
        if chrom in numbers
    ]
    return np.array(rows, np.int64).reshape(-1, 3)
