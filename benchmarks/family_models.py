"""Covariance models of families of known hairpins, for Infernal.

python benchmarks/family_models.py hairpin.fa families.cm

reads precursors (and matures, see ``--known``) and builds a model of each family that their names
tell: aligned by mafft, with the consensus structure of ViennaRNA's alifold, by cmbuild. cmsearch
refuses models without statistics, for which cmcalibrate takes minutes, model by model. These get
those of the first model (cmcalibrate -L 0.01, seconds): scores in bits are each model's own,
E-values mean nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import RNA
from bench_whole import command

from premir.scanner.report.evidence.known.library import KnownHairpin
from premir.scanner.report.evidence.known.reading import from_fasta

PROGRAMS = ("mafft", "cmbuild", "cmcalibrate", "cmsearch")
_LAST_OF_HEADER = "EFP7GF"
"""The line of a model that those of cmcalibrate follow."""


def stockholm(family: str, members: Sequence[KnownHairpin]) -> str:
    """Align the hairpins of a family, with their consensus structure."""
    rows = {each.name: each.letters for each in members}
    if len(rows) > 1:
        with tempfile.NamedTemporaryFile("w", suffix=".fa") as fasta:
            fasta.write("".join(f">{name}\n{text}\n" for name, text in rows.items()))
            fasta.flush()
            words = ["mafft", "--quiet", "--auto", fasta.name]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
        records = (record.split("\n", 1) for record in done.stdout.split(">")[1:])
        rows = {name: text.replace("\n", "").upper() for name, text in records}
    structure, _ = RNA.fold_compound(list(rows.values())).mfe()
    lines = ["# STOCKHOLM 1.0", f"#=GF ID {family}"]
    lines += [f"{name} {text}" for name, text in rows.items()]
    return "\n".join([*lines, f"#=GC SS_cons {structure}", "//", ""])


def build(known: Sequence[KnownHairpin], models: Path) -> dict[str, Any]:
    """Write a model of each family; all have the statistics of the first.

    Args:
        known: the hairpins.
        models: file to write; the alignments go beside it, ``.sto``.
    """
    families = defaultdict(list)
    for each in known:
        families[each.family].append(each)
    alignments = models.with_suffix(".sto")
    alignments.write_text("".join(stockholm(name, families[name]) for name in sorted(families)))
    built = _done(["cmbuild", "-F", str(models), str(alignments)])
    text = models.read_text()
    with tempfile.TemporaryDirectory() as temporary:
        one = Path(temporary) / "one.cm"
        model_and_filter = text.split("//\n")[:2]
        one.write_text("".join(f"{part}//\n" for part in model_and_filter))
        calibrated = _done(["cmcalibrate", "--cpu", "0", "-L", "0.01", str(one)])
        told = [line for line in one.read_text().splitlines() if line.startswith("ECM")]
    lines = []
    for line in text.splitlines():
        lines += [line, *(told if line.startswith(_LAST_OF_HEADER) else [])]
    models.write_text("\n".join([*lines, ""]))
    return {
        "families": len(families),
        "hairpins": len(known),
        "cpu_seconds_cmbuild": round(built, 2),
        "cpu_seconds_cmcalibrate_a_model": round(calibrated, 2),
    }


def _done(words: Sequence[str]) -> float:
    """Run a program of Infernal; returns CPU seconds."""
    result = command(words, 1.0)
    if result["exit_code"]:
        raise RuntimeError(f"{words[0]} ended with {result['exit_code']}")
    return float(result["cpu_seconds"])


def main(argv: Sequence[str]) -> int:
    """Write the models of some FASTA files, the last word being the file of models."""
    *fasta, models = map(Path, argv)
    print(build(from_fasta(fasta), models))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
