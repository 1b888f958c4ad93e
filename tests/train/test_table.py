"""The paper's tables, on data sets of a few hairpins."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, replace

import builders
import numpy as np
import pytest

from premir.scanner.find.folding import KernelFolder
from premir.train import table
from premir.train.cli import main
from premir.train.collapse import CollapseError
from premir.train.dataset import load_dataset
from premir.train.flanks import ensemble_scorer
from premir.train.metrics import evaluate
from premir.train.protocols import BENCHMARKS
from premir.train.recipes import RECIPES, VARIANTS, recipe_of
from premir.train.run import train
from premir.train.table import Cell, cells, read_scored_sets


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data set laid out like the released one."""
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(4)
    for benchmark in BENCHMARKS.values():
        for protocol in benchmark.build(tmp_path / "data"):
            for files in (protocol.training, protocol.test):
                for path in (*files.positives, *files.negatives):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    make = builders.hairpin if "pos" in path.name else random_80
                    builders.write_fasta(path, {f"{n}": make(rng) for n in range(9)})
    for kind in ("pos", "neg"):
        source = tmp_path / "data" / "cv" / "human" / f"human_{kind}_all.fa"
        (tmp_path / "data" / "sequences" / f"human_{kind}.fa").write_bytes(source.read_bytes())
    return tmp_path / "data"


def random_80(rng):
    return builders.random_sequence(rng, 80)


def run(data, out, *options):
    return main(["table", "--data", str(data), "--out", str(out), "--threads", "1", *options])


def test_every_row_that_the_paper_has_is_planned():
    plan = list(cells())
    assert len({cell.name for cell in plan}) == len(plan)
    tests = ("human-test", "crossspecies-test", "crossspecies-new")
    for row in itertools.product(tests, ("variable", "fixed"), ("paper", "released"), (None,)):
        seeds = {
            cell.seed
            for cell in plan
            if (cell.protocol, cell.network, cell.recipe, cell.ablate) == row
        }
        assert seeds == {0, 1, 2}, row
    for protocol in BENCHMARKS:
        folds = [None] if not protocol.endswith("-cv") else [1, 2, 3, 4, 5]
        for kind in (
            {"ablate": "pairing"},
            {"network": "baseline"},
            {"network": "variable", "recipe": "paper"},
            {"network": "variable", "recipe": "released"},
            {"network": "fixed", "recipe": "paper"},
            {"network": "fixed", "recipe": "released"},
        ):
            found = {
                cell.fold
                for cell in plan
                if cell.protocol == protocol
                and all(getattr(cell, name) == value for name, value in kind.items())
            }
            assert found == set(folds)
    late = [
        c
        for c in plan
        if c.protocol == "crossspecies-new"
        and c.network in ("variable", "fixed")
        and c.variant is None
    ]
    assert all(80 in c.epochs for c in late)
    assert {c.protocol for c in plan if c.network == "recurrent"} == set(tests)
    assert all(c.follow and 100 in c.epochs for c in plan if c.name.startswith("human-cv")
               and (c.network, c.recipe, c.variant, c.ablate)
               == ("variable", "paper", None, None))  # fmt: skip
    # In cross-validation the authors' rows are of epoch 30.
    assert all(30 in c.epochs for c in plan if c.fold and c.network == "variable"
               and c.recipe == "released")  # fmt: skip
    # The authors' logs of Algorithm 2 end at epoch 10 in cross-validation.
    fixed = [c for c in plan if c.network == "fixed" and c.fold]
    assert {(c.recipe, c.epochs) for c in fixed} == {("released", (10,)), ("paper", (10, 40))}
    assert {c.protocol for c in plan if c.recipe == "released-train"} == set(tests)
    # What they also tried: a setting or a network each, under every protocol, seed 0.
    for variant in VARIANTS:
        tried = [c for c in plan if c.variant == variant]
        assert len(tried) == 13
        assert {(c.network, c.recipe, c.seed) for c in tried} == {("variable", "paper", 0)}
    for network in ("fewer-pools", "alexnet", "resnet"):
        tried = [c for c in plan if c.network == network]
        assert len({(c.protocol, c.fold) for c in tried}) == len(tried) == 13


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_the_recipe_but_for_its_setting(variant, data, tmp_path, monkeypatch):
    cell = Cell("human-test", variant=variant, epochs=(1,))
    monkeypatch.setattr(table, "cells", lambda: iter([cell]))
    assert run(data, tmp_path / "out") == 0
    name = f"human-test-variable-paper-{variant}-seed0"
    told = json.loads((tmp_path / "out" / "results" / f"{name}.json").read_text())["recipe"]
    (setting,) = VARIANTS[variant][1]
    plain = asdict(replace(RECIPES["paper"], epochs=1))
    different = {key for key in plain if told[key] != plain[key]}
    assert different == {"name", setting}
    assert told["name"] == "paper*"


