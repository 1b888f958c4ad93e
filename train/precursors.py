"""Known hairpins that may be learned from, and background to put them in.

C. elegans is the species that scans are judged on, and viruses and Daphnia are judged too: no
hairpin of a nematode, of a virus or of Daphnia is ever learned from, and none that is annotated in
one of the genomes that accuracy is measured on. Genomes lend background, never annotation.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, encode, reverse_complement
from premir.scanner.errors import InputError
from premir.scanner.genome.fasta import read_records

_I64 = npt.NDArray[np.int64]

NEMATODES = frozenset("cel cbr crm cbn ppc str hco asu bma prd hpo".split())
VIRUSES = frozenset(
    "bfv bhv1 bhv5 bkv blv bpcv1 bpcv2 dev ebv gggpv1 hbv hcmv hhv6b hiv1 hsv1 hsv2 hvsa hvt iltv "
    "jcv kshv mcmv mcpv mdv1 mdv2 mghv prv ptvpv2a racpv rlcv rrv sfv sv40 ttv".split()
)
DAPHNIA = frozenset(("dpu", "dma"))
"""Species codes of miRBase 22.1 (and of MirGeneDB, in lower case) that are never learned from."""

BRASSICACEAE = frozenset(("ath", "aly", "bna", "bra", "bol"))
"""Plants that networks for plants are judged on, and never learn hairpins from."""

INSECTS = frozenset("dme dsi dan dmo dps dvi dwi aae aga ame api bmo dpu hme isc pxy tca".split())

FOUND_WITHIN = 50
"""Twice the distance in nt that a candidate's mid-point may have from a locus's."""


Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Precursor:
    """A known hairpin.

    Attributes:
        name: miRBase identifier.
        species: its code, lower case.
        family: all hairpins of a family stand on the same side of the split.
        kind: ``animal`` or ``plant``.
        codes: the miRBase hairpin.
        core: where the curated precursor lies in it; all of it for plants.
    """

    name: str
    species: str
    family: str
    kind: str
    codes: Codes
    core: Interval

    @property
    def own_flank(self) -> int:
        """Letters of its own on either side of the curated precursor, where there are fewer."""
        return min(self.core[0], self.codes.size - self.core[1])

    @property
    def held_out(self) -> bool:
        """Half of the families, chosen by their names."""
        return zlib.crc32(self.family.lower().encode()) % 2 == 1


def precursor_files(data: Path) -> list[Path]:
    """Return the files that :func:`read_precursors` reads."""
    names = ("hairpin.tsv.gz", "mirgenedb_ALL_pre.fas.gz", "hairpin.fa.gz")
    return [*(data / "mirbase" / name for name in names), *annotation_files(data)]


def annotation_files(data: Path) -> list[Path]:
    """Return the BED files of hairpins that nothing is learned from."""
    return sorted((data / "genomes").glob("*/hairpins.bed"))


def _read_rna(path: Path) -> dict[str, str]:
    """Read FASTA by name, in upper-case RNA letters."""
    return {name: letters.upper().replace("T", "U") for name, letters in read_records(path)}


def read_precursors(data: Path) -> list[Precursor]:
    """Read the hairpins that may be learned from, in the order of miRBase.

    Args:
        data: folder with ``mirbase/`` and ``genomes/``.

    Raises:
        InputError: a file is not there.
    """
    for path in precursor_files(data):
        if not path.is_file():
            raise InputError(f"{path}: no such file; check --data")
    mirbase = data / "mirbase"
    rows = _rows(mirbase / "hairpin.tsv.gz")
    annotated, accessions = _annotated(data), {row["hairpin_id"]: row["acc"] for row in rows}
    proven = {row["hairpin_id"] for row in rows if int(row["n_experimental"])}
    curated = _curated(mirbase / "mirgenedb_ALL_pre.fas.gz")
    found: dict[str, Precursor] = {}
    for name, sequence in _read_rna(mirbase / "hairpin.fa.gz").items():
        species = name.partition("-")[0]
        if species in NEMATODES | VIRUSES | DAPHNIA or accessions.get(name) in annotated:
            continue
        if sequence in found or len(sequence) > 400 or set(sequence) - set("ACGU"):
            continue
        own = _animal(name, sequence, curated.get(species, ()))
        if own is None and name in proven:
            own = _plant(name, sequence)
        if own is not None:
            found[sequence] = own
    return list(found.values())


def _rows(path: Path) -> list[dict[str, str]]:
    """Read miRBase's table."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def _annotated(data: Path) -> set[str]:
    """Return the accessions of hairpins that nothing is learned from."""
    return {
        line.split("\t")[6]
        for bed in annotation_files(data)
        for line in bed.read_text(encoding="utf-8").splitlines()
    }


