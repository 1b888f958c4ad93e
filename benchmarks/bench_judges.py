r"""Every judge of a model that scans genomes, by the commands that anybody would type.

python benchmarks/bench_judges.py premir-animal@2 --work judges

Rows of ``worm`` are scans of *C. elegans* (truth is MirGeneDB, other hairpins of miRBase count
neither way): the model alone, with kin, with libraries of known families that lack some of their
relatives, low enough for recall at 70 %, and at the model's threshold. Each is judged on the loci
whose family no animal but nematodes has, too. ``viruses`` are two herpesviruses against yeast and
*E. coli*, in which every call is false. ``cuts`` are the hairpins of Epstein-Barr virus, cut out
with so many nt of their own on either side, and with unknown letters. ``new`` is the paper's test
set.

Libraries are made as the one that premir ships, by ``premir-train known --without``, the background
being hits of the default model in contigs that judged it.

Scans, libraries and what they share stay in --work, and are not made again while command, model and
inputs are the same; after a change of premir itself give another folder. Each row says at which
commit it was scanned, and what that took: later ones find much of their work done. ``--judge``
names evaluate_scan.py, which decides what counts as found.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import record
import torch
from bench_genome import benchmark_rows

from premir.scanner.cli import main as premir_scan
from premir.scanner.files import write_json
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import open_genome
from premir.scanner.report.evidence.known.clades import clades_of
from premir.scanner.report.evidence.known.compared import least_compared
from premir.scanner.report.evidence.known.names import family_of
from premir.scanner.score.model import Model
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.cli import main as premir_train
from premir.train.genome.backgrounds import divide
from premir.train.genome.config import ANIMAL_CONFIG, read_config

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]
Options = tuple[str | Path, ...]
Place = tuple[Any, ...]
"""Contig, start, end, strand and score, as the judge has it."""

ALONE: Options = ("--known", "none", "--kin", "none", "--decoys", "none")
NO_FAMILIES: Options = ("--known", "none", "--decoys", "none")
NO_COPIES: Options = ("--max-copies", "2")
LIBRARIES = {
    "without nematodes": ("nematodes", "daphnia"),
    "other genera of nematodes": ("cel,cbr,crm,cbn", "daphnia"),
    "other nematodes": ("cel", "daphnia"),
}
"""What each lacks, as premir-train known --without takes it."""
WORM, VIRUSES, CONTROLS = "celegans_dev", ("ebv", "hcmv"), ("yeast", "ecoli")
RECALLS, BUDGETS = (0.3, 0.5, 0.7), (0.1, 1.0, 10.0)
FLANKS = (0, 5, 10, 15, 20, 40, 60)
UNKNOWN_SHARE, UNKNOWN_FLANK, UNKNOWN_DRAWS, SEED = 0.005, 20, 10, 20180


@dataclass(frozen=True)
class Scan:
    """Hits of a scan; ``told`` is its command and what it took."""

    hits: list[Place]
    megabases: float
    told: Row


@dataclass(frozen=True)
class Bench:
    """A model, and all that judges it.

    Attributes:
        model: the model.
        data: folder with ``genomes/``, ``benchmark/``, ``mirbase/`` and ``background/``.
        work: folder for what is kept.
        judge: the module that evaluates scans.
        min_prob: of scans whose whole curve is wanted.
        threads: of scans.
    """

    model: Model
    data: Path
    work: Path
    judge: ModuleType
    min_prob: str
    threads: int

    @cached_property
    def folder(self) -> Path:
        """Where scans by this model are kept."""
        return self.work / f"{self.model.name}-{self.model.digest[:8]}"

    def genome(self, name: str) -> Path:
        """Return the FASTA of a genome."""
        return self.data / "genomes" / name / "genome.fa.gz"

    def loci(self, name: str, table: str) -> list[Place]:
        """Read the known loci of a genome."""
        found: list[Place] = self.judge.read_bed(self.genome(name).with_name(f"{table}.bed"))
        return found

    def scan(self, genome: Path, place: str, label: str, options: Options) -> Scan:
        """Scan a genome with this model, unless that was done.

        Args:
            genome: FASTA.
            place: folder within that of the model; its scans without gates share their work, and so
                do those with one library of known families.
            label: names the hits.
            options: of the scan.
        """
        folder = self.folder / place
        folder.mkdir(parents=True, exist_ok=True)
        known = str(options[options.index("--known") + 1]) if "--known" in options else "shipped"
        shared = "low" if "--min-prob" in options else f"threshold, {Path(known).name}"
        out = scanned(
            self.model, genome, folder / f"{label}.bed", options,
            "--threads", str(self.threads), "--work-dir", str(folder / shared), "--keep-work",
        )  # fmt: skip
        summary = json.loads(out.with_name(f"{out.name}.summary.json").read_text())
        told = json.loads(told_by(out).read_text())
        return Scan(
            self.judge.read_bed(out, want_score=True),
            summary["megabases"],
            {name: told[name] for name in ("options", "commit", "cpu_seconds")},
        )

    def curve(
        self, hits: Sequence[Place], truth: Sequence[Place], neutral: Sequence[Place], size: float
    ) -> Row:
        """Judge hits in so many Mb: at recalls, at budgets of false calls, and all of them."""
        found = self.judge.evaluate(hits, truth, neutral, size)
        row: Row = {
            "loci": found["loci"],
            "hits": found["hits"],
            "recall": round(found["recall_all"], 4),
            "false_per_mb": round(found["fp_per_mb_all"], 3),
            "average_precision": round(found["average_precision"], 4),
        }
        for recall in RECALLS:
            at = found[f"at_recall_{recall}"]
            row[f"false_per_mb_at_recall_{recall:g}"] = at and round(at["fp_per_mb"], 3)
        for budget in BUDGETS:
            reached = found[f"recall_at_{budget}_fp_per_mb"]
            row[f"recall_at_{budget:g}_per_mb"] = round(reached, 4)
        return row

    def found(self, hits: Sequence[Place], truth: Sequence[Place]) -> list[bool]:
        """Say of each locus whether it is among the hits."""
        return [self.judge.evaluate(hits, [each], [], 1.0)["recall_all"] > 0 for each in truth]


def told_by(out: Path) -> Path:
    """Return where stands how a file of hits was made."""
    return out.with_name(f"{out.name}.command.json")


def scanned(model: Model, genome: Path, out: Path, options: Options, *where: str) -> Path:
    """Run premir-scan, unless the hits of the same command are there."""
    asked = {
        "options": [each.name if isinstance(each, Path) else each for each in options],
        "files": [
            record.sha256(path)
            for path in (genome, *model.files, *(x for x in options if isinstance(x, Path)))
        ],
    }
    told = told_by(out)
    if told.exists() and out.exists():
        if asked.items() <= json.loads(told.read_text()).items():
            return out
        told.unlink()
    say(f"{out.stem} of {genome.parent.name}")
    own = ["--model", str(model.directory), *map(str, options)]
    begin = time.process_time()
    code = premir_scan([str(genome), "--out", str(out), *own, *where])
    if code:
        raise SystemExit(code)
    seconds = round(time.process_time() - begin, 1)
    write_json(told, {**asked, "commit": record.commit(), "cpu_seconds": seconds})
    return out


def libraries(bench: Bench) -> dict[str, Path]:
    """Return libraries of known families that lack some, made as the shipped one was."""
    model, threads = load_model(DEFAULT_MODEL), str(bench.threads)
    folder = bench.work / f"libraries-{model.digest[:8]}"
    made = {label: folder / f"{label.replace(' ', '-')}.json.gz" for label in LIBRARIES}
    if lacking := {label: out for label, out in made.items() if not out.exists()}:
        folder.mkdir(parents=True, exist_ok=True)
        options = (*ALONE, "--min-prob", str(least_compared(model)))
        words = ["known", "--data", str(bench.data)]
        for fasta in held_out(bench.data, folder):
            out = fasta.with_suffix(".bed")
            words += ["--hits", str(scanned(model, fasta, out, options, "--threads", threads))]
        for label, out in lacking.items():
            say(f"library {label}")
            own = [word for codes in LIBRARIES[label] for word in ("--without", codes)]
            if code := premir_train([*words, *own, "--out", str(out)]):
                raise SystemExit(code)
    return made


def held_out(data: Path, folder: Path) -> list[Path]:
    """Write the contigs that judged the default model, a file for each background."""
    config = read_config(ANIMAL_CONFIG, data)
    written = []
    for background in config.backgrounds:
        if background.judges and background.judging != ():
            with open_genome(background.genome) as genome:
                own = replace(background, lends=False)
                judging = divide(own, genome, config.validation, folder).judging
            written += [part.fasta for part in judging]
    return written


def worm(bench: Bench) -> Rows:
    """Scan *C. elegans* with and without evidence."""
    low: Options = ("--min-prob", bench.min_prob)
    known: dict[str, Options] = {
        label: ("--known", path, "--decoys", "none") for label, path in libraries(bench).items()
    }
    asked: dict[str, Options] = {
        "model alone": (*low, *ALONE),
        "model alone, copies": (*low, *ALONE, *NO_COPIES),
        "kin": (*low, *NO_FAMILIES),
        "kin, copies": (*low, *NO_FAMILIES, *NO_COPIES),
    }
    for label, options in known.items():
        asked[label] = (*low, *options, "--kin", "none")
        asked[f"{label}, kin"] = (*low, *options)
    asked["threshold, model alone"] = ALONE
    asked["threshold, kin"] = NO_FAMILIES
    asked |= {f"threshold, {label}, kin": options for label, options in known.items()}
    curated, hairpins = (bench.loci(WORM, table) for table in ("mirgenedb", "hairpins"))
    alone = [place for place, own in zip(curated, only_nematodes(bench), strict=True) if own]
    for label, options in asked.items():
        scan = bench.scan(bench.genome(WORM), WORM, label, options)
        few = bench.curve(scan.hits, alone, [*curated, *hairpins], scan.megabases)
        at_half = "false_per_mb_at_recall_0.5"
        yield (
            label,
            {
                **scan.told,
                **bench.curve(scan.hits, curated, hairpins, scan.megabases),
                "only_nematodes": {
                    "loci": few["loci"],
                    "recall": few["recall"],
                    at_half: few[at_half],
                },
            },
        )


def only_nematodes(bench: Bench) -> list[bool]:
    """Say of each curated locus whether MirGeneDB has its family in nematodes alone."""
    elsewhere = {
        family_of(name)
        for name, _ in read_records(bench.data / "mirbase" / "mirgenedb_ALL_pre.fas.gz")
        if "Nematoda" not in clades_of(name)
    }
    table = bench.genome(WORM).with_name("mirgenedb.bed").read_text().splitlines()
    return [family_of(line.split("\t")[3]) not in elsewhere for line in table]


def viruses(bench: Bench) -> Rows:
    """Scan viruses, and what has no microRNA."""
    low: Options = (*ALONE, "--min-prob", bench.min_prob)
    hits: list[Place] = []
    truth: list[Place] = []
    rest: list[Place] = []
    controls = 0.0
    for name in (*VIRUSES, *CONTROLS):
        scan = bench.scan(bench.genome(name), name, "model alone", low)
        at = bench.scan(bench.genome(name), name, "threshold, model alone", ALONE)
        own = bench.loci(name, "hairpins")
        hits += scan.hits
        if name in VIRUSES:
            truth += own
            lengths = bench.judge.contig_lengths(bench.genome(name))
            rest += [(contig, 0, length, ".", 0.0) for contig, length in lengths.items()]
            yield name, {**scan.told, **bench.curve(scan.hits, own, [], scan.megabases)}
            yield f"{name}, threshold", {**at.told, **bench.curve(at.hits, own, [], at.megabases)}
        else:
            controls += scan.megabases
            calls = {"hits": len(at.hits), "false_per_mb": round(len(at.hits) / at.megabases, 3)}
            yield f"{name}, threshold", {**at.told, **calls}
    yield "both viruses against yeast and E. coli", bench.curve(hits, truth, rest, controls)


def cuts(bench: Bench) -> Rows:
    """Scan hairpins of a virus that were cut out of it."""
    (virus, _) = VIRUSES
    truth = bench.loci(virus, "hairpins")
    whole = bench.scan(bench.genome(virus), virus, "threshold, model alone", ALONE)
    in_genome = np.array(bench.found(whole.hits, truth))
    yield "whole genome", counted(in_genome, in_genome)
    contigs = dict(read_records(bench.genome(virus)))
    rng = np.random.default_rng(SEED)
    asked = [(f"{nt} nt", nt, 0.0, 1) for nt in FLANKS]
    asked.append(("unknown letters", UNKNOWN_FLANK, UNKNOWN_SHARE, UNKNOWN_DRAWS))
    for label, nt, share, draws in asked:
        fasta = bench.folder / "cuts" / f"{label}.fa"
        fasta.parent.mkdir(parents=True, exist_ok=True)
        places = []
        with fasta.open("w", encoding="ascii") as handle:
            for draw in range(draws):
                for n, (chrom, start, end, strand, _) in enumerate(truth):
                    first = max(0, start - nt)
                    letters = np.array(list(contigs[chrom][first : end + nt]))
                    letters[rng.random(letters.size) < share] = "N"
                    handle.write(f">{draw}-{n}\n{''.join(letters)}\n")
                    places.append((f"{draw}-{n}", start - first, end - first, strand, 0.0))
        scan = bench.scan(fasta, f"cuts/{label}", label, ALONE)
        found = np.array(bench.found(scan.hits, places)).reshape(draws, -1)
        yield label, {**scan.told, **counted(found, in_genome)}


def counted(found: Any, in_genome: Any) -> Row:
    """Count the hairpins that are found, (draws, N) or (N,), and those of them (N,) found whole."""
    share = np.atleast_2d(found).mean(axis=0)
    return {
        "hairpins": share.size,
        "found": round(float(share.sum()), 2),
        "found_in_genome": int(in_genome.sum()),
        "found_of_these": round(float(share[in_genome].sum()), 2),
    }


def new(bench: Bench) -> Rows:
    """Classify the paper's test set."""
    kept = bench.folder / "new.json"
    if not kept.exists():
        say("the set new")
        write_json(kept, benchmark_rows(str(bench.model.directory), bench.data))
    yield "new", json.loads(kept.read_text())