def test_cells_are_trained_by_the_recipe_of_their_network(data, tmp_path, monkeypatch):
    cell = Cell("crossspecies-new", network="fixed", recipe="released", epochs=(10,))
    monkeypatch.setattr(table, "cells", lambda: iter([cell]))
    assert run(data, tmp_path / "out") == 0
    result = json.loads((tmp_path / "out" / "results" / f"{cell.name}.json").read_text())
    expected = asdict(replace(recipe_of("released", "fixed", "crossspecies-new"), epochs=10))
    # Of eighteen hairpins it learns nothing on some machines; the recipe is told all the same.
    assert result["recipe"] == expected


def test_cells_are_trained_judged_and_kept(data, tmp_path, monkeypatch):
    few = [
        Cell("human-cv", 2, network="baseline", recipe=None, epochs=(0,)),
        Cell("human-cv", 2, epochs=(1, 3), follow=True),
    ]
    monkeypatch.setattr(table, "cells", lambda: iter(few))
    out = tmp_path / "out"
    assert run(data, out) == 0
    results = out / "results"
    baseline, network = (json.loads((results / f"{c.name}.json").read_text()) for c in few)
    assert list(baseline["judged"]) == ["0"]
    assert list(network["judged"]) == ["1", "3"]
    assert len(network["losses"]) == len(network["training_curve"]["f"]) == 3
    for number, epochs in enumerate((1, 3)):
        judged = network["judged"][str(epochs)]["as_published"]
        kept = read_scored_sets(results / f"{few[1].name}.npz")[epochs]
        assert evaluate(kept.labels, kept.probabilities).rounded() == judged
        curve = {name: values[epochs - 1] for name, values in network["test_curve"].items()}
        assert curve == pytest.approx(judged, abs=2e-4)
        card = json.loads((out / few[1].name / f"epoch{epochs}" / "card.json").read_text())
        assert card["epochs"] == card["recipe"]["epochs"] == epochs
        assert card["losses"] == network["losses"][:epochs]
        assert network["weights_sha256"][str(epochs)] == card["weights_sha256"], number


def test_an_ensemble_averages_the_log_odds_of_its_members(data, tmp_path, monkeypatch, capsys):
    ensemble = table.ensemble("human-test")
    networks, boostings = ensemble.members[:3], ensemble.members[3:]
    assert [(c.network, c.recipe, c.seed) for c in networks] == [
        ("stem", "annealed", seed) for seed in range(3)
    ]
    assert [(c.network, c.seed) for c in boostings] == [("boosting", seed) for seed in range(6)]
    quick = replace(RECIPES["annealed"], epochs=8, group=4, learning_rate=0.003, warm_up=1)
    monkeypatch.setitem(RECIPES, "annealed", quick)
    members = [replace(each, epochs=(8,) if each.recipe else (0,)) for each in ensemble.members]
    monkeypatch.setattr(Cell, "members", property(
        lambda cell: tuple(members) if cell.network == "ensemble" else ()))  # fmt: skip
    monkeypatch.setattr(table, "cells", lambda: iter([*members, ensemble]))
    out = tmp_path / "out"
    assert run(data, out, "--only", "*-ensemble-*", "*-boosting-*") == 0
    assert f"{ensemble.name} lacks {members[0].name}, {members[1].name}" in (
        capsys.readouterr().err
    )
    assert not (out / "results" / f"{ensemble.name}.json").exists()
    assert run(data, out) == 0
    kept = [
        read_scored_sets(out / "results" / f"{each.name}.npz")[each.epochs[-1]].probabilities
        for each in (*members, ensemble)
    ]
    clipped = [np.clip(each, 1e-7, 1 - 1e-7) for each in kept[:-1]]
    odds = np.mean([np.log(each / (1 - each)) for each in clipped], axis=0)
    assert kept[-1] == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-6)
    (protocol,) = BENCHMARKS["human-test"].build(data)
    training, test = (
        load_dataset(files.positives, files.negatives, KernelFolder())
        for files in (protocol.training, protocol.test)
    )
    again = ensemble_scorer("human-test", out, training)(test.hairpins)
    assert kept[-1] == pytest.approx(again, abs=1e-4)  # float32 is kept
    assert run(data, out, "--only", "nothing") == 2
    assert "--only nothing: no training has such a name" in capsys.readouterr().err


