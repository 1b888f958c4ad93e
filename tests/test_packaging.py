"""Packaging for others: what can be checked of it without the machines that it is for."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from data_sets import ROOT

from premir.scanner import __version__
from premir.scanner.cli import build_parser

PACKAGING = ROOT / "examples" / "packaging"
CONDA = {"ray": "ray-core", "torch": "pytorch"}
"""What conda calls otherwise than PyPI does."""


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_conda_recipe_wants_what_the_package_wants():
    recipe = (PACKAGING / "conda" / "meta.yaml").read_text()
    assert f'{{% set version = "{__version__}" %}}' in recipe
    run = recipe.partition("\n  run:\n")[2].partition("\ntest:")[0]
    found = set(re.findall(r"- (.+)", run)) - {"python >=3.11"}
    wanted = [re.fullmatch(r"([\w.-]+)(\S*)(;.*)?", each) for each in project()["dependencies"]]
    assert found == {f"{CONDA.get(each[1], each[1])} {each[2]}" for each in wanted if each}
    for name, target in project()["scripts"].items():
        assert f"- {name} = {target}\n" in recipe


def test_recipes_name_this_version_and_options_that_exist():
    options = {name for each in build_parser()._actions for name in each.option_strings}
    for path in PACKAGING.rglob("*"):
        if not path.is_file():
            continue
        text = path.read_text()
        for version in re.findall(r"premir[:=]+(\d+\.\d+\.\d+)", text):
            assert version == __version__, path
        for command in re.findall(r"premir-scan((?:[^\n]|\\\n)*)", text):
            named = set(re.findall(r" (--[a-z-]+)", command.partition("|")[0]))
            assert named <= options, path


def test_snakemake_runs_the_rule(tmp_path):
    snakemake = shutil.which("snakemake") or pytest.skip("snakemake is not installed")
    shutil.copy(PACKAGING / "snakemake" / "premir.smk", tmp_path)
    (tmp_path / "genomes").mkdir()
    shutil.copy(ROOT / "examples" / "ebv.fa.gz", tmp_path / "genomes" / "ebv.fa.gz")
    rule = 'include: "premir.smk"\nrule all:\n    default_target: True\n'
    (tmp_path / "Snakefile").write_text(f'{rule}    input: "hits/ebv.bed.gz"\n')
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "premir-scan"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m premir.scanner.cli "$@"\n')
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [snakemake, "--cores", "1", "--config", "premir=--max-fp 0.1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = gzip.decompress((tmp_path / "hits" / "ebv.bed.gz").read_bytes()).decode()
    assert sum(not line.startswith("#") for line in text.splitlines()) == 12
    assert (tmp_path / "hits" / "ebv.bed.gz.tbi").is_file()