JUDGES: dict[str, Callable[[Bench], Rows]] = {
    "worm": worm, "viruses": viruses, "cuts": cuts, "new": new,
}  # fmt: skip


def read_judge(path: Path) -> ModuleType:
    """Import the evaluation from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: cannot be read; name evaluate_scan.py by --judge")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", metavar="NAME|DIR")
    add("--judges", nargs="+", choices=[*JUDGES], default=[*JUDGES], help="default: all")
    add("--data", type=Path, help="folder with genomes/; default: $PREMIR_DATA or ../shared/data")
    add("--judge", type=Path, help="evaluate_scan.py; default: tools/ beside the data has it")
    add("--work", type=Path, required=True, help="folder for scans, which are not made again")
    add("--min-prob", default="0.5", help="of scans for whole curves; default: %(default)s")
    add("--threads", type=int, default=2, help="default: %(default)s")
    add("--out", type=Path, help="JSON to write; default: benchmarks/results/judges-NAME.json")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    model = load_model(args.model)
    data = (args.data or Path(os.environ.get("PREMIR_DATA", "../shared/data"))).absolute()
    judge = args.judge or data.parent / "tools" / "evaluate_scan.py"
    bench = Bench(model, data, args.work.absolute(), read_judge(judge), args.min_prob, args.threads)
    out = args.out or Path(__file__).parent / "results" / f"judges-{model.name}.json"
    rows: dict[str, dict[str, Row]] = {}
    for name in args.judges:
        for label, row in JUDGES[name](bench):
            rows.setdefault(name, {})[label] = row
            say(f"{name}: {label}: {json.dumps(row)}")
            told = record.record(
                "judges",
                ["numba", "numpy", "torch", "viennarna"],
                {"genomes": "by name", judge.name: record.sha256(judge)},
                model=model.name, weights_sha256=model.digest, judges=rows,
            )  # fmt: skip
            record.write(told, out)
    return 0


@pytest.mark.slow
def test_bench_judges_on_tiny_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import shutil

    import builders

    from premir.scanner.report.evidence.known.reading import SHIPPED

    tool = Path(__file__).parents[2] / "shared" / "tools" / "evaluate_scan.py"
    if not tool.exists():
        pytest.skip("no evaluate_scan.py: provide ../shared/tools")
    monkeypatch.setitem(globals(), "FLANKS", (0, 60))
    monkeypatch.setitem(globals(), "UNKNOWN_SHARE", 0.015)
    monkeypatch.setitem(globals(), "LIBRARIES", {"other nematodes": LIBRARIES["other nematodes"]})
    data, work, out = tmp_path / "data", tmp_path / "work", tmp_path / "judges.json"
    rng, at = np.random.default_rng(3), 300
    for name in (WORM, *VIRUSES, *CONTROLS):
        letters = builders.random_sequence(rng, 900, 0.4)
        hairpin = "" if name in CONTROLS else builders.PRE_MIRNAS[len(name) % 2]
        folder = data / "genomes" / name
        folder.mkdir(parents=True)
        builders.write_fasta(
            folder / "genome.fa.gz", {name: letters[:at] + hairpin + letters[at + len(hairpin) :]}
        )
        row = f"{name}\t{at}\t{at + len(hairpin)}\tCel-Mir-1_pre\t0\t+\n" if hairpin else ""
        for table in ("hairpins", "mirgenedb"):
            (folder / f"{table}.bed").write_text(row)
    (data / "mirbase").mkdir()
    (data / "mirbase" / "mirgenedb_ALL_pre.fas.gz").write_text(">Asu-Mir-1_pre\nACGU\n")
    kept = work / f"libraries-{load_model(DEFAULT_MODEL).digest[:8]}"
    kept.mkdir(parents=True)
    for label in LIBRARIES:
        shutil.copy(SHIPPED, kept / f"{label.replace(' ', '-')}.json.gz")

    def judge(*options: str) -> tuple[Any, str]:
        words = [DEFAULT_MODEL, "--data", str(data), "--judge", str(tool), "--threads", "1"]
        words += ["--work", str(work), "--out", str(out), "--judges", *options]
        assert main(words) == 0
        return json.loads(out.read_text())["judges"], capfd.readouterr().err

    rows, told = judge("worm", "viruses", "cuts")
    assert told.count("hits in") == 9 + 8 + 3
    alone, family = rows["worm"]["model alone"], rows["worm"]["other nematodes, kin"]
    assert alone["options"] == ["--min-prob", "0.5", *ALONE]
    assert family["options"] == [
        *("--min-prob", "0.5", "--known", "other-nematodes.json.gz", "--decoys", "none")
    ]
    for row in rows["worm"].values():
        assert row["recall"] == row["average_precision"] == 1
        assert row["false_per_mb_at_recall_0.7"] == 0
        assert row["only_nematodes"]["loci"] == 1
    assert rows["viruses"]["both viruses against yeast and E. coli"]["recall_at_1_per_mb"] == 1
    found = {label: row["found"] for label, row in rows["cuts"].items()}
    assert found["60 nt"] == found["whole genome"] == 1
    assert 0 < found["unknown letters"] < 1
    again, told = judge("viruses", "worm", "cuts")
    assert again == rows
    assert "hits in" not in told
    assert judge("viruses", "--min-prob", "0.6")[1].count("hits in") == 4  # for whole curves


if __name__ == "__main__":
    sys.exit(main())
