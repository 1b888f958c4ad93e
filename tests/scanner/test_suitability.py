"""Thresholds in false calls per Mb, and what is said of models that are made for something else."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.report.evidence.known.compared import least_compared
from premir.scanner.report.evidence.known.library import HINGE, WEIGHT
from premir.scanner.report.reading import read_hits
from premir.scanner.score.card import CARD
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.model import log_odds_of, probabilities, read_model
from premir.scanner.score.shipped import (
    DEFAULT_MODEL,
    HAIRPIN_MODEL,
    PLANT_MODEL,
    default_model,
    load_model,
)
from premir.scanner.score.suitability import doubts, threshold

MODEL = load_model(DEFAULT_MODEL)
CURVE = FalseCalls.of(MODEL.card["false_calls_per_mb"])


LIFTED = CURVE.lifted(WEIGHT, HINGE, -1.0)
"""Of the model and known families together."""


@pytest.mark.parametrize("rates", [CURVE, LIFTED], ids=["model", "together"])
@pytest.mark.parametrize("max_fp", [0.05, 0.3, 1, 4.5, 18, 300])
def test_all_that_reaches_a_threshold_has_as_few_false_calls_as_asked_and_hardly_more(
    max_fp, rates
):
    least = threshold(MODEL, max_fp=max_fp, rates=rates)
    odds = np.arange(-8, 18, 1e-4)
    hits = odds[probabilities(odds) >= least]
    assert rates.per_mb(hits).max() <= max_fp * (1 + 1e-9)
    slightly_more = odds[odds >= log_odds_of(least - 2e-6) - 2e-4]
    assert rates.per_mb(slightly_more).max() > max_fp


def test_the_models_own_threshold_is_the_default():
    assert threshold(MODEL) == MODEL.min_prob
    assert threshold(MODEL, 0.25) == 0.25
    lowest = 1 / (1 + np.exp(-CURVE.log_odds[0]))
    assert threshold(MODEL, max_fp=1e6) == pytest.approx(lowest, abs=1.1e-6)


@pytest.mark.parametrize(
    "name, asked, message",
    [
        (DEFAULT_MODEL, (0.5, 1), "--max-fp and --min-prob both set the threshold"),
        (DEFAULT_MODEL, (None, 0.001), "--max-fp 0.001: what premir-animal@3 was judged on is too"),
        (HAIRPIN_MODEL, (None, 1), "has no false_calls_per_mb, for it was not judged on genomes"),
    ],
)
def test_a_threshold_that_cannot_be_told_is_refused(name, asked, message):
    with pytest.raises(InputError, match=message):
        threshold(load_model(name), *asked)


def test_the_default_model_is_one_for_what_is_looked_for():
    assert [default_model(preset) for preset in ("animal", "plant", "virus")] == [
        DEFAULT_MODEL,
        PLANT_MODEL,
        DEFAULT_MODEL,
    ]
    for preset in ("animal", "plant", "virus"):
        assert not list(doubts(load_model(default_model(preset)), preset))


@pytest.mark.parametrize(
    "options, doubt",
    [
        (["--preset", "plant", "--model", DEFAULT_MODEL], "was trained for --preset animal; with"),
        (["--model", PLANT_MODEL], "was trained for --preset plant; with --preset animal its"),
        (["--model", HAIRPIN_MODEL], "was not trained for genomes, where it takes far more"),
    ],
)
def test_a_model_for_something_else_is_used_with_one_warning(
    tiny_genome, tmp_path, capsys, options, doubt
):
    out = tmp_path / "hits.bed"
    assert main([str(tiny_genome[0]), "--out", str(out), "-q", *options]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("premir-scan: ")
    assert doubt in line


def test_a_scan_reports_hits_of_few_false_calls(default_genome, tmp_path):
    found = {}
    for max_fp in (0.1, 2.0):
        out = tmp_path / f"{max_fp}.bed"
        command = [str(default_genome[0]), "--out", str(out), "--max-fp", str(max_fp), "-q"]
        assert main(command) == 0
        found[max_fp] = [hit.fp_per_mb for hit in read_hits(out)]
        assert max(found[max_fp]) <= max_fp
    assert 0 < len(found[0.1]) < len(found[2.0])


@pytest.mark.parametrize("kin", [(), ("--kin", "none")], ids=["kin", "no kin"])
@pytest.mark.parametrize("known", [(), ("--known", "none")], ids=["known", "alone"])
def test_the_threshold_is_of_what_hits_are_ranked_by(default_genome, tmp_path, known, kin):
    """A hit at the threshold has the rate that was asked for, by all that is in its log odds."""
    out = tmp_path / "hits.bed"
    command = [str(default_genome[0]), "--out", str(out), "--max-fp", "1", "-q", *known, *kin]
    assert main(command) == 0
    (parameters,) = [line for line in out.read_text().splitlines() if "min_prob" in line]
    least = float(parameters.rpartition("min_prob ")[2].split()[0])
    rates = CURVE
    assert MODEL.kin is not None
    if not kin:
        rates = rates.lowered(np.log1p(np.arange(MODEL.kin.size)), MODEL.kin)
    compared = least_compared(MODEL)
    assert compared is not None
    if not known:
        rates = rates.lifted(WEIGHT, HINGE, log_odds_of(compared))
    assert rates.per_mb(np.array([log_odds_of(least)]))[0] == pytest.approx(
        1, abs=0.012
    )  # six decimals
    assert LIFTED.per_mb(np.array([log_odds_of(threshold(MODEL, max_fp=1))]))[0] > 1.02


def test_presets_of_strangers_raise_no_doubt(tmp_path):
    shutil.copytree(MODEL.directory, tmp_path / "m")
    card = json.loads((tmp_path / "m" / CARD).read_text())
    (tmp_path / "m" / CARD).write_text(json.dumps({**card, "preset": ["fungus"]}))
    assert not list(doubts(read_model(tmp_path / "m"), "plant"))
