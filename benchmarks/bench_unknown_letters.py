r"""Unknown letters: how far they move the log odds of models.

python benchmarks/bench_unknown_letters.py premir-animal@3 --data ../shared/data \
    --out benchmarks/results/unknown_letters.json

Known hairpins of held-out families, planted in genomes that judge, and candidates of these genomes,
some at random and those that score highest. Letters at random places of each, context included, are
made unknown (or, for comparison, one is drawn anew), and it is folded anew. A model that admits
none is asked all the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import record

from premir.kernels.codes import UNKNOWN, encode
from premir.kernels.pairing import pack
from premir.scanner.find.candidates import PRESETS, candidates_of
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.hairpins import Hairpins, concatenate
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import OpenGenome, open_genome
from premir.scanner.score.model import Model
from premir.scanner.score.shipped import load_model
from premir.train.genome.backgrounds import held_out
from premir.train.genome.config import ANIMAL_CONFIG, parse_config
from premir.train.genome.cuts import Choice, matching
from premir.train.genome.planting import plant_known
from premir.train.genome.sources import read_known

SEED = 20180
LONGEST = 100_000
"""Letters of a contig that candidates are taken from, so that many contigs lend some."""
SHARES = {"one unknown": None, "1 % unknown": 0.01, "2 % unknown": 0.02, "one drawn anew": None}
REPEATS = 3


def known_cuts(
    model: Model, data: Path, contigs: Sequence[str], count: int, rng: np.random.Generator
) -> Hairpins:
    """Return the best candidate of each of some planted hairpins of held-out families."""
    config = parse_config(ANIMAL_CONFIG, data)
    known = [
        each
        for each in read_known(config.known)
        if held_out(each.family, config.validation) and each.own_flank >= config.own_flank
    ]
    drawn = [known[k] for k in rng.permutation(len(known))[:count]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.fa"
        planted = plant_known(path, drawn, [[encode(each) for each in contigs]], rng)
        with open_genome(planted.fasta) as genome:
            extractor = model.reading(PRESETS[model.card["preset"]])
            matched = Choice(matching, planted)
            found = list(candidates_of(genome, extractor, KernelFolder(), matched))
    hairpins = concatenate([each.hairpins for each in found if each.hairpins])
    contig = np.concatenate([each.loci.contig for each in found])
    ranked = np.argsort(-model.select(hairpins), kind="stable")
    return hairpins.take(ranked[np.unique(contig[ranked], return_index=True)[1]])


def changed(
    hairpins: Hairpins, how: str, rng: np.random.Generator
) -> tuple[Hairpins, npt.NDArray[np.bool_]]:
    """Change letters of each hairpin, and fold it; tells, too, whether one of them was paired."""
    share, sequences, paired = SHARES[how], [], []
    for codes, pairs, _ in (hairpins[n] for n in range(len(hairpins))):
        count = 1 if share is None else max(1, round(share * codes.size))
        at = rng.choice(codes.size, count, replace=False)
        letters = codes.copy()
        anew = (letters[at] + rng.integers(1, UNKNOWN, count)) % UNKNOWN
        letters[at] = anew if how == "one drawn anew" else UNKNOWN
        sequences.append(letters)
        paired.append(bool((pairs[at] >= 0).any()))
    return KernelFolder().fold(*pack(sequences)), np.array(paired)


def moved(model: Model, hairpins: Hairpins, rng: np.random.Generator) -> dict[str, Any]:
    """Return how far each change moves the log odds of hairpins: median, and nine in ten less."""
    before, rows = model.select(hairpins).astype(np.float64), {}
    for how in SHARES:
        changes = [changed(hairpins, how, rng) for _ in range(REPEATS)]
        after = [model.select(now).astype(np.float64) for now, _ in changes]
        far = np.abs(np.concatenate(after) - np.tile(before, REPEATS))
        paired = np.concatenate([each for _, each in changes])
        rows[how] = {
            name: [round(float(v), 2) for v in np.percentile(some, [50, 90])]
            for name, some in (("all", far), ("paired", far[paired]), ("not", far[~paired]))
            if some.size
        }
    return {"hairpins": len(hairpins), "log_odds": round(float(np.median(before)), 2), **rows}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="shipped or directory")
    parser.add_argument("--data", type=Path, required=True, help="folder of genomes/ and mirbase/")
    parser.add_argument("--genomes", type=Path, help="FASTA; default: vertebrates of DATA")
    parser.add_argument("--contigs", type=int, default=60, help="of it")
    parser.add_argument("--known", type=int, default=500, help="hairpins")
    parser.add_argument("--background", type=int, default=2000, help="candidates at random")
    parser.add_argument("--out", type=Path, help="write JSON here; default: to stdout")
    args = parser.parse_args(argv)
    genomes = args.genomes or args.data / "background" / "encode_vertebrates" / "genome.fa.gz"
    rows = {}
    for name in args.models:
        rng, model = np.random.default_rng(SEED), load_model(name)
        model = Model(model.directory, {**model.card, "unknown_letters": 1.0})
        records = list(read_records(genomes))
        some = [records[k] for k in rng.permutation(len(records))[: args.contigs]]
        text = {contig: letters[:LONGEST] for contig, letters in some}
        extractor = model.reading(PRESETS[model.card["preset"]])
        parts = candidates_of(OpenGenome.of(text), extractor, KernelFolder())
        background = concatenate([each.hairpins for each in parts if each.hairpins])
        at_random = background.take(rng.permutation(len(background))[: args.background])
        strongest = np.argsort(-model.select(background), kind="stable")
        contigs = [letters for _, letters in records]
        rows[model.name] = {
            "known": moved(model, known_cuts(model, args.data, contigs, args.known, rng), rng),
            "background at random": moved(model, at_random, rng),
            "strongest of the background": moved(
                model, background.take(strongest[: args.background // 2]), rng
            ),
            "background": len(background),
            "megabases": sum(map(len, text.values())) / 1e6,
        }
    result = record.record(
        "unknown_letters", ["numpy", "torch"], {genomes.name: record.sha256(genomes)}, models=rows
    )
    record.write(result, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
