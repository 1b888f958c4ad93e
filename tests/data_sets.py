"""Where the data for tests lie; a test that needs absent data is skipped and says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def data_dir(name: str) -> Path:
    """The folder ``name`` of ``$PREMIR_DATA``, or of ``../shared/data`` beside the project."""
    chosen = os.environ.get("PREMIR_DATA")
    folder = (Path(chosen) if chosen else ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        pytest.skip(f"no {name} data: set PREMIR_DATA or provide ../shared/data/{name}")
    return folder


def benchmark_dir() -> Path:
    return data_dir("benchmark")


def genomes_dir() -> Path:
    return data_dir("genomes")
