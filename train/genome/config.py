"""What a genome network is trained on: one small TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from premir.scanner.errors import InputError
from premir.scanner.find.candidates import PRESETS

ANIMAL = Path(__file__).parent / "animal.toml"
"""What ``premir-animal@1`` was trained on."""


@dataclass(frozen=True, slots=True)
class Known:
    """A source of known hairpins: one of ``mirbase``, ``fasta``, or ``bed`` with ``genome``.

    Attributes:
        mirbase: folder with miRBase and MirGeneDB; hairpins with a curated precursor are taken.
        fasta: hairpins, each a family of its own up to the last ``-`` or ``_`` of its name.
        bed: loci of hairpins in ``genome`` (BED6).
        genome: FASTA that ``bed`` refers to.
    """

    mirbase: Path | None = None
    fasta: Path | None = None
    bed: Path | None = None
    genome: Path | None = None


@dataclass(frozen=True, slots=True)
class Background:
    """A genome that lends candidates and flanks; nothing in it counts as known.

    Attributes:
        genome: FASTA.
        neutral: BED of known hairpins, which are not counted as false calls in validation.
    """

    genome: Path
    neutral: Path | None = None


@dataclass(frozen=True, slots=True)
class GenomeConfig:
    """Sources and settings of a genome training.

    Attributes:
        name: the model's name.
        preset: what the extractor looks for, as ``premir-scan --preset``.
        description: for the model's card.
        limits: of the model in plain words, for its card.
        contexts: nt folded on both sides of a candidate; the middle one is the model's own, the
            others are seen in training only.
        known: positives.
        backgrounds: negatives.
        validation: share of families and of background contigs that judge and never train.
        planted: how often each known hairpin is planted in background, with flanks drawn anew.
        inverted_repeats: synthetic inverted repeats among the negatives.
        tandem_repeats: synthetic tandem repeats among the negatives.
        samples: hairpins seen in training.
        adapt_samples: hairpins seen when a trained network adapts to a genome.
        batch: hairpins in an optimiser step.
        negatives_per_positive: in each batch.
        hard_negatives: share of a round's negatives that are the most hairpin-like, to the network
            as it then is, of six times as many.
        family_balance: a hairpin is drawn in proportion to its family's size to minus this power.
        mutation: up to this share of the letters of every other hairpin is drawn anew; pairs stay
            pairs, so that the fold can stay.
        learning_rate: after a short rise; the running mean of the weights stands in for its fall.
        weight_decay: of AdamW.
        average: highest decay of the running mean of the weights, which is what is kept; before
            that it spans the last third of the training so far.
        seed: of everything random.
    """

    name: str
    preset: str
    contexts: tuple[int, ...]
    known: tuple[Known, ...]
    backgrounds: tuple[Background, ...]
    description: str = "trained on candidates of genomes"
    limits: tuple[str, ...] = ()
    validation: float = 0.25
    planted: int = 3
    inverted_repeats: int = 0
    tandem_repeats: int = 0
    samples: int = 400_000
    adapt_samples: int = 80_000
    batch: int = 64
    negatives_per_positive: int = 3
    hard_negatives: float = 0.0
    family_balance: float = 0.5
    mutation: float = 0.0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    average: float = 0.9999
    seed: int = 0
    raw: dict[str, Any] = field(default_factory=dict, compare=False)

    def sources(self) -> list[Path]:
        """Return the files and folders that are read."""
        given = [(k.mirbase, k.fasta, k.bed, k.genome) for k in self.known]
        paths = [path for each in given for path in each]
        paths += [path for each in self.backgrounds for path in (each.genome, each.neutral)]
        return [path for path in paths if path is not None]

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
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML: {error}") from error

    def build(kind: Any, table: Any, where: str) -> Any:
        if not isinstance(table, dict):
            raise InputError(f"{path}: {where} must be a table")
        if unknown := set(table) - {f.name for f in fields(kind)}:
            raise InputError(f"{path}: {where}: unknown key {sorted(unknown)[0]!r}")
        values = {
            key: data / value if key in ("mirbase", "fasta", "bed", "genome", "neutral") else value
            for key, value in table.items()
        }
        for key, value in values.items():
            if isinstance(value, Path) and not value.exists():
                raise InputError(f"{path}: {where}: {key} = {value}: no such file; check --data")
        try:
            return kind(**values)
        except TypeError as error:
            raise InputError(f"{path}: {where}: {error}") from error

    table = dict(raw)
    table["known"] = tuple(build(Known, each, "[[known]]") for each in raw.get("known", []))
    table["backgrounds"] = tuple(
        build(Background, each, "[[backgrounds]]") for each in raw.get("backgrounds", [])
    )
    table["contexts"] = tuple(raw.get("contexts", (20,)))
    table["limits"] = tuple(raw.get("limits", ()))
    config: GenomeConfig = build(GenomeConfig, {**table, "raw": raw}, "the file")
    if config.preset not in PRESETS:
        raise InputError(f"{path}: preset must be one of {', '.join(PRESETS)}")
    if not config.known or not config.backgrounds:
        raise InputError(f"{path}: needs at least one [[known]] and one [[backgrounds]]")
    for known in config.known:
        given = (known.mirbase, known.fasta, known.bed and known.genome)
        if sum(each is not None for each in given) != 1:
            raise InputError(f"{path}: [[known]]: give mirbase, or fasta, or bed with genome")
    return config
