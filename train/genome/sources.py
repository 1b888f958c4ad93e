"""From a configuration to shards: what trains, and what judges."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes, encode, reverse_complement
from premir.kernels.stretches import Stretches
from premir.scanner.errors import InputError
from premir.scanner.files import sha256
from premir.scanner.find.candidates import PRESETS, Extractor
from premir.scanner.find.folding import Folder
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import open_genome
from premir.scanner.report.evidence.known.clades import phylum_of
from premir.train.genome.backgrounds import (
    Divided,
    Place,
    bed_rows,
    divide,
    held_out,
    read_codes,
    stem_of,
    write_contigs,
)
from premir.train.genome.config import GenomeConfig, Known, Source
from premir.train.genome.cuts import Choice, Cuts, Rule, cut_genome, matching, touching
from premir.train.genome.planting import (
    FLANK,
    Planted,
    plant_inverted_repeats,
    plant_known,
    plant_tandem_repeats,
    with_flanks,
)
from premir.train.genome.relatives import REPEATED, Unlike, count_stretches, known_stretches
from premir.train.precursors import BRASSICACEAE, Precursor, precursor_files, read_precursors

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
        phyla: phylum of the organism that each is of; nothing where names do not tell.
        plantings: how often each hairpin was planted.
    """

    cuts: Cuts
    groups: tuple[str, ...]
    phyla: tuple[str, ...] = ()
    plantings: int = 1


@dataclass(frozen=True, slots=True)
class Negatives:
    """Candidates to train on that count as one genome.

    Attributes:
        label: the genome, or the kind of repeats.
        shards: files of candidates, of all contexts.
        candidates: how many they hold, all contexts together.
        megabases: where they were looked for.
    """

    label: str
    shards: tuple[Path, ...]
    candidates: int
    megabases: float


