"""Outputs: nothing is overwritten; links, pipes, devices, compression do what they should."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import shutil
import stat
import sys
import threading
from pathlib import Path

import builders
import pysam
import pytest

from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.outputs import Tabix, check_apart, check_writable, sweep_output, writing
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model


@pytest.fixture
def genome(tmp_path):
    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 3_000, "b": 150})
    return builders.write_fasta(tmp_path / "genome.fa", sequences)


@pytest.fixture
def hairpins(tmp_path):
    return builders.write_fasta(tmp_path / "hairpins.fa", {"a": "GGGGAAAACCCC" * 5})


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Hits and candidates of the genome, as plain files."""
    folder = tmp_path_factory.mktemp("expected")
    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 3_000, "b": 150})
    builders.write_fasta(folder / "genome.fa", sequences)
    assert run(folder / "genome.fa", "--out", folder / "hits", "--candidates", folder / "all") == 0
    hits, candidates = (folder / "hits").read_bytes(), (folder / "all").read_bytes()
    assert candidates.count(b"\n") > 3
    assert hits.count(b"\nchr1\t") > 1
    return {"--out": hits, "--candidates": candidates}


def run(*arguments):
    command = [*map(str, arguments), "--quiet"]
    hits = "--out" in command and "--hairpins" not in command
    return main([*command, "--min-prob", "0.1"] if hits else command)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def content(folder):
    """All that is in a folder, with dates: what must not change."""
    return {
        path: (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def refusal(capsys, folder, *arguments):
    before = content(folder)
    assert run(*arguments) == 2
    assert content(folder) == before
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line.removeprefix("premir-scan: error: ")


def as_it_is(path):
    return path


def by_a_detour(path):
    (path.parent / "x").mkdir(exist_ok=True)
    return path.parent / "." / "x" / ".." / path.name


def by_a_link(path):
    link = path.with_name(f"link-{path.name}")
    link.symlink_to(path)
    return link


def by_a_linked_folder(path):
    folder = path.parent / "linked"
    folder.symlink_to(path.parent)
    return folder / path.name


def by_another_name(path):
    other = path.with_name(f"other-{path.name}")
    other.hardlink_to(path)
    return other


WAYS = [as_it_is, by_a_detour, by_a_link, by_a_linked_folder]


@pytest.mark.parametrize("way", [*WAYS, by_another_name])
@pytest.mark.parametrize("option", ["--out", "--candidates", "--summary", "--log-file"])
def test_no_output_is_the_genome(genome, tmp_path, capsys, way, option):
    name = way(genome)
    others = [] if option == "--out" else ["--out", tmp_path / "hits.bed"]
    assert refusal(capsys, tmp_path, genome, *others, option, name) == (
        f"{name}: {option} is the same file as GENOME ({genome}); choose another name"
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "first, second",
    [
        ("--out", "--candidates"),
        ("--out", "--summary"),
        ("--candidates", "--log-file"),
        ("--summary", "--log-file"),
    ],
)
def test_no_two_outputs_are_one_file(genome, tmp_path, capsys, way, first, second):
    """Also where neither exists yet."""
    path = tmp_path / "new"
    name = way(path)
    others = ["--out", tmp_path / "hits.bed"] if first != "--out" else []
    assert refusal(capsys, tmp_path, genome, *others, first, path, second, name) == (
        f"{name}: {second} is the same file as {first} ({path}); choose another name"
    )


@pytest.mark.parametrize(
    "options, message",
    [
        (("--out", "h.bed.gz", "--candidates", "h.bed.gz.tbi"), "--candidates is the same file as "
         "the index of --out"),
        (("--out", "h.BGZ", "--log-file", "h.BGZ.csi"), "--log-file is the same file as the index"),
        (("--out", "h", "--out", "./h"), "--out is the same file as --out"),
        (("--out", "h.gff3.gz", "--out", "h.gff3.gz.tbi"), "--out is the same file as the index"),
        (("--out", "h", "--candidates", "h.summary.json"), "--summary is the same file as --cand"),
        (("--out", "h", "--work-dir", "h"), "--out is the same as --work-dir"),
        (("--out", "w/h", "--work-dir", "w"), "--out lies in --work-dir"),
        (("--out", "h", "--log-file", "h.premir-work/log"), "--log-file lies in --work-dir"),
        (("--out", "h", "--work-dir", "h/w"), "--work-dir lies in --out"),
        (("--out", "h", "--work-dir", "genome.fa"), "GENOME is the same as --work-dir"),
        (("--out", "h", "--log-file", "log.gz"), "a log is plain text; leave out .gz"),
        (("--out", "h", "--log-file", "-"), "messages go to stderr by themselves; give a file"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("genome")
def test_names_that_cross_each_other(tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    assert message in refusal(capsys, tmp_path, "genome.fa", *options)


@pytest.mark.parametrize("option", ["--out", "--candidates", "--summary", "--log-file"])
def test_no_output_is_a_file_of_the_model(genome, tmp_path, capsys, option):
    model = tmp_path / "model"
    shutil.copytree(load_model(DEFAULT_MODEL).directory, model)
    others = [] if option == "--out" else ["--out", tmp_path / "hits.bed"]
    for name in ("card.json", "weights.safetensors", "gates.safetensors"):
        error = refusal(capsys, tmp_path, genome, *others, "--model", model, option, model / name)
        assert f"{option} is the same file as --model ({model / name})" in error


@pytest.mark.parametrize("option", ["--out", "--log-file"])
def test_no_output_is_the_file_of_hairpins(genome, tmp_path, capsys, option):
    others = [] if option == "--out" else ["--out", tmp_path / "scores.tsv"]
    error = refusal(capsys, tmp_path, "--hairpins", genome, *others, option, genome)
    assert f"{option} is the same file as --hairpins ({genome})" in error


def test_nothing_in_an_output_folder_is_an_input(genome, tmp_path, capsys):
    folder, listing = tmp_path / "hits", tmp_path / "list.tsv"
    (folder / ".premir").mkdir(parents=True)
    bed, table = folder / "a.bed", folder / "genomes.tsv"
    record = folder / ".premir" / "genome.json"
    for path in (bed, table, record):
        path.write_text("precious")
    listing.write_text(f"a\t{bed}\nb\t{genome}\n")
    (tmp_path / "genomes").symlink_to(table)
    for arguments, message in [
        (["--genomes", listing], f"{bed}: --out-dir (a) is the same file as {listing}:1 ({bed})"),
        (["--genomes", tmp_path / "genomes"], "the table of --out-dir is the same file as --gen"),
        ([genome, "--log-file", table], "--log-file is the same file as the table of --out-dir"),
        ([genome, "--log-file", record], "--log-file is the same file as --out-dir (genome)"),
        ([genome, "--log-file", folder / "genome.bed.premir-work"], "--log-file is the same as"),
        ([folder / "a.bed.premir-work" / "a.fa"], "lies in the run directory of a"),
    ]:
        table.write_text("precious" if listing in arguments else f"b\t{genome}\n")
        assert message in refusal(capsys, tmp_path, *arguments, "--out-dir", folder)


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_stdin_that_is_the_output(genome, name):
    kept = os.dup(0)
    with genome.open("rb") as handle:
        os.dup2(handle.fileno(), 0)
    try:
        with pytest.raises(InputError, match=f"{genome}: --out is the same file as GENOME"):
            check_apart([("GENOME", Path(name))], [("--out", genome)])
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def device(folder, name, minor):
    """A device that may be spoilt: root could replace those in /dev."""
    if os.geteuid() != 0:
        return Path("/dev", name)
    node = folder / name
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        node.open("wb").close()
    except OSError as error:
        pytest.skip(f"no devices can be made here: {error}")
    return node


def test_devices_stay_devices_and_may_repeat(genome, hairpins, tmp_path):
    (tmp_path / "dev").mkdir()
    null = device(tmp_path / "dev", "null", 3)
    outputs = ("--out", null, "--candidates", null, "--summary", null, "--log-file", null)
    assert run(genome, *outputs) == 0
    assert null.is_char_device()
    assert not [name for name in names(null.parent) if "null." in name]
    assert run("--hairpins", hairpins, "--out", null) == 0
    assert names(tmp_path) == ["dev", "genome.fa", "hairpins.fa"]


def check_output(option, text, expected):
    if option == "--summary":
        assert json.loads(text)["candidates"] > 3
    else:
        assert text == expected[option]


@pytest.mark.parametrize(
    "option, name",
    [
        ("--out", "-"),
        ("--out", "link"),
        ("--candidates", "-"),
        ("--candidates", "/dev/stdout"),
        ("--summary", "-"),
        ("--summary", "/dev/fd/1"),
    ],
)
def test_each_output_goes_to_stdout(genome, tmp_path, expected, capsys, option, name):
    if name == "link":
        name = tmp_path / "link"
        name.symlink_to("/dev/stdout")
    others = ["--candidates", tmp_path / "candidates.bed"] if option == "--summary" else []
    assert run(genome, *others, option, name) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    check_output(option, captured.out.encode(), expected)
    assert not list(tmp_path.glob("*premir-work"))


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_scores_of_hairpins_go_to_stdout(hairpins, tmp_path, capsys, name):
    assert run("--hairpins", hairpins, "--out", tmp_path / "scores.tsv") == 0
    assert run("--hairpins", hairpins, "--out", name) == 0
    assert capsys.readouterr().out == (tmp_path / "scores.tsv").read_text()


@pytest.mark.parametrize("first", ["-", "/dev/stdout"])
@pytest.mark.parametrize(
    "options", [("--candidates", "-"), ("--summary", "/dev/fd/1"), ("--log-file", "/dev/stdout")]
)
def test_stdout_is_for_one_output(genome, tmp_path, capsys, first, options):
    option, name = options
    error = refusal(capsys, tmp_path, genome, "--out", first, *options)
    assert error == f"{option} {name}: stdout is taken by --out; give a file"


@pytest.mark.parametrize("option", ["--out", "--candidates", "--summary"])
def test_pipes_stay_pipes(genome, tmp_path, expected, option):
    pipe = tmp_path / "pipe.gz"  # compressed, as its name says
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(
        target=lambda: read.append(gzip.decompress(pipe.read_bytes())), daemon=True
    )
    reader.start()
    others = ["--candidates", tmp_path / "all.bed"] if option == "--summary" else []
    assert run(genome, *others, option, pipe) == 0
    assert pipe.is_fifo()
    reader.join()
    check_output(option, read[0], expected)
    assert names(tmp_path) == [*(["all.bed"] if others else []), "genome.fa", "pipe.gz"]


def test_open_descriptor_is_written_to(tmp_path):
    with (tmp_path / "out").open("wb") as handle:
        handle.write(b"before\n")
        handle.flush()
        path = tmp_path.joinpath("/dev/fd", str(handle.fileno()))
        check_writable(path)
        with writing(path) as text:
            text.write("it\n")
        handle.write(b"after\n")
    assert (tmp_path / "out").read_text() == "before\nit\nafter\n"


@pytest.mark.parametrize("old", ["old", None])
def test_link_stays_and_its_target_is_written(genome, tmp_path, expected, old):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target.bed", tmp_path / "hits.bed"
    if old is not None:
        target.write_text(old)
        target.chmod(0o640)
    link.symlink_to("far/target.bed")
    assert run(genome, "--out", link) == 0
    assert link.is_symlink()
    assert target.read_bytes() == expected["--out"]
    if old is not None:
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert names(tmp_path / "far") == ["target.bed"]


@pytest.mark.parametrize("suffix", [".gz", ".Bgz"])
def test_every_output_is_compressed_as_its_name_says(genome, hairpins, tmp_path, expected, suffix):
    out, candidates, summary, scores = (
        tmp_path / f"{name}{suffix}" for name in ("hits.bed", "all.bed", "sum.json", "s.tsv")
    )
    assert run(genome, "--out", out, "--candidates", candidates, "--summary", summary) == 0
    assert gzip.decompress(out.read_bytes()) == expected["--out"]
    assert gzip.decompress(candidates.read_bytes()) == expected["--candidates"]
    assert json.loads(gzip.decompress(summary.read_bytes()))["hits"] > 0
    for path in (out, candidates):
        with pysam.TabixFile(str(path), index=f"{path}.tbi") as index:
            assert list(index.fetch("chr1"))
    assert run("--hairpins", hairpins, "--out", scores) == 0
    assert gzip.decompress(scores.read_bytes()).startswith(b"name\tprob\t")
    assert names(tmp_path) == sorted(
        ["genome.fa", "hairpins.fa", *(p.name for p in (out, candidates, summary, scores))]
        + [f"{p.name}.tbi" for p in (out, candidates)]
    )


@pytest.mark.parametrize("name", ["h.bed.xz", "h.bed.ZST", "h.bz2"])
def test_other_compressions_are_refused_by_name(genome, tmp_path, capsys, name):
    error = refusal(capsys, tmp_path, genome, "--out", tmp_path / name)
    assert error.endswith(f"{name}: {name[name.rindex('.') :]} cannot be written; .gz and .bgz can")


@pytest.mark.parametrize("name", ["old.bed", "old.bed.gz"])
def test_error_leaves_what_was_there(tmp_path, name):
    old = tmp_path / name
    old.write_text("old")
    (tmp_path / "old.bed.gz.tbi").write_text("index")

    def lines():
        yield from ["new\n"] * 100_000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), writing(old, tabix=Tabix("bed", 1 << 29)) as handle:
        handle.writelines(lines())
    assert old.read_text() == "old"
    assert names(tmp_path) == sorted({name, "old.bed.gz.tbi"})


def test_what_killed_processes_left_beside_an_output_goes(tmp_path):
    out = tmp_path / "hits.bed.gz"
    (tmp_path / "link.gz").symlink_to(out)
    foreign = [".hits.bed.gz.thesis99.tmp", ".other.bed.gz.0123abcd.tmp"]
    for name in (".hits.bed.gz.0123abcd.tmp", ".link.gz.tbi.0123abcd.tmp", *foreign):
        (tmp_path / name).touch()
    sweep_output(tmp_path / "link.gz")
    assert names(tmp_path) == [*foreign, "link.gz"]


def test_index_of_long_contigs_takes_the_place_of_the_old_one(tmp_path):
    out = tmp_path / "hits.bed.gz"
    (tmp_path / "hits.bed.gz.tbi").write_text("of an earlier file")
    with writing(out, tabix=Tabix("bed", 1 << 29)) as handle:
        handle.write(f"chr1\t{1 << 29}\t{(1 << 29) + 9}\n")
    assert names(tmp_path) == ["hits.bed.gz", "hits.bed.gz.csi"]
    with pysam.TabixFile(str(out), index=f"{out}.csi") as index:
        assert len(list(index.fetch("chr1", 1 << 29, (1 << 29) + 5))) == 1


def test_compressed_is_what_htslib_reads_by_blocks(tmp_path):
    lines = [f"{n}\n" for n in range(50_000)]
    with writing(tmp_path / "x.gz") as handle:
        handle.writelines(lines)
    with pysam.BGZFile(str(tmp_path / "x.gz")) as blocks:  # type: ignore[call-arg]  # pysam's stub
        assert blocks.read(1 << 20).decode() == "".join(lines)
    assert names(tmp_path) == ["x.gz"]


@pytest.mark.parametrize("name", ["full", "full.gz"])
def test_full_disk_is_told_when_the_last_bytes_are_written(tmp_path, name):
    (tmp_path / "dev").mkdir()
    (tmp_path / name).symlink_to(device(tmp_path / "dev", "full", 7))
    with pytest.raises(OSError, match="No space left") as error, writing(tmp_path / name) as handle:
        handle.write("few\n")
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename == str(tmp_path / name)


def test_stdout_gets_the_bytes_of_a_file(tmp_path, monkeypatch):
    """Whatever the terminal's encoding; a name that is no text at all ends nothing."""
    text = "chrÄ\n\udcff\n"
    with writing(tmp_path / "file") as handle:
        handle.write(text)
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="ascii", newline="\r\n"))
    with writing(Path("-")) as handle:
        handle.write(text)
    assert stream.getvalue() == (tmp_path / "file").read_bytes() == b"chr\xc3\x84\n\\udcff\n"


def test_reader_that_has_gone(monkeypatch):
    reading, other = os.pipe()
    os.close(reading)
    with os.fdopen(other, "w") as handle:
        monkeypatch.setattr(sys, "stdout", handle)
        with (
            pytest.raises(BrokenPipeError),
            writing(Path("-")) as out,
        ):
            out.write("x\n")
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):
            handle.close()


def test_closed_stdout_is_found_before_work(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(BrokenPipeError):
        check_writable(Path("-"))
