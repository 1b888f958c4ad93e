"""All sub-commands, in the order of ``premir-train --help``."""

from __future__ import annotations

from premir.train.commands import (
    ablation,
    adapt,
    arms,
    baseline,
    curves,
    custom,
    evaluate,
    flanks,
    floor,
    gates,
    genome,
    inflation,
    kin,
    known,
    paper,
    protocols,
    results,
    sources,
    stem_costs,
    table,
)
from premir.train.commands.command import Command

COMMANDS: dict[str, Command] = {
    module.COMMAND.name: module.COMMAND
    for module in (
        paper,
        custom,
        genome,
        adapt,
        curves,
        evaluate,
        baseline,
        protocols,
        sources,
        table,
        results,
        flanks,
        ablation,
        gates,
        floor,
        inflation,
        kin,
        stem_costs,
        known,
        arms,
    )
}
"""By name."""
