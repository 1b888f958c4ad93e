"""Every option with every way of using premir-scan: it is read, or it is refused by name."""

from __future__ import annotations

import argparse
import itertools
import shutil

import builders
import pytest
from golden import GOLDEN

from premir.scanner import cli, modes
from premir.scanner.command import option_name
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

SCAN = ["absent.fa", "--out", "hits.bed"]
COMMANDS = {
    "--list-models": ["--list-models"],
    "--print-completion": ["--print-completion", "bash"],
    "--compile": ["--compile"],
    "--autosql": ["--autosql", "absent.bed"],
    "--hairpins": ["--hairpins", "absent.fa", "--out", "scores.tsv"],
    "--out-dir": ["--genomes", "absent.tsv", "--out-dir", "out"],
    "--plan": [*SCAN, "--plan"],
    "--part": [*SCAN, "--part", "1/2"],
    "--finalise": [*SCAN, "--finalise"],
    "the scan of a genome": SCAN,
}
DECISIVE = {
    *("list_models", "print_completion", "compile", "autosql", "hairpins", "out_dir", "genomes"),
    *("plan", "part", "finalise"),
}
VALUES = {
    **{"part": "1/2", "min_prob": "0.5", "max_fp": "1", "max_span": "100", "ray_timeout": "5"},
    **{"regions_file": "absent.bed", "decoys": "2", "max_q": "0.1", "max_masked": "0.5"},
    **{"threads": "1", "tile_size": "1000", "max_copies": "1", "ray_address": "127.0.0.1:1"},
}
ACTIONS = [
    action
    for action in cli.build_parser()._actions
    if action.dest not in ("help", "help_all", "version", "verbose", "quiet", "log_file")
]


def words(action):
    """The option with a value, which may be its default."""
    value = VALUES.get(action.dest) or (action.choices or ["x"])[0]
    return [*action.option_strings[:1], *([] if action.nargs == 0 else [value])]


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_every_option_is_read_or_refused(capsys):
    assert list(COMMANDS) == list(modes.READ)
    refused = set()
    for (mode, command), action in itertools.product(COMMANDS.items(), ACTIONS):
        if action.dest in DECISIVE and action.dest not in modes.READ[mode]:
            continue  # two modes at once: see below
        if not action.option_strings and action.dest in modes.READ[mode]:
            continue  # the genome is in the command already
        line = [*words(action), *command]
        if action.dest in ("ray_address", "ray_timeout"):
            line += ["--executor", "ray"] if "executor" in modes.READ[mode] else []
        if action.dest == "feature_types" and "mark" in modes.READ[mode]:
            line += ["--mark", "absent.bed"]
        code = cli.main(line)
        error = capsys.readouterr().err
        if action.dest in modes.READ[mode]:
            assert "not go with" not in error, line
        else:
            assert code == 2
            assert f"{option_name(action.dest)} " in error, line
            assert f"not go with {mode}\n" in error, line
            refused.add((mode, action.dest))
    assert ("--hairpins", "min_prob") in refused
    assert ("--part", "regions") in refused
    assert len(refused) > 50


ALONE = {"--list-models", "--print-completion", "--compile", "--autosql"}


@pytest.mark.parametrize("one, other", [*itertools.permutations(COMMANDS, 2)])
def test_two_modes_at_once(one, other, capsys):
    code = cli.main(list(dict.fromkeys([*COMMANDS[one], *COMMANDS[other]])))
    error = capsys.readouterr().err
    if {one, other} <= {"--plan", "--part", "the scan of a genome"} or (
        "the scan of a genome" in (one, other) and not {one, other} & ALONE
    ):
        return  # parts can be planned, and all three are scans
    assert code == 2
    assert "not go with" in error


@pytest.mark.parametrize(
    "options, message",
    [
        (["--min-prob", "0.5"], "--min-prob does not go with --candidates without --out"),
        (["--model", DEFAULT_MODEL, "--device", "cpu"], "--device, --model do not go with --cand"),
        (["--gpu-timeout", "5"], "--ray-timeout does not go with --executor local"),
        (
            ["--ray-address", "here", "--executor", "local"],
            "--ray-address does not go with --executor local",
        ),
        (
            ["--feature-types", "exon", "--out", "hits.bed"],
            "--feature-types does not go with a scan without --exclude and --mark",
        ),
        (
            ["--max-span", "90", "--extractor", "windows"],
            "--max-span does not go with --extractor windows",
        ),
    ],
)
def test_options_that_others_leave_without_effect(options, message, capsys):
    assert cli.main(["absent.fa", "--candidates", "c.bed", *options]) == 2
    assert capsys.readouterr().err.startswith(f"premir-scan: error: {message}")


class Watched(argparse.Namespace):
    """Options that remember which of them were asked for."""

    def __getattribute__(self, name):
        if not name.startswith("_"):
            object.__getattribute__(self, "__dict__").setdefault("_seen", set()).add(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("mode", COMMANDS)
def test_what_is_said_to_be_read_is_read(mode, tmp_path, monkeypatch):
    builders.write_fasta(tmp_path / "absent.fa", {"a": "ACGT" * 20})
    (tmp_path / "absent.tsv").write_text("a\tabsent.fa\n")
    shutil.copy(GOLDEN / "demo.bed", tmp_path / "absent.bed")
    for work in ("scanning.scan", "planning.plan", "many.scan_many", "classify.classify"):
        monkeypatch.setattr(f"premir.scanner.{work}", lambda *_, **__: 0)
    options = cli.build_parser().parse_args(COMMANDS[mode], Watched())
    options._seen = set()
    assert cli._run(options, frozenset()) == 0
    assert modes.READ[mode] <= options._seen


def test_settings_come_from_all_options_of_a_scan(tmp_path):
    options = cli.build_parser().parse_args(SCAN, Watched())
    options._seen = set()
    cli.scan_options(options, load_model(DEFAULT_MODEL), tmp_path)
    assert modes.READ["the scan of a genome"] - {"genome", "model"} <= options._seen
