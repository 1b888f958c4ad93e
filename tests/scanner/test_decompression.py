"""Compressed sources, told by their first bytes, and sources that come only once."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import os
import sys
import threading
from pathlib import Path

import builders
import numpy as np
import pytest

from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.genome import decompression
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.streams import is_stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# It does not compress well, so that every kind reads it in several steps.
CONTENT = b">a\n" + builders.random_sequence(np.random.default_rng(0), 1_200_000).encode()
COMPRESS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": functools.partial(lzma.compress, preset=0),
    "zstd": zstd.compress,
}
compressions = pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS.keys())


def read(path):
    return b"".join(read_blocks(path))


@compressions
def test_members_are_read_whole_whatever_the_name(tmp_path, compress):
    path = tmp_path / "genome.fa"
    half = len(CONTENT) // 2
    path.write_bytes(compress(CONTENT[:half]) + compress(b"") + compress(CONTENT[half:]))
    assert read(path) == CONTENT
    path.write_bytes(path.read_bytes() + b"\0" * 512)
    assert read(path) == CONTENT


@compressions
def test_no_input_fills_the_memory(tmp_path, compress):
    path = tmp_path / "genome.fa"
    path.write_bytes(compress(b"A" * 50_000_000))
    sizes = [len(block) for block in read_blocks(path)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= decompression._BLOCK


@pytest.mark.parametrize("kind, compress", COMPRESS.items(), ids=COMPRESS.keys())
def test_truncated_and_damaged_data(tmp_path, kind, compress):
    path = tmp_path / "cut.fa"
    whole = compress(CONTENT)
    middle = len(whole) // 2
    for broken in (
        whole[:-1],
        whole[:middle],
        whole[:20],
        whole[:middle]
        + bytes(byte ^ 255 for byte in whole[middle : middle + 8])
        + whole[middle + 8 :],
        whole + b"no such member",
        whole + whole[:-9],
    ):
        path.write_bytes(broken)
        with pytest.raises(InputError) as caught:
            read(path)
        (line,) = caught.value.lines
        assert line.startswith(f"{path}: {kind} data are truncated or damaged (")
        assert line.endswith("; fetch the file again")


def test_damage_is_one_line_of_the_command(tmp_path, capsys):
    path = tmp_path / "cut.fa.zst"
    path.write_bytes(zstd.compress(CONTENT)[:-5])
    for arguments in ([path], ["--hairpins", path]):
        assert main([*map(str, arguments), "--out", str(tmp_path / "o"), "-q"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"premir-scan: error: {path}: zstd data are truncated or damaged")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("piped", [False, True])
def test_bgzip_cut_at_a_block_border(tmp_path, piped):
    # A gzip reader is content with this: whole blocks, and then nothing.
    path = tmp_path / "genome.fa.gz"
    builders.write_fasta(path, {"a": "ACGT" * 50_000}, bgzip=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:-28])
    with pytest.raises(InputError, match="bgzip end-of-file block is missing"):
        read(fifo(tmp_path, whole[:-28]) if piped else path)
    path.write_bytes(whole)
    assert read(path).count(b"ACGT") > 49_000


def fifo(folder, content):
    """A FIFO that gives some bytes once."""
    path = folder / "pipe"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    return path


@pytest.fixture
def pipe():
    """Turn bytes into ``/dev/fd/N``, as ``<(command)`` does."""
    ends = []

    def give(content):
        end, start = os.pipe()
        ends.append(end)

        def write():
            with os.fdopen(start, "wb") as handle:
                handle.write(content)

        threading.Thread(target=write, daemon=True).start()
        return f"/dev/fd/{end}"

    yield give
    for end in ends:
        os.close(end)


def stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_streams_give_the_hits_of_the_file(tiny_genome, scan, tmp_path, monkeypatch, pipe):
    path, _, _ = tiny_genome
    content = path.read_bytes()
    _, expected = scan(path, "--min-prob", "0")
    assert expected.count("\nchr1\t") > 1
    expected = expected.replace("## genome genome.fa\n", "## genome -\n")
    stdin(monkeypatch, gzip.compress(content))
    for number, source in enumerate(("-", fifo(tmp_path, content), pipe(bz2.compress(content)))):
        code, text = scan(source, "--min-prob", "0", out=f"hits{number}.bed")
        assert (code, text) == (0, expected)


def test_streams_of_hairpins(tmp_path, monkeypatch, pipe):
    builders.write_fasta(tmp_path / "s.fa", {"a": "GCCCTTGGCA" * 5, "b": "ACGTN", "c": "GGGAAACCC"})
    content = (tmp_path / "s.fa").read_bytes()

    def classify(source):
        out = tmp_path / "scores.tsv"
        assert main(["--hairpins", str(source), "--out", str(out), "-q"]) == 0
        return out.read_text()

    expected = classify(tmp_path / "s.fa")
    stdin(monkeypatch, content)
    for source in ("-", fifo(tmp_path, content), pipe(content)):
        assert classify(source) == expected


def test_stream_can_be_resumed_and_planned(tiny_genome, tmp_path, monkeypatch, capsys):
    path, _, _ = tiny_genome
    out = tmp_path / "hits.bed"
    command = ["-", "--out", str(out), "--min-prob", "0", "--keep-work", "-q"]
    for _ in range(2):
        stdin(monkeypatch, path.read_bytes())
        assert main(command) == 0
    stdin(monkeypatch, path.read_bytes())
    capsys.readouterr()
    assert main([*command, "--plan"]) == 0
    facts = capsys.readouterr().out
    assert "genome\t-: 3 contigs" in facts
    assert "1 of 1 tiles are folded, 1 scored" in facts
    stdin(monkeypatch, path.read_bytes().replace(b"A", b"C"))
    assert main(command) == 4


@pytest.mark.parametrize(
    "options, message",
    [
        (("-", "--out", "o", "--part", "1/2"), "-: a stream can be read only once, and --part and"),
        (("-", "--out", "o", "--finalise"), "-: a stream can be read only once, and --part and"),
        (("-", "a.fa", "--out-dir", "d"), "-: a stream can be read only once, and --out-dir com"),
        (("/dev/null", "--out-dir", "d"), "/dev/null: a stream can be read only once, and --out"),
        (("--genomes", "list.tsv", "--out-dir", "d"), "list.tsv:1: -: a stream can be read only"),
        (("/dev/null", "--out", "o"), "/dev/null: file is empty; expected FASTA"),
    ],
)
def test_what_streams_cannot_do_is_refused(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.tsv").write_text("a\t-\n")
    assert main([*options, "-q"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"premir-scan: error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["list.tsv"]


def test_closed_stdin(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["-", "--out", str(tmp_path / "hits.bed")]) == 2
    assert capsys.readouterr().err == "premir-scan: error: -: standard input is closed\n"


def test_files_and_what_is_missing_are_no_streams(tmp_path):
    (tmp_path / "a.fa").touch()
    assert not any(map(is_stream, (tmp_path, tmp_path / "a.fa", tmp_path / "none.fa")))
    with (tmp_path / "a.fa").open() as handle:
        assert is_stream(Path(f"/dev/fd/{handle.fileno()}"))
