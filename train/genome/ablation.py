"""What each ingredient of a genome training buys: the same training without it.

Every variant sees the same number of hairpins from the same start, and is judged once, at its end,
on held-out families and contigs. A variant that is finished is not trained again.
``premir-train ablation`` runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from premir.scanner.files import write_json
from premir.scanner.find.folding import KernelFolder
from premir.train.genome.config import GenomeConfig
from premir.train.genome.run import train_genome

VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "without inverted repeats": {"inverted_repeats": 0},
    "without tandem repeats": {"tandem_repeats": 0},
    "without hard negatives": {"hard_negatives": 0.0},
    "without mutation": {"mutation": 0.0},
    "no context": {"contexts": (0,)},
    "families as they come": {"family_balance": 0.0},
    "genomes as they come": {"genome_balance": 0.0},
    "no shortened context": {"shortened": 0.0},
    "planted once": {"planted": 1},
    "the map-wise network alone": {"networks": ("variable",)},
    "the stem-wise network alone": {"networks": ("stem",)},
}
"""Changes to the configuration, by what a table calls them."""


def ablation_page(result: Mapping[str, Any]) -> str:
    """Return a Markdown page of ``results.json``, a row for each variant.

    Args:
        result: ``samples``, ``variants`` (measures by name), and a ``remark`` if there is one.
    """
    variants, samples = result["variants"], result["samples"]
    measures = list(next(iter(variants.values())))
    heads = [name.replace("_per_mb", "/Mb").replace("_", " ") for name in measures]
    lines = [
        "# Genome training without one ingredient at a time",
        "",
        f"Made by `premir-train ablation --samples {samples}`. Every variant saw {samples:,} "
        "hairpins",
        "from one start, and was judged once, on families and background contigs that train none "
        "of them.",
        "",
        f"| | {' | '.join(heads)} |",
        "|---|" + "---|" * len(heads),
    ]
    for name, row in variants.items():
        lines.append(f"| {name} | {' | '.join(f'{row[key]:g}' for key in measures)} |")
    if remark := result.get("remark"):
        lines += ["", remark]
    return "\n".join(lines) + "\n"


def run_ablation(
    base: GenomeConfig, out: Path, *, samples: int, threads: int, page: Path | None
) -> dict[str, dict[str, float]]:
    """Train the variants one after another and write ``results.json``.

    Args:
        base: the configuration that variants change.
        out: folder of the models and of ``results.json``.
        samples: hairpins seen by each.
        threads: CPU threads.
        page: Markdown page to write.

    Returns:
        Measures by variant.
    """
    results: dict[str, dict[str, float]] = {}
    result = {"samples": samples, "variants": results}
    for name, change in VARIANTS.items():
        model = train_genome(
            replace(base, name=name, samples=samples, **change),
            out=out / name.replace(" ", "-"),
            work=out / "work",
            device_name="cpu",
            threads=threads,
            folder=KernelFolder(),
        )
        results[name] = model.card["held_out"]
        write_json(out / "results.json", result)
    if page is not None:
        page.write_text(ablation_page(result), encoding="utf-8")
    return results


if __name__ == "__main__":
    from premir.train.cli import moved

    sys.exit(moved("premir.train.genome.ablation", "ablation"))