def _curated(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Read MirGeneDB: family and sequence of each hairpin, by species."""
    found: dict[str, list[tuple[str, str]]] = {}
    for head, sequence in _read_rna(path).items():
        species = head.partition("-")[0].lower()
        found.setdefault(species, []).append((curated_family(head), sequence))
    return found


def curated_family(name: str) -> str:
    """Return the family of a hairpin of MirGeneDB.

    A name is the species, a kind, mostly a number, and then what tells members of a family apart:
    paralogues (``P2a1``), orthologues (``o17``), variants (``v2``), the other strand (``as``).
    What is ``Novel`` is numbered in each species anew.

    Args:
        name: as MirGeneDB writes it: ``Hsa-Let-7-P2a1_pre``, ``Bge-Bantam-P1_pre``.
    """
    species, kind, *rest = name.removesuffix("_pre").split("-")
    number = [part for part in rest[:1] if part.isdigit()]
    return "-".join([*([species.lower()] if kind == "Novel" else []), kind, *number])


def _animal(name: str, sequence: str, curated: Sequence[tuple[str, str]]) -> Precursor | None:
    """Make a precursor of a sequence that holds one that MirGeneDB has of its species."""
    for family, inner in curated:
        at = sequence.find(inner)
        if at >= 0:
            core = (at, at + len(inner))
            return Precursor(name, name.partition("-")[0], family, "animal", encode(sequence), core)
    return None


def _plant(name: str, sequence: str) -> Precursor | None:
    """Make a precursor of a sequence that is named as plants' are."""
    species, _, rest = name.partition("-")
    if not rest.startswith("MIR"):
        return None
    family = rest.split("-")[0].rstrip("abcdefghijklmnopqrstuvwxyz")
    return Precursor(name, species, family, "plant", encode(sequence), (0, len(sequence)))


def genome_file(data: Path, genome: str) -> Path:
    """Return where the letters of one of the genomes of ``data`` are."""
    return data / "genomes" / genome / "genome.fa.gz"


def background_contigs(genome: Path, shortest: int = 5_000) -> list[Codes]:
    """Read the contigs of a FASTA file that are long enough to cut flanks from."""
    records = read_records(genome)
    return [encode(letters) for _, letters in records if len(letters) > shortest]


def gc_share(codes: Codes) -> float:
    """Return the share of G and C among all letters."""
    return float(((codes == 1) | (codes == 2)).mean())


def cut_background(contigs: Sequence[Codes], rng: np.random.Generator, n: int) -> Codes:
    """Cut a piece of n known letters from a random contig, on a random strand."""
    sizes = np.array([contig.size for contig in contigs])
    while True:
        contig = contigs[rng.choice(sizes.size, p=sizes / sizes.sum())]
        start = rng.integers(0, contig.size - n)
        part = contig[start : start + n]
        if (part < 4).all():
            return part if rng.random() < 0.5 else reverse_complement(part)


def best_match(loci: _I64, start: _I64, end: _I64) -> list[_I64]:
    """Find the candidates that match each locus: half of it covered, mid-points at most 25 nt off.

    Args:
        loci: int64 (N, 2).
        start: int64 (M,), candidates of the same strand and contig, by centre.
        end: int64 (M,).

    Returns:
        For each locus the indices of its candidates.
    """
    middle = start + end
    first = np.searchsorted(middle, loci.sum(axis=1) - FOUND_WITHIN)
    last = np.searchsorted(middle, loci.sum(axis=1) + FOUND_WITHIN, "right")
    found = []
    for (a, b), i, j in zip(loci, first, last, strict=True):
        shared = np.minimum(end[i:j], b) - np.maximum(start[i:j], a)
        found.append(i + np.flatnonzero(2 * shared >= b - a))
    return found
