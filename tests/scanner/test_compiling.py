from __future__ import annotations

import os
import subprocess
import sys

import builders
import pytest
from read_sets import Read, write_library

from premir.kernels._jit import COMPILATION
from premir.scanner import compiling

SPY = """
import sys
from premir.kernels._jit import KERNELS
from premir.scanner import compiling, scanning
from premir.scanner.cli import main

def spy(options, job, decoys):
    said.update(compiling.kernels_of(options, job, decoys=decoys))

said = set()
scanning.prepare_kernels = spy
if __name__ == "__main__":
    assert main(sys.argv[1:]) == 0
    called = {name for name, kernel in KERNELS.items() if kernel.overloads}
    assert said == called, said ^ called
    assert len(said) > 5
"""


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
@pytest.mark.parametrize(
    "options",
    [
        ["--decoys", "0.02"],
        ["--known", "none", "--kin", "none", "--exhaustive"],
        ["--part", "1/1", "--reads", "reads.bam"],
    ],
    ids=["default and decoys", "less", "part with reads"],
)
def test_what_a_scan_prepares_is_what_it_calls(tmp_path, options):
    compiling.compile_kernels()  # a kernel that had to be compiled would show those within it
    sequences = builders.default_hits_genome()[0]
    genome = builders.write_fasta(tmp_path / "genome.fa", sequences)
    sizes = {name: len(text) for name, text in sequences.items()}
    write_library(tmp_path / "reads.bam", sizes, [Read("chr1", 10, 22, "+")])
    script = tmp_path / "spy.py"
    script.write_text(SPY, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script, genome, "--out", tmp_path / "hits.bed", "-q", *options],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


def test_compiling_again_finds_all_in_the_cache(caplog):
    compiling.compile_kernels()
    COMPILATION.kernels = 0
    caplog.set_level("INFO")
    caplog.clear()
    compiling.compile_kernels()
    assert caplog.messages == ["all kernels are in the cache"]
