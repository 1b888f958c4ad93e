"""What decoys miss: the fit, and predictions for genomes that it is not of."""

from __future__ import annotations

import builders
import numpy as np
import pytest

from premir.scanner.errors import InputError
from premir.scanner.find.folding import KernelFolder
from premir.scanner.score.card import check_new_card
from premir.scanner.score.inflation import Inflation
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.genome.config import Background, GenomeConfig, Known
from premir.train.genome.inflation import (
    GRID,
    Counts,
    count_calls,
    counts_as_json,
    fit,
    predictions,
)


def drawn(rng, name, factor, *, rate=100.0, megabases=50.0):
    """A genome in whose decoys calls fall off as exp(-log odds / 2), and itself more slowly."""
    decoy_rate = rate * np.exp(rng.normal(0, 0.2))
    calls = rng.exponential(2, rng.poisson(decoy_rate * 2 * megabases))
    true = decoy_rate * factor(GRID) * np.exp(-GRID / 2)
    return Counts(
        name, megabases, rng.poisson(true * megabases).tolist(), 2 * megabases, sorted(calls)
    )


@pytest.fixture(scope="module")
def genomes():
    rng = np.random.default_rng(5)
    return [
        drawn(rng, f"g{n}", lambda s, n=n: (1.5 + s / 5) * (1.5 if n % 2 else 1 / 1.5))
        for n in range(12)
    ]


def test_the_fit_finds_factor_spread_and_weight(genomes, tmp_path):
    table = fit(genomes)
    inflation = Inflation.of(table)
    at = np.array([0.0, 3.0, 5.0])
    # Of 1.5 and 1 / 1.5 the mean is 1.083.
    assert inflation.at(at) == pytest.approx(1.083 * (1.5 + at / 5), rel=0.15)
    assert np.all(np.diff(inflation.factor) >= 0)
    assert inflation.own_factor == pytest.approx(1.083 * 1.327, rel=0.1)
    assert inflation.own_spread == pytest.approx(np.log(1.5), rel=0.25)
    assert inflation.calls_spread == pytest.approx(np.hypot(np.log(1.5), 0.2), rel=0.25)
    # Low-scoring calls tell all that differs between these genomes.
    assert inflation.spread < 0.1
    assert inflation.weight == 100
    assert table["genomes"] == [f"g{n}" for n in range(12)]
    assert (table["megabases"], table["decoy_megabases"]) == (600, 1200)
    card = {**load_model(DEFAULT_MODEL).card, "inflation": table}
    check_new_card(tmp_path, card)


def test_the_factor_ends_where_decoys_are_too_few():
    none = Counts("x", 10, [0] * GRID.size, 10, [])
    with pytest.raises(InputError, match="0 calls in what is held out and 0 in its decoys: too f"):
        fit([none, none])
    few = Counts("y", 10, np.linspace(300, 0, GRID.size).astype(int).tolist(), 10, [1.2] * 25)
    assert fit([few])["log_odds"] == [0, 0.5, 1]


def test_a_genome_is_predicted_from_its_decoys_and_the_others(genomes):
    odd = drawn(np.random.default_rng(1), "odd", lambda s: 1.5 + s / 5, rate=1_000)
    rows = list(predictions(genomes, [odd]))
    assert [row["genome"] for row in rows[::2]] == [*(each.name for each in genomes), "odd"]
    # Nine tenths of the rates lie in their intervals, but for chance.
    inside = [row["low"] < row["observed"] < row["high"] for row in rows[:-2]]
    assert len(inside) == 24
    assert sum(inside) >= 18
    ten = rows[-2]
    # The card of the others knows nothing of it; its decoys and low-scoring calls do.
    assert ten["observed"] / ten["card"] > 5
    assert ten["decoys"] == pytest.approx(ten["observed"], rel=0.4)
    # A genome is left out of what predicts it: that of the judges hangs on none of them.
    assert rows[0] == next(predictions(genomes, []))
    assert rows[0] != next(predictions([genomes[0], *genomes[2:]], []))
    few = list(predictions(genomes, [odd], megabases=1.0))[-2]
    assert few["high"] / few["low"] > ten["high"] / ten["low"]


def test_counts_are_written(genomes):
    (row,) = counts_as_json(genomes[:1])
    assert row["calls"] == genomes[0].calls
    assert row["decoys"][4] == sum(call >= 2 for call in genomes[0].decoy_calls)
    assert set(row) == {"name", "megabases", "calls", "decoy_megabases", "decoys"}


def test_calls_of_genomes_and_of_their_shuffles(tmp_path):
    folder = tmp_path / "lender"
    folder.mkdir()
    sequences, _ = builders.default_hits_genome()
    rng = np.random.default_rng(2)
    letters = {f"a.{n}": text for n, text in enumerate(sequences.values()) if len(text) > 5_000}
    letters["b.1"] = builders.random_sequence(rng, 20_000)
    fasta = builders.write_fasta(folder / "genome.fa", letters)
    known = Known(fasta=builders.write_fasta(tmp_path / "known.fa", {"mir-1": "ACGU" * 20}))
    background = Background(genome=fasta, judging=("a", "b"))
    config = GenomeConfig("x", "animal", (known,), (background,), contexts=(20,))
    held, judges = count_calls(
        load_model(DEFAULT_MODEL),
        config,
        [fasta],
        tmp_path / "work",
        KernelFolder(),
        shuffles=3,
        threads=1,
    )
    assert [each.name for each in held] == ["a", "b"]
    assert [each.name for each in judges] == ["lender"]
    planted, random = held
    assert planted.calls[-8] > 5
    assert planted.decoys[-8] == 0
    assert random.decoy_megabases == pytest.approx(3 * 0.02)
    assert len(random.decoy_calls) > 0
    assert judges[0].calls == (np.array(planted.calls) + random.calls).tolist()
