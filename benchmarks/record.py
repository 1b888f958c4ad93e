"""What every benchmark result carries: machine, versions, data, commit."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from premir.scanner.cores import available_cores


def machine() -> dict[str, Any]:
    """Return processor model, cores that are ours, and system; nothing that names a host."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    return {"processor": model, "cores": available_cores(), "system": platform.system()}


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of some installed packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def commit() -> str | None:
    """Return the commit of the working tree, None outside a repository or before the first one."""
    try:
        git = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
        )
    except OSError:
        return None
    return git.stdout.strip() if git.returncode == 0 else None


def cpu_seconds(
    work: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.thread_time
) -> list[float]:
    """Run once to warm up, then time several runs in CPU seconds of this thread.

    Args:
        work: what to time.
        repeats: how often.
        clock: ``time.process_time`` where the work starts threads of its own.
    """
    work()
    seconds = []
    for _ in range(repeats):
        begin = clock()
        work()
        seconds.append(clock() - begin)
    return seconds


def sha256(path: Path) -> str:
    """Return the digest of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record(benchmark: str, packages: list[str], data: Any, **results: Any) -> dict[str, Any]:
    """Put results together with what they depend on.

    Args:
        benchmark: its name.
        packages: installed packages whose versions matter.
        data: what was measured on: names, sizes, digests or seeds; no paths.
        **results: what was measured.

    Returns:
        A dictionary for :func:`write`.
    """
    return {
        "benchmark": benchmark,
        "machine": machine(),
        "versions": versions(*packages),
        "commit": commit(),
        "data": data,
        **results,
    }


def write(result: dict[str, Any], out: Path | None) -> None:
    """Write a result as JSON, to stdout where no file is named."""
    text = json.dumps(result, indent=2, allow_nan=False) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
