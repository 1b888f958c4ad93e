"""The house: what is installed, and which way imports run."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ["kernels", "scanner", "train"]
WINGS = ["genome", "find", "score", "run", "report"]
"""Of the scanner, in the order of the data: each may import from those before it."""
COMMON = {"cores", "errors", "files", "log", "options", "outputs", "paths", "scratch", "streams"}
"""Modules of the scanner that its wings may import, too; the others stand above the wings."""


def sources():
    return [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    floor = FLOORS.index(path.relative_to(ROOT).parts[0])
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in FLOORS, f"{name}: import premir.{name}"
        if parts[0] == "premir" and len(parts) > 1:
            assert FLOORS.index(parts[1]) <= floor, (
                f"{name}: imports run train -> scanner -> kernels"
            )
        if floor == 0:
            assert parts[0] not in {"torch", "h5py", "ray"}, f"{name}: kernels do not import it"


@pytest.mark.parametrize("wing", WINGS)
def test_wings_follow_the_data(wing):
    below = WINGS[: WINGS.index(wing) + 1]
    for path in sorted((ROOT / "scanner" / wing).rglob("*.py")):
        for name in imports(path):
            if name.startswith("premir.scanner.") and name != "premir.scanner.__version__":
                room = name.split(".")[2]
                assert room in {*below, *COMMON}, f"{path.relative_to(ROOT)} imports {name}"


def test_wheel_holds_the_whole_tree(tmp_path):
    pytest.importorskip("setuptools")
    # A copy: what an earlier build left in the tree would be packed too.
    tree = tmp_path / "tree"
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, tree / floor)
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "docs/package.md"):
        (tree / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(ROOT / "docs" / "man", tree / "docs" / "man")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
        + ["-w", str(tmp_path), str(tree)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        told = archive.read(metadata).decode()
    # Where the wheel is shown there is no repository beside it that a link could lead to.
    assert re.findall(r"\]\((?!https?:)", told) == []
    assert (ROOT / "docs" / "package.md").read_text() in told
    assert "Project-URL: Paper, https://doi.org/10.1101/414656\n" in told
    patterns = (
        "*.py",
        "py.typed",
        "*.safetensors",
        "card.json",
        "stem_costs.json",
        "known.json",
        "*.css",
        "*.sha256",
        "*.j2",
        "*.toml",
        "premir-arms@1.json",
        "clades.tsv",
        "premir-known@1.json.gz",
        "LICENCE.txt",
    )
    expected = {
        f"premir/{path.relative_to(ROOT)}"
        for floor in FLOORS
        for pattern in patterns
        for path in (ROOT / floor).rglob(pattern)
    }
    pages = {f"share/man/man1/{path.name}" for path in (ROOT / "docs" / "man").iterdir()}
    assert {name.partition(".data/data/")[2] for name in found - expected} == pages
    assert found >= expected
