"""Known hairpins that may be learned from, and background to put them in.

C. elegans is the species that scans are judged on, and viruses are judged too: no hairpin of a
nematode or a virus is ever learned from, and none that is annotated in one of the genomes that
accuracy is measured on. Genomes lend background, never annotation.
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
"""Species codes of miRBase 22.1 (and of MirGeneDB, in lower case) that are never learned from."""

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
    annotated = {
        line.split("\t")[6]
        for bed in annotation_files(data)
        for line in bed.read_text(encoding="utf-8").splitlines()
    }
    with gzip.open(data / "mirbase" / "hairpin.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    accessions = {row["hairpin_id"]: row["acc"] for row in rows}
    proven = {row["hairpin_id"] for row in rows if int(row["n_experimental"])}
    mirbase = data / "mirbase"
    curated: dict[str, list[tuple[str, str]]] = {}
    for head, sequence in _read_rna(mirbase / "mirgenedb_ALL_pre.fas.gz").items():
        species, _, name = head.partition("-")
        family = "-".join(name.removesuffix("_pre").split("-")[:2])
        curated.setdefault(species.lower(), []).append((family, sequence))
    found: dict[str, Precursor] = {}
    for name, sequence in _read_rna(mirbase / "hairpin.fa.gz").items():
        species, _, rest = name.partition("-")
        if species in NEMATODES | VIRUSES or accessions.get(name) in annotated:
            continue
        if set(sequence) - set("ACGU"):
            continue
        kind, family, core = "", "", (0, len(sequence))
        for own, inner in curated.get(species, ()):
            at = sequence.find(inner)
            if at >= 0:
                kind, family, core = "animal", own, (at, at + len(inner))
                break
        if not kind and name in proven and rest.startswith("MIR"):
            kind, family = "plant", rest.split("-")[0].rstrip("abcdefghijklmnopqrstuvwxyz")
        if kind and len(sequence) <= 400 and sequence not in found:
            codes = encode(sequence)
            found[sequence] = Precursor(name, species, family, kind, codes, core)
    return list(found.values())


def background_contigs(data: Path, genome: str, shortest: int = 5_000) -> list[Codes]:
    """Read the contigs of a genome that are long enough to cut flanks from."""
    records = read_records(data / "genomes" / genome / "genome.fa.gz")
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
