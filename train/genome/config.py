"""What a genome network is trained on: one small TOML file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from premir.scanner.errors import InputError
from premir.scanner.find.candidates import PRESETS
from premir.scanner.score.card import MOST_MEMBERS

_FILES = ("mirbase", "fasta", "bed", "genome", "neutral", "groups", "left_out")
"""Keys of sources that are files or folders."""
_LISTS = ("known", "backgrounds", "contexts", "limits", "networks")
_ORIGIN = ("description", "url", "sha256")
"""Keys of sources that say where they come from, for people."""

KINDS = ("animal", "plant")
"""Kinds of known hairpins in miRBase."""

ANIMAL_CONFIG = Path(__file__).parent / "animal.toml"
"""What ``premir-animal@3`` is trained on."""


@dataclass(frozen=True, slots=True)
class Known:
    """A source of known hairpins: one of ``mirbase``, ``fasta``, or ``bed`` with ``genome``.

    Attributes:
        mirbase: folder with miRBase and MirGeneDB.
        kind: which of its hairpins are taken: ``animal``, those with a curated precursor, or
            ``plant``, those named ``MIR`` with an experimental mature, but for Arabidopsis and
            Brassica, which networks for plants are judged on.
        fasta: hairpins; a family is the name up to the last ``-``.
        bed: loci of hairpins in ``genome`` (BED6).
        genome: FASTA that ``bed`` refers to.
        description: what it is, for ``premir-train sources``.
        url: where others get it.
        sha256: of its files, by key (``fasta``, ...); nothing depends on it but what
            ``premir-train sources`` says.
    """

    mirbase: Path | None = None
    kind: str = "animal"
    fasta: Path | None = None
    bed: Path | None = None
    genome: Path | None = None
    description: str = ""
    url: str = ""
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Background:
    """A genome that lends candidates and flanks; nothing in it counts as known.

    Attributes:
        genome: FASTA.
        neutral: BED of known hairpins, which are not counted as false calls in validation.
        groups: table without header: contig, then its groups, with tabs between them. Without it a
            contig's group is its name up to the first dot.
        judging: groups. A contig judges where all of its groups are named here, trains where none
            is, and is left aside otherwise. Without this key `validation` of the contigs judge.
        lends: whether anything of it trains; else what would train is left aside.
        judges: whether anything of it judges; else what would judge is left aside.
        apart: whether the last of a contig's groups is a genome of its own where genomes weigh
            alike; else all of the background is one.
        left_out: BED of what neither trains nor counts: candidates with their mid-point there, nor
            its Mb.
        description: what it is, for ``premir-train sources``.
        url: where others get it.
        sha256: of its files, by key (``genome``, ``neutral``); nothing depends on it but what
            ``premir-train sources`` says.
    """

    genome: Path
    neutral: Path | None = None
    groups: Path | None = None
    judging: tuple[str, ...] | None = None
    lends: bool = True
    judges: bool = True
    apart: bool = False
    left_out: Path | None = None
    description: str = ""
    url: str = ""
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that a configuration names.

    Attributes:
        place: where in the configuration: ``backgrounds.0.genome``.
        path: of the file.
        description: what it is.
        url: where others get it.
        sha256: its digest (:func:`premir.train.genome.sources.digest_of`); empty if not known.
    """

    place: str
    path: Path
    description: str
    url: str
    sha256: str

    @property
    def table(self) -> str:
        """The table that names it: ``backgrounds.0``."""
        return self.place.rpartition(".")[0]

    @property
    def key(self) -> str:
        """Its key in that table."""
        return self.place.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class GenomeConfig:
    """Sources and settings of a genome training.

    Attributes:
        name: the model's name.
        preset: what the extractor looks for, as ``premir-scan --preset``.
        networks: the model's networks, trained one after another; their log odds are averaged.
        description: for the model's card.
        limits: of the model in plain words, for its card.
        known: positives.
        backgrounds: negatives.
        contexts: nt folded on both sides of a candidate; the middle one is the model's own, the
            others are seen in training only.
        validation: share of families and of background contigs that judge and never train.
        planted: how often each known hairpin is planted in background, with flanks drawn anew.
        own_flank: known hairpins with fewer nt of their own on one side of the curated precursor
            do not judge, and train between the flanks of others, drawn anew each time.
        judged_plantings: how often each held-out hairpin is, in held-out background; all of them
            count as one.
        inverted_repeats: synthetic inverted repeats among the negatives.
        tandem_repeats: synthetic tandem repeats among the negatives.
        samples: hairpins seen in training.
        adapt_samples: hairpins seen when a trained network adapts to a genome.
        batch: hairpins in an optimiser step.
        negatives_per_positive: in each batch.
        hard_negatives: share of a round's negatives that are the most hairpin-like, to the network
            as it then is, of many.
        hard_pool: how many candidates each of those is the most hairpin-like of.
        family_balance: a hairpin is drawn in proportion to its family's size to minus this power.
        phylum_balance: and in proportion to what of that its phylum has in all to minus this power:
            0 for phyla as they come, 1 for all alike.
        genome_balance: background is drawn in proportion to its genome's candidates to minus this
            power: 0 for all candidates alike, 1 for all genomes alike.
        shortened: share of hairpins whose context is cut back, by up to all of it on either side,
            and which are folded anew: candidates near the end of a sequence.
        unknown_letters: up to this share of the letters of every other hairpin is made unknown, and
            it is folded anew; the model's card says that it admits so many.
        mutation: up to this share of the letters of every other hairpin is drawn anew; pairs stay
            pairs, so that the fold can stay.
        learning_rate: after a short rise; the running mean of the weights stands in for its fall.
        weight_decay: of AdamW.
        average: highest decay of the running mean of the weights, which is what is kept; before
            that it spans the last third of the training so far.
        seed: of everything random.
        repeat: which of several trainings on the same sources it is; each takes a random path of
            its own, and all are judged by the same.
    """

    name: str
    preset: str
    known: tuple[Known, ...]
    backgrounds: tuple[Background, ...]
    networks: tuple[str, ...] = ("variable",)
    contexts: tuple[int, ...] = (20,)
    description: str = "trained on candidates of genomes"
    limits: tuple[str, ...] = ()
    validation: float = 0.25
    planted: int = 3
    own_flank: int = 0
    judged_plantings: int = 1
    inverted_repeats: int = 0
    tandem_repeats: int = 0
    samples: int = 400_000
    adapt_samples: int = 80_000
    batch: int = 64
    negatives_per_positive: int = 3
    hard_negatives: float = 0.0
    hard_pool: int = 6
    family_balance: float = 0.5
    phylum_balance: float = 0.0
    genome_balance: float = 0.0
    shortened: float = 0.0
    unknown_letters: float = 0.0
    mutation: float = 0.0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    average: float = 0.9999
    seed: int = 0
    repeat: int = 0
    raw: dict[str, Any] = field(default_factory=dict, compare=False)

    def sources(self) -> list[Source]:
        """Return the files and folders that are read."""
        tables: list[tuple[str, Known | Background]] = []
        tables += [(f"known.{n}", each) for n, each in enumerate(self.known)]
        tables += [(f"backgrounds.{n}", each) for n, each in enumerate(self.backgrounds)]
        return [
            Source(f"{place}.{key}", path, each.description, each.url, each.sha256.get(key, ""))
            for place, each in tables
            for key in _FILES
            if (path := getattr(each, key, None)) is not None
        ]

    @property
    def context_nt(self) -> int:
        """Nucleotides of context that the model is made for."""
        return sorted(self.contexts)[len(self.contexts) // 2]

    def identity(self) -> dict[str, Any]:
        """Return all that weights depend on but the sources, which count by what they hold."""
        apart = {"name", "description", "limits", "known", "backgrounds", "raw"}
        return {k: v for k, v in asdict(self).items() if k not in apart}

    def for_adapting(self) -> GenomeConfig:
        """Return the settings of a short training at a low rate."""
        return replace(
            self,
            samples=self.adapt_samples,
            learning_rate=0.3 * self.learning_rate,
            inverted_repeats=0,
            tandem_repeats=0,
        )


def read_config(path: Path, data: Path) -> GenomeConfig:
    """Read a configuration; its paths are relative to ``data``.

    Args:
        path: TOML file.
        data: folder that holds the sources.

    Raises:
        InputError: the file cannot be read, has an unknown or missing key, or names a source that
            is not there.
    """
    config = parse_config(path, data)
    for source in config.sources():
        if not source.path.exists():
            raise InputError(
                f"{path}: {source.place} = {source.path}: no such file; see premir-train sources, "
                "and check --data"
            )
    return config


def parse_config(path: Path, data: Path) -> GenomeConfig:
    """Read a configuration as :func:`read_config`; its sources need not be there.

    Raises:
        InputError: the file cannot be read, or has an unknown or missing key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML: {error}") from error
    config = _Reader(path, data).config(raw)
    _check(path, config)
    return config


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the tables of a file into what they describe.

    Attributes:
        path: the file, which messages name.
        data: folder that its paths are relative to.
    """

    path: Path
    data: Path

    def config(self, raw: dict[str, Any]) -> GenomeConfig:
        """Build the whole of it; ``raw`` loses what no card shall hold."""
        for name in _LISTS:
            if not isinstance(raw.get(name, []), list):
                raise InputError(f"{self.path}: {name} must be a list")
        table = dict(raw)
        for name, kind in (("known", Known), ("backgrounds", Background)):
            tables = raw.get(name, [])
            table[name] = tuple(self.source(kind, each, f"[[{name}]]") for each in tables)
            # A card says what was trained on, by digests of its own: where it came from stays here.
            raw[name] = [{k: v for k, v in each.items() if k not in _ORIGIN} for each in tables]
        table |= {name: tuple(raw[name]) for name in _LISTS[2:] if name in raw}
        config: GenomeConfig = self.build(GenomeConfig, {**table, "raw": raw}, "the file")
        return config

    def source(self, kind: Any, table: Any, where: str) -> Any:
        """Build an entry of a list of sources, and check what it says of its origin."""
        source = self.build(kind, table, where)
        sha256 = table.get("sha256", {})
        if not isinstance(sha256, dict) or not all(
            key in _FILES and key in table and re.fullmatch("[0-9a-f]{64}", str(digest))
            for key, digest in sha256.items()
        ):
            raise InputError(
                f"{self.path}: {where}: sha256 must be a table: its files' keys, and 64 hex digits "
                "each"
            )
        if not all(isinstance(table.get(key, ""), str) for key in ("description", "url")):
            raise InputError(f"{self.path}: {where}: description and url must be text")
        if not all(isinstance(table.get(key, True), bool) for key in ("lends", "judges", "apart")):
            raise InputError(f"{self.path}: {where}: lends, judges and apart must be true or false")
        return source

    def build(self, kind: Any, table: Any, where: str) -> Any:
        """Build one of a kind from its table."""
        if not isinstance(table, dict):
            raise InputError(f"{self.path}: {where} must be a table")
        if unknown := set(table) - {f.name for f in fields(kind)}:
            raise InputError(f"{self.path}: {where}: unknown key {sorted(unknown)[0]!r}")
        if "judging" in table:
            groups = table["judging"]
            if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
                raise InputError(f"{self.path}: {where}: judging must be a list of groups")
            table = {**table, "judging": tuple(groups)}
        try:
            return kind(**{k: self.data / v if k in _FILES else v for k, v in table.items()})
        except TypeError as error:
            raise InputError(f"{self.path}: {where}: {error}") from error


def _check(path: Path, config: GenomeConfig) -> None:
    """Refuse what no training can start from."""
    if config.preset not in PRESETS:
        raise InputError(f"{path}: preset must be one of {', '.join(PRESETS)}")
    if not 0 < len(config.networks) <= MOST_MEMBERS:
        raise InputError(f"{path}: networks must name one to {MOST_MEMBERS}")
    most = config.unknown_letters
    if not isinstance(most, int | float) or not 0 <= most <= 1:
        raise InputError(f"{path}: unknown_letters must be a number from 0 to 1")
    if not isinstance(config.repeat, int) or config.repeat < 0:
        raise InputError(f"{path}: repeat must be a whole number from 0 on")
    if not config.known or not config.backgrounds:
        raise InputError(f"{path}: needs at least one [[known]] and one [[backgrounds]]")
    for known in config.known:
        if known.kind not in KINDS:
            raise InputError(f"{path}: [[known]]: kind must be one of {', '.join(KINDS)}")
        given = (known.mirbase, known.fasta, known.bed and known.genome)
        if sum(each is not None for each in given) != 1:
            raise InputError(f"{path}: [[known]]: give mirbase, or fasta, or bed with genome")
