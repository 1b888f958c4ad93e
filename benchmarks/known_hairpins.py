"""Lengths and energies of known pre-miRNAs, which reports show beside those of hits.

python benchmarks/known_hairpins.py ../shared/data

writes ``scanner/report/page/known.json`` from miRBase 22.1 and MirGeneDB 2.1: histograms, no
sequences. Animals are hairpins of miRBase with a curated precursor of MirGeneDB, plants those
named MIR with an experimental mature (:mod:`premir.train.precursors`, which leaves out nematodes,
Daphnia and what is annotated in genomes that judge), viruses all of miRBase's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, encode
from premir.kernels.pairing import pack
from premir.scanner.find.folding import make_folder
from premir.scanner.genome.fasta import read_records
from premir.train.precursors import VIRUSES, read_precursors

PAGE = Path(__file__).parent.parent / "scanner" / "report" / "page" / "known.json"
SOURCE = "miRBase 22.1, animals as far as MirGeneDB 2.1 has curated them"
LENGTHS = (40, 5, 54)
ENERGIES = (-150, 5, 30)
"""First border, step and number of bins; what lies beyond is counted in the last on its side."""


def histogram(values: npt.NDArray[np.float64], bins: tuple[int, int, int]) -> dict[str, Any]:
    """Count values in equal bins, each with its lower border."""
    first, step, count = bins
    place = np.clip((values - first) // step, 0, count - 1).astype(np.int64)
    counts = np.bincount(place, minlength=count).tolist()
    return {"first": first, "step": step, "counts": counts}


def known(data: Path) -> dict[str, Any]:
    """Return the histograms by preset."""
    groups: dict[str, list[npt.NDArray[np.uint8]]] = {"animal": [], "plant": [], "virus": []}
    for each in read_precursors(data):
        groups[each.kind].append(each.codes)
    for name, letters in read_records(data / "mirbase" / "hairpin.fa.gz"):
        if name.partition("-")[0] in VIRUSES:
            groups["virus"].append(encode(letters))
    folder = make_folder("kernel", processes=0)
    found: dict[str, Any] = {"source": SOURCE}
    for kind, hairpins in groups.items():
        sound = [codes for codes in hairpins if not (codes == UNKNOWN).any()]
        codes, offsets = pack(sound)
        folded = folder.fold(codes, offsets)
        found[kind] = {
            "hairpins": len(sound),
            "length": histogram(folded.lengths.astype(np.float64), LENGTHS),
            "mfe": histogram(folded.mfe / 100, ENERGIES),
        }
    return found


def text(found: Mapping[str, Any]) -> str:
    """Return it as the file has it, a group a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    return "{" + ",\n ".join(lines) + "}\n"


def main(argv: Sequence[str]) -> int:
    """Renew the file from a folder of data."""
    PAGE.write_text(text(known(Path(argv[0]))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
