"""Sources of a genome training: where they come from, and whether they are there."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

import builders
import data_sets
import numpy as np
import pytest

from premir.scanner.files import sha256
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.shards import read_loci
from premir.scanner.score.shipped import DEFAULT_MODEL, list_models
from premir.train.cli import main
from premir.train.genome.config import (
    ANIMAL_CONFIG,
    Background,
    GenomeConfig,
    Known,
    parse_config,
    read_config,
)
from premir.train.genome.sources import digests, prepare

PAGE = Path(__file__).parents[2] / "docs" / "genome-training.md"


@pytest.fixture
def data(tmp_path):
    """Two sources, and a configuration that says what they hash to."""
    rng = np.random.default_rng(4)
    known = {f"mir-{n}-a": builders.hairpin(rng) for n in range(6)}
    builders.write_fasta(tmp_path / "known.fa", known)
    contigs = {name: builders.random_sequence(rng, 6_000) for name in "abcdef"}
    builders.write_fasta(tmp_path / "lent.fa", contigs)
    write_config(tmp_path, sha256(tmp_path / "lent.fa"))
    return tmp_path


def write_config(folder, digest):
    text = (
        'name = "mine"\npreset = "animal"\ncontexts = [10, 20]\nplanted = 1\nvalidation = 0.5\n'
        '[[known]]\nfasta = "known.fa"\n'
        '[[backgrounds]]\ngenome = "lent.fa"\n'
    )
    if digest:
        text += (
            'description = "lent letters"\nurl = "https://a.example/x https://b.example/y"\n'
            f'sha256 = {{ genome = "{digest}" }}\n'
        )
    (folder / "c.toml").write_text(text)


def listed(data, capsys):
    """Exit code, lines and complaints of the command."""
    code = main(["sources", "--data", str(data), "--config", str(data / "c.toml")])
    told = capsys.readouterr()
    return code, told.out.splitlines(), told.err


def test_sources_are_listed_with_where_they_come_from(data, capsys):
    code, lines, complaints = listed(data, capsys)
    assert (code, complaints) == (0, "")
    digest = sha256(data / "lent.fa")
    assert [line.split() for line in lines] == [
        ["known.0"],
        ["fasta", "there", "-", str(data / "known.fa")],
        ["backgrounds.0", "lent", "letters"],
        ["https://a.example/x"],
        ["https://b.example/y"],
        ["genome", "as", "expected", digest, str(data / "lent.fa")],
    ]


def test_what_is_missing_or_differs_is_told(data, capsys):
    (data / "known.fa").unlink()
    with (data / "lent.fa").open("a") as handle:
        handle.write("A\n")
    code, lines, complaints = listed(data, capsys)
    assert code == 2
    assert complaints == (
        "premir-train: error: not all sources are as they should be: known.0.fasta (missing), "
        "backgrounds.0.genome (differs)\n"
    )
    assert [line.split()[1] for line in lines if line.startswith("  fasta")] == ["missing"]
    command = ["genome", "--data", str(data), "--config", str(data / "c.toml")]
    assert main([*command, "--out", str(data / "out")]) == 2
    assert "known.0.fasta = " in capsys.readouterr().err


def test_where_sources_come_from_makes_no_other_training(data):
    told = read_config(data / "c.toml", data)
    write_config(data, "")
    plain = read_config(data / "c.toml", data)
    assert told.backgrounds[0].url
    assert told.identity() == plain.identity()
    assert digests(told) == digests(plain)
    assert told.raw == plain.raw  # what the card says


@pytest.mark.parametrize(
    "line, message",
    [
        ('sha256 = "00"', "sha256 must be a table"),
        ('sha256 = { neutral = "' + 64 * "0" + '" }', "sha256 must be a table"),
        ('sha256 = { genome = "00" }', "sha256 must be a table"),
        ("url = 3", "description and url must be text"),
    ],
)
def test_faulty_origins_are_told(data, capsys, line, message):
    write_config(data, "")
    with (data / "c.toml").open("a") as handle:
        handle.write(f"{line}\n")
    assert listed(data, capsys)[0::2] == (
        2,
        f"premir-train: error: {data}/c.toml: [[backgrounds]]: {message}"
        + (": its files' keys, and 64 hex digits each\n" if "table" in message else "\n"),
    )


def test_the_default_model_says_where_its_sources_are(capsys):
    data = data_sets.genomes_dir().parent
    assert main(["sources", "--data", str(data)]) == 0
    assert capsys.readouterr().out.count(" as expected ") == 1 + 9 * 2 + 2
    config = parse_config(ANIMAL_CONFIG, data)
    assert all(source.url and source.description for source in config.sources())


def test_the_configuration_is_that_of_the_card_of_the_model_of_its_name():
    raw = parse_config(ANIMAL_CONFIG, Path("nowhere")).raw
    cards = [model.card for model in list_models()]
    genome = {card["name"]: card["configuration"] for card in cards if "configuration" in card}
    assert DEFAULT_MODEL in genome
    assert raw["name"].startswith("premir-animal@")
    assert genome.get(raw["name"], raw) == raw
    assert "url" in tomllib.loads(ANIMAL_CONFIG.read_text())["known"][0]


def test_preparing_says_what_of_each_source(data, caplog):
    with caplog.at_level("INFO", "premir"):
        prepared = prepare(read_config(data / "c.toml", data), data / "work", KernelFolder())
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith("preparing candidates of known hairpins (6) and genomes (1); ")
    (line,) = [each for each in told if each.startswith(f"{data.name}-lent-train: ")]
    counts = ", ".join(str(len(read_loci(path))) for path in prepared.negative_shards)
    assert line.endswith(f" Mb, candidates with 10, 20 nt of context: {counts}")
    assert {each.partition(":")[0] for each in told} >= {"known-0", "known-held-out"}


def meanings(kind):
    """Keys of a table with what their class says of each."""
    text = kind.__doc__.partition("Attributes:")[2]
    found = re.findall(r"(?m)^ {8}(\w+): (.+(?:\n {12}.+)*)", text)
    return {name: " ".join(meaning.split()).replace("``", "`") for name, meaning in found}


def default_of(field):
    """The default of a key as a configuration would have it; nothing where that says nothing."""
    if field.default_factory is not MISSING or field.default in (None, "", ()):
        return ""
    if field.default is MISSING:
        return "needed"
    return f"`{json.dumps(field.default)}`"


@pytest.mark.parametrize("kind", [GenomeConfig, Known, Background])
def test_every_key_of_a_configuration_is_documented(kind):
    """The page has these rows: whoever adds a key copies the row from the message."""
    told = meanings(kind)
    rows = [
        f"| `{each.name}` | {default_of(each)} | {told[each.name]} |"
        for each in fields(kind)
        if each.name not in ("raw", "known", "backgrounds")
    ]
    page = PAGE.read_text().splitlines()
    assert [row for row in rows if row not in page] == []
