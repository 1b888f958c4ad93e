r"""Reads: what a library costs, counted and judged, and how much memory.

python benchmarks/bench_read_counting.py ../shared/data/genomes/celegans_dev/genome.fa.gz \
    --records 10000000 --hits 20000 --out benchmarks/results/read_counting.json

The genome is the first megabases of a FASTA file, as many as hold so many candidates, which are the
hits. Of the records seven in ten lie on arms of hits, the others anywhere; each names its own read
and says how many places that has.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import record

from premir.scanner.find.candidates import PRESETS, candidates_of_tile
from premir.scanner.find.folding import make_folder
from premir.scanner.find.loci import Loci
from premir.scanner.find.shards import read_loci, write_shard
from premir.scanner.genome.letters import Contigs, Genome, read_genome
from premir.scanner.genome.tiles import Tile, plan_tiles
from premir.scanner.options import Search
from premir.scanner.report.evidence.reads.counting import commit_libraries
from premir.scanner.report.evidence.reads.track import TRACK
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable
from premir.scanner.run.rundir import RunDirectory

SEED = 20182
KEY = 16 * "0"
"""Of the scores that hits come from."""
_CHUNK = 200_000


def prepare(source: Path, folder: Path, hits: int, records: int) -> None:
    """Make a run directory with folded candidates, and a library on them."""
    run = RunDirectory(folder / "run")
    for name in (f"scores/{KEY}", "reads", "commits"):
        (run.path / name).mkdir(parents=True)
    genome = read_genome(source, run.store)
    run.adopt(genome)
    kernel, found, tiles = make_folder("kernel", processes=0), 0, 0
    for tile in plan_tiles(None, genome.contigs, tile_size=1_000_000):
        candidates = candidates_of_tile(run.store, tile, PRESETS["animal"], kernel)
        write_shard(run.scores(tile, KEY), hairpins=candidates.hairpins, loci=candidates.loci)
        found, tiles = found + len(candidates.loci), tiles + 1
        if found >= hits:
            break
    (folder / "tiles").write_text(str(tiles), encoding="ascii")
    table = hit_table(run, genome.contigs, tiles, hits)
    write_library(folder / "reads.bam", genome.contigs, table.loci, records)


def hit_table(run: RunDirectory, contigs: Contigs, tiles: int, hits: int) -> HitTable:
    """Return the first candidates as hits, by position."""
    parts = []
    for tile in plan_tiles(None, contigs, tile_size=1_000_000)[:tiles]:
        loci = read_loci(run.scores(tile, KEY))
        row = np.arange(len(loci))
        index = np.full(row.size, tile.index)
        parts.append(HitTable(loci, np.zeros(row.size), index, row))
    table = HitTable.concatenate(parts)
    order = np.lexsort((table.loci.strand < 0, table.loci.end, table.loci.start, table.loci.contig))
    return table.take(order[:hits])


def write_library(path: Path, contigs: Contigs, loci: Loci, records: int) -> None:
    """Write sorted records through SAM text, which samtools turns into BAM."""
    rng = np.random.default_rng(SEED)
    on_hits = rng.random(records) < 0.7
    hit = rng.integers(0, len(loci), records)
    end = int(loci.end.max())
    start = np.where(
        on_hits,
        np.where(rng.random(records) < 0.5, loci.start[hit] + 8, loci.end[hit] - 30)
        + rng.choice([-1, 0, 0, 0, 0, 0, 0, 1], records),
        rng.integers(0, end, records),
    )
    strand = np.where(on_hits, loci.strand[hit], rng.choice([1, -1], records))
    length = rng.choice([20, 21, 22, 22, 22, 23, 24], records)
    places = rng.choice([1, 1, 1, 2, 3], records)
    order = np.argsort(np.maximum(start, 0), kind="stable")
    names, sizes = contigs.names, contigs.lengths.tolist()
    text = path.with_suffix(".sam")
    with text.open("w", encoding="ascii") as handle:
        handle.write("@HD\tVN:1.6\tSO:coordinate\n")
        handle.writelines(
            f"@SQ\tSN:{name}\tLN:{size}\n" for name, size in zip(names, sizes, strict=True)
        )
        for first in range(0, records, _CHUNK):
            some = order[first : first + _CHUNK]
            columns = (np.maximum(start, 0), strand, length, places)
            values = zip(some.tolist(), *(each[some].tolist() for each in columns), strict=True)
            handle.writelines(
                f"SRR.{n}\t{0 if s > 0 else 16}\t{names[0]}\t{a + 1}\t255\t{k}M\t*\t0\t0\t"
                f"{'A' * k}\t{'I' * k}\tNM:i:0\tNH:i:{p}\n"
                for n, a, s, k, p in values
            )
    pysam.view("-b", "-o", str(path), str(text), catch_stdout=False)
    text.unlink()
    pysam.index(str(path))


def measure(source: Path, folder: Path, hits: int) -> dict[str, Any]:
    """Count a library and judge hits, in this process; says what that took."""
    run = RunDirectory(folder / "run")
    genome = Genome(source, run.store, read_genome(source, run.store).contigs)
    tiles: list[Tile] = plan_tiles(None, genome.contigs, tile_size=1_000_000)
    done = int((folder / "tiles").read_text(encoding="ascii"))
    table = hit_table(run, genome.contigs, done, hits)
    before = _peak()
    library = folder / "reads.bam"
    started = time.process_time()
    commit_libraries(run, [library], genome.contigs)
    counted = time.process_time()
    search = Search(genome=source, model=None, min_prob=0, reads=[library])
    columns = TRACK.compute(table, Material(genome, run, KEY, tiles, search, threads=1))
    judged = time.process_time()
    verdicts, counts = np.unique(columns[0].astype(str), return_counts=True)
    return {
        "cpu_seconds_counting": round(counted - started, 2),
        "cpu_seconds_judging": round(judged - counted, 2),
        "stacks": run.stacks(0).stat().st_size // 26,
        "peak_mb_before": before,
        "peak_mb": _peak(),
        "verdicts": dict(zip(verdicts.tolist(), counts.tolist(), strict=True)),
    }


def _peak() -> int:
    """Peak memory in MB; what getrusage says includes the process that started this one."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    [line] = [each for each in status.read_text().splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fasta", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--hits", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="write the JSON here; default: stdout")
    args = parser.parse_args(argv)
    if args.measure is not None:
        sys.stdout.write(json.dumps(measure(args.fasta, args.measure, args.hits)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(args.fasta, folder, args.hits, args.records)
        # In a process of its own, whose peak is not that of making the library.
        command = [sys.executable, __file__, str(args.fasta), "--measure", name]
        command += ["--hits", str(args.hits)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = record.record(
        "read_counting",
        ["numpy", "pysam"],
        {"genome": args.fasta.parent.name, "seed": SEED},
        records=args.records,
        hits=args.hits,
        **json.loads(told),
    )
    record.write(result, args.out)
    return 0


def test_bench_read_counting_on_tiny_input(tmp_path: Path) -> None:
    letters = "".join(np.random.default_rng(1).choice(list("ACGT"), 20_000))
    fasta, out = tmp_path / "tiny.fa", tmp_path / "counting.json"
    fasta.write_text(f">a\n{letters}\n", encoding="ascii")
    command = [str(fasta), "--records", "2000", "--hits", "20", "--out", str(out)]
    assert main(command) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    assert sum(result["verdicts"].values()) == 20
    assert 20 < result["stacks"] <= 2000


if __name__ == "__main__":
    sys.exit(main())
