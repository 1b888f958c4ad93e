"""premir-train from FASTA files to a model that premir-scan uses."""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import itertools
import json
import os
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import builders
import data_sets
import numpy as np
import pytest

from premir.scanner.cli import main as scan_main
from premir.scanner.errors import InputError, PremirError
from premir.scanner.genome.fasta import read_records
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train import download
from premir.train.cli import main
from premir.train.commands.registry import COMMANDS
from premir.train.protocols import BENCHMARKS
from premir.train.spellings import in_todays_words, is_old


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(1)
    positives = {f"p{n}": builders.hairpin(rng) for n in range(12)}
    negatives = {f"n{n}": builders.random_sequence(rng, 80) for n in range(24)}
    builders.write_fasta(tmp_path / "p.fa", positives)
    builders.write_fasta(tmp_path / "n.fa", negatives)
    return tmp_path / "p.fa", tmp_path / "n.fa"


def custom(files, out, *options):
    return with_files(files, "--out", out, *options)


def with_files(files, *options, command=("custom",)):
    positives, negatives = map(str, files)
    sets = ["--positives", positives, "--negatives", negatives]
    return main([*map(str, command), *sets, "--threads", "1", *map(str, options)])


def evaluate(files, model, test_files):
    return with_files(files, *test_files, command=("evaluate", model, "custom"))


@pytest.fixture
def test_files(tmp_path, files):
    """A test set of its own, but for one positive and two negatives of the training set."""
    rng = np.random.default_rng(2)
    old_p, old_n = (dict(read_records(path)) for path in files)
    positives = {f"p{n}": builders.hairpin(rng) for n in range(8)} | {"old": old_p["p3"]}
    negatives = {f"n{n}": builders.random_sequence(rng, 80) for n in range(9)}
    negatives |= {"old": old_n["n1"], "also": old_n["n2"].lower()}
    builders.write_fasta(tmp_path / "tp.fa", positives)
    builders.write_fasta(tmp_path / "tn.fa", negatives)
    return ("--test-positives", tmp_path / "tp.fa", "--test-negatives", tmp_path / "tn.fa")


def test_custom_training_gives_a_model_for_the_scanner(files, test_files, tmp_path, capsys):
    out = tmp_path / "model"
    assert custom(files, out, "--epochs", 3, "--name", "mine", *test_files) == 0
    captured = capsys.readouterr()
    assert [line for line in captured.err.splitlines() if line.startswith("premir-train: SE ")]
    measures = json.loads(captured.out)
    names = ["se", "sp", "ppv", "f", "g_mean", "auroc", "aupr"]
    assert list(measures["as_published"]) == list(measures["decontaminated"]) == names
    assert [line for line in captured.err.splitlines() if "epoch 3/3  loss" in line]
    card = json.loads((out / "card.json").read_text())
    assert card["name"] == "mine"
    assert card["test_metrics"] == measures
    assert (measures["removed_positives"], measures["removed_negatives"]) == (1, 2)
    assert (card["training_positives"], card["training_negatives"]) == (12, 24)
    scores = tmp_path / "scores.tsv"
    command = ["--hairpins", str(files[0]), "--out", str(scores), "--model", str(out), "-q"]
    assert scan_main(command) == 0
    assert len(scores.read_text().splitlines()) == 13


def test_training_overwrites_no_input(files, tmp_path, capsys):
    out = tmp_path / "model"
    out.mkdir()
    taken = out / "card.json"
    taken.write_bytes(files[0].read_bytes())
    link = tmp_path / "link.fa"
    link.symlink_to(taken)
    for positives, place, message in [
        (taken, out, f"{taken}: --out is the same file as --positives ({taken}); choose another"),
        (link, out, f"{taken}: --out is the same file as --positives ({link}); choose another"),
        (files[0], files[1], f"{files[1]}: is a file; give --out a folder"),
    ]:
        assert custom((positives, files[1]), place, "-q") == 2
        error = capsys.readouterr().err
        assert error.startswith(f"premir-train: error: {message}")
        assert len(error.splitlines()) == 1
    assert taken.read_bytes() == files[0].read_bytes()
    assert [path.name for path in out.iterdir()] == ["card.json"]


