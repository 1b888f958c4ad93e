"""The committed result tables, and what the generator says where cells are missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from premir.train import table
from premir.train.bootstrap import MEASURES
from premir.train.cli import main
from premir.train.comparisons import compare_tried, differences
from premir.train.judging import Scored
from premir.train.results import generate
from premir.train.rows import TABLES, collect
from premir.train.table import Cell, cells, read_scored_sets, write_scored_sets

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "results"
PLAN = [Cell("human-test", seed=seed) for seed in (0, 1)] + [
    Cell("human-test", ablate="pairing"),
    Cell("human-cv", 1),
    Cell("human-cv", 2),
]


def finish(folder, cell, shift):
    """Leave behind what a finished cell does: positives score higher by ``shift``."""
    rng = np.random.default_rng([cell.seed, cell.fold or 0])
    labels = (np.arange(400) % 5 == 0).astype(np.int64)
    probabilities = np.clip(rng.normal(0.3 + shift * labels, 0.15), 0, 1)
    scored = Scored(labels, probabilities.astype(np.float32).astype(float), rng.random(400) < 0.05)
    write_scored_sets(folder / f"{cell.name}.npz", {40: scored})
    result = {
        "cell": {"protocol": cell.protocol, "network": cell.network},
        "judged": {"40": scored.judgement().rounded()},
        "epoch_cpu_seconds": {"least": 1.0 + cell.seed, "median": 2.0},
        "peak_memory_mib": 100.0,
    }
    (folder / f"{cell.name}.json").write_text(json.dumps(result))
    return scored


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cells").mkdir()
    shutil.copy(COMMITTED / "paper_tables.json", tmp_path)
    return tmp_path


def test_rows_are_means_over_seeds_and_folds(folder):
    kept = folder / "cells"
    done = [finish(kept, cell, 0.4) for cell in (PLAN[0], PLAN[1], PLAN[3])]
    seeds, ablated, folds = collect(kept, PLAN)[1:] + collect(kept, PLAN)[:1]
    assert (seeds.method, seeds.planned, len(seeds.cells)) == ("Algorithm 1, recipe paper", 2, 2)
    assert (ablated.planned, ablated.cells, ablated.values) == (1, (), {})
    assert (folds.protocol, folds.planned, len(folds.cells)) == ("human-cv", 2, 1)
    for column in ("as_published", "decontaminated"):
        se = [getattr(each.judgement(), column).se for each in done[:2]]
        found = seeds.values[column]["se"]
        assert found["mean"] == pytest.approx(np.mean(se), abs=1e-4)
        assert found["sd"] == pytest.approx(np.std(se, ddof=1), abs=1e-4)
        known = {name: value for name, value in found.items() if value is not None}
        assert known["low"] <= known["mean"] <= known["high"]
    assert folds.values["as_published"]["f"]["sd"] is None
    assert seeds.removed == (done[0].judgement().removed_positives,
                             done[0].judgement().removed_negatives)  # fmt: skip


def test_differences_beyond_the_spread_are_listed(folder):
    for cell in PLAN[:2]:
        finish(folder / "cells", cell, 0.7)  # AUROC about 1
    rows = collect(folder / "cells", PLAN)
    paper = {"human test": {"Proposed variable-sized": [None, None, None, None, None, 0.5, 1.0]}}
    (found,) = differences(rows, paper)
    assert (found["measure"], found["paper"], found["inside_interval"]) == ("auroc", 0.5, False)
    assert found["difference"] == pytest.approx(found["ours"] - 0.5)


def test_seeds_that_agree_to_the_last_call_are_no_yardstick(folder):
    kept = folder / "cells"
    finish(kept, PLAN[0], 0.4)
    for kind in ("json", "npz"):  # a second seed with the same calls
        shutil.copy(kept / f"{PLAN[0].name}.{kind}", kept / f"{PLAN[1].name}.{kind}")
    rows = collect(folder / "cells", PLAN[:2])
    value = rows[0].values["as_published"]["se"]
    assert value["sd"] == 0.0
    mean, low, high = np.array([value[name] for name in ("mean", "low", "high")], float)
    for share, count in ((0.1, 0), (2.0, 1)):
        theirs = [mean - share * (high - low), *[None] * 6]
        paper = {"human test": {"Proposed variable-sized": theirs}}
        assert len(differences(rows, paper)) == count


def test_the_epoch_nearest_to_the_papers_is_compared(folder):
    plan = [Cell("human-cv", fold, network="fixed", epochs=(10, 40)) for fold in (1, 2)]
    for cell in plan:
        one = finish(folder / "cells", cell, 0.4)
        write_scored_sets(folder / "cells" / f"{cell.name}.npz", {10: one, 40: one})
        path = folder / "cells" / f"{cell.name}.json"
        judged = json.loads(path.read_text())["judged"]["40"]
        path.write_text(json.dumps({"judged": {"10": judged, "40": judged}}))
    rows = collect(folder / "cells", plan)
    assert [row.method for row in rows] == ["Algorithm 2, recipe paper"] * 2
    zeros: list[float | None] = [0.0] * 7
    found = differences(rows, {"human cv": {"Proposed fixed-sized": zeros}})
    assert {(each["epochs"], each["their_epochs"]) for each in found} == {(10, 10)}
    assert len(found) == 7


def test_missing_cells_are_named_and_nothing_fails(folder, capsys, monkeypatch):
    finish(folder / "cells", PLAN[0], 0.4)
    missing = generate(folder, PLAN)
    assert missing == [cell.name for cell in PLAN[1:]]
    page = (folder / "README.md").read_text()
    assert "**4 of 5 trainings are not done yet**" in page
    left = "| human-test | *Algorithm 1, recipe paper* | 40 | 1 | 2 |\n"
    assert left in page.partition("## Not done yet")[2]
    assert "| *Algorithm 1, recipe paper* (1 of 2) | 40 |" in page
    assert "miRBoost" in page
    assert json.loads((folder / "results.json").read_text())["missing"] == missing
    monkeypatch.setattr(table, "cells", lambda: iter(PLAN))
    assert main(["results", str(folder)]) == 0
    assert capsys.readouterr().err.startswith(
        "premir-train: warning: 4 cells are missing: human-test-variable-paper-seed1"
    )


def test_trainings_that_came_to_nothing_are_named_and_not_missing(folder):
    for cell in PLAN[:2]:
        finish(folder / "cells", cell, 0.4)
    path = folder / "cells" / f"{PLAN[2].name}.json"
    reason = "epoch 3: the loss is nan"
    path.write_text(json.dumps({"cell": {}, "judged": {}, "collapsed": reason}))
    assert generate(folder, PLAN) == [cell.name for cell in PLAN[3:]]
    result = json.loads((folder / "results.json").read_text())
    assert result["collapsed"] == {PLAN[2].name: reason}
    page = (folder / "README.md").read_text()
    assert f"came to nothing, and in no row:\n\n- {PLAN[2].name}: {reason}\n\n" in page
    left = "| human-test | *Algorithm 1, recipe paper, without pairing matrix* | 40 | 0 | 1 |\n"
    assert left in page


def test_curves_are_of_finished_cells(folder):
    plan = [Cell("human-cv", fold, epochs=epochs) for fold, epochs in ((1, (40,)), (2, (40, 100)))]
    for cell, epochs in zip(plan, (40, 7), strict=True):
        finish(folder / "cells", cell, 0.4)
        path = folder / "cells" / f"{cell.name}.json"
        curve = {name: [0.5] * epochs for name in MEASURES}
        result = json.loads(path.read_text())
        result |= {"losses": [0.5] * epochs, "training_curve": curve, "test_curve": curve}
        path.write_text(json.dumps(result))
    assert generate(folder, plan) == [plan[1].name]  # that is judged after 40 of 100 epochs
    assert (folder / "curves-human-cv.png").stat().st_size > 1000
    course = json.loads((folder / "results.json").read_text())["validation"]["human-cv"]
    assert course["at"]["f"] == {"mean": 0.5, "sd": None}


def test_a_folder_of_something_else_is_refused(tmp_path, capsys):
    assert main(["results", str(tmp_path)]) == 2
    assert "paper_tables.json: cannot be read" in capsys.readouterr().err


def test_paper_tables_are_whole():
    paper = json.loads((COMMITTED / "paper_tables.json").read_text())
    assert list(paper["tables"]) == list(TABLES.values())
    for name, methods in paper["tables"].items():
        assert {len(values) for values in methods.values()} == {len(paper["measures"])}
        for se, sp, _, _, g_mean, *_ in methods.values():
            if name.endswith("test"):  # of cross-validation they are means over folds
                assert g_mean == pytest.approx((se * sp) ** 0.5, abs=0.002)


def test_what_was_also_tried_is_measured_against_the_plain_network_fold_by_fold(folder):
    whole = [Cell("human-cv", fold, variant="adam") for fold in (1, 2)]
    half = [Cell("human-cv", fold, network="resnet") for fold in (1, 2)]
    plain = [cell.plain for cell in whole]
    assert plain == PLAN[3:]
    better = [finish(folder / "cells", cell, 0.5).judgement() for cell in (*whole, half[0])]
    usual = [finish(folder / "cells", cell, 0.4).judgement() for cell in PLAN[3:]]
    (tried,) = compare_tried(folder / "cells", [*PLAN, *whole, *half])
    assert (tried["protocol"], tried["method"]) == ("human-cv", "Algorithm 1, recipe paper, Adam")
    expected = np.mean([a.as_published.aupr - b.as_published.aupr
                        for a, b in zip(better, usual, strict=False)])  # fmt: skip
    found = tried["measures"]["aupr"]
    assert found["difference"] == pytest.approx(expected, abs=6e-5)
    assert 0 < found["low"] < found["difference"] < found["high"]
    generate(folder, [*PLAN, *whole, *half])
    assert (
        "| human-cv | *Algorithm 1, recipe paper, Adam* |"
        in ((folder / "README.md").read_text().partition("## What the authors also tried")[2])
    )


def test_the_committed_page_of_the_ablation_is_that_of_its_results(folder):
    shutil.copy(COMMITTED / "genome-ablation.json", folder)
    generate(folder, PLAN)
    page = (folder / "genome-ablation.md").read_text()
    assert page == (COMMITTED / "genome-ablation.md").read_text()


@pytest.mark.slow
def test_committed_tables_are_those_of_the_committed_cells(tmp_path):
    """Whoever adds a cell or changes a measure runs the generator again."""
    shutil.copytree(
        COMMITTED, tmp_path / "results", ignore=shutil.ignore_patterns("*.png", "README*")
    )
    generate(tmp_path / "results", list(cells()))
    for name in ("README.md", "results.json"):
        assert (tmp_path / "results" / name).read_text() == (COMMITTED / name).read_text(), name
    figures = {path.name for path in (tmp_path / "results").glob("*.png")}
    assert figures == {path.name for path in COMMITTED.glob("*.png")}


@pytest.mark.slow
def test_committed_cells_say_what_their_probabilities_say():
    for path in sorted((COMMITTED / "cells").glob("*.npz")):
        judged = json.loads(path.with_suffix(".json").read_text())["judged"]
        scored = read_scored_sets(path)
        assert {
            str(epochs): each.judgement().rounded() for epochs, each in scored.items()
        } == judged
