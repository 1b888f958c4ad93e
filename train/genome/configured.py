"""A genome training as a configuration file says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.find.folding import KernelFolder
from premir.scanner.outputs import Named
from premir.scanner.score.model import Model
from premir.scanner.score.networks import NETWORKS
from premir.train.genome.config import ANIMAL_CONFIG, read_config
from premir.train.genome.run import train_genome
from premir.train.genome.sources import Adaptation
from premir.train.ownership import check_out


def train_configured(
    path: Path | None,
    data: Path,
    *,
    out: Path | None,
    seed: int | None,
    name: str | None,
    device_name: str,
    threads: int,
    start: Model | None = None,
    adapt: Adaptation | None = None,
) -> Model:
    """Read a configuration and train as it says.

    Args:
        path: TOML file; that of premir-animal@3 where None.
        data: folder that its paths are relative to.
        out: model directory; named by the configuration or the genome where None.
        seed: instead of the configuration's.
        name: the model's, instead of the configuration's or the genome's.
        device_name: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads.
        start: model to start from.
        adapt: genome to adapt to.

    Raises:
        InputError: a file cannot be used, or would be overwritten.
        PlanMismatchError: ``out`` belongs to another training.
        CollapseError: the network has come to nothing.
    """
    path = path or ANIMAL_CONFIG
    config = read_config(path, data)
    if unknown := [kind for kind in config.networks if kind not in NETWORKS]:
        raise InputError(f"{path}: no network {unknown[0]!r}: there is {', '.join(NETWORKS)}")
    if seed is not None:
        config = replace(config, seed=seed)
    own, kind = config.name, f"premir-genome-seed{config.seed}"
    inputs: list[Named] = [("--config", path)]
    inputs += [("a source of --config", source.path) for source in config.sources()]
    if adapt is not None:
        config = config.for_adapting()
        own = kind = f"{adapt.genome.name.partition('.')[0]}-adapted"
        inputs.append(("GENOME", adapt.genome))
    if start is not None:
        inputs += [("--start", file) for file in start.files]
    out = out or Path(kind)
    check_out(out, [out], inputs, [("the shards of --out", out / "work")])
    return train_genome(
        replace(config, name=name or own),
        out=out,
        device_name=device_name,
        threads=threads,
        folder=KernelFolder(),
        start=start,
        adapt=adapt,
    )
