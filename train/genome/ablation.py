"""What each ingredient of a genome training buys: the same training without it.

Every variant sees the same number of hairpins, in as many repeats as wanted, each of which takes a
random path of its own from the same sources and is judged once, at its end, by the same families
and contigs, which train none of them. A training that is finished is not done again.
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
from premir.train.genome.config import Background, GenomeConfig
from premir.train.genome.run import train_genome


def _first_four(config: GenomeConfig) -> tuple[Background, ...]:
    """Return backgrounds of which the first four alone train; all judge as before."""
    first = config.backgrounds[:4]
    return (*first, *(replace(each, lends=False) for each in config.backgrounds[4:]))


VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "background of the first four genomes": {"backgrounds": _first_four},
    "without inverted repeats": {"inverted_repeats": 0},
    "without tandem repeats": {"tandem_repeats": 0},
    "without hard negatives": {"hard_negatives": 0.0},
    "without mutation": {"mutation": 0.0},
    "no context": {"contexts": (0,)},
    "families as they come": {"family_balance": 0.0},
    "genomes as they come": {"genome_balance": 0.0},
    "no shortened context": {"shortened": 0.0},
    "planted once": {"planted": 1},
    "phyla balanced": {"phylum_balance": 0.5},
    "no unknown letters": {"unknown_letters": 0.0},
    "the map-wise network in its place": {"networks": ("variable",)},
}
"""Changes to the configuration, by what a table calls them; a function gets the configuration."""

_CONSTANT = {"megabases", "hairpins", "families"}
"""Measures that say what judged."""


def ablation_page(result: Mapping[str, Any]) -> str:
    """Return a Markdown page of ``results.json``, a row for each variant.

    Args:
        result: ``samples``, ``variants`` (for each, measures of every repeat), and a ``remark`` if
            there is one.
    """
    variants, samples = result["variants"], result["samples"]
    rows = next(iter(variants.values()))
    measures = [name for name in rows[0] if name not in _CONSTANT]
    heads = [name.replace("_per_mb", "/Mb").replace("_", " ") for name in measures]
    repeats = f" --repeats {len(rows)}" if len(rows) > 1 else ""
    lines = [
        "# Genome training without one ingredient at a time",
        "",
        f"Made by `premir-train ablation --samples {samples}{repeats}`. Every variant saw "
        f"{samples:,} hairpins,",
        "and was judged once, on families and background contigs that train none of them.",
    ]
    if len(rows) > 1:
        lines.append(f"Means of {len(rows)} trainings each, and from the lowest to the highest.")
    lines += ["", f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for name, rows in variants.items():
        cells = [_cell([row[measure] for row in rows]) for measure in measures]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if remark := result.get("remark"):
        lines += ["", remark]
    return "\n".join(lines) + "\n"


def _cell(values: list[float]) -> str:
    mean = f"{sum(values) / len(values):.4g}"
    return mean if len(values) == 1 else f"{mean} ({min(values):g} to {max(values):g})"


def run_ablation(
    base: GenomeConfig, out: Path, *, samples: int, repeats: int, threads: int, page: Path | None
) -> dict[str, list[dict[str, float]]]:
    """Train the variants one after another and write ``results.json``.

    Args:
        base: the configuration that variants change; its first network alone is trained.
        out: folder of the models and of ``results.json``.
        samples: hairpins seen by each.
        repeats: trainings of each variant.
        threads: CPU threads.
        page: Markdown page to write.

    Returns:
        Measures of each repeat, by variant.
    """
    results: dict[str, list[dict[str, float]]] = {}
    for name, change in VARIANTS.items():
        folder = out / name.replace(" ", "-")
        changes = {key: new(base) if callable(new) else new for key, new in change.items()}
        variant = replace(base, name=name, samples=samples, networks=base.networks[:1])
        variant = replace(variant, **changes)
        results[name] = []
        for repeat in range(repeats):
            model = train_genome(
                replace(variant, repeat=repeat),
                out=folder / f"repeat-{repeat}",
                work=(folder if "backgrounds" in change else out) / "work",
                device_name="cpu",
                threads=threads,
                folder=KernelFolder(),
            )
            results[name].append(model.card["held_out"])
            write_json(out / "results.json", {"samples": samples, "variants": results})
    if page is not None:
        page.write_text(ablation_page({"samples": samples, "variants": results}), encoding="utf-8")
    return results


if __name__ == "__main__":
    from premir.train.cli import moved

    sys.exit(moved("premir.train.genome.ablation", "ablation"))
