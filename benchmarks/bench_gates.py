r"""What gates lose and save, by their floors, in families and genomes that they did not learn from.

python benchmarks/bench_gates.py premir-animal@3 --data ../shared/data \
    --held ../shared/data/background/encode_vertebrates/genome.fa.gz \
    --judge ../shared/data/genomes/celegans_dev/genome.fa.gz \
    --settings .005,.1,.7,.7 .005,.1,.4,.7 --alone .02,.3,.15,.7 --out benchmarks/results/gates.json

Gates are learned as ``premir-train gates`` learns them, from its genomes and the known precursors
of half of the families. Precursors of the other half, planted in other genomes (``--held``), say
what known precursors are lost: those of whose candidates none passes both gates; and of those that
the model calls, those of whose calls none does. Genomes (``--judge``) say how much is folded and
scored, and what is lost of all hits. Settings that are in the output file already are done again.
With ``--alone`` gates by the first of ``--settings`` have stricter cuts too, one row for each.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import record

from premir.scanner.find.candidates import KINDS
from premir.scanner.report.evidence.known.compared import least_compared
from premir.scanner.score.model import Model
from premir.scanner.score.shipped import load_model
from premir.train.gates import (
    LENDERS,
    Allowed,
    Planted,
    Surveyed,
    judge_gates,
    learn_gates,
    preset_of,
    survey,
    survey_planted,
)
from premir.train.genome.config import Known
from premir.train.genome.sources import read_known
from premir.train.precursors import genome_file

_BEST_PER_MB = 2.0
"""As by default."""
_Mask = npt.NDArray[np.bool_]


def survey_once(path: Path, model: Model, keep: Path | None) -> Surveyed:
    """Survey a genome, or read what an earlier run has kept of it."""
    name = f"{path.parent.name}-{path.name}-{model.digest[:16]}.npz"
    if keep is None or not (keep / name).exists():
        found = survey(path, model)
        if keep is None:
            return found
        columns = {each: getattr(found, each) for each in ("stem", "fold", "prob", "place")}
        np.savez(keep / name, **columns, megabases=found.megabases)
    with np.load(keep / name) as kept:
        columns = {each: kept[each] for each in ("stem", "fold", "prob", "place")}
        return Surveyed(**columns, megabases=float(kept["megabases"]))


def lost_of(planted: Planted, passed: _Mask, wanted: _Mask) -> tuple[int, int]:
    """Count precursors that have a wanted candidate, and those of which none of these passes."""
    there = np.unique(planted.precursor[wanted & (planted.precursor >= 0)])
    left = np.unique(planted.precursor[wanted & passed & (planted.precursor >= 0)])
    return there.size, there.size - left.size


def row(
    settings: Allowed,
    alone: Allowed | None,
    model: Model,
    known: Planted,
    others: Planted,
    backgrounds: Sequence[Surveyed],
    judges: dict[str, Surveyed],
) -> dict[str, Any]:
    """Learn gates from known precursors and genomes, and judge them by others."""
    gates = learn_gates(
        known.surveyed,
        backgrounds,
        model.min_prob,
        settings,
        alone,
        best_per_mb=_BEST_PER_MB,
        seed=0,
    )
    strict, prob = alone is not None, others.surveyed.prob
    passed = np.ones(prob.size, np.bool_)
    for name, gate in gates.items():
        passed &= gate.passes(getattr(others.surveyed, name), alone=strict)
    lost = {}
    for name, least in (
        ("with a candidate", 0.0),
        ("that known families may lift", least_compared(model) or 0.0),
        ("that the model calls", model.min_prob),
    ):
        there, gone = lost_of(others, passed, prob >= least)
        lost[name] = {"precursors": there, "lost": gone, "loss": round(gone / there, 5)}
    return {
        **(alone or settings)._asdict(),
        "alone": strict,
        "known": lost,
        "judged": {
            name: judge_gates(surveyed, gates, model.min_prob, alone=strict)
            for name, surveyed in judges.items()
        },
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="shipped model or model directory")
    parser.add_argument("--data", type=Path, required=True, help="folder of genomes/ and mirbase/")
    parser.add_argument("--genomes", nargs="*", default=LENDERS, help="of DATA, to learn from")
    parser.add_argument("--held", nargs="+", type=Path, required=True, help="FASTA to plant in")
    parser.add_argument("--judge", nargs="*", type=Path, default=[], help="FASTA of genomes")
    shares = "LOSS,BEST_LOSS,KEEP,KEEP_FOLDED"
    parser.add_argument("--settings", nargs="+", type=shares_of, required=True, metavar=shares,
        help="as of premir-train gates")  # fmt: skip
    parser.add_argument("--alone", nargs="*", type=shares_of, default=[], metavar=shares,
        help="likewise, of what no evidence lifts")  # fmt: skip
    parser.add_argument("--planted", type=int, default=20_000, help="most precursors of a half")
    parser.add_argument("--surveys", type=Path, metavar="DIR", help="keep surveys of genomes here")
    parser.add_argument("--out", type=Path, help="write JSON here; default: to stdout")
    args = parser.parse_args(argv)
    model = load_model(args.model)
    genomes = [genome_file(args.data, name) for name in args.genomes]
    everything = read_known([Known(mirbase=args.data, kind=KINDS[preset_of(model)])])
    known, others = (
        survey_planted(
            [each for each in everything if each.held_out == held],
            where,
            model,
            seed=0,
            limit=args.planted,
        )
        for held, where in ((False, genomes), (True, args.held))
    )
    backgrounds = [survey_once(path, model, args.surveys) for path in genomes]
    judges = {path.parent.name: survey_once(path, model, args.surveys) for path in args.judge}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    names = [*Allowed._fields, "alone"]
    if args.out is not None and args.out.exists():
        before = json.loads(args.out.read_text(encoding="utf-8"))["rows"]
        rows = {tuple(each.get(name, False) for name in names): each for each in before}
    wanted = [(settings, None) for settings in args.settings]
    wanted += [(args.settings[0], alone) for alone in args.alone]
    for settings, alone in wanted:
        done = row(settings, alone, model, known, others, backgrounds, judges)
        rows[tuple(done[name] for name in names)] = done
        sys.stderr.write(f"{json.dumps(done)}\n")
        data = {
            "learned_from": list(args.genomes),
            "planted_in": [path.parent.name for path in args.held],
            "judges": list(judges),
        }
        result = record.record(
            *("gates", ["numba", "numpy", "scikit-learn"], data),
            model=model.name,
            rows=list(rows.values()),
        )
        record.write(result, args.out)
    return 0


def shares_of(text: str) -> Allowed:
    """Read what gates may lose."""
    return Allowed(*map(float, text.split(",")))


def test_bench_gates_on_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import data_sets

    monkeypatch.setattr("premir.train.gates._TREES", 10)
    monkeypatch.setattr(sys.modules[__name__], "_BEST_PER_MB", 20.0)
    data, out = data_sets.genomes_dir().parent, tmp_path / "gates.json"
    ebv = str(genome_file(data, "ebv"))
    command = ["do2018-crossspecies-new-variable", "--data", str(data), "--genomes", "hcmv"]
    command += ["--held", ebv, "--judge", ebv, "--planted", "40", "--surveys", str(tmp_path)]
    command += ["--settings", ".005,.1,1,1", ".005,.1,.3,.4", "--alone", ".005,.1,.3,.4"]
    assert main([*command, "--out", str(out)]) == 0
    everything, few, alone = json.loads(out.read_text())["rows"]
    assert [each["alone"] for each in (everything, few, alone)] == [False, False, True]
    assert alone["judged"]["ebv"]["folded_per_mb"] == few["judged"]["ebv"]["folded_per_mb"]
    calls, fewer = (each["known"]["that the model calls"] for each in (everything, few))
    assert 20 < calls["precursors"] == fewer["precursors"] <= 40
    of_all, of_few = (each["judged"]["ebv"] for each in (everything, few))
    assert (calls["lost"], of_all["loss"] < 0.005) == (0, True)
    assert of_few["folded_per_mb"] < of_all["folded_per_mb"]
    assert of_few["hits_lost"] > of_all["hits_lost"]


if __name__ == "__main__":
    sys.exit(main())
