r"""What the driver pays for a tile: CPU time and memory of the process that feeds the workers.

python benchmarks/bench_driver.py --executor ray --tiles 10000 --out benchmarks/results/driver.json

The work is real but tiny: a random genome in tiles of 100 nt, folded and scored by the executor.
Only the engine is measured, between the first tile's start and the last one's end: with ray the
driver's process, with threads (--executor local) the thread that feeds the others.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import record

from premir.scanner.cli import build_parser, scan_options
from premir.scanner.genome.letters import read_genome
from premir.scanner.genome.tiles import plan_tiles
from premir.scanner.preparing import identity, make_job
from premir.scanner.run.engine import Tally, run_tiles
from premir.scanner.run.rundir import open_run_directory
from premir.scanner.run.session import open_session
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

TILE = 100
SAMPLES = 10
SEED = 0


def measure(folder: Path, tiles: int, executor: str, threads: int) -> dict[str, Any]:
    """Run so many tiles and say what it cost this process."""
    rng = np.random.default_rng(SEED)
    letters = rng.choice(np.frombuffer(b"ACGT", np.uint8), tiles * TILE).tobytes()
    path = folder / "genome.fa"
    path.write_bytes(b">chr1\n" + letters + b"\n")
    command = [str(path), "--out", str(folder / "hits.bed"), "--tile-size", str(TILE), "-q"]
    command += ["--executor", executor, "--threads", str(threads), "--device", "cpu"]
    arguments = build_parser().parse_args(command)
    options = scan_options(arguments, load_model(DEFAULT_MODEL), path)
    process = psutil.Process()
    memory: list[int] = []
    tally = Tally()

    def sample() -> None:
        while len(tally.done) >= len(memory) * tiles / SAMPLES:
            memory.append(process.memory_info().rss >> 10)

    with (
        open_run_directory(folder / "work") as opened,
        open_session(options.search, options.execution) as session,
    ):
        assert session.executor is not None
        session.executor.check(opened.run.path)
        genome = read_genome(path, opened.run.store)
        job = make_job(options, opened.run)
        opened.run.bind(identity(options, genome, job))
        genome = opened.run.adopt(genome)
        plan = list(plan_tiles(None, genome.contigs, tile_size=TILE))
        assert len(plan) == tiles
        clock = time.process_time if executor == "ray" else time.thread_time
        cpu, wall = clock(), time.monotonic()
        run_tiles(
            session.executor, job, plan, tally, session.progress,
            check_stop=sample, name=lambda tile: str(tile.index),
        )  # fmt: skip
        cpu, wall = clock() - cpu, time.monotonic() - wall
        opened.finished = True
    sample()
    assert len(tally.done) == tiles
    return {
        "tiles": tiles,
        "executor": executor,
        "cpus": threads,
        "driver_cpu_ms_per_tile": round(1000 * cpu / tiles, 3),
        "wall_seconds": round(wall, 1),
        "driver_memory_kib_by_tenths": memory,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiles", type=int, default=10_000)
    parser.add_argument("--executor", choices=["local", "ray"], default="ray")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the JSON here (default: stdout)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), args.tiles, args.executor, args.threads)
    data = f"random genome of {args.tiles * TILE} nt, seed {SEED}, tiles of {TILE} nt"
    record.write(record.record("driver", ["ray", "numba", "torch"], data, **result), args.out)
    return 0


def test_bench_driver_on_tiny_input(tmp_path: Path) -> None:
    out = tmp_path / "driver.json"
    assert main(["--tiles", "12", "--executor", "local", "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["driver_cpu_ms_per_tile"] > 0
    assert len(result["driver_memory_kib_by_tenths"]) == SAMPLES + 1


if __name__ == "__main__":
    sys.exit(main())