def test_a_later_epoch_passes_through_the_earlier_one(data, tmp_path, monkeypatch):
    digests = []
    for n, epochs in enumerate([(2, 4), (4,), (2,)]):
        cell = Cell("human-test", epochs=epochs)
        monkeypatch.setattr(table, "cells", lambda cell=cell: iter([cell]))
        assert run(data, tmp_path / f"out{n}") == 0
        result = json.loads((tmp_path / f"out{n}" / "results" / f"{cell.name}.json").read_text())
        digests.append(result["weights_sha256"])
    assert digests[0] == digests[1] | digests[2]


def test_finished_cells_are_left_alone_and_broken_ones_go_on(data, tmp_path, monkeypatch):
    cell = Cell("crossspecies-test", epochs=(1, 2))
    monkeypatch.setattr(table, "cells", lambda: iter([cell]))
    out = tmp_path / "out"
    assert run(data, out) == 0
    result, scores = (out / "results" / f"{cell.name}.{kind}" for kind in ("json", "npz"))
    before = json.loads(result.read_text()), scores.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(table, "_run_cell", None)
        assert run(data, out) == 0
    result.unlink()  # as if it was killed before the last step
    assert run(data, out) == 0
    after = json.loads(result.read_text()), scores.read_bytes()
    for each in (before, after):
        del each[0]["peak_memory_mib"]
    assert before == after


def test_a_cell_tells_its_earlier_epochs_while_the_later_ones_are_trained(
    data, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    for epochs in ((1,), (1, 2)):
        cell = Cell("crossspecies-test", epochs=epochs)
        monkeypatch.setattr(table, "cells", lambda cell=cell: iter([cell]))
        assert not table.is_finished(out / "results", cell)
        assert run(data, out) == 0
        assert table.is_finished(out / "results", cell)
        path = out / "results" / f"{cell.name}.json"
        assert table.judged_epochs(path) == epochs
        assert list(read_scored_sets(path.with_suffix(".npz"))) == list(epochs)
        assert len(json.loads(path.read_text())["losses"]) == epochs[-1]


def test_a_cell_that_another_process_is_at_is_passed_over(data, tmp_path, monkeypatch, capsys):
    from filelock import FileLock

    cell = Cell("crossspecies-test", network="baseline", recipe=None, epochs=(0,))
    monkeypatch.setattr(table, "cells", lambda: iter([cell]))
    out = tmp_path / "out"
    (out / cell.name).mkdir(parents=True)
    with FileLock(out / cell.name / ".lock"):
        assert run(data, out) == 0
    assert "1 cells are with another process" in capsys.readouterr().err
    assert not list((out / "results").glob("*.npz"))


def test_a_training_that_comes_to_nothing_is_recorded_and_the_others_go_on(
    data, tmp_path, monkeypatch, capsys
):
    def late(*arguments, **options):
        if arguments[1].epochs == 2:
            raise CollapseError("epoch 2: the loss is nan")
        return train(*arguments, **options)

    monkeypatch.setattr(table, "train", late)
    diverging = replace(RECIPES["released"], optimizer="sgd", learning_rate=1e30, group=4)
    monkeypatch.setitem(RECIPES, "released", diverging)
    plan = [
        Cell("human-test", recipe="released", epochs=(1,)),
        Cell("human-cv", 1, epochs=(1, 2)),
        Cell("human-cv", 2, epochs=(1,)),
    ]
    monkeypatch.setattr(table, "cells", lambda: iter(plan))
    out = tmp_path / "out"
    assert run(data, out) == 0
    assert f"{plan[0].name}: epoch 1: the loss is nan" in capsys.readouterr().err
    results = out / "results"
    at_once, later, sound = (json.loads((results / f"{c.name}.json").read_text()) for c in plan)
    assert at_once["collapsed"].startswith("epoch 1: the loss is nan: no model is saved")
    assert at_once["judged"] == {}
    assert (later["collapsed"], list(later["judged"])) == ("epoch 2: the loss is nan", ["1"])
    assert "collapsed" not in sound
    assert [(results / f"{cell.name}.npz").exists() for cell in plan] == [False, True, True]
    assert [table.is_finished(results, cell) for cell in plan] == [True, True, True]
    monkeypatch.setattr(table, "_run_cell", None)
    assert run(data, out) == 0  # none is tried again
