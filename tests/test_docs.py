"""The documentation: its site builds, and the commands of its tutorials give what stands there."""

from __future__ import annotations

import doctest
import functools
import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import data_sets
import pytest
from data_sets import ROOT

DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples_of(page: Path) -> list[tuple[str, str]]:
    """Commands of a page, and what they should print; ``...`` stands for anything."""
    pieces = [piece for block in _BLOCK.findall(page.read_text()) for piece in block.split("$ ")]
    found = [piece.partition("\n")[::2] for piece in pieces if piece]
    assert all(command for command, _ in found)
    return found


@pytest.fixture
def folder(tmp_path):
    """A folder as the tutorials begin in, with the commands on the path."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "bin").mkdir()
    modules = {
        "premir-scan": "premir.scanner.cli",
        "premir-train": "premir.train.cli",
        "pip": "pip",
    }
    for name, module in modules.items():
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        script.chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


@pytest.fixture
def released_data():
    """Address of a server that has what the authors released."""
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(data_sets.benchmark_dir())
    )
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def _installing_in(packages: Path) -> dict[str, str]:
    """Environment in which pip installs beside the interpreter, and fetches nothing."""
    path = filter(None, (str(packages), os.environ.get("PYTHONPATH")))
    return {
        "PIP_TARGET": str(packages), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0",
        "PYTHONPATH": os.pathsep.join(path),
    }  # fmt: skip


LONG = {"first-scan", "pipeline", "network", "cluster"}
"""Pages whose commands take most of a minute: run on request, with what takes minutes."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=pytest.mark.faults if page.stem in LONG else ())
        for page in TUTORIALS
    ],
)
def test_tutorials_say_what_happens(page, folder, request, tmp_path_factory):
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("RAY_ADDRESS", None)
    if page.stem == "network":
        environment["PREMIR_DATA_URL"] = request.getfixturevalue("released_data")
        environment["PREMIR_CACHE"] = str(tmp_path_factory.mktemp("cache"))
        environment |= _installing_in(folder / "packages")
    checker = doctest.OutputChecker()
    examples = examples_of(page)
    assert len(examples) > 2
    for command, expected in examples:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert checker.check_output(expected, done.stdout, doctest.ELLIPSIS), (
            f"{page.name}: $ {command}\n{done.stdout}"
        )


def test_every_option_of_the_tutorials_is_one():
    """Also of commands that are not run."""
    known = (DOCS / "commands.md").read_text()
    for page in (*TUTORIALS, *DOCS.glob("*.md"), ROOT / "README.md"):
        for line in re.findall(
            r"^(?:\$ |    )?(premir-(?:scan|train) .*)$", page.read_text(), re.M
        ):
            for word in shlex.split(line.partition(" # ")[0].partition(" | ")[0], comments=True):
                if word.startswith("--"):
                    assert re.search(rf"{re.escape(word)}\b", known), f"{page.name}: {line}"


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    home = (tmp_path / "site" / "index.html").read_text()
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=.?https?://", home)
    assert (tmp_path / "site" / "beyond" / "benchmarks" / "results" / "fold.json").is_file()
