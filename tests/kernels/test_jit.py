from __future__ import annotations

import ast
import errno
import itertools
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest
from numba.core import config

from premir.kernels import __main__ as check
from premir.kernels import _jit
from premir.kernels import _jit_processes as processes
from premir.kernels._jit import COMPILATION, kernel, part
from premir.kernels._jit_cache import cache_for
from premir.kernels.pairing import pack_tensor

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "kernels"
# The folders that hold the packages premir and the test helpers as this process found them.
PATHS = [str(Path(_jit.__file__).parents[2]), str(ROOT / "tests")]
compiled_only = pytest.mark.skipif(
    bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled"
)
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil", "generated_jit"}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), **environment}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=env
    )


def bare_compilers(source: str) -> list[str]:
    """Names of numba and of its compilers that a module mentions."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] == "numba"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            found += [name] if name in COMPILERS else []
    return found


# The one decorator


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(KERNELS.rglob("*.py"))
        if path.name not in ("_jit.py", "_jit_cache.py", "_lanes.py")
    ],
    ids=lambda path: path.name,
)
def test_no_kernel_is_compiled_by_another_decorator(path: Path) -> None:
    assert bare_compilers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import numba",
        "import numba.core as n",
        "from numba import njit",
        "from numba.core import types",
        "@nb.jit\ndef f(): pass",
        "@nb.guvectorize(['void(f4)'], '()')\ndef f(x): pass",
    ],
)
def test_the_lint_sees_bare_compilers(source: str) -> None:
    assert bare_compilers(source)
    assert bare_compilers((KERNELS / "_jit.py").read_text(encoding="utf-8"))


def add_one(values: np.ndarray) -> int:
    values += 1
    return int(values.size)


def size_of(values: np.ndarray) -> int:
    return int(values.size)


def test_kernel_computes_and_refuses_other_types() -> None:
    compiled = kernel("int64(int16[::1])")(add_one)
    values = np.zeros(3, np.int16)
    assert compiled(values) == 3
    assert values.tolist() == [1, 1, 1]
    if not os.environ.get("NUMBA_DISABLE_JIT"):
        with pytest.raises(TypeError, match="No matching definition"):
            compiled(np.zeros(3, np.float64))


def test_kernel_states_its_flags() -> None:
    if os.environ.get("NUMBA_DISABLE_JIT"):
        pytest.skip("nothing is compiled")
    compiled: Any = kernel("int64(int16[::1])")(add_one)
    compiled(np.zeros(3, np.int16))
    flags = compiled.targetoptions
    assert (flags["nogil"], flags["error_model"]) == (True, "numpy")
    assert len(compiled.signatures) == 1
    assert not compiled._can_compile


def test_kernel_lets_other_errors_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_function: Any) -> Any:
        raise RuntimeError("out of registers")

    monkeypatch.setattr("premir.kernels._jit_cache.caching.FunctionCache", broken)
    compiled = kernel("int64(int16[::1])")(add_one)
    with pytest.raises(RuntimeError, match=r"^out of registers$"):
        compiled(np.zeros(3, np.int16))


def test_one_warning_for_all_kernels_where_nothing_can_be_cached() -> None:
    script = (
        "from numba.core import caching\n"
        "for cache in (caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):\n"
        "    cache._locator_classes = []\n"
        "from premir.kernels import pairing\n"
        "assert pairing.pair_table('(...)').size == 5\n"
        "assert pairing.terminal_loop(pairing.pair_table('(...)')) == (1, 4)\n"
    )
    done = run("-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no writable cache for compiled kernels (set NUMBA_CACHE_DIR") == 1
    assert done.stderr.count("\n") == 1


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "emptied":
        content.clear()
    elif how == "cut":
        del content[len(content) // 2 :]
    elif how == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_cache_entries_are_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.environ.get("NUMBA_DISABLE_JIT"):
        pytest.skip("nothing is compiled")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))

    def compiled() -> int:
        """How many kernels were compiled so that this one computes."""
        before = COMPILATION.kernels
        values = np.zeros(3, np.int16)
        assert kernel("int64(int16[::1])")(add_one)(values) == 3
        assert values.tolist() == [1, 1, 1]
        return COMPILATION.kernels - before

    assert (compiled(), compiled()) == (1, 0)
    damages = [(".nbi", "emptied"), (".nbi", "cut"), (".nbc", "cut"), (".nbc", "flipped")]
    for suffix, how in damages:
        (path,) = tmp_path.rglob(f"*{suffix}")
        damage(path, how)
        assert compiled() == 1, (suffix, how)
    assert compiled() == 0


def test_cache_that_cannot_be_read_or_written_only_warns() -> None:
    warned = []
    cache = cache_for(add_one, lambda: warned.append(True))
    assert cache is not None

    class Full:
        """A file on a disk that is full."""

        def load(self, _key: Any) -> Any:
            raise PermissionError(errno.EACCES, "no")

        def save(self, _key: Any, _value: Any) -> None:
            raise OSError(errno.ENOSPC, "full")

        def flush(self) -> None:
            raise OSError(errno.EROFS, "read-only")

    cache._cache_file._stored = Full()
    assert cache._cache_file.load("key") is None
    cache._cache_file.save("key", "value")
    assert warned


def test_hand_cases_pass_without_compilation() -> None:
    """The same kernels as plain Python: what coverage sees, and no reliance on wrap-around."""
    files = [f"tests/kernels/test_{name}.py" for name in ("pairing", "stems", "overlaps", "kmers")]
    done = run(
        *("-m", "pytest", "-q", "-k", "hand", "-p", "no:cacheprovider"),
        *("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)),
        *(str(ROOT / file) for file in files),
        NUMBA_DISABLE_JIT="1",
    )
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 60


def test_what_is_compiled_is_counted_and_said_once(tmp_path: Path) -> None:
    script = (
        "import logging, sys\n"
        "logging.basicConfig(stream=sys.stderr, level=logging.INFO)\n"
        "from premir.kernels import pairing\n"
        "from premir.kernels._jit import COMPILATION\n"
        "assert not COMPILATION.kernels\n"
        "pairing.terminal_loop(pairing.pair_table('(...)'))\n"
        "print(COMPILATION.kernels, COMPILATION.seconds > 0)\n"
    )
    first, second = (run("-c", script, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    count, took_time = first.stdout.split()
    assert int(count) == 3  # two that are called, and one that one of them calls
    assert took_time == "True"
    assert first.stderr.count("compiling kernels for this machine") == 1
    assert second.stdout.split() == ["0", "False"]
    assert "compiling" not in second.stderr


# Compiled when it is called


@compiled_only
def test_importing_all_kernels_compiles_none_and_reads_no_cache() -> None:
    script = (
        "from premir.kernels._jit import COMPILATION, KERNELS\n"
        "from premir.kernels._jit_processes import import_kernels\n"
        "import_kernels()\n"
        "ready = [each for each in KERNELS.values() if each.overloads]\n"
        "print(COMPILATION.kernels, len(KERNELS), len(ready))\n"
    )
    done = run("-c", script)
    assert done.returncode == 0, done.stderr
    compiled, kernels, ready = map(int, done.stdout.split())
    assert (compiled, ready) == (0, 0)
    assert kernels > 40


@compiled_only
def test_threads_that_call_a_kernel_first_compile_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    compiled = kernel("int64(int16[::1])")(add_one)
    before, ready = COMPILATION.kernels, threading.Barrier(8)

    def call(_: int) -> int:
        values = np.zeros(3, np.int16)
        ready.wait()
        return compiled(values) + int(values.sum())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [6] * 8
    assert COMPILATION.kernels - before == 1


@compiled_only
def test_a_kernel_may_call_one_that_was_not_called_before() -> None:
    inner = kernel("int64(const int16[::1])")(size_of)

    def outer(values: np.ndarray) -> int:
        return inner(values) + 1

    assert kernel("int64(const int16[::1])")(outer)(np.zeros(3, np.int16)) == 4


# Compiled by other processes

SMALL = ["kmers._find", "stretches._find", "stemwise._gc"]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Kernels not yet taken from a cache that holds nothing, for this process and its children."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(processes, "_LEAST", 0.1)
    processes.import_kernels()
    known = ((name, _jit.KERNELS[name]) for name in SMALL)
    fresh = {name: _jit.Kernel(each.py_func, each._signature) for name, each in known}
    monkeypatch.setattr(processes, "KERNELS", fresh)
    return fresh


@compiled_only
def test_processes_fill_the_cache(
    tmp_path: Path, fresh: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    COMPILATION._announced = False
    processes.fill_cache(SMALL, 2)
    assert all(each.overloads for each in fresh.values())
    assert not any(each._compiler_of_it for each in fresh.values())
    (message,) = caplog.messages
    assert message.endswith(", which happens once: 3 of them in 2 processes, 5 to 40 s")
    assert len(list(tmp_path.rglob("*.nbc"))) == 3


@compiled_only
@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_what_processes_did_not_compile_is_compiled_when_it_is_called(
    program: str, fresh: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    processes.fill_cache(SMALL, 2)
    gc = fresh["stemwise._gc"]
    assert not gc.overloads
    assert gc(np.array([0, 1, 2], np.uint8), 0, 3) == 666  # per thousand


@compiled_only
@pytest.mark.usefixtures("fresh")
def test_one_core_has_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_start", pytest.fail)
    processes.fill_cache(SMALL, 1)


@compiled_only
@pytest.mark.usefixtures("fresh")
def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    process = processes._start(["mfe_kernel._fold_wide"])
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() == 1
    assert not list(tmp_path.rglob("*.nbc"))


def test_shares_are_about_equal() -> None:
    names = list(processes._SECONDS)
    one, two = (sum(map(processes._SECONDS.__getitem__, s)) for s in processes.share_out(names, 2))
    assert abs(one - two) < 1
    assert sorted(itertools.chain(*processes.share_out(names, 4))) == sorted(names)
    cheapest = min(names, key=processes._SECONDS.__getitem__)
    assert processes.share_out([cheapest], 4) == processes.share_out([], 4) == []


# python -m premir.kernels --check


@pytest.fixture
def short_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stem scan is timed on a little only."""
    monkeypatch.setattr(check, "SCANNED", 20_000)