def test_genome_training_overwrites_no_input(files, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(
        'name = "x"\npreset = "animal"\ncontexts = [0, 20, 40]\n[[known]]\nfasta = "p.fa"\n'
        '[[backgrounds]]\ngenome = "out/work/n.fa"\n'
    )
    (tmp_path / "out" / "work").mkdir(parents=True)
    shutil.copy(files[1], tmp_path / "out" / "work" / "n.fa")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "history.json").symlink_to(config)
    command = ["genome", "--data", str(tmp_path), "--config", str(config), "--out"]
    for place, message in [
        ("out", f"{tmp_path}/out/work/n.fa: a source of --config lies in the shards of --out"),
        ("other", f"{tmp_path}/other/history.json: --out is the same file as --config"),
    ]:
        assert main([*command, str(tmp_path / place)]) == 2
        assert capsys.readouterr().err.startswith(f"premir-train: error: {message}")
    assert config.read_text().startswith('name = "x"')


def test_model_to_start_from_is_not_overwritten(files, tmp_path, capsys):
    model = tmp_path / "model"
    shutil.copytree(load_model(DEFAULT_MODEL).directory, model)
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    data = ["adapt", str(files[1]), "--data", str(tmp_path), "--config", str(tmp_path / "c.toml")]
    (tmp_path / "c.toml").write_text(
        'name = "x"\npreset = "animal"\ncontexts = [0, 20, 40]\n[[known]]\nfasta = "p.fa"\n'
        '[[backgrounds]]\ngenome = "n.fa"\n'
    )
    assert main([*data, "--start", str(model), "--out", str(model)]) == 2
    assert "--out is the same file as --start" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_evaluation_without_training_gives_the_same_measures(files, test_files, tmp_path, capsys):
    out = tmp_path / "model"
    assert custom(files, out, "--epochs", 2, "--seed", 5, *test_files) == 0
    trained = capsys.readouterr().out
    assert evaluate(files, out, test_files) == 0
    assert capsys.readouterr().out == trained


def test_interrupted_training_ends_with_the_same_weights(files, tmp_path):
    assert custom(files, tmp_path / "straight", "--epochs", 4) == 0
    assert custom(files, tmp_path / "broken", "--epochs", 2) == 0
    assert custom(files, tmp_path / "broken", "--epochs", 4) == 0
    straight, broken = (
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("straight", "broken")
    )
    assert straight == broken


def test_fewer_epochs_than_the_checkpoint_has_are_refused(files, tmp_path, capsys):
    assert custom(files, tmp_path / "model", "--epochs", 3) == 0
    assert custom(files, tmp_path / "model", "--epochs", 2) == 4
    assert "is past epoch 2 already (at 3)" in capsys.readouterr().err


def test_softly_encoded_networks_serve_the_scanner(files, test_files, tmp_path, capsys):
    out = tmp_path / "model"
    options = ["--encoding", "soft0.2", "--dropout", 0.2, "--epochs", 2, *test_files]
    assert custom(files, out, *options) == 0
    trained = capsys.readouterr().out
    card = json.loads((out / "card.json").read_text())
    assert (card["recipe"]["name"], card["recipe"]["encoding"]) == ("paper*", "soft0.2")
    assert card["recipe"]["dropout"] == 0.2
    assert evaluate(files, out, test_files) == 0
    assert capsys.readouterr().out == trained


@pytest.mark.parametrize("recipe", ["paper", "released", "released-train"])
def test_the_fixed_network_is_trained_kept_and_evaluated(
    files, test_files, tmp_path, recipe, capsys
):
    out = tmp_path / "model"
    options = ["--network", "fixed", "--recipe", recipe, "--epochs", 2, *test_files]
    assert custom(files, out, *options) == 0
    trained = capsys.readouterr().out
    card = json.loads((out / "card.json").read_text())
    assert (card["network"], card["recipe"]["name"]) == ("fixed", recipe)
    expected = {"paper": (None, False), "released": (1, True), "released-train": (None, True)}
    found = card["recipe"]["train_mode_epochs"], card["recipe"]["averaged"]
    assert found == expected[recipe]
    assert evaluate(files, out, test_files) == 0
    assert capsys.readouterr().out == trained


