r"""Peak memory and time of whole scans against genome size, with few candidates and with many.

python benchmarks/bench_memory.py --out benchmarks/results/memory.json
python benchmarks/bench_memory.py --contigs --scaffolds \
    --shuffled ../shared/data/genomes/celegans_dev/genome.fa.gz \
    --joined ../shared/data/background/{mammals_windows,encode_vertebrates}/genome.fa.gz \
    --out benchmarks/results/memory.json

The genomes are made here. One long contig, or many short scaffolds: letters are A and C at random,
which cannot pair, with one hairpin in every million nucleotides: everything of a scan runs at full
size (validation, store, tiles, stem scan of both strands, shards, scores, output), only candidates
are few, so that sizes of hundreds of megabases take minutes. A shuffled genome has as many
candidates as a real one has by chance, and a joined one as many as real: it is made of all contigs
given as they are, then reversed, then as their reverse complements, then as their complements, and
so on until it is large enough, in contigs as long as chromosomes.

Memory is told twice: the most that the main process had, and the most that it had with its
children, pages that they share counted in proportion, looked at once in a second. A row that is in
the output file already is replaced.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import pytest
import record
from bench_kills import watch

from premir.kernels.codes import decode, encode
from premir.scanner.genome.decoys import shuffled as shuffled_pieces
from premir.scanner.genome.fasta import read_records

CONTIGS = (75_000_000, 150_000_000, 600_000_000)
SCAFFOLDS = (125_000, 250_000, 1_000_000)
SCAFFOLD = 200
SPACING = 1_000_000
"""Nucleotides between hairpins."""
JOINED_MB = 1_200
CHROMOSOME = 150_000_000
"""Nucleotides of a contig of a joined genome."""
_LINE = 100
_HAIRPIN = b"GGCTGAGCCGCAGTAGTTCTTCAGTGGCAAGCTTTATGTCCTGACCCAGCTAAAGCTGCCAGTTGAAGAACTGTTGCCCTCTGCC"
"""Human miR-22's precursor, as in miRBase."""
_COMPLEMENT = np.frombuffer(
    bytes(range(256)).translate(bytes.maketrans(b"ACGTacgt", b"TGCAtgca")), np.uint8
)

Letters: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
TURNS: tuple[Callable[[Letters], Letters], ...] = (
    lambda letters: letters,
    lambda letters: letters[::-1],
    lambda letters: _COMPLEMENT[letters[::-1]],
    lambda letters: _COMPLEMENT[letters],
)
"""The same contig four times: as it is, reversed, and the opposite strands of both."""
DATA = (
    f"A and C at random with a hairpin every {SPACING} nt, in one contig or in scaffolds; "
    "real genomes, shuffled; real genomes joined, in four turns, in contigs of "
    f"{CHROMOSOME // 1_000_000} Mb"
)


def sequence(rng: np.random.Generator, length: int) -> Letters:
    """Random A and C with a hairpin every SPACING nucleotides."""
    letters = np.array([65, 67], np.uint8)[rng.integers(0, 2, length, dtype=np.uint8)]
    insert = np.frombuffer(_HAIRPIN, np.uint8)
    for start in range(50, length - insert.size, SPACING):
        letters[start : start + insert.size] = insert
    return letters


def write_lines(handle: IO[bytes], letters: Letters) -> None:
    """Write letters in lines of 100."""
    whole = letters.size - letters.size % _LINE
    lines = letters[:whole].reshape(-1, _LINE)
    handle.write(np.hstack([lines, np.full((len(lines), 1), 10, np.uint8)]).tobytes())
    if whole < letters.size:
        handle.write(letters[whole:].tobytes() + b"\n")


def write_contig(length: int, path: Path) -> None:
    """Write one contig."""
    rng = np.random.default_rng(1)
    with path.open("wb") as handle:
        handle.write(b">chr1\n")
        for first in range(0, length, 10_000_000):
            write_lines(handle, sequence(rng, min(10_000_000, length - first)))


