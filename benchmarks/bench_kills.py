r"""One scan of all that is given, killed twice on its way: hours, memory, disk, and the same bytes.

python benchmarks/bench_kills.py ../shared/data/background/*/*.fa.gz \
    --out benchmarks/results/kills.json

The files are joined to one genome, whose contigs bear the name of their file. It is scanned by the
default command without a kill; then in another run directory, where SIGKILL ends the scan after
each of the given shares of its tiles, and the same command goes on. Memory is that of the process
with all its children, pages that they share counted in proportion; disk is that of the run
directory. Both are looked at once in a second, and the most is told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import record

from premir.scanner.genome.fasta import read_records

HUMAN_MB = 3_100
_PAUSE = 1.0
_LINE = 100


def join(paths: Sequence[Path], out: Path) -> int:
    """Write several FASTA files as one; returns the number of contigs."""
    contigs = 0
    with out.open("w", encoding="ascii") as handle:
        for path in paths:
            for name, letters in read_records(path):
                handle.write(f">{path.parent.name}/{name}\n")
                handle.writelines(
                    f"{letters[first : first + _LINE]}\n" for first in range(0, len(letters), _LINE)
                )
                contigs += 1
    return contigs


@dataclass
class Watched:
    """A scan in a process of its own, and the most that it has used so far.

    Attributes:
        work: its run directory.
        memory: bytes of the process and its children.
        disk: bytes of the run directory.
        cpu: CPU seconds of the process and its children.
        seconds: since its start.
    """

    process: psutil.Popen
    work: Path
    begin: float = field(default_factory=time.monotonic)
    memory: int = 0
    disk: int = 0
    cpu: float = 0.0
    seconds: float = 0.0

    def look(self) -> None:
        """Take the measures of this moment."""
        memory, cpu = 0, 0.0
        with suppress(psutil.Error):
            for process in (self.process, *self.process.children(recursive=True)):
                memory += process.memory_full_info().pss
                times = process.cpu_times()
                cpu += times.user + times.system
        disk = 0
        for path in self.work.rglob("*"):
            with suppress(OSError):  # it may have gone meanwhile
                disk += path.stat().st_blocks * 512
        self.memory, self.disk = max(self.memory, memory), max(self.disk, disk)
        self.cpu = max(self.cpu, cpu)
        self.seconds = time.monotonic() - self.begin

    def tiles(self) -> int:
        """How many tiles are scored, those of earlier runs among them."""
        return len(list(self.work.glob("commits/scores-*")))

    def told(self) -> dict[str, float]:
        """What was seen of it, in units for people."""
        return {
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu, 1),
            "peak_memory_mb": round(self.memory / 2**20),
            "peak_disk_mb": round(self.disk / 2**20),
        }


def watch(genome: Path, out: Path, threads: int, kill_at: float = float("inf")) -> Watched:
    """Scan, and look on until the end or until so many tiles are scored."""
    work = out.with_name(f"{out.name}.premir-work")
    command = [sys.executable, "-m", "premir.scanner.cli", str(genome), "--out", str(out), "-q"]
    scan = Watched(psutil.Popen([*command, "--threads", str(threads)]), work)
    while scan.process.poll() is None:
        scan.look()
        if scan.tiles() >= kill_at:
            scan.process.kill()
            scan.process.wait()
            return scan
        with suppress(psutil.TimeoutExpired):
            scan.process.wait(timeout=_PAUSE)
    if scan.process.returncode:
        raise subprocess.CalledProcessError(scan.process.returncode, command)
    return scan


def hits(path: Path) -> list[str]:
    """Return the lines of a BED file that do not tell of the scan, as its own names."""
    with path.open(encoding="utf-8") as handle:
        return [line for line in handle if not line.startswith("##")]


def measure(
    genome: Path, folder: Path, threads: int, shares: Sequence[float], straight: Path | None
) -> dict[str, Any]:
    """Scan at one go, unless that was done before, and with kills."""
    told: dict[str, Any] = {}
    if straight is None:
        straight = folder / "straight.bed"
        told["at_one_go"] = watch(genome, straight, threads).told()
    summary_of = straight.with_name(f"{straight.name}.summary.json")
    summary = json.loads(summary_of.read_text(encoding="utf-8"))
    broken = folder / "broken.bed"
    stretches = []
    for kill_at in (*(share * summary["tiles_total"] for share in shares), float("inf")):
        scan = watch(genome, broken, threads, kill_at)
        done = scan.tiles() if kill_at < float("inf") else summary["tiles_total"]
        stretches.append({**scan.told(), "tiles_scored": done})
        sys.stderr.write(f"{stretches[-1]}\n")
    if hits(straight) != hits(broken):
        raise ValueError("the killed scan wrote other hits than the one that was left alone")
    seconds = sum(each["seconds"] for each in stretches)
    disk = max(each["peak_disk_mb"] for each in stretches)
    numbers = "megabases contigs tiles_total candidates folded scored hits seconds_by_stage"
    return {
        **{name: summary[name] for name in numbers.split()},
        **told,
        "with_kills": stretches,
        "same_bytes": True,
        "human_genome": {
            "megabases": HUMAN_MB,
            "hours": round(seconds / summary["megabases"] * HUMAN_MB / 3600, 2),
            "peak_disk_mb": round(disk / summary["megabases"] * HUMAN_MB),
        },
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("genomes", type=Path, nargs="+", metavar="GENOME", help="FASTA")
    parser.add_argument("--kill-at", type=float, nargs="*", default=[0.3, 0.7], metavar="SHARE",
        help="shares of the tiles after which the scan is killed; default: 0.3 0.7")  # fmt: skip
    parser.add_argument("--straight", type=Path, metavar="BED",
        help="hits of an earlier scan of the same genome without kills, its summary beside "
        "them; default: scan it now")  # fmt: skip
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write JSON here; default: to stdout")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        genome = Path(folder) / "genome.fa"
        join(args.genomes, genome)
        found = measure(genome, Path(folder), args.threads, args.kill_at, args.straight)
    data = [
        {"file": f"{path.parent.name}/{path.name}", "sha256": record.sha256(path)}
        for path in args.genomes
    ]
    result = record.record(
        "kills", ["numba", "numpy", "torch"], data, threads=args.threads, **found
    )
    record.write(result, args.out)
    return 0


def test_bench_kills_on_a_piece_of_a_virus(tmp_path: Path) -> None:
    ebv = Path(__file__).parents[1] / "examples" / "ebv.fa.gz"
    ((_, letters),) = read_records(ebv)
    genome, out = tmp_path / "genome.fa", tmp_path / "kills.json"
    genome.write_text(f">a\n{letters[139_000:152_000]}\n>b\n{letters[:2_000]}\n")
    assert main([str(genome), "--kill-at", "0", "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert (result["contigs"], result["megabases"]) == (2, 0.015)
    assert result["hits"] > 5
    assert len(result["with_kills"]) == 2
    assert result["at_one_go"]["peak_memory_mb"] > 50
    assert result["at_one_go"]["peak_disk_mb"] >= 0


if __name__ == "__main__":
    sys.exit(main())