def test_checkpoint_of_other_data_is_refused(files, tmp_path, capsys):
    assert custom(files, tmp_path / "model", "--epochs", 1) == 0
    assert custom(files[::-1], tmp_path / "model", "--epochs", 1, "--seed", 2) == 4
    assert "belongs to another training: seed is 0, not 2" in capsys.readouterr().err


def test_folds_come_from_the_cache_the_second_time(files, tmp_path, monkeypatch):
    assert custom(files, tmp_path / "a", "--epochs", 1) == 0
    monkeypatch.setattr("premir.scanner.find.folding.fold_batch", None)
    assert custom(files, tmp_path / "b", "--epochs", 1) == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "give a command: paper, custom, genome, "),
        (["tabel"], "argument COMMAND: invalid choice: 'tabel' (choose from 'paper', "),
        (["paper"], "the following arguments are required: PROTOCOL (see premir-train paper --he"),
        (["--run-all", "--seed", "3"], "unrecognized arguments: --seed 3 (see premir-train table"),
        (["custom"], "the following arguments are required: --positives, --negatives (see "),
        (
            ["custom", "--positives", "a", "--negatives", "b", "--test-positives", "c"],
            "--test-positives and --test-negatives go together",
        ),
        (
            ["--protocol", "crossspecies-new", "--positives", "a"],
            "unrecognized arguments: --positives a (see premir-train paper --help)",
        ),
        (
            ["baseline", "crossspecies-new", "--positives", "a"],
            "--positives does not go with crossspecies-new",
        ),
        (["baseline", "custom", "--data", "a"], "--data does not go with custom"),
        (["baseline", "custom"], "own files need --positives and --negatives"),
        (
            ["baseline", "custom", "--positives", "a", "--negatives", "b"],
            "own files need --test-positives and --test-negatives to judge by",
        ),
        (
            ["--protocol", "crossspecies-new", "--data", "nowhere"],
            "nowhere/sequences/whole_pos.fa: cannot be read: No such file or directory",
        ),
    ],
)
def test_wrong_usage(options, message, capsys):
    assert code_of(options) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"premir-train: error: {message}")
    assert error.count("\n") == 1


def code_of(words):
    """Exit code of a command line, however it ends."""
    try:
        return main([*map(str, words)])
    except SystemExit as stop:
        return stop.code


def test_records_that_cannot_be_folded_are_left_out(files, tmp_path, capsys):
    assert custom(files, tmp_path / "model", "--epochs", 1) == 0
    expected = (tmp_path / "model" / "weights.safetensors").read_bytes()
    with files[1].open("a") as handle:
        handle.write(">odd\nACGTN\n>odd-2\nAC-T\n>none\n>long\n" + "ACG\n" * 2000)
    capsys.readouterr()
    assert custom(files, tmp_path / "again", "--epochs", 1) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if ": warning: " in line]
    assert warnings == [
        f"premir-train: warning: {files[1]}: 1 letters are taken as unknown, like N: 0 X, "
        "1 gaps (- or .)",
        f"premir-train: warning: {files[1]}: 4 of 28 records are left out: 2 with a letter other "
        "than A, C, G, T, U, 1 without sequence, 1 longer than 3000 nt",
    ]
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == expected


@pytest.mark.parametrize(
    "content, message, lines",
    [
        (">odd\nACGTN\n", "holds no record that can be folded: 1 with a letter other than A, C", 1),
        (">a b\nA1\n>c\nA?\n", "a:2: '1' is not a nucleotide letter; remove it", 2),
        (None, "a stream can be read only once, and training files are read again", 1),
    ],
)
def test_files_that_cannot_be_trained_on(files, tmp_path, capsys, content, message, lines):
    path = tmp_path / "n.fa" if content else Path("-")
    if content:
        path.write_text(content)
    assert custom((files[0], path), tmp_path / "model") == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert errors[0].startswith(f"premir-train: error: {path}: {message}")
    assert len(errors) == lines
    assert not (tmp_path / "model").exists()