def write_scaffolds(count: int, path: Path) -> None:
    """Write scaffolds of 200 nt."""
    rng = np.random.default_rng(1)
    with path.open("wb") as handle:
        for first in range(0, count, 10_000):
            some = min(10_000, count - first)
            letters = sequence(rng, some * SCAFFOLD).tobytes()
            for n in range(some):
                text = letters[n * SCAFFOLD : (n + 1) * SCAFFOLD]
                handle.write(b">scaffold%d\n%s\n" % (first + n, text))


def contigs_of(source: Path) -> Iterator[tuple[str, Letters]]:
    """Names and letters of the contigs of a FASTA file."""
    for name, letters in read_records(source):
        yield name, np.frombuffer(letters.encode("ascii"), np.uint8)


def write_shuffled(source: Path, path: Path) -> None:
    """Write a genome shuffled as decoys are, which keeps how often letters follow each other."""
    with path.open("wb") as handle:
        for name, letters in contigs_of(source):
            ends = np.array([0, letters.size])
            shuffled = decode(shuffled_pieces(encode(letters), ends, ends[:1], 0))
            handle.write(f">{name}\n".encode("ascii"))
            write_lines(handle, np.frombuffer(shuffled.encode("ascii"), np.uint8))


def write_joined(sources: Sequence[Path], length: int, path: Path) -> None:
    """Write genomes one after another, turn by turn, in contigs as long as chromosomes."""
    contigs = [letters for source in sources for _, letters in contigs_of(source)]
    pieces = (turn(letters) for turn in itertools.cycle(TURNS) for letters in contigs)
    with path.open("wb") as handle:
        for start in range(0, length, CHROMOSOME):
            handle.write(b">chr%d\n" % (start // CHROMOSOME + 1))
            left = min(CHROMOSOME, length - start)
            held: list[Letters] = []
            while left > 0:
                held.append(next(pieces)[:left])
                left -= held[-1].size
            write_lines(handle, np.concatenate(held))


def scan(genome: Path, threads: int) -> dict[str, Any]:
    """Scan in a process of its own and say what it took."""
    out = genome.with_suffix(".bed")
    told = watch(genome, out, threads).told()
    summary = json.loads(out.with_name(f"{out.name}.summary.json").read_text(encoding="utf-8"))
    return {
        "megabases": summary["megabases"],
        "contigs": summary["contigs"],
        "tiles": summary["tiles_total"],
        "candidates": summary["candidates"],
        "folded": summary["folded"],
        "scored": summary["scored"],
        "hits": summary["hits"],
        "peak_memory_mb": round(summary["peak_memory_mb"]),
        "peak_with_children_mb": told["peak_memory_mb"],
        "peak_disk_mb": told["peak_disk_mb"],
        "seconds": told["seconds"],
        "cpu_seconds": told["cpu_seconds"],
        "cpu_us_per_contig": round(told["cpu_seconds"] / summary["contigs"] * 1e6, 1),
        "cpu_seconds_per_mb": round(told["cpu_seconds"] / summary["megabases"], 3),
        "seconds_by_stage": {k: round(v, 1) for k, v in summary["seconds_by_stage"].items()},
        "commit": record.commit(),
    }


def page(result: dict[str, Any]) -> str:
    """The results as a Markdown page."""
    lines = [
        "# Peak memory and time against genome size",
        "",
        f"{result['data']}; {result['threads']} threads.",
        "",
        "| genome | Mb | contigs | tiles | candidates per Mb | hits | peak MB | with children "
        "| CPU seconds | CPU s per Mb |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['genome']} | {row['megabases']:g} | {row['contigs']:,} | {row['tiles']:,} "
        f"| {row['candidates'] / row['megabases']:,.0f} | {row['hits']:,} "
        f"| {row['peak_memory_mb']} | {row.get('peak_with_children_mb', '')} "
        f"| {row['cpu_seconds']} | {row['cpu_seconds_per_mb']} |"
        for row in result["rows"]
    ]
    return "\n".join(lines) + "\n"


def earlier(out: Path | None) -> dict[tuple[str, float], dict[str, Any]]:
    """Rows of an output file that is there already, by genome and size."""
    if out is None or not out.exists():
        return {}
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    return {(row["genome"], row["megabases"]): row for row in rows}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contigs", type=int, nargs="*", default=CONTIGS, help="lengths in nt")
    parser.add_argument("--scaffolds", type=int, nargs="*", default=SCAFFOLDS, help="how many")
    parser.add_argument("--shuffled", type=Path, nargs="*", default=[], help="FASTA of genomes")
    parser.add_argument("--joined", type=Path, nargs="*", default=[], help="FASTA of one genome")
    parser.add_argument("--joined-mb", type=float, default=JOINED_MB, help="its size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write JSON here, and the table beside it as .md")
    args = parser.parse_args(argv)
    work: list[tuple[str, Callable[[Path], None]]] = [
        *(("one contig", partial(write_contig, length)) for length in args.contigs),
        *(("scaffolds of 200 nt", partial(write_scaffolds, count)) for count in args.scaffolds),
        *(
            (f"{path.parent.name}, shuffled", partial(write_shuffled, path))
            for path in args.shuffled
        ),
    ]
    if args.joined:
        name = ", ".join(path.parent.name for path in args.joined)
        length = round(args.joined_mb * 1e6)
        work.append((f"{name}, joined", partial(write_joined, args.joined, length)))
    rows = earlier(args.out)
    for name, write in work:
        with tempfile.TemporaryDirectory() as folder:
            genome = Path(folder) / "genome.fa"
            write(genome)
            row = {"genome": name, **scan(genome, args.threads)}
        sys.stderr.write(f"{row}\n")
        rows[row["genome"], row["megabases"]] = row
        result = record.record(
            *("memory", ["numba", "numpy", "torch"], f"made by this script: {DATA}"),
            threads=args.threads,
            rows=list(rows.values()),
        )
        record.write(result, args.out)
        if args.out is not None:
            args.out.with_suffix(".md").write_text(page(result), encoding="utf-8")
    return 0


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    committed = Path(__file__).parent / "results" / "memory.json"
    result = json.loads(committed.read_text(encoding="utf-8"))
    text = committed.with_suffix(".md").read_text(encoding="utf-8")
    assert text.startswith(page(result))  # below it stands what a person says of it


def test_bench_memory_on_tiny_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "CHROMOSOME", 25_000)
    genome, out = tmp_path / "small" / "genome.fa", tmp_path / "memory.json"
    genome.parent.mkdir()
    write_contig(20_000, genome)
    command = ["--contigs", "40000", "--scaffolds", "300", "--shuffled", str(genome)]
    assert main([*command, "--joined", str(genome), "--joined-mb", "0.06", "--out", str(out)]) == 0
    contig, scaffolds, shuffled, joined = json.loads(out.read_text())["rows"]
    assert (contig["contigs"], contig["megabases"], contig["hits"]) == (1, 0.04, 2)
    assert (scaffolds["contigs"], scaffolds["megabases"], scaffolds["tiles"]) == (300, 0.06, 1)
    assert scaffolds["hits"] == 2  # a known hairpin, and what lies opposite
    assert (shuffled["megabases"], shuffled["hits"]) == (0.02, 0)
    assert (joined["contigs"], joined["megabases"]) == (3, 0.06)
    assert joined["hits"] > 2  # as it is, and as the opposite strand, which is the same again
    assert "| one contig | 0.04 | 1 |" in out.with_suffix(".md").read_text()
    assert main(["--contigs", "40000", "--scaffolds", "--out", str(out)]) == 0
    assert len(json.loads(out.read_text())["rows"]) == 4


if __name__ == "__main__":
    sys.exit(main())
