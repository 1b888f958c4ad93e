from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest

from premir.kernels.codes import encode, reverse_complement
from premir.kernels.stems import StemCosts
from premir.scanner.files import sha256
from premir.scanner.find import stem_costs
from premir.scanner.find.stem_costs import ANIMAL, HIGHEST
from premir.train.cli import main
from premir.train.precursors import (
    NEMATODES,
    VIRUSES,
    Precursor,
    best_match,
    gc_share,
    read_precursors,
)
from premir.train.stem_costs import (
    PlantedContig,
    WeightedBackground,
    best_energies,
    log_odds,
    loss,
    plant,
    random_codes,
    refine,
    rounded,
)

GENOMES = ("mouse_pieces", "human_clones", "arabidopsis_1pct", "fly_1pct")


def precursors(many: int, kind: str = "animal", seed: int = 0) -> list[Precursor]:
    rng = np.random.default_rng(seed)
    found = []
    for n in range(many):
        codes = encode(builders.hairpin(rng, stem=int(rng.integers(26, 34)), gc=0.45 + n % 3 / 10))
        core = (10, codes.size - 10)
        found.append(Precursor(f"hsa-mir-{n}", "hsa", f"Mir-{n % 20}", kind, codes, core))
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature of the data folder."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (folder / "mirbase").mkdir()
    hairpins, curated, table = (
        [],
        [],
        ["hairpin_id\tacc\torganism\tlength\tn_mature\tn_experimental"],
    )
    for n in range(120):
        name = f"hsa-mir-{n}" if n % 2 else f"osa-MIR{n}a"
        name = {3: "cel-mir-3", 5: "ebv-mir-5", 7: "asu-mir-7"}.get(n, name)
        sequence = builders.hairpin(rng, stem=int(rng.integers(26, 34)), gc=0.4 + n % 5 / 20)
        hairpins.append(f">{name} MI{n:07} A species\n{sequence.replace('T', 'U')}\n")
        table.append(f"{name}\tMI{n:07}\tx\t{len(sequence)}\t2\t{int(n != 4)}")
        if n % 2:
            species = name[:3].capitalize()
            curated.append(f">{species}-Mir-{n}_pre\n{sequence[10:-10].replace('T', 'U')}\n")
    for name, text in (
        ("hairpin.fa", "".join(hairpins)),
        ("hairpin.tsv", "\n".join(table) + "\n"),
        ("mirgenedb_ALL_pre.fas", "".join(curated)),
    ):
        (folder / "mirbase" / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    for name in GENOMES:
        (folder / "genomes" / name).mkdir(parents=True)
        contigs = {f"c{k}": builders.random_sequence(rng, 6_000, 0.5) for k in range(2)}
        builders.write_fasta(folder / "genomes" / name / "genome.fa.gz", contigs)
    (folder / "genomes" / "fly_1pct" / "hairpins.bed").write_text(
        "X\t5\t99\thsa-mir-9\t1\t+\tMI0000009\texact\n", encoding="utf-8"
    )
    return folder


def test_precursors_leave_out_nematodes_viruses_and_what_is_judged(data: Path) -> None:
    names = [p.name for p in read_precursors(data)]
    assert {"cel", "asu", "cbr", "bma"} <= NEMATODES
    assert {"ebv", "hcmv", "kshv"} <= VIRUSES
    assert not {name[:3] for name in names} & (NEMATODES | VIRUSES)
    assert "hsa-mir-1" in names
    assert "hsa-mir-9" not in names, "annotated in a genome that is judged"
    assert "osa-MIR4a" not in names, "without experimental evidence"
    assert len(names) == 120 - 3 - 1 - 1


def test_precursors_know_their_core_and_side(data: Path) -> None:
    found = {p.name: p for p in read_precursors(data)}
    animal, other = found["hsa-mir-1"], found["osa-MIR2a"]
    assert (animal.kind, animal.core) == ("animal", (10, animal.codes.size - 10))
    assert (other.kind, other.core, other.family) == ("plant", (0, other.codes.size), "MIR2")
    sides = {p.held_out for p in found.values()}
    assert sides == {True, False}


def test_log_odds_reward_pairs_and_punish_loops() -> None:
    values = log_odds(precursors(60))
    assert values["cg"] < 0 > values["au"]
    assert values["gu"] > max(values["cg"], values["au"])
    assert values["loop_open"] + values["interior"] > 0 < values["loop_open"] + values["bulge"]
    for name in ("interior", "hairpin", "tilt", "short_step", "long_step"):
        assert values[name] > 0, name
    assert set(values) == set(asdict(ANIMAL)) - {"min_loop"}
    assert isinstance(rounded(values), StemCosts)


def test_matches_cover_half_and_lie_near() -> None:
    loci = np.array([[100, 160], [400, 460]])
    start = np.array([70, 100, 131, 95, 300, 412])
    end = np.array([130, 130, 161, 175, 400, 462])
    order = np.argsort(start + end, kind="stable")
    found = best_match(loci, start[order], end[order])
    assert sorted(order[found[0]].tolist()) == [1, 3]
    assert order[found[1]].tolist() == [5]
    assert [m.tolist() for m in best_match(loci, start[:0], end[:0])] == [[], []]


def test_plant_knows_where_everything_lies() -> None:
    own = precursors(40)
    planted = plant(own, np.random.default_rng(1), limit=30, flank=100, per_family=1)
    assert len(planted.loci) == 20, "one of each family"
    known = {p.codes.tobytes() for p in own}
    for locus, hairpin in zip(planted.loci, planted.hairpins, strict=True):
        assert planted.codes[slice(*hairpin)].tobytes() in known
        assert (locus - hairpin).tolist() == [10, -10]
    contig = random_codes(np.random.default_rng(2), 8_000, 0.3)
    source = {"insect": [contig], "other": [contig]}
    again = plant(own, np.random.default_rng(1), limit=30, flank=100, sources=source)
    assert len(again.loci) == 30
    flank = again.codes[:100]
    both = [contig.tobytes(), reverse_complement(contig).tobytes()]
    assert any(flank.tobytes() in strand for strand in both)


def test_random_codes_have_the_share_asked_for() -> None:
    codes = random_codes(np.random.default_rng(0), 50_000, 0.6)
    assert gc_share(codes) == pytest.approx(0.6, abs=0.01)


def test_refine_never_makes_it_worse() -> None:
    rng = np.random.default_rng(0)
    planted = [plant(precursors(30), rng, limit=30, flank=200)]
    backgrounds = {"random": WeightedBackground(random_codes(rng, 20_000, 0.5), 1.0)}
    span, recalls = 120, (0.9,)
    values = {k: float(v) for k, v in asdict(ANIMAL).items() if k != "min_loop"}
    costs, losses = refine(
        values, planted, backgrounds, max_span=span, recalls=recalls, steps=6, rng=rng
    )
    assert losses[1] <= losses[0]
    assert loss(costs, planted, backgrounds, span, recalls) == losses[1]


def test_default_costs_find_hairpins_they_have_not_seen() -> None:
    planted: PlantedContig = plant(
        precursors(60, seed=9), np.random.default_rng(3), limit=60, flank=300
    )
    found = best_energies(planted, ANIMAL, 160)
    assert (found <= HIGHEST).mean() >= 0.95


def test_main_writes_costs_and_the_same_twice(data: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("one.json", "two.json"):
        out = tmp_path / name
        options = ["--data", str(data), "--out", str(out), "--steps", "3", "--scanned", "8000"]
        assert main(["stem-costs", *options]) == 0
        texts.append(out.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]
    assert str(data) not in texts[0]
    written = json.loads(texts[0])
    for kind in ("animal", "plant"):
        assert set(written["costs"][kind]) == set(asdict(ANIMAL))
        assert isinstance(StemCosts(**written["costs"][kind]), StemCosts)
    learned = written["learned"]
    fly = data / "genomes" / "fly_1pct" / "genome.fa.gz"
    assert learned["options"] == {"steps": 3, "scanned": 8_000, "seed": 1}
    assert learned["sources"]["genomes/fly_1pct/genome.fa.gz"] == sha256(fly)
    committed = json.loads(Path(stem_costs.__file__).with_suffix(".json").read_text("utf-8"))
    assert written["highest_energy"] == committed["highest_energy"] == HIGHEST
    assert shape(written) == shape(committed), "the file of another version of this program"


def shape(value: Any) -> Any:
    """Names of fields, whatever they hold."""
    return {name: shape(held) for name, held in value.items()} if isinstance(value, dict) else None