@pytest.mark.usefixtures("short_scan")
def test_check_prints_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(8)
    sequences = {f"h{k}": builders.hairpin(rng) for k in range(6)}
    sequences |= {"unknown": "ACGNT" * 5, "long": builders.random_sequence(rng, 3_000)}
    path = builders.write_fasta(tmp_path / "hairpins.fa", sequences)
    assert check.main(["--check", str(path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n"] == 6
    assert result["skipped"] == 2
    assert result["identical_mfe"] == result["identical_structure"] == 6
    assert result["identical_tensor_round_trip"] == 6
    assert result["stem_scan_mb_per_s"] > 0
    assert set(result["versions"]) == {"numba", "numpy", "python", "viennarna"}


@pytest.mark.usefixtures("short_scan")
def test_check_reads_gzip_and_takes_no_more_than_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(8)
    sequences = {f"h{k}": builders.hairpin(rng) for k in range(7)}
    path = builders.write_fasta(tmp_path / "hairpins.fa.gz", sequences)
    assert check.main(["--check", str(path), "--limit", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 3


def test_check_counts_tensors_that_come_back_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check.count_round_trips(["GGGGAAAACCCC", "AAAAAA", "GGGAAAACCC"]) == 3
    broken = pack_tensor

    def wrong(tensor: np.ndarray) -> Any:
        codes, pairs, mfe = broken(tensor)
        return codes, pairs, mfe + (mfe < -250)

    monkeypatch.setattr(check, "pack_tensor", wrong)
    assert check.count_round_trips(["GGGGAAAACCCC", "AAAAAA", "GGGAAAACCC"]) == 2


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("absent.fa", None, "cannot be read: No such file or directory"),
        ("folder", b"", "cannot be read: Is a directory"),
        ("empty.fa", b"", "is not FASTA: expected a line that starts with '>'"),
        ("text.fa", b"hello\n", "is not FASTA: expected a line that starts with '>'"),
        ("cut.fa.gz", bytes.fromhex("1f8b0800000000000003"), "cannot be read: "),
        ("bytes.fa", b">a\n\xff\xfe\n", "is not FASTA: it holds bytes that are not text"),
        ("n.fa", b">a\nNNNN\n", "holds no sequence of A, C, G, T, U up to 1000 nt"),
    ],
)
def test_check_names_a_bad_file_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    assert check.main(["--check", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"python -m premir.kernels: error: {path}: {message}")
    assert err.endswith("\n")
    assert err.count("\n") == 1


def test_check_runs_as_a_module(tmp_path: Path) -> None:
    done = run("-m", "premir.kernels", "--check", str(tmp_path / "absent.fa"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.endswith("cannot be read: No such file or directory\n")


def test_a_second_kernel_of_one_function_has_a_cache_of_its_own() -> None:
    if os.environ.get("NUMBA_DISABLE_JIT"):
        pytest.skip("nothing is compiled")
    first = kernel("int64(int16[::1])")(add_one)
    second = kernel("int64(int32[::1])", name="add_one_wide")(add_one)
    assert second(np.zeros(2, np.int32)) == 2
    names = {cache_for(each.py_func, print)._impl.filename_base for each in (first, second)}  # type: ignore[attr-defined, union-attr]
    assert len(names) == 2
    assert second.__name__ == "add_one_wide"


@part
def double(values: np.ndarray) -> int:
    for i in range(values.size):
        values[i] = 2 * values[i]
    return int(values.size)


def test_a_part_is_compiled_for_the_types_of_each_kernel_that_calls_it() -> None:
    def double_and_count(values: np.ndarray) -> int:
        return double(values)

    for dtype in (np.int16, np.float64):
        compiled = kernel(f"int64({np.dtype(dtype).name}[::1])")(double_and_count)
        values = np.ones(3, dtype)
        assert compiled(values) == 3
        assert values.tolist() == [2, 2, 2]