@dataclass(frozen=True, slots=True)
class Held:
    """A held-out background.

    Attributes:
        cuts: its candidates.
        neutral: int64 (N, 3), contig, start and end of hairpins that are not counted.
        genomes: which genome each contig is of.
    """

    cuts: Cuts
    neutral: npt.NDArray[np.int64]
    genomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """All that a training reads.

    Attributes:
        positives: cuts of known hairpins to train on.
        negatives: background candidates to train on, by genome, and those of synthetic repeats.
        known: cuts of known hairpins of other families, to judge by.
        held: background contigs to judge by.
        adapted: candidates of the genome that the network adapts to, context by context, if any.
    """

    positives: tuple[KnownCuts, ...]
    negatives: tuple[Negatives, ...]
    known: KnownCuts
    held: tuple[Held, ...]
    adapted: tuple[Cuts, ...] = ()

    @property
    def negative_shards(self) -> list[Path]:
        """Shards of all negatives but those of the genome to adapt to."""
        return [path for each in self.negatives for path in each.shards]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A genome whose unlabelled candidates are negatives too.

    Attributes:
        genome: FASTA.
        contigs: names of the contigs to take; all where empty.
        folds: networks adapt so many times, each time to all but one part of it
            (:mod:`premir.scanner.score.crossfit`); 1 for once, to all of it.
        with_known: whether what resembles known hairpins is a negative too: only to judge by a
            genome's own hairpins as if nobody knew any.
    """

    genome: Path
    contigs: tuple[str, ...] = ()
    folds: int = 1
    with_known: bool = False


def digests(config: GenomeConfig, adapt: Adaptation | None = None) -> dict[str, str]:
    """Say what a training reads: SHA-256 of each source, by its place in the configuration.

    Raises:
        InputError: a source cannot be read.
    """
    found = {source.place: digest_of(source) for source in config.sources()}
    for number, known in enumerate(config.known):
        if known.kind != "animal":
            found[f"known.{number}.kind"] = known.kind
    for number, lending in enumerate(config.backgrounds):
        # Its name decides, with those of its contigs, what of it judges.
        place = f"backgrounds.{number}.genome"
        found[place] = f"{stem_of(lending)} {found[place]}"
        if lending.judging is not None:
            found[f"backgrounds.{number}.judging"] = " ".join(sorted(lending.judging))
        for key, usual in (("lends", True), ("judges", True), ("apart", False)):
            if getattr(lending, key) != usual:
                found[f"backgrounds.{number}.{key}"] = str(not usual).lower()
    if adapt is not None:
        found["adapt.genome"] = _sha256(adapt.genome)
        found["adapt.contigs"] = " ".join(sorted(adapt.contigs))
        found["adapt.folds"] = f"{adapt.folds}"
        found["adapt.with_known"] = f"{adapt.with_known}"
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
    config: GenomeConfig,
    work: Path,
    folder: Folder,
    adapt: Adaptation | None = None,
    *,
    threads: int = 1,
) -> Sources:
    """Cut and fold everything; what is there from an earlier call for the same is kept.

    Args:
        config: what to train on.
        work: folder for shards.
        folder: folds candidates.
        adapt: genome to adapt to; it lends candidates and flanks.
        threads: workers; what comes out is the same whatever their number.

    Raises:
        InputError: a source is faulty, or the split leaves nothing to train on or to judge by.
        PlanMismatchError: ``work`` holds candidates of something else.
    """
    stems = [stem_of(lending) for lending in config.backgrounds]
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
    cut = partial(_cut, folder=folder, threads=threads)

    # All that can be faulty is read before the first candidate is folded.
    neutral = [read_bed(each.neutral) if each.neutral else [] for each in config.backgrounds]
    divided, rule = _divided(config, work)
    chosen = _chosen(adapt, work) if adapt is not None else None
    training = [part.fasta for parts in divided for part in parts.training]
    lending = _lending([*training, *([chosen] if chosen is not None else [])])
    lending_held = _lending([part.fasta for parts in divided for part in parts.judging])
    learned = [p for p in known if not held_out(p.family, config.validation)]
    judges = [
        p
        for p in known
        if held_out(p.family, config.validation) and p.own_flank >= config.own_flank
    ]
    if not lending or not lending_held or not learned or not judges:
        raise InputError(
            "nothing is left to train on or to judge by: give more known hairpins and background "
            "contigs, or change validation"
        )
    _log.info("%d known hairpins to train on, %d to judge by", len(learned), len(judges))

    negatives: list[Negatives] = []
    held: list[Held] = []
    for parts, places in zip(divided, neutral, strict=True):
        for part in parts.training:
            cuts = cut(part.fasta, extractors, choice=rule, left_out=parts.left_out)
            negatives.append(_negatives(part.label, cuts))
        for part in parts.judging:
            (judging,) = cut(part.fasta, own, choice=rule, left_out=parts.left_out)
            held.append(Held(judging, _neutral(places, judging), part.genomes))
    adapted: list[Cuts] = []
    if adapt is not None and chosen is not None:
        adapted += cut(chosen, extractors, choice=None if adapt.with_known else rule)
    for path, repeats in _synthetic_repeats(config, work, lending):
        cuts = cut(path, extractors, choice=Choice(touching, repeats))
        negatives.append(_negatives(path.stem, cuts))
    positives = []
    for copy in range(config.planted):
        rng = np.random.default_rng([config.seed, 2, copy])
        whole = with_flanks(learned, config.own_flank, rng)
        planted = plant_known(work / f"known-{copy}.fa", whole, lending, rng)
        cuts = cut(planted.fasta, extractors, choice=Choice(matching, planted))
        phyla = tuple(phylum_of(each.name) for each in whole)
        positives += [KnownCuts(each, planted.groups, phyla) for each in cuts]
    rng = np.random.default_rng([config.seed, 3])
    planted = plant_known(
        work / "known-held-out.fa", judges * config.judged_plantings, lending_held, rng
    )
    (judging,) = cut(planted.fasta, own, choice=Choice(matching, planted))
    return Sources(
        tuple(positives),
        tuple(negatives),
        KnownCuts(judging, planted.groups, plantings=config.judged_plantings),
        tuple(held),
        tuple(adapted),
    )


@dataclass(frozen=True, slots=True)
class ShuffledHeld:
    """A held-out background, and the same shuffled.

    Attributes:
        held: the background.
        decoys: candidates of each of its shuffles.
    """

    held: Held
    decoys: tuple[Cuts, ...]


def prepare_shuffled(
    config: GenomeConfig,
    judges: Sequence[Path],
    work: Path,
    folder: Folder,
    *,
    shuffles: int,
    threads: int = 1,
) -> tuple[list[ShuffledHeld], list[ShuffledHeld]]:
    """Cut and fold what is held out, and it shuffled. Shuffles never train.

    Args:
        config: what holds it out.
        judges: FASTA files of other genomes without pre-miRNAs.
        work: folder for shards; what is there of an earlier call is kept.
        folder: folds candidates.
        shuffles: how often each genome is shuffled.
        threads: workers.

    Returns:
        The held-out backgrounds, and the judges.

    Raises:
        InputError: a source is faulty.
        PlanMismatchError: ``work`` holds candidates of something else.
    """
    work.mkdir(parents=True, exist_ok=True)
    own = [replace(PRESETS[config.preset], context_nt=config.context_nt)]
    cut = partial(_cut, extractors=own, folder=folder, threads=threads)
    neutral = [read_bed(each.neutral) if each.neutral else [] for each in config.backgrounds]
    divided, rule = _divided(config, work)
    held, other = [], []
    for parts, places in zip(divided, neutral, strict=True):
        for part in parts.judging:
            (judging,) = cut(part.fasta, choice=rule, left_out=parts.left_out)
            decoys = tuple(
                cut(part.fasta, left_out=parts.left_out, shuffle=number)[0]
                for number in range(shuffles)
            )
            background = Held(judging, _neutral(places, judging), part.genomes)
            held.append(ShuffledHeld(background, decoys))
    for fasta in judges:
        path = work / f"{fasta.parent.name}-judge.fa"
        with open_genome(fasta) as genome:
            write_contigs(path, genome, genome.contigs)
        (judging,) = cut(path)
        decoys = tuple(cut(path, shuffle=number)[0] for number in range(shuffles))
        background = Held(
            judging, _neutral([], judging), (fasta.parent.name,) * len(judging.contigs)
        )
        other.append(ShuffledHeld(background, decoys))
    return held, other


def _synthetic_repeats(
    config: GenomeConfig, work: Path, lending: Sequence[Sequence[Codes]]
) -> Iterator[tuple[Path, Planted]]:
    """Plant each kind of repeats that is asked for."""
    for kind, count, plant, stage in (
        ("inverted", config.inverted_repeats, plant_inverted_repeats, 1),
        ("tandem", config.tandem_repeats, plant_tandem_repeats, 5),
    ):
        if count:
            path = work / f"{kind}-repeats.fa"
            rng = np.random.default_rng([config.seed, stage])
            yield path, plant(path, count, lending, rng)


def _divided(config: GenomeConfig, work: Path) -> tuple[list[Divided], Unlike | None]:
    """Divide the backgrounds, and say which of their candidates resemble no known hairpin."""
    folders = [known.mirbase for known in config.known if known.mirbase is not None]
    sets = [known_stretches(folder) for folder in folders]
    counts = [np.zeros(each.keys.size, np.int64) for each in sets]
    divided = []
    for background in config.backgrounds:
        with open_genome(background.genome) as genome:
            divided.append(divide(background, genome, config.validation, work))
            for stretches, found in zip(sets, counts, strict=True):
                count_stretches(stretches, genome, found)
    if not sets:
        return divided, None
    rare = [each.take(found <= REPEATED) for each, found in zip(sets, counts, strict=True)]
    _log.info(
        "%d stretches of known hairpins; %d more are repeats",
        sum(each.keys.size for each in rare),
        sum(each.keys.size for each in sets) - sum(each.keys.size for each in rare),
    )
    return divided, Unlike(Stretches.union(rare))


def read_known(sources: Sequence[Known]) -> list[Precursor]:
    """Read the known hairpins of a configuration."""
    found: list[Precursor] = []
    for source in sources:
        if source.mirbase is not None:
            own = [p for p in read_precursors(source.mirbase) if p.kind == source.kind]
            found += [p for p in own if p.kind != "plant" or p.species not in BRASSICACEAE]
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
    return [(row[0], int(row[1]), int(row[2]), row[3], row[5]) for row in bed_rows(path, 6)]


def _chosen(adapt: Adaptation, work: Path) -> Path:
    """Write the contigs to adapt to."""
    path = work / "adapted.fa"
    with open_genome(adapt.genome) as genome:
        for name in adapt.contigs:
            if name not in genome.contigs.names:
                raise InputError(f"{adapt.genome}: no contig {name!r}; see --contigs")
        chosen = [c for c in genome.contigs if not adapt.contigs or c.name in adapt.contigs]
        write_contigs(path, genome, chosen)
    return path


def _lending(files: Sequence[Path]) -> list[list[Codes]]:
    """Read the contigs of each file that flanks are cut from; files without any do not count."""
    found = [read_codes(path, _SHORTEST) for path in files]
    return [contigs for contigs in found if contigs]


def _cut(
    fasta: Path,
    extractors: Sequence[Extractor],
    *,
    folder: Folder,
    threads: int,
    choice: Rule | None = None,
    left_out: Sequence[Place] = (),
    shuffle: int | None = None,
) -> list[Cuts]:
    """Cut a genome with each extractor, and say what there is of it."""
    shuffled = f".shuffle{shuffle}" if shuffle is not None else ""
    found = [
        cut_genome(
            fasta,
            fasta.with_suffix(f"{shuffled}.context{each.context_nt}"),
            each,
            folder,
            choice,
            left_out=left_out,
            shuffle=shuffle,
            threads=threads,
        )
        for each in extractors
    ]
    _log.info(
        "%s%s: %.2f Mb, candidates with %s nt of context: %s%s",
        fasta.stem,
        shuffled,
        found[0].megabases,
        ", ".join(str(each.context_nt) for each in extractors),
        ", ".join(f"{cuts.candidates:,}" for cuts in found),
        f"; {found[0].rejected:,} resemble known hairpins" if isinstance(choice, Unlike) else "",
    )
    return found


def _negatives(label: str, cuts: Sequence[Cuts]) -> Negatives:
    candidates = sum(each.candidates for each in cuts)
    return Negatives(label, tuple(_shards(cuts)), candidates, cuts[0].megabases)


def _shards(cuts: Sequence[Cuts]) -> list[Path]:
    return [path for each in cuts for path in each.shards]


def _neutral(places: Sequence[tuple[str, int, int, str, str]], cuts: Cuts) -> npt.NDArray[np.int64]:
    """Return contig, start and end of those places that lie in a genome."""
    numbers = {contig.name: number for number, contig in enumerate(cuts.contigs)}
    rows = [(numbers[chrom], start, end) for chrom, start, end, _, _ in places if chrom in numbers]
    return np.array(rows, np.int64).reshape(-1, 3)
