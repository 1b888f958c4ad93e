"""The authors' numbers: read as they are, and compared with ours on the same sequences."""

from __future__ import annotations

import shutil
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from premir.scanner.errors import InputError
from premir.train.authors import FOLDER, LOGS, log_means, published_epoch, read_scores
from premir.train.bootstrap import MEASURES
from premir.train.comparisons import compare_with_authors
from premir.train.judging import Scored
from premir.train.rows import collect
from premir.train.table import Cell, read_scored_sets

COMMITTED = Path(__file__).parents[2] / "docs" / "results"
TESTS = ("human-test", "crossspecies-test", "crossspecies-new")


def scored(protocol):
    cell = COMMITTED / "cells" / f"{protocol}-variable-released-seed0.npz"
    ours = read_scored_sets(cell)[published_epoch(protocol, "variable")]
    return ours, read_scores(COMMITTED / FOLDER / f"{protocol}.tsv", ours)


@pytest.mark.parametrize("protocol", TESTS)
def test_their_weights_give_what_their_log_says(protocol):
    theirs = scored(protocol)[1].judgement()
    epoch = published_epoch(protocol, "variable")
    log = log_means(COMMITTED / FOLDER / LOGS, protocol, "variable", [epoch])
    assert astuple(theirs.as_published) == pytest.approx(list(log.mean.values()), abs=6e-4)
    assert list(log.mean) == list(MEASURES)


def test_their_networks_without_what_is_contaminated():
    found = [round(scored(protocol)[1].judgement().decontaminated.aupr, 4) for protocol in TESTS]
    assert found == [0.9515, 0.9503, 0.8436]


def test_the_printed_row_of_new_is_the_best_of_its_last_ten_epochs():
    late = log_means(COMMITTED / FOLDER / LOGS, "crossspecies-new", "variable", range(71, 81))
    printed = log_means(COMMITTED / FOLDER / LOGS, "crossspecies-new", "variable", [80])
    assert late.most["f"] == printed.mean["f"] == 0.817
    assert late.least["f"] < late.mean["f"] < late.most["f"]
    assert late.epochs == (71, 80)
    with pytest.raises(InputError, match=r"logs\.tsv: has no epoch 12 of human-test, fixed"):
        log_means(COMMITTED / FOLDER / LOGS, "human-test", "fixed", [40, 12])


def test_scores_of_another_test_set_are_refused():
    ours, _ = scored("human-test")
    other = Scored(ours.labels[::-1].copy(), ours.probabilities, ours.contaminated)
    with pytest.raises(InputError, match="is not of the test set that the cells are of"):
        read_scores(COMMITTED / FOLDER / "human-test.tsv", other)


def test_differences_are_those_of_the_means_and_are_paired(tmp_path):
    cells = [Cell("human-test", recipe="released", seed=seed) for seed in range(2)]
    (tmp_path / "cells").mkdir()
    for cell in cells:
        for kind in ("json", "npz"):
            shutil.copy(COMMITTED / "cells" / f"{cell.name}.{kind}", tmp_path / "cells")
    rows = collect(tmp_path / "cells", cells)
    assert compare_with_authors(tmp_path, rows).paired == []  # nothing to compare with
    shutil.copytree(COMMITTED / FOLDER, tmp_path / FOLDER)
    authors = compare_with_authors(tmp_path, rows)
    (theirs,) = authors.rows
    assert theirs.values["decontaminated"]["aupr"]["mean"] == 0.9515
    published, clean = authors.paired
    assert (published["column"], clean["column"]) == ("as_published", "decontaminated")
    for name, found in published["measures"].items():
        ours, other = (dict(row.values["as_published"][name]) for row in (rows[0], theirs))
        means = np.array([ours["mean"], other["mean"]], float)
        assert found["difference"] == pytest.approx(means[0] - means[1], abs=1.1e-4)
        assert found["high"] - found["low"] < np.ptp(np.array([ours["low"], ours["high"]], float))
    assert set(authors.late) == {"variable", "fixed"}


@pytest.mark.parametrize(
    "protocol, network, epoch",
    [
        ("human-cv", "variable", 30),
        ("crossspecies-cv", "fixed", 10),
        ("human-test", "fixed", 40),
        ("crossspecies-new", "variable", 80),
    ],
)
def test_epochs_by_the_logs(protocol, network, epoch):
    assert published_epoch(protocol, network) == epoch
