"""What several sub-commands do with their options."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from premir.scanner.command import refuse_unread
from premir.train.commands.groups import CUSTOM, RECIPE, SETS, USUAL_SHARE
from premir.train.protocols import Protocol, own_files, released

if TYPE_CHECKING:
    from premir.scanner.score.model import Model
    from premir.train.genome.sources import Adaptation
    from premir.train.judging import Judgement

_log = logging.getLogger(__name__)


def own_protocol(options: argparse.Namespace) -> Protocol:
    """Return the protocol of one's own files."""
    return own_files(*(getattr(options, name) for name in SETS))


def judging_protocols(options: argparse.Namespace, given: frozenset[str]) -> list[Protocol]:
    """Return the protocols that options of ``add_judged_by`` ask for.

    Raises:
        InputError: an option does not go with the protocol.
    """
    if options.protocol == CUSTOM:
        refuse_unread(given, CUSTOM, given - {"data"})
        return [own_protocol(options)]
    refuse_unread(given, options.protocol, given - set(SETS))
    return released(options.protocol, options.data)


def train_and_report(options: argparse.Namespace, label: str, protocols: Sequence[Protocol]) -> int:
    """Train as the options say, and print how the networks are judged."""
    from premir.train.recipes import recipe_of
    from premir.train.training import train_protocols
    from premir.train.validation import Validation

    recipe = recipe_of(options.recipe, options.network, label)
    recipe = recipe.changed(**{name: getattr(options, name) for name in RECIPE})
    out = options.out or Path(f"premir-{label}-{options.network}-{recipe.name}-seed{options.seed}")
    _, judgement = train_protocols(
        protocols,
        recipe,
        network=options.network,
        seed=options.seed,
        out=out,
        name=options.name,
        device_name=options.device,
        threads=options.threads,
        validation=Validation(_share(options), options.patience),
    )
    if judgement is not None:
        report(judgement)
    return 0


def _share(options: argparse.Namespace) -> float:
    if options.validation is not None:
        return float(options.validation)
    return USUAL_SHARE if options.patience is not None else 0.0


def train_genome_and_report(
    options: argparse.Namespace, start: Model | None = None, adapt: Adaptation | None = None
) -> int:
    """Train from a configuration as the options say, and print how the network is judged."""
    from premir.train.genome.configured import train_configured

    model = train_configured(
        options.config,
        options.data,
        out=options.out,
        seed=options.seed,
        name=options.name,
        device_name=options.device,
        threads=options.threads,
        start=start,
        adapt=adapt,
    )
    print_json(model.card["held_out"])
    return 0


def report(judgement: Judgement) -> None:
    """Print measures as one JSON object; log them in words."""
    _log.info("%s", judgement.as_published)
    print_json(judgement.rounded())


def print_json(value: Any) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
