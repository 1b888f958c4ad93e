"""How commands end: exit codes, closed streams, full disks, names that would forge a line."""

from __future__ import annotations

import ctypes
import errno
import io
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import threading

import builders
import pytest

from premir.scanner import command
from premir.scanner.cli import main
from premir.scanner.command import Parser, run_command
from premir.scanner.errors import InputError, printable
from premir.scanner.log import configure
from premir.scanner.run.progress import Progress


@pytest.fixture
def parser():
    parser = Parser(prog="premir-x")
    parser.add_argument("-v", "--verbose", action="count", default=0)
    parser.add_argument("-q", "--quiet", action="count", default=0)
    return parser


@pytest.mark.parametrize(
    "error, code, said",
    [
        (InputError("one", "two"), 2, "error: one\npremir-x: error: two"),
        (OSError(errno.ENOSPC, "full", "f"), 1, "error: f: full; run again to go on"),
        (PermissionError(errno.EACCES, "closed", "f"), 2, "error: f: closed"),
        (NotADirectoryError(errno.ENOTDIR, "no folder", "f"), 2, "error: f: no folder"),
        (OSError(errno.ENAMETOOLONG, "too long", "f"), 2, "error: f: too long"),
        (MemoryError("2 GB"), 1, "error: out of memory or threads (2 GB); use fewer --threads"),
        (RuntimeError("can't start new thread"), 1, "error: out of memory or threads (can't start"),
        (ImportError("libx.so"), 2, "error: a library cannot be loaded (libx.so): give more mem"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to go on"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_one_line_and_an_exit_code(parser, capsys, error, code, said):
    def work(_options, _given):
        raise error

    assert run_command(parser, ["-q"], work) == code
    err = capsys.readouterr().err
    assert err.startswith(f"premir-x: {said}" if said else "")
    assert err.count("\n") == (0 if not said else 2 if "two" in said else 1)


def test_other_errors_are_not_hidden(parser):
    def work(_options, _given):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run_command(parser, [], work)


def test_options_given_with_their_default_are_given(parser):
    parser.add_argument("--number", type=int, default=3)
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--list", action="append", default=[])
    parser.add_argument("files", nargs="*")
    seen = []

    def work(_options, given):
        seen.append(given)
        return 0

    for words in ([], ["--number", "3"], ["--list", "x", "f", "--flag", "-qq"]):
        assert run_command(parser, words, work) == 0
    assert seen == [set(), {"number"}, {"list", "files", "flag", "quiet"}]


def test_printable():
    assert printable("chr1 ü (+)") == "chr1 ü (+)"
    assert printable("a\nchr1\t1\x1b[2J\x7f\u2028\u202e\udcff") == (
        r"a\nchr1\t1\x1b[2J\x7f\u2028\u202e\xff"
    )


@pytest.mark.parametrize(
    "words, said",
    [
        (
            ["--threads", "\x1b[31m\n"],
            r"argument --threads: '\x1b[31m\n' is not a whole number from",
        ),
        (["--\x1b[31m\n"], r"unrecognized arguments: --\x1b[31m\n (see premir-scan --help)"),
    ],
)
def test_complaints_of_the_parser_are_one_harmless_line(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"premir-scan: error: {said}")
    assert err.count("\n") == 1


@pytest.fixture
def evil(tmp_path):
    """A genome whose name would forge lines, and bytes that are no text."""
    name = b"a\nchr1\t0\t9\n##\x1b[2J\xff.fa"
    return builders.write_fasta(tmp_path / os.fsdecode(name), {"chr1": "ACGT" * 50})


def test_names_forge_no_line(evil, tmp_path, capsys):
    out, log = tmp_path / "hits.bed", tmp_path / "log"
    assert main([str(evil), "--out", str(out), "--log-file", str(log)]) == 0
    assert main([str(evil.with_name("absent" + evil.name)), "--out", str(out)]) == 2
    escaped = r"a\nchr1\t0\t9\n##\x1b[2J\xff.fa"
    err = capsys.readouterr().err
    assert f"absent{escaped}: no such file" in err
    assert all(line.startswith("premir-scan: ") for line in err.splitlines())
    assert f"## genome {escaped}" in out.read_text().splitlines()
    assert "\x1b" not in err + log.read_text() + out.read_text()


def test_names_forge_no_row_of_the_table(tmp_path):
    listed = tmp_path / "list.tsv"
    path = tmp_path / "b\x1b[2J\x85.fa"
    listed.write_text(f"one\t{path}\n", encoding="utf-8")
    assert main(["--genomes", str(listed), "--out-dir", str(tmp_path / "o"), "-q"]) == 3
    header, row = (tmp_path / "o" / "genomes.tsv").read_text().splitlines()
    assert len(row.split("\t")) == len(header.split("\t"))
    assert r"b\x1b[2J" in row


def test_log_file_that_fills_up_is_given_up(tmp_path, capsys):
    genome = builders.write_fasta(tmp_path / "g.fa", {"chr1": "ACGT" * 50})
    out = tmp_path / "hits.bed"
    assert main([str(genome), "--out", str(out), "--log-file", "/dev/full"]) == 0
    err = capsys.readouterr().err
    assert err.count("/dev/full: cannot be written: No space left on device; going on") == 1
    assert "Traceback" not in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_messages_stand_above_a_bar(monkeypatch):
    """No line begins behind a bar, and the bar comes back behind the line."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure("premir-scan")
    with Progress(quiet=False) as progress:
        progress.grow(2_000_000)
        progress.advance(1_000_000, 3, reused=False)
        progress.tick()
        logging.getLogger("premir.scanner").info("a word between")
        progress.tick()
    text = terminal.getvalue()
    assert "above_threshold=3" in text
    assert re.search(r"\r +\rpremir-scan: a word between\n\r *50%", text), text


def test_limit_on_address_space_is_told(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (900_000 << 10, -1))
    with pytest.raises(InputError, match="ulimit -v 900000 is too little"):
        command.require_memory()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, -1))
    command.require_memory()


@pytest.mark.parametrize(
    "module, arguments",
    [("scanner.cli", "{0} --out hits.bed"), ("train.cli", "--protocol genome --data {0} --out o")],
)
def test_both_commands_ask_for_address_space(tmp_path, module, arguments):
    line = f"ulimit -v 900000; exec {sys.executable} -m premir.{module} "
    done = subprocess.run(
        ["bash", "-c", line + arguments.format(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=300,  # without the check some libraries hang while they are loaded
    )
    assert done.returncode == 2
    assert "error: ulimit -v 900000 is too little" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "line, code, said",
    [
        ("$S --list-models | true", 141, ""),
        ("$S absent.fa --out x 2>&1 | true", 141, ""),
        ("$S --list-models >&-", 2, "error: Bad file descriptor"),
        ("$S --list-models >/dev/full", 1, "error: No space left on device; run again to go on"),
        ("$S absent.fa --out x 2>&-", 2, ""),
        ("$S absent.fa --out x 2>/dev/full", 2, ""),
    ],
)
def test_closed_and_full_streams(line, code, said):
    # "true" has gone long before Python has started.
    script = line.replace("$S", f"{sys.executable} -m premir.scanner.cli")
    done = subprocess.run(
        ["bash", "-c", f"{script}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.strip() == (f"premir-scan: {said}" if said else "")


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_comes_while_c_code_calls_python_is_heard(parser, number, code):
    def work(_options, _given):
        swallowing = ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), number))
        swallowing()
        threading.Event().wait(60)
        return 0

    before = sys.unraisablehook
    assert run_command(parser, [], work) == code
    assert sys.unraisablehook is before


def test_other_errors_in_callbacks_are_told_as_before(parser, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: told.append(ignored.exc_type))

    def work(_options, _given):
        ctypes.CFUNCTYPE(None)(lambda: [][0])()
        return 0

    assert run_command(parser, [], work) == 0
    assert told == [IndexError]


def test_terminated(parser):
    def work(_options, _given):
        os.kill(os.getpid(), 15)
        return 0

    assert run_command(parser, [], work) == 143
    assert logging.getLogger("premir").handlers
