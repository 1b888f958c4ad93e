"""The command line: errors in one line with exit code 2, and a quick --help."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import builders
import manual
import pytest

from premir.scanner import __version__
from premir.scanner.cli import build_parser, main
from premir.scanner.completion import SHELLS
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.cli import main as train_main


def run(*arguments):
    return main([str(argument) for argument in arguments])


def one_line(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    errors = [line for line in lines if line.startswith("premir-scan: error: ")]
    assert len(errors) == 1
    assert lines[-1] == errors[0]
    assert "Traceback" not in captured.err
    return errors[0].removeprefix("premir-scan: error: ")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "{path}: file is empty; expected FASTA"),
        (b"@r\nACGT\n+\nIIII\n", "{path}: line 1: this is FASTQ; premir reads FASTA"),
        (b">p\nMKVLEF\n", "{path}: p:2: 'L' is not a nucleotide letter; looks like protein"),
        (b">a\nA\n>a\nA\n", "{path}: a:3: name occurs twice; contig names must be unique"),
        (b">a\n>b\n", "{path}: no record has a sequence"),
        (b">a\nAC\0T\n", "{path}: a:2: NUL byte inside the sequence: the file is damaged"),
        (b">a\nAC T\n", "{path}: a:2: blank inside the sequence: remove it"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "{path}: gzip data are truncated or damaged"),
    ],
)
@pytest.mark.parametrize("option", ["genome", "--hairpins"])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, content, message, option):
    path = tmp_path / "bad.fa"
    path.write_bytes(content)
    arguments = [path] if option == "genome" else [option, path]
    assert run(*arguments, "--out", tmp_path / "out") == 2
    assert one_line(capsys).startswith(message.format(path=path))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bad.fa"]


def test_missing_file(tmp_path, capsys):
    assert run(tmp_path / "none.fa", "--out", tmp_path / "hits.bed") == 2
    assert one_line(capsys) == f"{tmp_path / 'none.fa'}: no such file"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    builders.write_fasta(path, {"chr1": "ACGT" * 100, "HLA:A*01": "GATTACA" * 20})
    return path


@pytest.mark.parametrize(
    "options, message",
    [
        (("--model", "nonesuch"), "nonesuch: no such model; give one of do2018-crossspecies-new"),
        (("--regions", "chr9"), "--regions chr9: no contig 'chr9' in the genome; it has chr1, HLA"),
        (("--regions", "chr9:1-5"), "--regions chr9:1-5: no contig 'chr9' in the genome"),
        (("--regions", "chr1:0-5"), "--regions chr1:0-5: not inside chr1, which has positions 1 t"),
        (("--regions", "chr1:9-5"), "--regions chr1:9-5: not inside chr1, which has positions 1 t"),
        (("--regions", "chr1:1-401"), "--regions chr1:1-401: not inside chr1"),
        (("--regions", "chr1:x-y"), "--regions chr1:x-y: expected CONTIG:START-END, 1-based"),
        (("--ray-address", "127.0.0.1:1"), "--ray-address 127.0.0.1:1: no Ray cluster there"),
    ],
)
def test_bad_options(genome, tmp_path, capsys, options, message):
    assert run(genome, "--out", tmp_path / "hits.bed", *options) == 2
    assert one_line(capsys).startswith(message)
    assert not (tmp_path / "hits.bed").exists()


@pytest.mark.parametrize(
    "answer, reason",
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "what listens there is not Ray"), (b"", "timed out")],
)
def test_listener_that_is_not_ray(genome, tmp_path, capsys, monkeypatch, answer, reason):
    if not answer:
        monkeypatch.setattr("premir.scanner.run.executors.ray_instance._ANSWERS_WITHIN", 0.1)

    def reply():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(answer)
            while connection.recv(1000):  # until the other side has had enough
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=reply)
        thread.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        code = run(genome, "--out", tmp_path / "hits.bed", "--ray-address", address)
        thread.join()
    assert code == 2
    assert one_line(capsys) == f"--ray-address {address}: no Ray cluster there: {reason}"


def test_device_that_is_not_there(genome, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert run(genome, "--out", tmp_path / "hits.bed", "--device", "cuda") == 2
    assert one_line(capsys) == "--device cuda: no usable CUDA device found; use --device cpu"


def test_output_that_cannot_be_written(genome, tmp_path, capsys):
    assert run(genome, "--out", tmp_path / "missing" / "hits.bed") == 2
    expected = f"{tmp_path / 'missing' / 'hits.bed'}: cannot be written: No such file or directory"
    assert one_line(capsys) == expected
    assert run(genome, "--out", tmp_path) == 2
    assert one_line(capsys) == f"{tmp_path}: is a directory; give a file name"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(genome, tmp_path, capsys):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert run(genome, "--out", folder / "hits.bed") == 2
    assert one_line(capsys).endswith("hits.bed: cannot be written: Permission denied")


def test_foreign_work_directory(genome, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    arguments = (genome, "--out", tmp_path / "hits.bed", "--work-dir", tmp_path / "mine")
    assert run(*arguments) == 2
    assert "exists and is not a premir run directory" in one_line(capsys)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("-q",), "give either a genome or --hairpins (see premir-scan --help)"),
        (("a.fa",), "give --out FILE (or --out - for stdout), --candidates, or both"),
        (("a.fa", "b.fa", "--out", "o"), "several genomes need --out-dir DIR"),
        (("--hairpins", "b.fa"), "--hairpins needs one --out FILE"),
        (("--genomes", "list.tsv"), "--genomes needs --out-dir DIR"),
        (("--out-dir", "o"), "--out-dir needs genomes: either their paths or --genomes TSV"),
        (
            ("a.fa", "--out-dir", "o", "--resume", "require"),
            "--resume require does not go with --out-dir",
        ),
        (
            (__file__, "--out", "o", "--finalise", "--resume", "never"),
            "--resume never would discard other parts' work",
        ),
        (
            (__file__, "--out", "-", "--part", "1/2"),
            "--part and --finalise need --work-dir when the output goes to stdout",
        ),
    ],
)
def test_incomplete_commands(capsys, arguments, message):
    assert run(*arguments) == 2
    assert one_line(capsys).startswith(message)


@pytest.mark.parametrize(
    "options",
    [
        ("--min-prob", "1.5"),
        ("--threads", "0"),
        ("--max-span", "10"),
        ("--max-copies", "-1"),
        ("--max-copies", "few"),
        ("--folder", "x"),
        ("--part", "0/3"),
        ("--part", "4/3"),
        ("--part", "3"),
        ("--resume", "maybe"),
    ],
)
def test_values_out_of_range(options):
    with pytest.raises(SystemExit) as stop:
        run("genome.fa", "--out", "hits.bed", *options)
    assert stop.value.code == 2


def test_list_models(capsys):
    assert run("--list-models") == 0
    lines = capsys.readouterr().out.splitlines()
    (told,) = [line.split("\t") for line in lines if line.startswith(f"{DEFAULT_MODEL} (default)")]
    rate = load_model(DEFAULT_MODEL).card["held_out"]["false_per_mb_at_recall_0.5"]
    assert f" {rate} false calls per Mb" in told[2]
    (paper,) = [line for line in lines if line.startswith("do2018-human-test-variable\t")]
    assert paper.endswith("for given sequences, not for genomes: AUPR 0.9133 on its test set")


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_help_is_short_and_help_all_is_whole(capsys):
    short, whole = help_of(capsys, "-h"), help_of(capsys, "--help-all")
    assert help_of(capsys, "--help") == short
    options = {name for each in build_parser()._actions for name in each.option_strings[-1:]}
    assert {"--help-all", "--tile-size", "--resume"} < {name for name in options if name in whole}
    assert options == {name for name in options if name in whole}
    assert "--tile-size" not in short
    assert len(short.splitlines()) < len(whole.splitlines()) / 2
    assert "exit codes: 0 done" in whole
    assert help_of(capsys, "--help-all") == whole, "a short help leaves the parser as it was"
    assert main([]) == 2
    assert capsys.readouterr().err == short


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", [main, train_main])
def test_completions_name_options(command, shell, capsys):
    assert command(["--print-completion", shell]) == 0
    text = capsys.readouterr().out
    wanted = "--regions-file" if command is main else "--mutation" if shell == "x" else "--epochs"
    assert wanted.removeprefix("--") in text


def test_bash_completes_options_choices_and_files(tmp_path, capsys):
    assert main(["--print-completion", "bash"]) == 0
    (tmp_path / "scan.bash").write_text(capsys.readouterr().out)
    (tmp_path / "genome.fa").touch()
    for words, expected in (
        (["gen"], "genome.fa"),
        (["--preset", "v"], "virus"),
        (["g", "--regions-f"], "--regions-file"),
        (["g", "--regions-file", "ge"], "genome.fa"),
    ):
        line = " ".join(["premir-scan", *words])
        script = (
            f"source scan.bash; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
            '_shtab_premir_scan; echo "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout == f"{expected}\n", (words, done.stderr)


def test_manual_pages_are_those_of_the_parsers():
    for path, text in manual.pages().items():
        assert text == path.read_text(), f"renew {path.name} with python tests/manual.py"


def test_regions_of_a_bed_file(tmp_path, capsys):
    builders.write_fasta(tmp_path / "g.fa", {"chr1": "ACGT" * 100, "HLA:1": "ACGT" * 20})
    bed = tmp_path / "r.bed"
    out = ("--out", tmp_path / "h.bed", "-q")
    bed.write_text("track name=x\n\n# a remark\nchr1\t0\t400\tname\nHLA:1\t4\t80\n")
    assert (
        run(tmp_path / "g.fa", *out, "--regions-file", bed, "--summary", tmp_path / "s.json") == 0
    )
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["regions"] == ["{chr1}:1-400", "{HLA:1}:5-80"]
    before = bed.read_text()
    assert run(tmp_path / "g.fa", "--out", bed, "--regions-file", bed) == 2
    assert "is the same file as --regions-file" in one_line(capsys)
    assert bed.read_text() == before
    for text, message in (
        ("chr1 1 5\n", "line 1: expected contig, start and end, with tabs between them"),
        ("\nchr1\t5\t-1\n", "line 2: expected contig, start and end"),
        ("chr1\t5\t5\n", "line 1: ends at 5, before its start 5"),
        ("#\n", "holds no interval: nothing would be reported"),
        ("", "file is empty; expected BED"),
    ):
        bed.write_text(text)
        assert run(tmp_path / "g.fa", *out, "--regions-file", bed) == 2
        assert f"{bed}: {message}" in one_line(capsys)
    bed.write_text("chr1\t5\t401\n")
    assert run(tmp_path / "g.fa", *out, "--regions-file", bed) == 2
    assert "--regions {chr1}:6-401: not inside chr1" in one_line(capsys)
    assert run("-", *out, "--regions-file", "-") == 2
    assert "cannot both be stdin" in one_line(capsys)


def test_help_is_quick_to_load():
    code = (
        "import sys\n"
        "from premir.scanner.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'numba', 'ray', 'RNA', 'numpy', 'h5py', 'pysam'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout


def test_installed_command_prints_its_version():
    script = Path(sysconfig.get_path("scripts")) / "premir-scan"
    if not script.exists():
        pytest.skip("premir is not installed in this environment")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"premir {__version__}\n"
