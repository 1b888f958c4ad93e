"""Golden files: what ``premir-scan`` wrote of known genomes when they were last renewed.

``python tests/golden.py`` renews them. Do so where hits are meant to change, and say why.
"""

from __future__ import annotations

import sys
from pathlib import Path

from data_sets import ROOT

from premir.scanner.cli import main

GOLDEN = ROOT / "tests" / "golden"
DEMO = ROOT / "examples" / "demo.fa"
EBV = ROOT / "examples" / "ebv.fa.gz"
NAMES = ("demo.bed", "demo-0.5.bed", "ebv.bed")


def scan(name: str, out: Path) -> int:
    """Scan the genome of a golden file with the default command; returns the exit code."""
    genome = EBV if name == "ebv.bed" else DEMO
    options = ["--min-prob", "0.5"] if name == "demo-0.5.bed" else []
    return main([str(genome), "--out", str(out), "--quiet", *options])


if __name__ == "__main__":
    for name in NAMES:
        if scan(name, GOLDEN / name) != 0:
            sys.exit(f"{name}: failed")
        (GOLDEN / f"{name}.summary.json").unlink()