@pytest.fixture
def server(tmp_path):
    """The released files (or broken ones) behind HTTP on loopback; returns folder and address."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def released_names():
    return {line.split()[0] for line in download.REGISTRY.read_text().splitlines()}


def test_data_set_is_fetched_once_and_checked(server, monkeypatch):
    folder, url = server
    shutil.copytree(data_sets.benchmark_dir(), folder, dirs_exist_ok=True)
    fetched = download.fetch_benchmark(url)
    found = {str(path.relative_to(fetched)) for path in fetched.rglob("*.fa")}
    assert found == released_names()
    for benchmark in BENCHMARKS.values():
        for protocol in benchmark.build(fetched):
            for files in (protocol.training, protocol.test):
                assert all(path.exists() for path in (*files.positives, *files.negatives))
    shutil.rmtree(folder / "sequences")
    assert download.fetch_benchmark(url) == fetched
    # A damaged file in the cache is noticed, and cannot be fetched again now.
    (fetched / "sequences" / "new_pos.fa").write_text(">1\nACGU\n")
    monkeypatch.setenv("PREMIR_DATA_URL", url)
    assert main(["--protocol", "crossspecies-new"]) == 2


def test_tampered_download_is_refused(server, capsys, monkeypatch):
    folder, url = server
    for name in released_names():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(">1\nACGU\n")
    monkeypatch.setenv("PREMIR_DATA_URL", url)
    assert main(["--protocol", "crossspecies-new"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"premir-train: error: {url}/cv/human/human_neg_all.fa: cannot be f")
    assert error.endswith("download the data set yourself and give its folder with --data")


def test_cross_validation_trains_one_network_per_fold(tmp_path, capsys):
    data = tmp_path / "data" / "cv" / "human"
    rng = np.random.default_rng(3)
    for part in ("train", "val"):
        (data / part).mkdir(parents=True)
        for fold in range(1, 6):
            for kind in ("pos", "neg"):
                make = builders.hairpin if kind == "pos" else random_80
                builders.write_fasta(
                    data / part / f"human_{kind}_{part}_f{fold}.fa",
                    {f"{n}": make(rng) for n in range(6)},
                )
    command = ["--protocol", "human-cv", "--data", str(tmp_path / "data"), "--epochs", "1"]
    assert main([*command, "--out", str(tmp_path / "cv"), "--threads", "1", "-q"]) == 0
    measures = json.loads(capsys.readouterr().out)
    cards = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("cv/*/card.json"))]
    assert [card["protocol"] for card in cards] == [f"human-cv/{fold}" for fold in range(1, 6)]
    assert [card["name"] for card in cards] == [f"cv-fold{fold}" for fold in range(1, 6)]
    aurocs = [card["test_metrics"]["as_published"]["auroc"] for card in cards]
    assert measures["as_published"]["auroc"] == pytest.approx(np.mean(aurocs), abs=1e-3)


def random_80(rng):
    return builders.random_sequence(rng, 80)


def test_protocols_are_explained_in_two_lines_each(capsys):
    assert main(["protocols"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(BENCHMARKS)
    assert [line.split()[0] for line in lines[::2]] == list(BENCHMARKS)


def test_counts_of_the_released_protocols():
    data = data_sets.benchmark_dir()

    def count(paths):
        return sum(len(read_records(path)) for path in paths)

    def counts(name):
        return [
            tuple(count(f) for f in (p.training.positives, p.training.negatives))
            + tuple(count(f) for f in (p.test.positives, p.test.negatives))
            for p in BENCHMARKS[name].build(data)
        ]

    assert counts("human-test") == [(777, 6680, 86, 742)]
    assert counts("crossspecies-test") == [(1510, 7440, 167, 826)]
    assert counts("crossspecies-new") == [(1677, 8266, 690, 8246)]
    assert [sum(fold[:2]) + sum(fold[2:]) for fold in counts("human-cv")] == [7457] * 5
    assert counts("crossspecies-cv") == [(1208, 5952, 302, 1488)] * 5


SETS = ["--positives", "absent", "--negatives", "absent"]
TESTS = ["--test-positives", "absent", "--test-negatives", "absent"]
DATA = ["--data", "absent"]
LINES = {
    "paper": ["paper", "human-cv"],
    "custom": ["custom", *SETS],
    "genome": ["genome", *DATA, "--config", "absent"],
    "adapt": ["adapt", "absent", *DATA, "--config", "absent"],
    "curves": ["curves", "absent", "--out", "x.png"],
    "evaluate": ["evaluate", "absent", "custom", *SETS],
    "baseline": ["baseline", "custom", *SETS],
    "protocols": ["protocols"],
    "sources": ["sources", *DATA, "--config", "absent"],
    "table": ["table", *DATA],
    "results": ["results", "absent"],
    "flanks": ["flanks", *DATA, "--genomes", "absent", "--out", "x.json"],
    "ablation": ["ablation", *DATA, "--out", "x", "--config", "absent"],
    "gates": ["gates", "absent", *DATA],
    "floor": ["floor", "absent", *DATA],
    "inflation": ["inflation", "absent", *DATA, "--config", "absent"],
    "kin": ["kin", "absent", "--hits", "absent"],
    "stem-costs": ["stem-costs", *DATA, "--out", "x.json"],
    "known": ["known", *DATA, "--hits", "absent", "--out", "x.json.gz"],
    "arms": ["arms", *DATA, "--out", "x.json"],
}
"""A command line of each command that can be parsed, and comes to little."""
OLD = {
    "paper": ["--protocol", "human-cv"],
    "custom": ["--protocol", "custom", *SETS],
    "genome": ["--protocol", "genome", *DATA, "--config", "absent"],
    "adapt": [*DATA, "--adapt=absent", "--protocol", "genome", "--config", "absent"],
    "evaluate": [*SETS, "--evaluate", "absent", "--protocol", "custom"],
    "baseline": ["--baseline", "--protocol", "custom", *SETS],
    "protocols": ["--list-protocols"],
    "table": ["--run-all", *DATA],
}
"""The same, as it was spelled once."""


def options_of(name):
    """Long options of a command with words that give each a value."""
    found = {}
    for action in COMMANDS[name].parser()._actions:
        if action.option_strings and action.dest not in ("help", "version", "verbose", "quiet"):
            value = next(iter(action.choices or ["0.5" if action.dest in REALS else "1"]))
            found[action.option_strings[-1 if action.dest != "class_weights" else 0]] = (
                [] if action.nargs == 0 else [value]
            )
    return found


REALS = {
    "learning_rate",
    "weight_decay",
    "dropout",
    "loss",
    "best_loss",
    "keep",
    "keep_folded",
    "validation",
}
ALL = dict(pair for name in COMMANDS for pair in options_of(name).items())


@pytest.mark.parametrize("lines", [LINES, OLD], ids=["new", "old"])
def test_every_option_is_read_or_refused(lines, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused = set()
    for (name, words), (option, value) in itertools.product(lines.items(), ALL.items()):
        read = option in options_of(name)
        if read and name in ("paper", "table", "stem-costs", "arms"):
            continue  # it would work
        code = code_of([*words, option, *value])
        error = capsys.readouterr().err.splitlines()[-1]
        said = f"premir-train: error: unrecognized arguments: {' '.join([option, *value])} (see "
        assert (said in error) != read, (name, option, error)
        if not read:
            assert code == 2
            refused.add((name, option))
    assert {("genome", "--epochs"), ("evaluate", "--out"), ("protocols", "--seed")} <= refused
    assert ("baseline", "--seed") not in refused


def test_old_spellings_may_be_abbreviated():
    new, told = in_todays_words(["--proto", "human-cv", "--ep", "3"])
    assert (new, told) == (["paper", "human-cv", "--ep", "3"], "")
    assert in_todays_words(["--eval=m", "--protocol=human-cv"])[0] == ["evaluate", "m", "human-cv"]
    assert is_old(["--run"])
    assert not is_old(["--seed", "3", "protocols"])
    unlike = {option for option in ALL if any(is_old([option[:n]]) for n in range(len(option)))}
    assert unlike == set()


@pytest.mark.parametrize("words", [["-q", "protocols"], ["protocols", "-q"]])
def test_loudness_may_stand_before_the_command(words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("human-cv ")


def test_two_things_at_once_are_refused(capsys):
    for words, left in [
        (["--list-protocols", "--run-all"], "--run-all"),
        (["--run-all", "--protocol", "human-cv"], "--protocol human-cv"),
        (["--evaluate", "m", "--protocol", "human-cv", "--baseline"], "--baseline"),
        (["--protocol", "human-cv", "--adapt", "g"], "--adapt g"),
        (["--protocol", "genome", *DATA, "--evaluate", "m"], "--evaluate m"),
    ]:
        assert code_of(words) == 2
        assert f": error: unrecognized arguments: {left} (see" in capsys.readouterr().err


class Watched(argparse.Namespace):
    """Options that know which of them are read."""

    def __getattribute__(self, name):
        if not name.startswith("_"):
            vars(self).setdefault("_read", set()).add(name)
        return super().__getattribute__(name)


MODEL = "do2018-human-test-variable"
READS = LINES | {
    "paper": ["paper", "human-cv", *DATA],
    "ablation": ["ablation", "--data", ".", "--out", "x", "--config", "c.toml"],
    "evaluate": ["evaluate", MODEL, "custom", *SETS, *TESTS],
    "baseline": ["baseline", "custom", *SETS, *TESTS],
    "gates": ["gates", MODEL, *DATA],
    "floor": ["floor", MODEL, *DATA],
    "kin": ["kin", MODEL, "--hits", "absent"],
    "inflation": ["inflation", MODEL, "--data", ".", "--config", "c.toml"],
}
RELEASED = {
    "evaluate": ["evaluate", MODEL, "human-cv", *DATA],
    "baseline": ["baseline", "human-cv", *DATA],
}


@pytest.mark.parametrize("name", LINES)
def test_every_option_of_a_command_is_read(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    builders.write_fasta(tmp_path / "x.fa", {"a": "ACGT" * 30})
    (tmp_path / "c.toml").write_text(TOML)
    command, read = COMMANDS[name], set()
    for lines in (READS, RELEASED):
        if name in lines:
            options = command.parser().parse_args(lines[name][1:], Watched())
            options._read.clear()
            with contextlib.suppress(PremirError, OSError):
                command.run(options, frozenset())
            read |= options._read
    told = {each.dest for each in command.parser()._actions}
    assert told - read <= {"help", "version", "verbose", "quiet"}


def test_every_command_is_listed_and_explains_itself(capsys):
    assert list(LINES) == list(COMMANDS)
    assert code_of(["--help"]) == 0
    page = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"\n  {name:<12}{command.summary}\n" in page
        assert code_of([name, "--help"]) == 0
        page_of_its_own = capsys.readouterr().out
        assert f"examples:\n  premir-train {name}" in page_of_its_own
        for example in command.examples:
            command.parser().parse_args(shlex.split(example))


@pytest.mark.parametrize("name", OLD)
def test_old_spellings_are_translated(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # where a command without --out leaves its folder
    new, told = in_todays_words([*OLD[name], "-v"])
    parser = COMMANDS[name].parser()
    assert new[0] == name
    assert parser.parse_args(new[1:]) == parser.parse_args([*LINES[name][1:], "-v"])
    if name == "paper":  # that is a second spelling, not an old one
        assert told == ""
        return
    code_of(OLD[name])
    first = capsys.readouterr().err.splitlines()[0]
    line = shlex.join(in_todays_words(OLD[name])[0])
    assert first.startswith("premir-train: note: --")
    assert first.endswith(f" is now: premir-train {line}")


@pytest.mark.parametrize(
    "module, name",
    [
        ("premir.train.gates", "gates"),
        ("premir.train.flanks", "flanks"),
        ("premir.train.results", "results"),
        ("premir.train.stem_costs", "stem-costs"),
        ("premir.train.genome.ablation", "ablation"),
    ],
)
def test_programs_of_their_own_are_commands_now(module, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, *LINES[name][1:]])
    monkeypatch.delitem(sys.modules, module, raising=False)  # runpy warns of it
    with pytest.raises(SystemExit) as stop:
        runpy.run_module(module, run_name="__main__")
    assert stop.value.code == 2
    told, *errors = capsys.readouterr().err.splitlines()
    line = shlex.join(LINES[name])
    assert told == f"premir-train: note: python -m {module} is now: premir-train {line}"
    assert all(error.startswith("premir-train: error: ") for error in errors)


def test_help_is_quick_to_load():
    code = (
        "import sys\n"
        "from premir.train.cli import main\n"
        "from premir.train.commands.registry import COMMANDS\n"
        "for words in ([], *([name] for name in COMMANDS)):\n"
        "    try: main([*words, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'numba', 'ray', 'RNA', 'numpy', 'h5py', 'pysam'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_threads_that_wait_let_others_work():
    words = [sys.executable, "-m", "premir.train.cli", "evaluate", MODEL, "custom", *SETS, *TESTS]
    plain = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    for own, policy in [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")]:
        environment = {**plain, **own, "OMP_DISPLAY_ENV": "TRUE"}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if "OPENMP DISPLAY ENVIRONMENT BEGIN" not in done.stderr:
            pytest.skip("torch's OpenMP does not say what it does")
        assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr


def test_outputs_that_cannot_be_written_are_told_before_the_work(tmp_path, capsys):
    for name in ("flanks", "stem-costs"):
        words = [*LINES[name][:-1], str(tmp_path / "absent" / "x.json")]
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(f"premir-train: error: {tmp_path}/absent")
    words = [*LINES["ablation"], "--table", str(tmp_path / "absent" / "x.md")]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"premir-train: error: {tmp_path}/absent")


TOML = """\
name = "n"
preset = "animal"
seed = 7
[[known]]
fasta = "x.fa"
[[backgrounds]]
genome = "x.fa"
"""


def test_seed_zero_of_a_genome_training_is_taken(tmp_path, monkeypatch):
    seen = []

    def stop(config, **_):
        seen.append(config.seed)
        raise InputError("enough")

    monkeypatch.setattr("premir.train.genome.configured.train_genome", stop)
    builders.write_fasta(tmp_path / "x.fa", {"a": "ACGT" * 30})
    config = tmp_path / "c.toml"
    config.write_text(TOML)
    command = ["genome", "--data", str(tmp_path), "--config", str(config)]
    for options in ([], ["--seed", "0"], ["--seed", "3"]):
        assert main([*command, *options]) == 2
    assert seen == [7, 0, 3]


def test_test_set_that_stands_in_the_training_set_is_refused(files, tmp_path, capsys):
    test = ["--test-positives", files[0], "--test-negatives", files[1]]
    assert custom(files, tmp_path / "model", *test) == 2
    assert "all positives of the test set stand in the training set too" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_an_unknown_network_is_named(files, tmp_path, capsys):
    assert custom(files, tmp_path / "model", "--network", "enormous") == 2
    error = capsys.readouterr().err
    expected = f"--network enormous: no such network; there is {', '.join(NETWORKS)}"
    assert expected.endswith("variable, fixed, stem, recurrent, fewer-pools, alexnet, resnet")
    assert error.splitlines()[-1].endswith(expected)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("setting", [("--ablate", "pairing"), ("--encoding", "soft0.1")])
def test_what_changes_tensors_is_refused_for_a_network_without(files, tmp_path, setting, capsys):
    assert custom(files, tmp_path / "model", "--network", "stem", *setting) == 2
    assert "--network stem: reads no pairing tensor" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "model").exists()


def test_a_stem_wise_network_trains_on_hairpins_of_ones_own(files, tmp_path):
    assert custom(files, tmp_path / "model", "--network", "stem") == 0
    assert load_model(str(tmp_path / "model")).kinds == ("stem",)
