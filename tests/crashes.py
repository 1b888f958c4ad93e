"""Scans that are killed at a chosen moment: real processes, real SIGKILL.

Run as a program this is a server: it loads premir once and forks a process for each scan that it is
asked for. In that process every system call that makes a file durable, visible or gone is counted,
and before a chosen one of them the process kills itself. Nothing in premir knows about it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEPS = ("fsync", "replace", "unlink", "rmdir", "mkdir")
"""What premir does to files beside writing them, as functions of :mod:`os`."""


@dataclass(frozen=True)
class Ending:
    """How a scan ended.

    Attributes:
        code: exit code, or minus the number of the signal that ended it.
        steps: steps taken, if it was not killed.
        seconds: how long it lasted.
        errors: what stood on stderr.
    """

    code: int
    steps: int | None
    seconds: float
    errors: str


class CrashServer:
    """Runs scans in processes of their own and kills them on request."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def scan(
        self,
        *arguments: object,
        kill_before: int | str | None = None,
        kill_after: float | None = None,
        largest_file: int | None = None,
        fed_as_gpu: bool = False,
    ) -> Ending:
        """Run ``premir-scan``.

        Args:
            *arguments: of the command line.
            kill_before: step before which the process kills itself: its number, from 0, or its
                name and the end of a path, as in ``unlink shards/tile-000000.h5``.
            kill_after: seconds after which it is killed, wherever it is.
            largest_file: no file can grow beyond so many bytes.
            fed_as_gpu: whether its CPU is fed as a GPU is.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "arguments": [str(argument) for argument in arguments],
            "kill_before": kill_before,
            "kill_after": kill_after,
            "largest_file": largest_file,
            "fed_as_gpu": fed_as_gpu,
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Ending(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


def _count_steps(kill_before: int | str | None) -> list[int]:
    """Count the steps of this process from now on, and die before one of them."""
    count, lock = [0], threading.Lock()

    def counted(name: str, function: Any) -> Any:
        def step(*arguments: Any, **options: Any) -> Any:
            with lock:
                if kill_before in (count[0], _named(name, arguments[0], kill_before)):
                    os.kill(os.getpid(), signal.SIGKILL)
                count[0] += 1
            return function(*arguments, **options)

        return step

    for name in STEPS:
        setattr(os, name, counted(name, getattr(os, name)))
    return count


def _named(name: str, path: object, kill_before: int | str | None) -> str:
    """Name a step by as much of its path as the step to die before is named by."""
    _, _, end = str(kill_before).partition(" ")
    return f"{name} {str(path)[-len(end) :]}"


def _run_forked(order: dict[str, Any], report: Path) -> None:
    import gpus
    import pytest

    from premir.scanner.cli import main
    from premir.scanner.find.folding import InlineViennaFolder
    from premir.scanner.run import locks, session

    # Second opinions in this process: it is forked and has ViennaRNA, another one would load it.
    vars(session)["make_folder"] = lambda *_, **__: InlineViennaFolder()
    # Signs of life take steps, too: on a slow machine a scan would have more of them.
    locks._BEAT = threading.TIMEOUT_MAX
    if order["fed_as_gpu"]:
        gpus.feed_as_gpu(pytest.MonkeyPatch())
    if order["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"], resource.RLIM_INFINITY))
    count = _count_steps(order["kill_before"])
    code = main(order["arguments"])
    steps = count[0]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    report.write_text(json.dumps([code, steps]), encoding="utf-8")


def _serve() -> None:
    import premir.scanner.run.executors.local
    import premir.scanner.scanning  # noqa: F401
    from premir.kernels.energies import current_parameters
    from premir.scanner.compiling import compile_kernels

    # Every scan has them then, and takes no steps to get them.
    current_parameters()
    compile_kernels()
    orders = os.fdopen(os.dup(0))
    with tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate(orders):
            # Helpers of a scan that was killed may still write: each scan has files of its own.
            report, errors = Path(folder, f"report{number}"), Path(folder, f"errors{number}")
            order = json.loads(line)
            begun = time.monotonic()
            child = os.fork()
            if child == 0:
                with errors.open("wb") as stderr, Path(os.devnull).open("rb") as nothing:
                    os.dup2(nothing.fileno(), 0)
                    os.dup2(stderr.fileno(), 1)
                    os.dup2(stderr.fileno(), 2)
                try:
                    _run_forked(order, report)
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(70)
            if order["kill_after"] is not None:
                # Until it is waited for, the number belongs to this child, also when it has ended.
                time.sleep(order["kill_after"])
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            seconds = time.monotonic() - begun
            code, steps = os.waitstatus_to_exitcode(status), None
            if report.exists():
                code, steps = json.loads(report.read_text(encoding="utf-8"))
            ending = {
                "code": code,
                "steps": steps,
                "seconds": seconds,
                "errors": errors.read_text(encoding="utf-8"),
            }
            sys.stdout.write(json.dumps(ending) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _serve()
