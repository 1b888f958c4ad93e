r"""What each ingredient of a genome training buys: the same training without it.

python -m premir.train.genome.ablation --data ../shared/data --out ablation \
    --table docs/results/genome-ablation.md

Every variant sees the same number of hairpins from the same start, and is judged once, at its end,
on held-out families and contigs. A variant that is finished is not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from premir.scanner.errors import PremirError
from premir.scanner.files import write_json
from premir.scanner.find.folding import KernelFolder
from premir.scanner.log import configure
from premir.train.genome.config import ANIMAL, read_config
from premir.train.genome.run import train_genome

VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "without inverted repeats": {"inverted_repeats": 0},
    "without tandem repeats": {"tandem_repeats": 0},
    "without hard negatives": {"hard_negatives": 0.0},
    "without mutation": {"mutation": 0.0},
    "one context": {"contexts": (20,)},
    "no context": {"contexts": (0,)},
    "families as they come": {"family_balance": 0.0},
    "planted once": {"planted": 1},
}
"""Changes to the configuration, by what a table calls them."""


def table(results: dict[str, dict[str, float]], samples: int) -> str:
    """Return a Markdown page of the results, a row for each variant."""
    measures = list(next(iter(results.values())))
    heads = [name.replace("_per_mb", "/Mb").replace("_", " ") for name in measures]
    lines = [
        "# Genome training without one ingredient at a time",
        "",
        f"Made by `python -m premir.train.genome.ablation --samples {samples}`. Every variant saw "
        f"{samples:,} hairpins",
        "from one start, and was judged once, on families and background contigs that train none "
        "of them.",
        "",
        f"| | {' | '.join(heads)} |",
        "|---|" + "---|" * len(heads),
    ]
    for name, row in results.items():
        lines.append(f"| {name} | {' | '.join(f'{row[key]:g}' for key in measures)} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Train the variants one after another and write ``results.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m premir.train.genome.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sources")
    parser.add_argument("--config", type=Path, default=ANIMAL, help="default: premir-animal@1's")
    parser.add_argument("--samples", type=int, default=120_000, help="hairpins seen by each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the models")
    parser.add_argument("--table", type=Path, help="Markdown page to write")
    options = parser.parse_args(argv)
    configure("premir-train", verbosity=0)
    try:
        base = read_config(options.config, options.data)
        results = {}
        for name, change in VARIANTS.items():
            out = options.out / name.replace(" ", "-")
            spec = train_genome(
                replace(base, name=name, samples=options.samples, **change),
                out=out,
                work=options.out / "work",
                device_name="cpu",
                threads=options.threads,
                folder=KernelFolder(),
            )
            results[name] = spec.card["held_out"]
            write_json(options.out / "results.json", results)
        if options.table is not None:
            options.table.write_text(table(results, options.samples), encoding="utf-8")
    except PremirError as error:
        sys.stderr.write(error.told_by("premir-train"))
        return error.exit_code
    sys.stdout.write(json.dumps(results) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
