from __future__ import annotations

import json

import builders
import crashes
import pytest

from premir.scanner.cli import main
from premir.scanner.find.folding import PoolViennaFolder


@pytest.fixture(scope="session", autouse=True)
def second_folder():
    """One process for the second opinions of all scans: it takes longer to start than they last."""
    pool = PoolViennaFolder(1)

    class Shared:
        name, fold = pool.name, pool.fold

        def close(self):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("premir.scanner.run.session.make_folder", lambda *_, **__: Shared())
        yield
    pool.close()


@pytest.fixture(scope="session")
def crash_server():
    """Runs scans in processes of their own and kills them on request."""
    server = crashes.CrashServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def small_genome(tmp_path_factory):
    """A genome of 35 kb with planted hairpins, as FASTA, and its sequences."""
    contigs = {"chr1": 24_000, "chr2": 11_000, "scaffold200": 200, "scaffold50": 50, "tiny": 7}
    sequences, truth = builders.planted_genome(seed=11, contigs=contigs)
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    return builders.write_fasta(path, sequences), sequences, truth


@pytest.fixture(scope="session")
def tiny_genome(tmp_path_factory):
    """One contig of a few kb and two short ones, for scans that are slow."""
    sequences, truth = builders.planted_genome(seed=3, contigs={"chr1": 4000, "b": 150, "c": 60})
    path = tmp_path_factory.mktemp("tiny") / "genome.fa"
    builders.write_fasta(path, sequences)
    return path, sequences, truth


@pytest.fixture
def scan(tmp_path):
    """Call premir-scan; returns exit code and the output's text."""

    def call(genome, *options, out="hits.bed"):
        path = tmp_path / out
        code = main([str(genome), "--out", str(path), "--quiet", *map(str, options)])
        return code, path.read_text() if path.exists() else None

    return call


@pytest.fixture(scope="session")
def reference(small_genome, tmp_path_factory):
    """The undisturbed scan of the small genome, with everything reported."""
    path = tmp_path_factory.mktemp("reference") / "hits.bed"
    assert main([str(small_genome[0]), "--out", str(path), "--min-prob", "0", "--quiet"]) == 0
    return path.read_text()


@pytest.fixture(scope="session")
def default_genome(tmp_path_factory):
    """A genome with hits for the default command, as FASTA, and its sequences."""
    sequences, truth = builders.default_hits_genome()
    path = tmp_path_factory.mktemp("default") / "genome.fa"
    builders.write_fasta(path, sequences)
    return path, sequences, truth


@pytest.fixture(scope="session")
def default_scan_path(default_genome, tmp_path_factory):
    """Hits by the default command; the run directory ``work`` beside them was kept."""
    path = tmp_path_factory.mktemp("default-scan") / "hits.bed"
    keep = ["--work-dir", str(path.with_name("work")), "--keep-work"]
    assert main([str(default_genome[0]), "--out", str(path), "--quiet", *keep]) == 0
    return path


@pytest.fixture(scope="session")
def default_scan(default_scan_path):
    """Hits by the default command, as text, and their summary."""
    summary = default_scan_path.with_name("hits.bed.summary.json")
    return default_scan_path.read_text(), json.loads(summary.read_text())
