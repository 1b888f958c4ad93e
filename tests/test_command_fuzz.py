"""Argument lists made from real options with good, odd and bad values: no traceback anywhere."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import builders
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from premir.scanner import cli as scan_cli
from premir.scanner.command import Parser
from premir.train import cli as train_cli
from premir.train.commands.registry import COMMANDS

CODES = {0, 1, 2, 3, 4, 130, 141, 143}

ODD = ["", ".", "absent", "folder", "genome.fa/inside", "n" * 300, "\x1b[31m\n##\t", "\udcff", "ü"]
INPUTS = ["genome.fa", "hairpins.fa", "empty.fa", "list.tsv", *ODD]
OUTPUTS = [
    "hits.bed",
    "hits.bed.gz",
    "-",
    "/dev/null",
    "/dev/full",
    "folder/deep",
    "\udcff.bed",
    "a\nb.bed",
    *ODD,
]
WHOLE = ["1", "2", "1", "2", "0", "-1", "1e30", "9" * 25, "9" * 5000, "nan", "", "2.5", "٣"]
REAL = ["0", "0.5", "1", "0.001", "nan", "inf", "-1", "1e400", "1e-320", "", "x"]
VALUES = {
    **dict.fromkeys(("genome", "hairpins", "genomes", "config", "adapt", "autosql"), INPUTS),
    **dict.fromkeys(("exclude", "mark"), INPUTS),
    **dict.fromkeys(("positives", "negatives", "test_positives", "test_negatives"), INPUTS),
    **dict.fromkeys(("out", "candidates", "summary", "work_dir", "out_dir"), OUTPUTS),
    "log_file": ["log", "/dev/full", *ODD],
    **dict.fromkeys(("threads", "max_copies", "seed", "epochs", "group"), WHOLE),
    "tile_size": ["100", "1000000", *WHOLE[4:]],
    "max_span": ["40", "160", "1000", *WHOLE],
    **dict.fromkeys(
        (
            "min_prob",
            "max_fp",
            "ray_timeout",
            "learning_rate",
            "weight_decay",
            "dropout",
            "max_masked",
        ),
        REAL,
    ),
    "part": ["1/2", "2/2", "1/1", "0/2", "3/2", "1/" + "9" * 30, "1", ""],
    "regions": ["chr1", "chr1:1-90", "chr1:5-1", "chr1:0", "chr1:" + "9" * 5000, "chr1:٣", *ODD],
    **{key: ["do2018-human-test-variable", *ODD] for key in ("model", "evaluate", "start")},
    "data": ["folder", *ODD],
    "name": ["mine", *ODD],
    "contigs": ["chr1", ",", *ODD],
    "executor": ["local", "rays"],  # Ray takes seconds to start
    "ray_address": [""],
    "protocol": ["custom", "custom", "human-test", "genome", "x"],
}
SCANS = [
    [],
    ["--list-models"],
    ["--autosql", "hits.bed"],
    *[["genome.fa", "--out", "hits.bed"]] * 4,
    ["genome.fa", "--candidates", "c.bed"],
    ["--hairpins", "hairpins.fa", "--out", "scores.tsv"],
    ["genome.fa", "hairpins.fa", "--out-dir", "many"],
    ["--genomes", "list.tsv", "--out-dir", "many"],
]
SETS = ["--positives", "hairpins.fa", "--negatives", "genome.fa"]
CUSTOM = ["custom", *SETS, "--epochs", "1"]
TESTS = ["--test-positives", "hairpins.fa", "--test-negatives", "genome.fa"]
TRAININGS = [
    [],
    ["protocols"],
    ["table", "--data", "folder"],
    *[CUSTOM] * 4,
    ["paper", "human-test", "--data", "folder"],
    ["baseline", "custom", *SETS, *TESTS],
    ["evaluate", "do2018-human-test-variable", "custom", *SETS, *TESTS],
    ["genome", "--data", "folder"],
    ["adapt", "genome.fa", "--data", "folder"],
    ["sources", "--data", "folder"],
    ["results", "folder"],
    ["--protocol", *CUSTOM],
    ["--run-all", "--data", "folder"],
    ["--protocol", "genome", "--data", "folder", "--adapt", "genome.fa"],
]
FLAGS = ["--list-protocols", "--run-all"]
STRANGERS = ["--seed", "--protocol", "--evaluate", "--out", *FLAGS]
"""Options that some command does not read, or that say what to do in old spellings."""


@st.composite
def command_lines(draw, actions_of, bases):
    """A base, and up to four options of the command with a value each."""
    words = list(draw(st.sampled_from(bases)))
    actions = [each for each in actions_of(words) if each.dest not in ("help", "version")]
    for action in draw(st.lists(st.sampled_from(actions), max_size=4)):
        words += draw(st.sampled_from([[string] for string in action.option_strings] or [[]]))
        if action.nargs == 0 or (action.nargs is None and action.const is not None):
            continue
        values = VALUES.get(action.dest) or [*map(str, action.choices or ()), "", "nonsense"]
        words.append(draw(st.sampled_from(values)))
    return words


def scan_actions(_words):
    return scan_cli.build_parser()._actions


def training_actions(words):
    """Options of the sub-command, and some that it may not read."""
    found = Parser(add_help=False)
    for option in STRANGERS:
        found.add_argument(option, action="store_true" if option in FLAGS else "store")
    command = COMMANDS.get(words[0] if words else "", COMMANDS["custom"])
    return [*command.parser()._actions, *found._actions]


@pytest.fixture(scope="module", autouse=True)
def no_network(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREMIR_DATA_URL", "http://127.0.0.1:1")
        patch.setenv("PREMIR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


def check(main, words):
    """Run a command line in a folder of its own."""
    rng = np.random.default_rng(5)
    hairpin = builders.hairpin(rng)
    errors = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    output = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("folder").mkdir()
        Path("empty.fa").touch()
        builders.write_fasta(Path("hairpins.fa"), {"a": hairpin, "b": builders.hairpin(rng)})
        sequence = builders.random_sequence(rng, 100)
        builders.write_fasta(Path("genome.fa"), {"chr1": sequence + hairpin, "chr2": "ACGT" * 15})
        Path("list.tsv").write_text("one\tgenome.fa\ntwo\tabsent.fa\n")
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
            try:
                code = main(words)
            except SystemExit as stop:
                code = stop.code
        said = errors.buffer.getvalue().decode()
        log = Path("log").read_text() if Path("log").is_file() else ""
    assert code in CODES, said
    assert "Traceback" not in said + log
    assert "\x1b" not in said + log
    if words:  # without any a command shows its help
        assert not [line for line in said.splitlines() if not line.startswith("premir-")], said


def fuzz(main, actions_of, bases, examples):
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(command_lines(actions_of, bases))
    def run(words):
        check(main, words)

    run()


def test_some_scans():
    fuzz(scan_cli.main, scan_actions, SCANS, 30)


def test_some_trainings():
    fuzz(train_cli.main, training_actions, TRAININGS, 20)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_many_scans():
    fuzz(scan_cli.main, scan_actions, SCANS, 300)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_many_trainings():
    fuzz(train_cli.main, training_actions, TRAININGS, 200)
